"""`shuxiang audit archive|retention|rotate`: keeping the log at the terminal."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
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
@as_json_option
@click.pass_obj
@explained
def archive(place: Place, to: Path | None, again: int | None, as_json: bool) -> None:
    """Put what is sealed and witnessed into archive units that stand alone; units that are there stay."""
    from rich.progress import track

    from audit.keeping.archive import make_unit, missing_units
    from audit.keeping.keeper import keeping_lock
    from core.times import utc_now

    keeping = _keeping(place)
    folder = to or keeping.archive
    with _sound(), keeping_lock(keeping):
        reach = _reach(keeping)
        firsts = missing_units(keeping, reach, folder) if again is None else [again]
        shown: Iterable[int] = firsts if as_json else track(firsts, "archive", console=err, transient=True)
        made = [make_unit(keeping, first, reach, folder, utc_now()) for first in shown]
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
        files = _old(keeping, reach, now)
        done = {} if dry_run else _prune(keeping)
    facts = {"before": None if before is None else local_iso(before), "files": files, **done}
    rows = [(f["first"], f["last"], f["newest"], f["held"] or "") for f in files]
    columns = ("自 first", "至 last", "最新记录 newest record", "暂不能删除 held up by")
    title = "到期的正文 / bodies whose time is over"
    print_facts(facts, as_json, lambda: facts_table(title, columns, rows))
    if done.get("waits"):
        err.print("等待检查点，平台运行时会继续 / waits for a checkpoint; the running platform goes on")


@click.command("rotate")
@as_json_option
@click.pass_obj
@explained
def rotate(place: Place, as_json: bool) -> None:
    """Close the log and begin the one that log_origin of platform.yaml names; finish it if it was cut off."""
    from dataclasses import asdict

    from audit.keeping.rotation import rotate as close_and_begin
    from core.times import utc_now

    keeping = _keeping(place)
    with _sound():
        done = close_and_begin(keeping.settings, keeping.database, utc_now())
    facts = {**asdict(done), "folder": str(done.folder)}
    print_facts(facts, as_json, lambda: f"{done.old} ({done.size}) → {done.new}\n{done.folder}")


def _keeping(place: Place) -> Keeping:
    from audit.keeping.covered import Keeping
    from core.db import Database

    settings = place.settings()
    return Keeping(settings, Database(settings.database_url))


def _reach(keeping: Keeping) -> Covered:
    from audit.keeping.covered import covered

    reach = covered(keeping.settings)
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
            "first": old.first,
            "last": old.last,
            "newest": local_iso(old.newest),
            "held": None if old.held is None else f"{old.held.zh} / {old.held.en}",
        }
        for old in found
    ]


def _prune(keeping: Keeping) -> dict[str, Any]:
    """Delete step by step; records are sealed here, or by the sealer that runs."""
    import time

    from audit.columns.blocks import kept_from
    from audit.keeping.keeper import prune_step
    from audit.keeping.retention import pruning
    from core.times import utc_now

    start, until = kept_from(keeping.folder), time.monotonic() + _WAIT_SECONDS
    while True:
        if prune_step(keeping, utc_now()):
            until = time.monotonic() + _WAIT_SECONDS
        elif pruning(keeping) is None or time.monotonic() > until:
            deleted = kept_from(keeping.folder) - start
            return {"deleted": deleted, "waits": pruning(keeping) is not None}
        _seal(keeping)


def _seal(keeping: Keeping) -> None:
    import time

    from audit.sealer import seal_once
    from core.errors import Unavailable

    try:
        seal_once(keeping.settings, keeping.database)
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
