"""Checking the blocks of columns, in which searches look, against the log and against the bodies.

The log holds a digest of each larger block; of a smaller one the digest is that of the file that its bodies
give, so it is made again and compared: statistics and filters by which searches pass over rows are part of
that. And of each block the rows are those of the bodies, whatever digest is on record, and
the index is the one that the rows give.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

from audit.columns import blocks
from audit.columns.blocks import FOLDER, Block, present
from audit.columns.renewal import concerns, requests
from audit.files import TEMPORARY
from audit.verify_progress import Known
from audit.verify_report import Report

Progress = Callable[[int, int], None]
"""Called with the rows of the blocks checked so far and their number in all."""
_ALTERED = "the block is not as the log knows it"
_UNLIKE = "the block is not what its bodies give"


@dataclass(frozen=True, slots=True)
class _Task:
    """What it takes to judge one block; records in `gone` and below `pruned` have no body to compare with."""

    folder: Path
    block: Block
    size: int
    sealed: str | None
    """The newest digest on record."""
    is_asked: bool
    """Whether it is to be made again, since bodies went."""
    has_rows: bool
    """Whether its rows are to be compared."""
    pruned: int
    gone: frozenset[int]


def check_columns(
    folder: Path, report: Report, known: Known, jobs: int, progress: Progress | None = None
) -> None:
    """Check each block of a log; `known` remembers those whose rows were compared.

    A block that is missing is no fault: it can be made again. Where bodies are wrong themselves, they prove
    nothing of a block's rows.
    """
    _name_strangers(folder, report)
    tasks = list(_tasks(folder, report, known))
    done, total = 0, sum(task.block.rows for task in tasks)
    for task, what in zip(tasks, _judged(tasks, jobs), strict=True):
        if what is not None:
            report.wrong.add(f"{FOLDER}/{task.block.name}", what, task.block.first, task.block.end - 1)
        elif task.has_rows and task.sealed is not None:
            known.compared[task.block.name] = task.sealed
        done += task.block.rows
        if progress is not None:
            progress(done, total)


def _name_strangers(folder: Path, report: Report) -> None:
    ours = {block.name for block in present(folder)}
    for rows in blocks.SIZES:
        place = folder / FOLDER / str(rows)
        for name in sorted(os.listdir(place)) if place.is_dir() else ():
            if f"{rows}/{name}" not in ours and not name.startswith(TEMPORARY):
                report.wrong.add(f"{FOLDER}/{rows}/{name}", "no block has this name")


def _tasks(folder: Path, report: Report, known: Known) -> Iterator[_Task]:
    spans = [(f.first, f.last) for f in report.faults if f.first is not None and f.last is not None]
    asked = requests(folder)
    for block in present(folder):
        sealed = known.blocks.get(block.name)
        in_doubt = any(a < block.end and b >= block.first for a, b in spans)
        if block.end > report.size or (in_doubt and sealed is None):
            continue
        before = block.end <= report.checked_before and known.compared.get(block.name) == sealed
        gone = frozenset(at for at, *_ in known.erased if block.first <= at < block.end)
        is_new = sealed is None or not before
        yield _Task(
            *(folder, block, report.size, sealed, concerns(asked, block)),
            *(is_new and not in_doubt, known.pruned, gone),
        )


def _judged(tasks: list[_Task], jobs: int) -> Iterator[str | None]:
    if jobs == 1 or len(tasks) < 2:
        yield from map(_judge, tasks)
        return
    from concurrent.futures import ProcessPoolExecutor

    with ProcessPoolExecutor(min(jobs, len(tasks)), get_context("spawn")) as pool:
        yield from pool.map(_judge, tasks)


def _judge(task: _Task) -> str | None:
    """Return what is wrong with a block, None when it is right or not there any more."""
    try:
        return _compare(task)
    except FileNotFoundError:  # a larger one has taken its place
        return None
    except (OSError, ValueError) as wrong:
        return f"cannot be read: {wrong}"


def _compare(task: _Task) -> str | None:
    from audit.columns.make import as_made, digest  # loads Arrow, which a log without blocks does without
    from audit.verify_rows import rows_fit

    found = digest(task.block.path(task.folder))
    if found != task.sealed and task.sealed is not None and not task.is_asked:
        return _ALTERED
    if found == task.sealed or (task.sealed is None and _counts_by_rows(task)):
        fits = not task.has_rows or (
            rows_fit(task.folder, task.block, task.size, task.pruned, task.gone) and _index_fits(task)
        )
    else:
        fits = as_made(task.folder, task.block, task.size).sha256 == found
    return None if fits else _UNLIKE


def _index_fits(task: _Task) -> bool:
    """Tell whether searches by the index of a block find just what its rows hold."""
    from audit.columns.footers import footer_of
    from audit.columns.indexing import index_fits

    path = task.block.path(task.folder)
    footer = footer_of(path)
    if footer is None:
        raise ValueError("no block that this version reads")
    if not footer.is_current:
        return footer.directory is None
    return index_fits(path, task.block.first, footer.directory)


def _counts_by_rows(task: _Task) -> bool:
    """Tell whether a block that is on record nowhere cannot be made again bit for bit.

    Bodies of it went and it is to follow, or another version of Arrow made it: searches with this version
    then do without it (`footers.sound`).
    """
    from audit.columns.footers import footer_of

    footer = footer_of(task.block.path(task.folder))
    if footer is None:
        raise ValueError("no block of this version")
    return task.is_asked or not (task.block.is_recorded or footer.is_ours)
