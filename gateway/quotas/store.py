"""The calls of each day under the grants that limit them, and every statement on them."""

from __future__ import annotations

from datetime import date
from typing import Any

from sqlalchemy import Column, Connection, Integer, String, Table, delete, select
from sqlalchemy.dialects import postgresql, sqlite

from core.db import metadata

grant_calls = Table(
    "grant_calls",
    metadata,
    Column("grant_id", String(36), primary_key=True),
    Column("day", String(10), primary_key=True),
    Column("calls", Integer, nullable=False),
)


def take_call(tx: Connection, grant_id: str, day: date, most: int) -> bool:
    """Count one call of a day under a grant; return False, and count none, when `most` are counted already.

    One statement, so that callers at the same time never share the last one.
    """
    insert: Any = {"sqlite": sqlite.insert, "postgresql": postgresql.insert}[tx.dialect.name]
    calls = grant_calls.c.calls
    first = insert(grant_calls).values(grant_id=grant_id, day=day.isoformat(), calls=1)
    counted = first.on_conflict_do_update(
        index_elements=["grant_id", "day"], set_={"calls": calls + 1}, where=calls < most
    )
    return tx.execute(counted.returning(calls)).first() is not None


def calls_on(tx: Connection, grant_id: str, day: date) -> int:
    """Return how many calls of a day are counted under a grant."""
    c = grant_calls.c
    query = select(c.calls).where(c.grant_id == grant_id, c.day == day.isoformat())
    return tx.execute(query).scalar() or 0


def forget_calls(tx: Connection, before: date) -> int:
    """Drop the counts of the days before one; return how many."""
    return tx.execute(delete(grant_calls).where(grant_calls.c.day < before.isoformat())).rowcount
