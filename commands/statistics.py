"""`shuxiang statistics`: what is counted of applications, calls and availability."""

from __future__ import annotations

import click

from commands.place import Place, place_of
from core.terminal import as_json_option, explained, facts_table, print_facts


@click.group("statistics")
def statistics() -> None:
    """What is counted: applications, calls, availability."""


@statistics.command("show")
@click.option("--period", help="day, week, month, quarter, half_year or year.")
@click.option("--from", "start", help="A day in the period, or its name, such as 2026-02 or 2026-Q1.")
@click.option("--department", help="Only what concerns this department.")
@click.option("--dataset", help="Only what concerns the dataset with this code.")
@click.option("--csv", "as_csv", is_flag=True, help="Print a table for a spreadsheet.")
@as_json_option
@place_of
@explained
def statistics_show(
    place: Place,
    period: str | None,
    start: str | None,
    department: str | None,
    dataset: str | None,
    as_csv: bool,
    as_json: bool,
) -> None:
    """Show the statistics of a period with all that the platform manager sees; default: this month."""
    from supervision.commands import shown
    from supervision.sheets import sheet

    with place.work() as work:
        found, document, rows = shown(work, period, start, department, dataset)
    if as_csv:
        click.echo(sheet(found), nl=False)
        return
    columns = ("统计 family", "指标 figure", "数值 value", "单位 unit", "算法 formula")
    print_facts(document, as_json, lambda: facts_table(found.wanted.period.title.zh, columns, rows))


@statistics.command("rebuild")
@as_json_option
@place_of
@explained
def statistics_rebuild(place: Place, as_json: bool) -> None:
    """Sum up all calls anew from the sealed records; meanwhile the sums are incomplete."""
    from audit.place import log_folder
    from core.db import Database
    from supervision.rollup import rebuild

    settings = place.settings()
    origin = settings.platform.log_origin
    tally = rebuild(Database(settings.database_url), log_folder(settings), origin)
    facts = {"records": tally.records, "unreadable": tally.unreadable}
    words = f"{tally.records} 条 / records; {tally.unreadable} 条无法读取 / unreadable"
    print_facts(facts, as_json, lambda: words)
