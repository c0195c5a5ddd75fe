"""The index of the bodies: kept behind the log, made again from them when it is lost or does not fit."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path

import orjson
from sqlalchemy.exc import DatabaseError

from audit import store
from audit.bodies import PER_FILE, read_bodies
from core.db import Database

_BATCH = 8_192
_log = logging.getLogger(__name__)


def index_path(folder: Path) -> Path:
    """Return the index file of the audit folder."""
    return folder / "query" / "index.sqlite"


def open_index(folder: Path) -> Database:
    """Open the index for reading or writing; the caller closes it."""
    return Database(f"sqlite:///{index_path(folder)}")


def ready_index(folder: Path, size: int) -> Database:
    """Open the index and bring it to `size` records; an index that cannot be read is made anew."""
    try:
        return _opened(folder, size)
    except DatabaseError:
        _log.warning("the audit index cannot be read and is made anew")
        for path in index_path(folder).parent.glob("index.sqlite*"):
            path.unlink()
        return _opened(folder, size)


def _opened(folder: Path, size: int) -> Database:
    index = open_index(folder)
    try:
        with index.begin() as tx:
            store.create_index(tx)
            last = store.last_entry(tx)
            if last is not None and last[0] >= size:  # it knows records that the log never had
                store.empty_index(tx)
        catch_up(index, folder, size)
    except BaseException:
        index.close()
        raise
    return index


def catch_up(index: Database, folder: Path, size: int) -> None:
    """Index the bodies up to the log's `size`."""
    with index.read() as tx:
        start, offset = next_place(store.last_entry(tx))
    lines = _entries(folder, start, size, offset)
    while batch := [entry for entry, _ in zip(lines, range(_BATCH), strict=False)]:
        with index.begin() as tx:
            store.insert_entries(tx, batch)


def next_place(last: tuple[int, int, int] | None) -> tuple[int, int]:
    """Return log index and offset of the body behind the last that is indexed."""
    if last is None:
        return 0, 0
    log_index, offset, length = last
    start = log_index + 1
    return start, 0 if start % PER_FILE == 0 else offset + length + 1


def _entries(folder: Path, start: int, size: int, offset: int) -> Iterator[store.NewEntry]:
    for at, begin, raw in read_bodies(folder / "bodies", start, size, offset):
        try:
            body = orjson.loads(raw)
            if len(bytes.fromhex(body["id"].replace("-", ""))) != 16:
                raise ValueError("not a record id")
        except (ValueError, KeyError, TypeError, AttributeError):
            _log.error("the body of record %d cannot be read and is not indexed", at)
            continue
        yield store.NewEntry(at, begin, len(raw), body)
