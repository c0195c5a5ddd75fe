"""`shuxiang hotline`: tables of tickets, reports, keys of other systems."""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path

import click

from commands.place import Place, place_of
from core.terminal import as_json_option, err, explained, facts_table, print_facts, print_rows


@click.group("hotline")
def hotline() -> None:
    """The 12345 hotline: tables of tickets, keys of other systems."""


@hotline.command("import")
@click.argument("file", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option("--source", type=click.Choice(["import", "superior"]), default="import", show_default=True)
@click.option("--dry-run", is_flag=True, help="Only check the rows.")
@as_json_option
@place_of
@explained
def hotline_import(place: Place, file: Path, source: str, dry_run: bool, as_json: bool) -> None:
    """Make a ticket of each row of FILE (CSV or XLSX); the exit status is 1 when a row was refused."""
    from rich.progress import MofNCompleteColumn, Progress

    from hotline.imports.commands import import_file

    columns = (*Progress.get_default_columns(), MofNCompleteColumn())
    with place.open() as begin, Progress(*columns, console=err, transient=True, disable=as_json) as progress:
        task = progress.add_task("导入 / importing", total=None)
        told = partial(progress.update, task)
        done = import_file(begin, file, source, dry_run, lambda n, all_: told(completed=n, total=all_))
    names = ("行 row", "列 column", "原因 reason", "所填 value")
    print_facts(
        done.document,
        as_json,
        lambda: facts_table(done.summary, names, done.rows) if done.rows else done.summary,
    )
    if not done.sound:
        sys.exit(1)


@hotline.command("bulletin")
@click.argument("month")
@click.option(
    "--out", "target", type=click.Path(path_type=Path, dir_okay=False), required=True, help="The HTML file."
)
@click.option("--language", type=click.Choice(["zh", "en"]), default="zh", show_default=True)
@place_of
@explained
def hotline_bulletin(place: Place, month: str, target: Path, language: str) -> None:
    """Write the bulletin of MONTH (such as 2026-02) as one HTML file that can be printed by itself."""
    from rich.progress import Progress

    from app import create_app
    from hotline.reports.bulletin import PARTS, read_bulletin
    from hotline.reports.console import bulletin_alone

    app = create_app(place.settings())
    with place.work() as work, Progress(console=err, transient=True) as progress:
        task = progress.add_task("月报 / bulletin", total=len(PARTS) + 1)
        found = read_bulletin(work, {"month": month}, lambda part: progress.update(task, advance=1))
        text = bulletin_alone(app, work, found, language)
        progress.update(task, advance=1)
    target.write_text(text, encoding="utf-8")
    click.echo(str(target))


@hotline.command("rebuild-reports")
@as_json_option
@place_of
@explained
def hotline_rebuild_reports(place: Place, as_json: bool) -> None:
    """Work out anew what reports count, after a calendar was published; then the hotline's statistics."""
    from rich.progress import Progress

    from hotline.reports.commands import rebuild

    with place.open() as begin, Progress(console=err, transient=True, disable=as_json) as progress:
        task = progress.add_task("报表 / reports", total=None)
        done = rebuild(begin, lambda n, all_: progress.update(task, completed=n, total=all_))
    print_facts(done, as_json, lambda: f"{done['tickets']} 件 / tickets; {done['rows']} 行统计 / rows")


@hotline.command("open311-key")
@click.argument("name")
@click.option("--channel", required=True, help="The rulebook's channel that its requests come in by.")
@click.option("--batch", is_flag=True, help="Answer with a token; the number comes after intake.")
@as_json_option
@place_of
@explained
def hotline_open311_key(place: Place, name: str, channel: str, batch: bool, as_json: bool) -> None:
    """Make an Open311 key for the system NAME and print it, this once."""
    from hotline.open311.keys import make_key

    with place.work() as work:
        made, secret = make_key(work, name, channel, batch=batch)
    print_facts({"name": made.name, "channel": made.channel, "api_key": secret}, as_json, lambda: secret)


@hotline.command("open311-keys")
@as_json_option
@place_of
@explained
def hotline_open311_keys(place: Place, as_json: bool) -> None:
    """List the Open311 keys, the revoked ones too."""
    from hotline.open311.keys import list_keys

    with place.work() as work:
        rows = [
            (k.name, k.channel, k.batch, k.created_at.isoformat(), k.revoked_at and k.revoked_at.isoformat())
            for k in list_keys(work)
        ]
    print_rows("Open311", ("name", "channel", "batch", "created_at", "revoked_at"), rows, as_json)


@hotline.command("open311-revoke")
@click.argument("name")
@as_json_option
@place_of
@explained
def hotline_open311_revoke(place: Place, name: str, as_json: bool) -> None:
    """Revoke the Open311 key of the system NAME."""
    from hotline.open311.keys import revoke_key

    with place.work() as work:
        revoke_key(work, name)
    print_facts({"name": name, "state": "revoked"}, as_json, lambda: f"{name} 已吊销 / revoked")
