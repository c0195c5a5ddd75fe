"""The counts of requests at the OAuth endpoints, shared by every process, and every statement on them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import Column, Connection, Integer, String, Table, case, delete, select
from sqlalchemy.dialects import postgresql, sqlite

from core.db import Instant, metadata

oauth_counts = Table(
    "oauth_counts",
    metadata,
    Column("key", String(80), primary_key=True),
    Column("since", Instant, nullable=False, index=True),
    Column("count", Integer, nullable=False),
)


class Count(NamedTuple):
    """How many requests were counted under a key, and since when."""

    key: str
    since: datetime
    requests: int


def count_of(tx: Connection, key: str) -> Count | None:
    """Return what is counted under a key, or None."""
    row = tx.execute(select(oauth_counts).where(oauth_counts.c.key == key)).one_or_none()
    return Count(*row) if row else None


def add(tx: Connection, key: str, more: int, now: datetime, since: datetime) -> int:
    """Count `more` requests, from `now` on where the count began at `since` or before; return the count.

    One statement, so that no two requests at once are counted as one.
    """
    insert: Any = {"sqlite": sqlite.insert, "postgresql": postgresql.insert}[tx.dialect.name]
    c = oauth_counts.c
    first = insert(oauth_counts).values(key=key, since=now, count=more)
    over = c.since <= since
    again = {
        "since": case((over, first.excluded.since), else_=c.since),
        "count": case((over, more), else_=c.count + more),
    }
    counted = first.on_conflict_do_update(index_elements=[c.key], set_=again).returning(c.count)
    return int(tx.execute(counted).scalar_one())


def ended(tx: Connection, since: datetime) -> Sequence[Count]:
    """Return the counts that began at `since` or before."""
    found = select(oauth_counts).where(oauth_counts.c.since <= since).order_by(oauth_counts.c.key)
    return [Count(*row) for row in tx.execute(found)]


def drop_ended(tx: Connection, since: datetime) -> None:
    """Drop the counts that began at `since` or before."""
    tx.execute(delete(oauth_counts).where(oauth_counts.c.since <= since))
