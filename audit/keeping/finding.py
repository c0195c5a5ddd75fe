"""Finding records in the log that runs and in those that were closed, and what the logs say of each other."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from sqlalchemy import Connection

from audit.columns.engine import Engine
from audit.keeping.ids import kept_index
from audit.keeping.kinds import PRUNED
from audit.keeping.past import PAST, PastLog, past_logs
from audit.query import Filters, Found, find_records, record_by_id
from core.errors import NotFound

_PAGE = 100


def find_anywhere(tx: Connection | None, folder: Path, record_id: str) -> tuple[PastLog | None, Found]:
    """Return a record and the closed log that holds it, None for the one that runs in the audit folder.

    Raises NotFound when there is none, or its body is gone.
    """
    for log in _logs(folder):
        try:
            return log, find_in(tx, folder, log, record_id)
        except NotFound:
            continue
    raise NotFound("没有这条记录", "no such record")


def find_in(tx: Connection | None, folder: Path, log: PastLog | None, record_id: str) -> Found:
    """Return a record of one log; `folder` is that of the one that runs. Raises NotFound as above."""
    if log is None:
        return record_by_id(tx, folder, record_id)
    return replace(record_by_id(None, log.folder, record_id), log=log.slug)


def folder_of(folder: Path, log: str | None) -> Path:
    """Return the audit folder of the log of this name, a closed one or the one that runs in `folder`."""
    return folder if log is None else folder / PAST / log


def place_of(tx: Connection | None, folder: Path, record_id: str) -> tuple[Path, int | None]:
    """Return the audit folder of the log that holds a record, and its log index; its body may be gone.

    The index is None until the record is sealed. Raises NotFound.
    """
    try:
        log, found = find_anywhere(tx, folder, record_id)
    except NotFound:
        for place in (_folder(folder, log) for log in _logs(folder)):
            index = kept_index(place, record_id)
            if index is not None:
                return place, index
        raise
    return _folder(folder, log), found.log_index


def newest_pruning(tx: Connection | None, engine: Engine, log: PastLog | None) -> Mapping[str, Any]:
    """Return the newest `retention.pruned` about a log, empty when there is none any more."""
    said = (body for place in _logs(engine.folder) for body in _prunings(tx, engine, place, log))
    return next(said, {})


def _prunings(
    tx: Connection | None, engine: Engine, place: PastLog | None, log: PastLog | None
) -> Iterator[Mapping[str, Any]]:
    """Yield what the log `place` says of `log`, the newest first."""
    cursor, name = None, None if place == log or log is None else log.origin
    wanted, folder = Filters(equal={"kind": PRUNED}), _folder(engine.folder, place)
    waits = tx if place is None else None
    while place == log or log is not None:
        page = find_records(waits, folder, wanted, limit=_PAGE, cursor=cursor)
        bodies = [found.body for found in page.items if not found.erased]
        yield from (body for body in bodies if body.get("log") == name or name in body.get("gone", ()))
        cursor = page.next_cursor
        if cursor is None:
            return


def _logs(folder: Path) -> list[PastLog | None]:
    """Return all logs, the one that runs first and then the newest by name."""
    return [None, *reversed(past_logs(folder))]


def _folder(folder: Path, log: PastLog | None) -> Path:
    return folder if log is None else log.folder
