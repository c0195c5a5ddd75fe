"""The tables of the statistics and every statement on them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import (
    BigInteger,
    Column,
    Connection,
    String,
    Table,
    case,
    delete,
    select,
    update,
)
from sqlalchemy.dialects import postgresql, sqlite

from core.db import Instant, metadata

# --- calls ----------------------------------------------------------------------------------------


def _sums(name: str, span: str) -> Table:
    """Return a table of sums of calls; `span` is its first key: a day or a month of Shanghai."""
    return Table(
        name,
        metadata,
        Column(span, String(10), primary_key=True),
        Column("dataset", String(60), primary_key=True),
        Column("provider", String(80), primary_key=True),
        Column("consumer", String(80), primary_key=True),
        Column("client", String(40), primary_key=True),
        Column("grant_number", String(40), primary_key=True),
        Column("decision", String(20), primary_key=True),
        Column("calls", BigInteger, nullable=False),
        Column("row_count", BigInteger, nullable=False),
        Column("byte_count", BigInteger, nullable=False),
        Column("milliseconds", BigInteger, nullable=False),
    )


call_days = _sums("call_days", "day")
"""What the access records say, summed up by day: made from them, and made again at any time."""
call_months = _sums("call_months", "month")
"""The same by month, so that a year is read at once."""

last_calls = Table(
    "last_calls",
    metadata,
    Column("grant_number", String(40), primary_key=True),
    Column("at", Instant, nullable=False),
)

call_positions = Table(
    "call_positions",
    metadata,
    Column("origin", String(200), primary_key=True),  # which log
    Column("size", BigInteger, nullable=False),  # how many of its records are in the sums
)


class CallKey(NamedTuple):
    """Whose calls a sum counts: the day (or month) in Shanghai, the parties, and how they ended."""

    span: str
    dataset: str
    provider: str
    consumer: str
    client: str
    grant_number: str
    decision: str


Sum = list[int]
"""Calls, rows, bytes and milliseconds."""
_ADDED = ("calls", "row_count", "byte_count", "milliseconds")


def _insert(tx: Connection, table: Table) -> Any:
    return {"sqlite": sqlite.insert, "postgresql": postgresql.insert}[tx.dialect.name](table)


def counted_size(tx: Connection, origin: str) -> int:
    """Return how many records of a log are in the sums."""
    query = select(call_positions.c.size).where(call_positions.c.origin == origin)
    return int(tx.execute(query).scalar() or 0)


def move_position(tx: Connection, origin: str, start: int, size: int) -> bool:
    """Set the position from `start` to `size`; tell whether it stood at `start`."""
    if start == 0:
        fresh = _insert(tx, call_positions).values(origin=origin, size=0)
        tx.execute(fresh.on_conflict_do_nothing(index_elements=["origin"]))
    at_start = (call_positions.c.origin == origin, call_positions.c.size == start)
    return tx.execute(update(call_positions).where(*at_start).values(size=size)).rowcount == 1


def add_calls(tx: Connection, sums: Mapping[CallKey, Sum]) -> None:
    """Add sums to their days and months."""
    months: dict[CallKey, Sum] = {}
    for key, values in sums.items():
        month = months.setdefault(key._replace(span=key.span[:7]), [0, 0, 0, 0])
        for i, value in enumerate(values):
            month[i] += value
    _add(tx, call_days, sums)
    _add(tx, call_months, months)


def _add(tx: Connection, table: Table, sums: Mapping[CallKey, Sum]) -> None:
    if not sums:
        return
    statement = _insert(tx, table)
    added = statement.on_conflict_do_update(
        index_elements=[c.name for c in table.primary_key],
        set_={name: table.c[name] + statement.excluded[name] for name in _ADDED},
    )
    names = table.columns.keys()
    tx.execute(added, [dict(zip(names, (*k, *v), strict=True)) for k, v in sums.items()])


def put_last_calls(tx: Connection, instants: Mapping[str, datetime]) -> None:
    """Remember when grants were last used; an earlier instant changes nothing."""
    if not instants:
        return
    statement = _insert(tx, last_calls)
    at, new = last_calls.c.at, statement.excluded.at
    later = statement.on_conflict_do_update(
        index_elements=["grant_number"], set_={"at": case((new > at, new), else_=at)}
    )
    tx.execute(later, [{"grant_number": number, "at": at} for number, at in instants.items()])


def select_last_call(tx: Connection, grant_number: str) -> datetime | None:
    """Return when a grant was last used, as far as its calls are counted."""
    return tx.execute(select(last_calls.c.at).where(last_calls.c.grant_number == grant_number)).scalar()


def forget_calls(tx: Connection, origin: str) -> None:
    """Empty the sums and start over; when grants were last used is kept, since it can only become later."""
    for table in (call_days, call_months):
        tx.execute(delete(table))
    tx.execute(delete(call_positions).where(call_positions.c.origin == origin))
