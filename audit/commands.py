"""`shuxiang audit`: the access log at the terminal."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from audit.checking.commands import check, prove
from core.terminal import Place, as_json_option, err, explained, facts_table, print_facts


@click.group()
def audit() -> None:
    """The access log."""


@audit.command("verify")
@click.argument("folder", required=False, type=click.Path(path_type=Path, exists=True, file_okay=False))
@click.option("--vkey", help="The log's verifier key; default: <data>/keys/log.vkey.")
@as_json_option
@click.pass_obj
@explained
def audit_verify(place: Place, folder: Path | None, vkey: str | None, as_json: bool) -> None:
    """Check a log folder offline: bodies, envelopes, tree, signature. FOLDER defaults to <data>/audit."""
    from rich.progress import Progress

    from audit.verify import verify

    folder = folder or place.data / "audit"
    key_file = folder.parent / "keys" / "log.vkey"
    vkey = vkey or (key_file.read_text().strip() if key_file.is_file() else None)
    with Progress(console=err, transient=True, disable=as_json) as progress:
        task = progress.add_task("verify", total=None)
        report = verify(folder, vkey, lambda done, total: progress.update(task, completed=done, total=total))
    print_facts(report.as_json(), as_json, lambda: str(report))
    if not report.sound:
        sys.exit(1)


@audit.command("seal")
@as_json_option
@click.pass_obj
@explained
def audit_seal(place: Place, as_json: bool) -> None:
    """Seal what waits in journals and outbox now; refused while another sealer runs."""
    from audit.sealer import seal_once
    from core.db import Database

    settings = place.settings()
    sealed = seal_once(settings, Database(settings.database_url))
    facts = {"sealed": sealed.count, "size": sealed.size}
    print_facts(facts, as_json, lambda: f"{sealed.count} → {sealed.size}")


@audit.command("status")
@as_json_option
@click.pass_obj
@explained
def audit_status(place: Place, as_json: bool) -> None:
    """Show the log's size, checkpoint time and what waits to be sealed."""
    from audit.sealer import status

    facts = status(place.settings())
    print_facts(facts, as_json, lambda: facts_table("存取日志 / access log", ("", ""), list(facts.items())))


for command in (check, prove):
    audit.add_command(command)
