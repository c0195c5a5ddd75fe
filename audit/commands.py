"""`shuxiang audit`: the access log at the terminal."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import click
from rich.table import Table

from audit.checking.commands import check, prove
from audit.columns.commands import columns
from audit.keeping.commands import archive, retention, rotate
from audit.questions.commands import ask, export, questions
from audit.witness.commands import witness
from core.terminal import Place, Told, as_json_option, err, explained, facts_table, print_facts


@click.group()
def audit() -> None:
    """The access log."""


@audit.command("verify")
@click.argument("folder", required=False, type=click.Path(path_type=Path, exists=True, file_okay=False))
@click.option("--vkey", multiple=True, help="The log's verifier key; default: <data>/keys/log*.vkey.")
@click.option(
    "--jobs",
    type=click.IntRange(1, 256),
    default=lambda: len(os.sched_getaffinity(0)),
    show_default="one for each CPU",
    help="Processes that share the work.",
)
@click.option(
    "--resume",
    type=click.Path(path_type=Path, dir_okay=False, writable=True),
    help="A file of yours, outside the log: what was in order is kept there and not read again.",
)
@click.option(
    "--statements",
    multiple=True,
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    help="Folder of a later log, which says what became of bodies of a closed one; default: those beside it.",
)
@click.option(
    "--columns/--no-columns",
    default=True,
    help="Compare what searches read with the bodies too; this takes most of the time.",
)
@as_json_option
@click.pass_obj
@explained
def audit_verify(
    place: Place,
    folder: Path | None,
    vkey: tuple[str, ...],
    jobs: int,
    resume: Path | None,
    statements: tuple[Path, ...],
    columns: bool,
    as_json: bool,
) -> None:
    """Check a log folder offline: bodies, envelopes, tree, signature. FOLDER defaults to <data>/audit."""
    from rich.progress import Progress

    from audit.note import BadNote
    from audit.verify import BadFile, verify
    from audit.verify_statements import beside

    folder = folder or place.data / "audit"
    others = [*statements] or beside(folder)
    keys = vkey or tuple(key for log in (folder, *others) for key in _keys_of(log))
    try:
        with Progress(console=err, transient=True, disable=as_json) as progress:
            task = progress.add_task("verify", total=None)
            shown = partial(progress.update, task)
            report = verify(
                folder,
                keys,
                lambda n, all: shown(completed=n, total=all),
                jobs=jobs,
                resume=resume,
                statements=others,
                columns=columns,
            )
    except (BadNote, BadFile) as wrong:
        raise Told(f"{wrong}") from wrong
    print_facts(report.as_json(), as_json, lambda: str(report))
    if not report.sound:
        sys.exit(1)


def _keys_of(folder: Path) -> list[str]:
    """Return the keys of the log in an audit folder; a closed log has them in there."""
    held = folder / "keys" if (folder / "keys").is_dir() else folder.resolve().parent / "keys"
    files = (held / name for name in ("log.vkey", "log-mldsa.vkey"))
    return [file.read_text(encoding="utf-8").strip() for file in files if file.is_file()]


@audit.command("seal")
@as_json_option
@click.pass_obj
@explained
def audit_seal(place: Place, as_json: bool) -> None:
    """Seal what waits in journals and outbox now; refused while another sealer runs."""
    from rich.progress import MofNCompleteColumn, Progress

    from audit.files import Inconsistent
    from audit.sealer import seal_once
    from audit.standing import waiting
    from core.db import Database

    settings = place.settings()
    columns = (*Progress.get_default_columns(), MofNCompleteColumn())
    try:
        with Progress(*columns, console=err, transient=True, disable=as_json) as shown:
            database = Database(settings.log_database_url)
            total = waiting(settings, database)  # the sealer puts some of its own behind it
            task = shown.add_task("seal", total=total)
            told = partial(shown.update, task)
            sealed = seal_once(settings, database, progress=lambda n: told(completed=n, total=max(n, total)))
    except Inconsistent as wrong:
        raise Told(f"日志不可继续 / the log must not be continued: {wrong}") from wrong
    facts = {"sealed": sealed.count, "size": sealed.size}
    print_facts(facts, as_json, lambda: f"{sealed.count} → {sealed.size}")


@audit.command("status")
@as_json_option
@click.pass_obj
@explained
def audit_status(place: Place, as_json: bool) -> None:
    """Show the log's size, what waits, who witnessed it, and what somebody must look at.

    The exit status is 1 while an alarm stands.
    """
    from audit.alarms import alarms
    from audit.standing import status

    settings = place.settings()
    told = [{"zh": alarm.zh, "en": alarm.en} for alarm in alarms(settings)]
    facts = {**status(settings), "alarms": told}
    print_facts(facts, as_json, lambda: _status_table(facts))
    if told:
        sys.exit(1)


STATUS = {
    "origin": "日志名称 name of the log",
    "size": "已封存记录 records sealed",
    "checkpoint_size": "检查点涵盖 covered by the checkpoint",
    "checkpoint_at": "检查点时间 checkpoint of",
    "sealed_to": "封存到 sealed up to",
    "waiting_in_journals": "日记段中待封存 waiting in journals",
    "journals_bytes": "日记段（字节） journals, bytes",
    "free_disk_bytes": "磁盘剩余（字节） free on the disk, bytes",
    "witnessed_size": "已见证记录 records witnessed",
    "witnessed_at": "见证时间 witnessed at",
    "stamped_size": "已盖时间戳记录 records time-stamped",
    "stamped_at": "盖时间戳时间 time-stamped at",
    "waiting_in_outbox": "办理记录待封存 waiting in the outbox",
    "trouble": "故障 trouble",
}
"""What the facts of `audit status` are called for people."""


def _status_table(facts: Mapping[str, Any]) -> Table:
    rows = [(label, facts[name]) for name, label in STATUS.items()]
    for name, known in facts["witnesses"].items():
        rows.append((f"见证人 witness {name}", known["trouble"] or f"{known['size']}  {known['at'] or '—'}"))
    rows += [("警告 alarm", f"{alarm['zh']}\n{alarm['en']}") for alarm in facts["alarms"]]
    return facts_table("访问日志 / access log", ("项目 fact", "数值 value"), rows)


for command in (check, prove, witness, columns, questions, ask, export, archive, retention, rotate):
    audit.add_command(command)
