"""The calls, summed up by day from the sealed access records: each record once, whatever crashes meanwhile.

A call is counted on the day (in Shanghai) on which it ended. A stream has two records: `access.start`
counts it as unfinished, `access.end` takes that back, on the day of its start, and counts how it ended. So
what stays unfinished are calls cut off by a crash, of which nobody knows how much arrived.

The position in the log moves in the transaction that adds what lies before it. Only the log's index is kept
as the position, not a place in a file, so that erasing bodies moves nothing; an erased body is not counted.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache
from pathlib import Path
from typing import Any
from uuid import UUID

import orjson
from sqlalchemy import Connection

from audit.bodies import Line, read_bodies
from audit.state import load_state
from core.db import Database
from core.times import SHANGHAI, instant_of
from supervision import store
from supervision.model import PERMITTED, UNFINISHED
from supervision.store import CallKey, Sum

BATCH = 20_000
"""How many records one transaction adds."""
_HOUR_MS = 3_600_000
_WHO = ("dataset", "provider", "consumer", "client", "grant")


@dataclass(slots=True)
class Tally:
    """What a run of records adds up to."""

    records: int = 0
    unreadable: int = 0
    """Bodies that are erased or damaged."""
    sums: dict[CallKey, Sum] = field(default_factory=dict)
    last: dict[str, datetime] = field(default_factory=dict)
    """Grant number to its last call that was answered in full."""

    def add(self, body: Mapping[str, Any]) -> None:
        """Add one record; those of other kinds count for nothing."""
        kind = body["k"]
        if kind == "access":
            self._ended(body)
        elif kind == "access.start":
            self._count(body, body["t"], UNFINISHED, [1, 0, 0, 0])
        elif kind == "access.end":
            began = UUID(body["start"]).int >> 80  # a UUID of version 7 begins with its milliseconds
            self._ended(body)
            self._count(body, began, UNFINISHED, [-1, 0, 0, 0])

    def _ended(self, body: Mapping[str, Any]) -> None:
        decision = body["decision"]
        values = [1, body.get("rows") or 0, body.get("bytes") or 0, round(body.get("ms") or 0)]
        self._count(body, body["t"], decision, values)
        if decision == PERMITTED and body.get("grant"):
            at = instant_of(body["t"])
            self.last[body["grant"]] = max(at, self.last.get(body["grant"], at))

    def _count(self, body: Mapping[str, Any], ms: int, decision: str, values: Sum) -> None:
        dataset, provider, consumer, client, grant = (body.get(name) or "" for name in _WHO)
        key = CallKey(_day(ms // _HOUR_MS), dataset, provider, consumer, client, grant, decision)
        total = self.sums.setdefault(key, [0, 0, 0, 0])
        for i, value in enumerate(values):
            total[i] += value


@lru_cache(maxsize=4096)
def _day(hour: int) -> str:
    """Return the day in Shanghai of an hour since 1970."""
    return instant_of(hour * _HOUR_MS).astimezone(SHANGHAI).date().isoformat()


def tally(lines: Iterator[Line]) -> Tally:
    """Add up the bodies of records."""
    made = Tally()
    for line in lines:
        made.records += 1
        try:
            made.add(orjson.loads(line.body))
        except (ValueError, KeyError, TypeError, AttributeError):
            made.unreadable += 1
    return made


def roll_up(database: Database, folder: Path, origin: str) -> Tally:
    """Add the records that were sealed since the last time to the sums; return what was added.

    `folder` is the audit folder, `origin` the name of its log. Hold no transaction. Where somebody else adds
    at the same time, one of the two adds and the other starts over from there.
    """
    whole = Tally()
    while _step(database, folder, origin, whole):
        pass
    return whole


def _step(database: Database, folder: Path, origin: str, whole: Tally) -> bool:
    """Add one batch; tell whether there may be more."""
    size = load_state(folder).size
    with database.read() as tx:
        start = store.counted_size(tx, origin)
    if start > size:  # the sums know records that this log never had
        with database.begin() as tx:
            store.forget_calls(tx, origin)
        return True
    if start == size:
        return False
    end = min(size, start + BATCH)
    part = tally(read_bodies(folder / "bodies", start, end))
    part.unreadable += end - start - part.records  # lines or files that are gone
    part.records = end - start
    with database.begin() as tx:
        if store.move_position(tx, origin, start, end):
            store.add_calls(tx, part.sums)
            store.put_last_calls(tx, part.last)
            whole.records += part.records
            whole.unreadable += part.unreadable
    return True


def rebuild(database: Database, folder: Path, origin: str) -> Tally:
    """Make the sums anew from the log; meanwhile they are incomplete.

    What was counted from bodies that have been erased since is then no longer counted: the result says how
    many could not be read.
    """
    with database.begin() as tx:
        store.forget_calls(tx, origin)
    return roll_up(database, folder, origin)


def last_call(tx: Connection, grant_number: str) -> datetime | None:
    """Return when a grant was last used with success, a few seconds late; None when it never was."""
    return store.select_last_call(tx, grant_number)
