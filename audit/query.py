"""Finding records, newest first: over the blocks of the log's columns and what lies in none of them yet.

A record is found as soon as the call that made it has returned. A record's id is a UUID of version 7, so
one key orders sealed and unsealed records alike and serves as the cursor, through closed logs too.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from itertools import chain
from pathlib import Path
from typing import Any
from uuid import UUID

import orjson
from sqlalchemy import Connection

from audit.bodies import is_erased, read_bodies, read_body
from audit.columns.blocks import chosen
from audit.columns.engine import Engine, attempted
from audit.columns.footers import find_ids, footer_of, sound
from audit.columns.hot import Waiting, waiting
from audit.columns.index import Place
from audit.columns.search import Search
from audit.columns.tail import MOST, Logs, Snapshot, next_offset, outside_blocks, take, take_all
from audit.columns.wanted import Wanted
from audit.proofs import entry_at
from audit.state import load_state
from core.errors import NotFound, no_cursor
from core.times import instant_of, millis

PARTIES = ("consumer", "provider", "department")
"""The departments that a record concerns: who used, who provided, who acted."""


@dataclass(frozen=True, slots=True)
class Filters:
    """What to look for; all that is given must hold. `until` is exclusive.

    `department` finds the records that concern a department as consumer, provider or actor. `equal` maps
    columns (`record.FIELDS`) to their value; `subject` to one of the people that a record may name.
    """

    since: datetime | None = None
    until: datetime | None = None
    department: str | None = None
    equal: Mapping[str, str] = field(default_factory=dict)
    hidden: Mapping[str, str | None] = field(default_factory=dict)
    """Kinds that are passed over (`audit.columns.wanted.Wanted`)."""
    log: str | None = None
    """The closed log to look in; None for all logs."""

    @property
    def asked(self) -> dict[str, Any]:
        """What was given, as the record of a search says it."""
        own = {"log": self.log, "hidden": ",".join(self.hidden) or None}
        given = {"since": self.since, "until": self.until, "department": self.department, **self.equal, **own}
        return {name: value for name, value in given.items() if value is not None}


@dataclass(frozen=True, slots=True)
class Found:
    """A record with its body; `log_index` is None until it is sealed."""

    id: str
    log_index: int | None
    raw: bytes
    kind: str
    """What happened."""
    at: datetime
    """When it happened."""
    log: str | None = None
    """The closed log that holds it; None for the one that was asked, which runs."""

    @property
    def body(self) -> Mapping[str, Any]:
        """The body, read; of an erased one its own id and the id of the record of its erasure."""
        document: Mapping[str, Any] = orjson.loads(self.raw)
        return document

    @property
    def erased(self) -> bool:
        """Whether the body was erased by decision."""
        return is_erased(self.raw)


@dataclass(frozen=True, slots=True)
class FoundPage:
    """One page of records, newest first, and the cursor of the next (None at the end)."""

    items: tuple[Found, ...]
    next_cursor: str | None
    logs: Logs = ()
    """What was searched."""


def find_records(
    tx: Connection | None,
    folder: Path,
    filters: Filters,
    *,
    limit: int,
    cursor: str | None = None,
) -> FoundPage:
    """Return the newest records of one log that match, from its audit folder and the outbox that `tx` sees.

    Raises Invalid for a cursor that is none, Unavailable while most of the log lies in no block.
    """
    wanted = _wanted(filters, cursor)
    return attempted(lambda: _page((take(folder, tx),), wanted, limit))


def search_all(
    tx: Connection | None, engine: Engine, filters: Filters, *, limit: int, cursor: str | None = None
) -> FoundPage:
    """Return the newest records that match, of the log that runs and of all closed ones.

    Raises as `find_records`.
    """
    wanted = _wanted(filters, cursor)
    return attempted(lambda: _page(take_all(engine.folder, tx), wanted, limit, filters.log))


def _page(logs: Logs, wanted: Wanted, limit: int, only: str | None = None) -> FoundPage:
    """Look through one log after the other, the newest first, for what is newer than what was found."""
    places: list[tuple[Place, Snapshot]] = []
    for log in (log for log in reversed(logs) if only is None or log.closed == only):
        least = max(wanted.first, places[limit][0].id if len(places) > limit else "")
        more = Search(log, replace(wanted, first=least)).newest(limit + 1)
        places += [(place, log) for place in more]
        places = sorted(places, key=lambda found: found[0].id, reverse=True)[: limit + 1]
    cursor = places[limit - 1][0].id if len(places) > limit else None
    return FoundPage(tuple(_read_all(places[:limit])), cursor, logs)


def record_by_id(tx: Connection | None, folder: Path, record_id: str) -> Found:
    """Return one record, sealed or not. Raises NotFound when there is none, or its body is gone.

    Unavailable while it is in no block, and most of the log is in none.
    """
    try:
        record_id = str(UUID(record_id))
    except ValueError:
        raise _not_found() from None
    # Most lies in blocks; what is on its way into one is looked for in the order of its way.
    found = _in_blocks(folder, record_id) or _in_none(tx, folder, record_id) or _in_blocks(folder, record_id)
    if found is None:
        raise _not_found()
    return found


def envelope_of(folder: Path, found: Found) -> bytes | None:
    """Return the envelope of a sealed record, None while no checkpoint covers it."""
    return None if found.log_index is None else entry_at(folder, found.log_index)


def _not_found() -> NotFound:
    return NotFound("没有这条记录", "no such record")


# --- what is looked for ---------------------------------------------------------------------------


def _wanted(filters: Filters, cursor: str | None) -> Wanted:
    first = "" if filters.since is None else _least_id(filters.since)
    bounds = [
        "~",
        *([_cursor(cursor)] if cursor else []),
        *([_least_id(filters.until)] if filters.until else []),
    ]
    any_of = PARTIES if filters.department else ()
    return Wanted(filters.equal, any_of, filters.department or "", first, min(bounds), filters.hidden)


def _least_id(instant: datetime) -> str:
    return str(UUID(int=max(0, millis(instant)) << 80))


def _cursor(cursor: str) -> str:
    try:
        return str(UUID(cursor))
    except ValueError as wrong:
        raise no_cursor() from wrong


# --- bodies ---------------------------------------------------------------------------------------


def _read_all(places: Sequence[tuple[Place, Snapshot]]) -> Iterator[Found]:
    """Read the bodies of rows; those that were deleted meanwhile are left out."""
    unsealed = {place.id: log.waiting for place, log in places if place.log_index is None}
    waits = next(iter(unsealed.values()), None)  # of the log that runs: no other has any
    raw = {found.id: found for found in _unsealed(waits) if found.id in unsealed} if waits else {}
    for place, log in places:
        found = raw.get(place.id) if place.log_index is None else _read(log.folder, place)
        if found is not None:
            yield replace(found, log=log.closed)


def _read(folder: Path, place: Place) -> Found | None:
    index, offset, length = place.log_index, place.offset, place.length
    if index is None or offset is None or length is None:
        return None
    try:
        raw = read_body(folder / "bodies", index, offset, length)
    except FileNotFoundError:
        return None
    return _found(folder, index, raw, place.id)


def _found(folder: Path, index: int, raw: bytes, record_id: str) -> Found | None:
    """Return a sealed record; of one that is erased the envelope knows what it was."""
    if len(raw) == 0:
        return None
    known = orjson.loads(entry_at(folder, index) if is_erased(raw) else raw)
    return Found(record_id, index, raw, known["k"], instant_of(known["t"]))


def _unsealed(waits: Waiting) -> Iterator[Found]:
    for _, raw in chain(waits.journals, waits.outbox):
        body = orjson.loads(raw)
        yield Found(body["id"], None, raw, body["k"], instant_of(body["t"]))


# --- one record -----------------------------------------------------------------------------------


def _in_blocks(folder: Path, record_id: str) -> Found | None:
    for block in chosen(sound(folder), load_state(folder).size):
        footer = footer_of(block.path(folder))
        if footer is None or not footer.least <= record_id <= footer.greatest:
            continue
        for place in find_ids(folder, block, [record_id]):
            return _read(folder, place)
    return None


def _in_none(tx: Connection | None, folder: Path, record_id: str) -> Found | None:
    """Look among journals, outbox and the bodies that lie in no block, by the bytes of the id.

    Raises Unavailable where more bodies than a search reads lie in none.
    """
    waits, mark = waiting(tx, folder), record_id.encode()
    size = load_state(folder).size
    blocks = chosen(sound(folder), size)
    for first, end in outside_blocks(folder, blocks, size, MOST):
        offset = next_offset(folder, blocks, first)
        for line in read_bodies(folder / "bodies", first, end, offset):
            if mark in line.body and _id_of(line.body) == record_id:
                return _found(folder, line.at, line.body, record_id)
    return next((found for found in _unsealed(waits) if found.id == record_id), None)


def _id_of(raw: bytes) -> str | None:
    try:
        found: str | None = orjson.loads(raw).get("id")
    except (ValueError, AttributeError):
        return None
    return found
