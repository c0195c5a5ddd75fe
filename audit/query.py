"""Finding records: the sealed ones through the index, the latest from journals and outbox, newest first.

A record is found as soon as the call that made it has returned. A record's id is a UUID of version 7, so
one key orders sealed and unsealed records alike and serves as the cursor.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from datetime import datetime
from itertools import chain
from pathlib import Path
from typing import Any
from uuid import UUID

import orjson
from sqlalchemy import Connection

from audit import store
from audit.bodies import read_bodies, read_body
from audit.drain import unsealed_frames
from audit.index import index_path, next_place, open_index
from audit.proofs import entry_at
from audit.state import load_state
from core.errors import NotFound, invalid
from core.times import instant_of, millis

_HOT_MOST = 1_000_000


@dataclass(frozen=True, slots=True)
class Filters:
    """What to look for; all that is given must hold. `until` is exclusive.

    `department` finds the records that concern a department as consumer, provider or actor. `equal` maps
    fields of the body (`record.FIELDS`) to their value.
    """

    since: datetime | None = None
    until: datetime | None = None
    department: str | None = None
    equal: Mapping[str, str] = field(default_factory=dict)

    def match(self, body: Mapping[str, Any]) -> bool:
        """Tell whether a body is looked for, its time left aside."""
        if self.department is not None and self.department not in store.parties_of(body):
            return False
        return all(body.get("k" if k == "kind" else k) == v for k, v in self.equal.items())


@dataclass(frozen=True, slots=True)
class Found:
    """A record with its body; `log_index` is None until it is sealed."""

    id: str
    log_index: int | None
    raw: bytes

    @property
    def body(self) -> Mapping[str, Any]:
        """The body, read."""
        document: Mapping[str, Any] = orjson.loads(self.raw)
        return document

    @property
    def kind(self) -> str:
        """What happened."""
        return str(self.body["k"])

    @property
    def at(self) -> datetime:
        """When it happened."""
        return instant_of(self.body["t"])


@dataclass(frozen=True, slots=True)
class FoundPage:
    """One page of records, newest first, and the cursor of the next (None at the end)."""

    items: tuple[Found, ...]
    next_cursor: str | None


def find_records(
    tx: Connection, folder: Path, filters: Filters, *, limit: int, cursor: str | None = None
) -> FoundPage:
    """Return the newest records that match, from the audit folder and the outbox that `tx` sees.

    Raises Invalid for a cursor that is none.
    """
    first = None if filters.since is None else _least_id(filters.since)
    bounds = [_cursor(cursor)] if cursor else []
    before = min([*bounds, *([_least_id(filters.until)] if filters.until else [])], default=None)
    matching = (
        f
        for f in _hot(tx, folder)
        if (first is None or f.id >= first) and (before is None or f.id < before) and filters.match(f.body)
    )
    # Twice as many as are asked for, since a record may come twice; sealed ones take the others' place.
    hot = heapq.nlargest(2 * (limit + 1), matching, key=lambda f: (f.id, f.log_index is None))
    found = {f.id: f for f in hot}
    found |= {f.id: f for f in _sealed(folder, filters, first, before, limit + 1)}
    newest = [found[i] for i in sorted(found, reverse=True)]
    return FoundPage(tuple(newest[:limit]), newest[limit - 1].id if len(newest) > limit else None)


def record_by_id(tx: Connection, folder: Path, record_id: str) -> Found:
    """Return one record, sealed or not. Raises NotFound when there is none."""
    try:
        record_id = str(UUID(record_id))
    except ValueError:
        raise _not_found() from None
    unindexed = (found for found in _hot(tx, folder) if found.id == record_id)
    found = _indexed(folder, record_id) or next(unindexed, None) or _indexed(folder, record_id)
    if found is None:
        raise _not_found()
    return found


def _not_found() -> NotFound:
    return NotFound("没有这条记录", "no such record")


def _least_id(instant: datetime) -> str:
    return str(UUID(int=max(0, millis(instant)) << 80))


def _cursor(cursor: str) -> str:
    try:
        return str(UUID(cursor))
    except ValueError as wrong:
        raise invalid(
            "/cursor", "游标无效，请从第一页开始", "not a cursor of this list; start over"
        ) from wrong


# --- sealed and indexed ---------------------------------------------------------------------------


def _sealed(folder: Path, filters: Filters, first: str | None, before: str | None, most: int) -> list[Found]:
    if not index_path(folder).exists():
        return []
    with closing(open_index(folder)) as index, index.read() as tx:
        entries = store.select_entries(
            tx, filters.equal, filters.department, first=first, before=before, limit=most
        )
    return [_read(folder, entry) for entry in entries]


def _indexed(folder: Path, record_id: str) -> Found | None:
    if not index_path(folder).exists():
        return None
    with closing(open_index(folder)) as index, index.read() as tx:
        entry = store.select_entry(tx, record_id)
    return None if entry is None else _read(folder, entry)


def _read(folder: Path, entry: store.Entry) -> Found:
    raw = read_body(folder / "bodies", entry.log_index, entry.offset, entry.length)
    return Found(entry.id, entry.log_index, raw)


# --- not indexed yet ------------------------------------------------------------------------------


def _hot(tx: Connection, folder: Path) -> Iterator[Found]:
    """Yield what the index does not hold yet; a record that is sealed meanwhile may come twice.

    Journals and outbox are read before the bodies behind the index, so that a record on its way from the
    one to the other is seen in one of them at least.
    """
    frames = (frame.body for _, frame in unsealed_frames(folder / "journal", load_state(folder).journals))
    rows = (row.body for row in store.select_outbox(tx, _HOT_MOST))
    for raw in chain(frames, rows):
        yield Found(orjson.loads(raw)["id"], None, raw)
    if not index_path(folder).exists():
        return
    with closing(open_index(folder)) as index, index.read() as snapshot:
        start, offset = next_place(store.last_entry(snapshot))
    for line in read_bodies(folder / "bodies", start, load_state(folder).size, offset):
        yield Found(orjson.loads(line.body)["id"], line.at, line.body)


def envelope_of(folder: Path, found: Found) -> bytes | None:
    """Return the envelope of a sealed record, None while no checkpoint covers it."""
    return None if found.log_index is None else entry_at(folder, found.log_index)
