"""Imports on the command line: hand in a file and deal with it at once, on behalf of the platform itself."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from core.work import Work
from hotline.imports.columns import columns_of
from hotline.imports.jobs import faults, find_import, start_import
from hotline.imports.model import DONE, MOST_BYTES, Import
from hotline.imports.present import fault_view, import_view
from hotline.imports.rows import titles
from hotline.imports.running import Begin, step

SHOWN = 1_000
"""The most faults that are printed; the report on the page has all of them."""


class Done(NamedTuple):
    """What became of a file: as a document, and as rows of a table."""

    document: dict[str, Any]
    rows: list[tuple[Any, ...]]
    summary: str
    sound: bool
    """Whether every row went through."""


def import_file(
    begin: Begin, file: Path, source: str, dry_run: bool, told: Callable[[int, int | None], object]
) -> Done:
    """Deal with the rows of a file; `told` hears after each piece how many are done, and of how many.

    Raises what `start_import` raises. A running importer may take its share: nothing is done twice.
    """
    with file.open("rb") as handle:
        content = handle.read(MOST_BYTES + 1)
    with begin() as work:
        made = start_import(work, content, source, dry_run=dry_run)
    while step(begin, made.id):
        with begin() as work:
            now = find_import(work, made.id)
        told(now.done, now.rows)
    with begin() as work:
        return _done(work, find_import(work, made.id))


def _done(work: Work, made: Import) -> Done:
    found = faults(work, made, SHOWN, None)
    named = titles(columns_of(work))
    items = [fault_view(fault, named) for fault in found.rows]
    rows = [(f.row, f.column, f"{f.reason.zh} / {f.reason.en}", f.value) for f in found.rows]
    document = {**import_view(made), "items": items}
    return Done(document, rows, _summary(made), made.state == DONE and not made.refused)


def _summary(made: Import) -> str:
    if made.failure is not None:
        return f"{made.failure.zh} / {made.failure.en}"
    zh = "检查通过" if made.dry_run else "已建工单"
    en = "sound" if made.dry_run else "tickets made"
    return (
        f"{zh} {made.taken}，已有 {made.repeated}，未通过 {made.refused} / "
        f"{en} {made.taken}, there already {made.repeated}, refused {made.refused}"
    )
