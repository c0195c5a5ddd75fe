"""`shuxiang audit archive|retention|rotate`: keeping the log at the terminal."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from core.terminal import Place, Told, as_json_option, err, explained, facts_table, print_facts

if TYPE_CHECKING:
    from audit.keeping.covered import Covered, Keeping

_WAIT_SECONDS = 60.0
"""How long a command waits for a running sealer and for witnesses."""


@click.command("archive")
@click.option("--to", type=click.Path(path_type=Path, file_okay=False), help="Where to put units.")
@click.option("--again", type=click.IntRange(min=0), help="Make the unit that begins at this record anew.")
@click.option("--log", "slug", help="Of this closed log only, as its folder in audit/past is called.")
@as_json_option
@click.pass_obj
@explained
def archive(place: Place, to: Path | None, again: int | None, slug: str | None, as_json: bool) -> None:
    """Put what is sealed and witnessed into archive units that stand alone; units that are there stay.

    Closed logs come first. --again is about the log that runs, unless --log names another.
    """
    from rich.progress import track

    from audit.keeping.archive import make_unit, missing_units
    from audit.keeping.keeper import keeping_lock
    from core.times import utc_now

    keeping = _keeping(place)
    folder = to or keeping.archive
    with _sound(), keeping_lock(keeping):
        logs = [(log, _reach(log)) for log in _logs(keeping, slug, running=again is not None)]
        due = [
            (log, reach, first)
            for log, reach in logs
            for first in (missing_units(log, reach, folder) if again is None else [again])
        ]
        shown = due if as_json else track(due, "archive", console=err, transient=True)
        made = [make_unit(log, first, reach, folder, utc_now()) for log, reach, first in shown]
    facts = {
        "folder": str(folder),
        "made": [{"file": u.path.name, "first": u.first, "bytes": u.size, "sha256": u.sha256} for u in made],
    }
    rows = [(u.path.name, f"{u.size} B", u.sha256) for u in made]
    title = f"归档单元 / archive units: {folder}"
    print_facts(facts, as_json, lambda: facts_table(title, ("文件 file", "大小 size", "SHA-256"), rows))


@click.command("retention")
@click.option("--dry-run", is_flag=True, help="Only list what would be deleted, and what holds it up.")
@as_json_option
@click.pass_obj
@explained
def retention(place: Place, dry_run: bool, as_json: bool) -> None:
    """Delete bodies whose time is over by audit.yaml; the running sealer does so by itself once a day."""
    from audit.keeping.keeper import keeping_lock
    from audit.keeping.retention import cutoff
    from core.times import local_iso, utc_now

    keeping = _keeping(place)
    if keeping.settings.audit.retention is None:
        raise Told("audit.yaml 没有 retention，正文一直保存 / audit.yaml has no retention: bodies are kept")
    with _sound(), keeping_lock(keeping):
        reach, now = _reach(keeping), utc_now()
        before = cutoff(keeping, reach, now)
        files = [file for log in _logs(keeping) for file in _old(log, _reach(log), now)]
        done = {} if dry_run else _prune_shown(keeping, files, quiet=as_json)
    facts = {"before": None if before is None else local_iso(before), "files": files, **done}
    rows = [(f["log"], f["first"], f["last"], f["newest"], f["held"] or "") for f in files]
    columns = ("日志 log", "自 first", "至 last", "最新记录 newest record", "暂不能删除 held up by")
    title = "到期的正文 / bodies whose time is over"
    print_facts(facts, as_json, lambda: facts_table(title, columns, rows))
    if done.get("waits"):
        waits = "waits for a checkpoint or for columns; the running platform goes on"
        err.print(f"等待检查点或列文件，平台运行时会继续 / {waits}")


@click.command("rotate")
@as_json_option
@click.pass_obj
@explained
def rotate(place: Place, as_json: bool) -> None:
    """Close the log and begin the one that log_origin of platform.yaml names; finish it if it was cut off."""
    from dataclasses import asdict

    from audit.keeping.rotation import rotate as close_and_begin
    from audit.sealer import seal_once
    from core.times import utc_now

    keeping = _keeping(place)
    with _sound():
        done = close_and_begin(keeping.settings, keeping.database, utc_now())
        seal_once(keeping.settings, keeping.database, utc_now())  # signs for the first entry of the next log
    facts = {**asdict(done), "folder": str(done.folder)}
    print_facts(facts, as_json, lambda: f"{done.old} ({done.size}) → {done.new}\n{done.folder}")


def _keeping(place: Place) -> Keeping:
    from audit.keeping.covered import Keeping
    from core.db import Database

    settings = place.settings()
    return Keeping(settings, Database(settings.log_database_url))


def _logs(keeping: Keeping, slug: str | None = None, *, running: bool = False) -> list[Keeping]:
    """Return every log, or the closed one that is called so, or the one that runs."""
    from audit.keeping.covered import all_logs

    _reach(keeping)
    if slug is None:
        return [keeping] if running else all_logs(keeping)
    found = [log for log in all_logs(keeping) if log.closed is not None and log.closed.slug == slug]
    if not found:
        raise Told(f"没有已关闭的日志 {slug} / no closed log is called {slug}")
    return found


def _reach(keeping: Keeping) -> Covered:
    from audit.keeping.covered import covered

    reach = covered(keeping)
    if reach is None:
        raise Told("尚无所需的检查点 / there is no checkpoint yet that the policy asks for")
    return reach


def _old(keeping: Keeping, reach: Covered, now: datetime) -> list[Mapping[str, Any]]:
    from audit.keeping.retention import cutoff, old_files
    from core.times import local_iso

    before = cutoff(keeping, reach, now)
    found = [] if before is None else old_files(keeping, reach, before)
    return [
        {
            "log": old.log,
            "first": old.first,
            "last": old.last,
            "newest": local_iso(old.newest),
            "held": None if old.held is None else f"{old.held.zh} / {old.held.en}",
        }
        for old in found
    ]


def _prune_shown(keeping: Keeping, files: list[Mapping[str, Any]], *, quiet: bool) -> dict[str, Any]:
    from rich.progress import MofNCompleteColumn, Progress

    columns = (*Progress.get_default_columns(), MofNCompleteColumn())
    total = sum(file["last"] - file["first"] + 1 for file in files if file["held"] is None)
    with Progress(*columns, console=err, transient=True, disable=quiet) as shown:
        task = shown.add_task("retention", total=total)
        return _prune(keeping, lambda deleted: shown.update(task, completed=deleted))


def _prune(keeping: Keeping, progress: Callable[[int], object]) -> dict[str, Any]:
    """Delete step by step and tell how many bodies went.

    Records are sealed and blocks of columns made again here, or by a running sealer.
    """
    import time

    from audit.columns.blocks import kept_from
    from audit.keeping.keeper import prune_step, renew_columns
    from audit.keeping.retention import pruning
    from core.times import utc_now

    logs, until = _logs(keeping), time.monotonic() + _WAIT_SECONDS
    start, deleted = sum(kept_from(log.folder) for log in logs), 0
    while True:
        if any(prune_step(log, utc_now()) for log in logs):
            until = time.monotonic() + _WAIT_SECONDS
            deleted = sum(kept_from(log.folder) for log in logs) - start
            progress(deleted)
        elif not (waits := any(pruning(log) is not None for log in logs)) or time.monotonic() > until:
            return {"deleted": deleted, "waits": waits}
        _seal(keeping)
        for log in logs:
            renew_columns(log, utc_now())


def _seal(keeping: Keeping) -> None:
    import time

    from audit.sealer import renew_once, seal_once
    from core.errors import Unavailable
    from core.times import utc_now

    try:
        seal_once(keeping.settings, keeping.database)
        renew_once(keeping.settings, keeping.database, utc_now())
    except Unavailable:  # the running sealer does it
        time.sleep(0.5)


@contextmanager
def _sound() -> Iterator[None]:
    """Turn what the log's files may be found to be into a sentence."""
    from audit.files import Inconsistent
    from audit.note import BadNote

    try:
        yield
    except (Inconsistent, BadNote) as wrong:
        raise Told(f"日志的文件有问题 / something is wrong with the log's files: {wrong}") from wrong
