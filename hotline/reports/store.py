"""The tables of the reports and every statement on them; counting is done by the database."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import Boolean as Bool
from sqlalchemy import (
    Column,
    Connection,
    ForeignKey,
    FromClause,
    Index,
    Integer,
    Row,
    Select,
    String,
    Table,
    and_,
    case,
    cast,
    delete,
    func,
    literal,
    or_,
    select,
    union_all,
)
from sqlalchemy.sql import ColumnElement

from core.db import Instant, Page, metadata, page
from hotline.reports.model import HANDLE, SIGN_IN, Counts, Narrowed, Overdue, Turn
from hotline.store import ticket_ratings, tickets

ticket_turns = Table(
    "ticket_turns",
    metadata,
    Column("ticket_id", ForeignKey("tickets.id"), primary_key=True),
    Column("seq", Integer, primary_key=True),
    Column("unit", String(80), nullable=False),
    Column("at", Instant, nullable=False),
    Column("over_at", Instant),
    Column("sign_late_at", Instant),
    Column("signed_at", Instant),
    Column("late_at", Instant),
    Column("until", Instant),
    Column("answered", Bool, nullable=False),
    # Each holds all that is counted along it, so that counting looks up no row.
    Index("ix_ticket_turns_at", "at", "unit", "over_at", "sign_late_at", "signed_at"),
    Index("ix_ticket_turns_late_at", "late_at", "until", "answered", "unit"),
    Index("ix_ticket_turns_until", "until", "late_at", "unit"),
    Index("ix_ticket_turns_sign_late_at", "sign_late_at", "signed_at", "over_at"),
)

_t, _u, _r = tickets.c, ticket_turns.c, ticket_ratings.c
Condition = ColumnElement[bool]


# --- keeping turns --------------------------------------------------------------------------------


def put_turns(tx: Connection, ticket_id: str, turns: Sequence[Turn]) -> None:
    """Write down the turns at a ticket, in place of those before."""
    tx.execute(delete(ticket_turns).where(_u.ticket_id == ticket_id))
    if turns:
        tx.execute(ticket_turns.insert(), [asdict(turn) for turn in turns])


def tickets_after(tx: Connection, after: str, limit: int) -> list[str]:
    """Return the ids of tickets behind `after`, in their order."""
    query = select(_t.id).where(_t.id > after).order_by(_t.id).limit(limit)
    return list(tx.execute(query).scalars())


def count_tickets(tx: Connection) -> int:
    """Return how many tickets there are."""
    return int(tx.execute(select(func.count()).select_from(tickets)).scalar_one())


# --- what is counted ------------------------------------------------------------------------------


def is_signed_in_time() -> Condition:
    """Signed in before it was late; without a limit, at all."""
    in_time = or_(_u.sign_late_at.is_(None), _u.signed_at < _u.sign_late_at)
    return and_(_u.signed_at.is_not(None), in_time)


def _dispatched(start: datetime, end: datetime) -> Condition:
    """Given to a unit, and not taken back while it could still sign in in time."""
    in_time = or_(_u.sign_late_at.is_(None), _u.over_at < _u.sign_late_at)
    taken_back = and_(_u.signed_at.is_(None), _u.over_at.is_not(None), in_time)
    return and_(_u.at >= start, _u.at < end, ~taken_back)


def _counts_as_due() -> Condition:
    """The limit was to be kept: the matter was not set aside or taken away before it passed."""
    return or_(_u.until.is_(None), _u.answered, _u.until >= _u.late_at)


def fell_due(start: datetime, end: datetime, as_of: datetime) -> Condition:
    """Tell of a limit that passed in the period: the last second of a day is its own, late from the next."""
    return and_(_u.late_at > start, _u.late_at <= min(end, as_of), _counts_as_due())


def _overdue(at: datetime) -> Condition:
    """The limit had passed at an instant and still ran."""
    return and_(_u.late_at <= at, or_(_u.until.is_(None), _u.until > at))


def _closed_late(start: datetime, end: datetime) -> Condition:
    """The limit stopped in the period after it had passed."""
    return and_(_u.until >= start, _u.until < end, _u.until >= _u.late_at)


def _flag(condition: Condition) -> ColumnElement[int]:
    return func.coalesce(func.sum(case((condition, 1), else_=0)), 0)


class _Count:
    """Counts what happened in a period, as of an instant."""

    def __init__(self, start: datetime, end: datetime, as_of: datetime, narrowed: Narrowed) -> None:
        self._start, self._end, self._as_of = start, end, as_of
        self._narrowed = narrowed

    def by(self, tx: Connection, dimensions: Sequence[str]) -> dict[tuple[str, ...], Counts]:
        """Return what was counted, by the keys of some dimensions."""
        found: dict[tuple[str, ...], Counts] = {}
        of_tickets = self._asks_of_tickets() or any(name != "unit" for name in dimensions)
        for part in self._parts():
            keys = [part.unit if name == "unit" else _t[name] for name in dimensions]
            query = select(*keys, *part.columns.values())
            query = query.select_from(part.joined if of_tickets else part.table)
            query = query.where(part.where, *narrowing(self._narrowed, part.unit)).group_by(*keys)
            for row in tx.execute(query):
                key, numbers = tuple(row[: len(keys)]), map(int, row[len(keys) :])
                counts = Counts(**dict(zip(part.columns, numbers, strict=True)))
                found[key] = found.get(key, Counts()).plus(counts)
        return found

    def _asks_of_tickets(self) -> bool:
        n = self._narrowed
        return not (n.category is None and n.place is None and n.channel is None)

    def _parts(self) -> Iterator[_Part]:
        """Yield what is counted by one statement each."""
        yield from self._of_tickets()
        yield from self._of_turns()
        within = and_(_r.at >= self._start, _r.at < self._end)
        columns = {"rated": func.count(), "satisfied": _flag(_r.satisfied)}
        yield _Part(
            columns, _r.unit, within, ticket_ratings, ticket_ratings.join(tickets, _t.id == _r.ticket_id)
        )

    def _of_tickets(self) -> Iterator[_Part]:
        lead = func.coalesce(_t.lead, "")
        for name, at in (("received", _t.created_at), ("closed", _t.closed_at)):
            within = and_(at >= self._start, at < self._end)
            yield _Part({name: func.count()}, lead, within, tickets, tickets)

    def _of_turns(self) -> Iterator[_Part]:
        start, end, as_of = self._start, self._end, self._as_of
        ahead = and_(_u.signed_at.is_(None), or_(_u.sign_late_at.is_(None), _u.sign_late_at > as_of))
        signing = {
            "dispatched": func.count(),
            "signed_in_time": _flag(is_signed_in_time()),
            "sign_ahead": _flag(ahead),
        }
        yield _of_turn(signing, _dispatched(start, end))
        kept = and_(_u.answered, _u.until < _u.late_at)
        handling = {"due": func.count(), "closed_in_time": _flag(kept)}
        yield _of_turn(handling, fell_due(start, end, as_of))
        if as_of < end:
            later = and_(_u.late_at > as_of, _u.late_at <= end, _counts_as_due())
            yield _of_turn({"due_ahead": func.count()}, later)
        now = min(as_of, end)
        yield _of_turn({"overdue": func.count()}, and_(_u.until.is_(None), _u.late_at <= now))
        yield _of_turn({"overdue": func.count()}, and_(_u.until > now, _u.late_at <= now))
        yield _of_turn({"closed_late": func.count()}, _closed_late(start, end))


class _Part(NamedTuple):
    """What one statement counts."""

    columns: Mapping[str, ColumnElement[Any]]
    unit: ColumnElement[str]
    where: Condition
    table: FromClause
    joined: FromClause
    """The table together with the tickets."""


def _of_turn(columns: Mapping[str, ColumnElement[Any]], where: Condition) -> _Part:
    joined = ticket_turns.join(tickets, _t.id == _u.ticket_id)
    return _Part(columns, _u.unit, where, ticket_turns, joined)


def counted(
    tx: Connection,
    start: datetime,
    end: datetime,
    as_of: datetime,
    narrowed: Narrowed,
    dimensions: Sequence[str] = ("unit",),
) -> dict[tuple[str, ...], Counts]:
    """Return what was counted in a period, by the keys of some dimensions."""
    return _Count(start, end, as_of, narrowed).by(tx, dimensions)


def narrowing(narrowed: Narrowed, unit: ColumnElement[str]) -> list[Condition]:
    """Return the conditions that a report is narrowed down by."""
    wanted: list[Condition] = []
    if narrowed.unit is not None:
        wanted.append(unit == narrowed.unit)
    if narrowed.category is not None:
        wanted.append(_t.category.in_((narrowed.category, *narrowed.below)))
    if narrowed.place is not None:
        wanted.append(_t.place.startswith(narrowed.place, autoescape=True))
    if narrowed.channel is not None:
        wanted.append(_t.channel == narrowed.channel)
    return wanted


def happenings(
    tx: Connection, spans: Sequence[tuple[datetime, datetime]], narrowed: Narrowed
) -> list[tuple[int, int]]:
    """Return how many tickets were received and closed in each of some spans, in their order."""
    lead = func.coalesce(_t.lead, "")
    wanted = narrowing(narrowed, lead)

    def counted(at: int, start: datetime, end: datetime) -> Select[Any]:
        received = select(func.count()).where(_t.created_at >= start, _t.created_at < end, *wanted)
        closed = select(func.count()).where(_t.closed_at >= start, _t.closed_at < end, *wanted)
        return select(literal(at).label("at"), received.scalar_subquery(), closed.scalar_subquery())

    if not spans:
        return []
    rows = tx.execute(union_all(*(counted(i, *span) for i, span in enumerate(spans))).order_by("at"))
    return [(int(row[1]), int(row[2])) for row in rows]


def received_by_topic(
    tx: Connection, start: datetime, end: datetime, narrowed: Narrowed
) -> list[tuple[str, str, int]]:
    """Return how many tickets each category and place received."""
    wanted = narrowing(narrowed, func.coalesce(_t.lead, ""))
    query = select(_t.category, _t.place, func.count()).where(
        _t.created_at >= start, _t.created_at < end, *wanted
    )
    return [(c, p, int(n)) for c, p, n in tx.execute(query.group_by(_t.category, _t.place))]


# --- what was not kept ----------------------------------------------------------------------------


def _late_limits(limit: str) -> tuple[Any, Any]:
    """Return the first late second of a limit, and when it stopped."""
    if limit == HANDLE:
        return _u.late_at, _u.until
    stopped = func.coalesce(_u.signed_at, _u.over_at)
    return _u.sign_late_at, stopped


def overdue_page(
    tx: Connection,
    start: datetime,
    end: datetime,
    as_of: datetime,
    narrowed: Narrowed,
    *,
    limit: int,
    cursor: str | None = None,
) -> Page:
    """Return a page of the limits that were not kept, the longest overdue first.

    Those that still ran at the end of the period (or run now), and those that stopped late in the period.
    """
    parts = [_overdue_of(name, start, end, as_of, narrowed) for name in (HANDLE, SIGN_IN)]
    late = union_all(*parts).subquery("late")
    found = page(tx, select(late), [late.c.late_at, late.c.key], limit=limit, cursor=cursor, descending=False)
    return Page([_late(row) for row in found.rows], found.next_cursor)


def _overdue_of(
    name: str, start: datetime, end: datetime, as_of: datetime, narrowed: Narrowed
) -> Select[Any]:
    late_at, until = _late_limits(name)
    now = min(as_of, end)
    open_ = and_(late_at <= now, or_(until.is_(None), until > now))
    closed = and_(until >= start, until < end, until >= late_at)
    key = _u.ticket_id + literal(":") + cast(_u.seq, String(10)) + literal(f":{name}")
    return (
        select(
            key.label("key"),
            _u.ticket_id,
            _u.seq,
            _t.number,
            _t.summary,
            _u.unit,
            _t.category,
            _t.place,
            _t.channel,
            literal(name).label("limit"),
            late_at.label("late_at"),
            until.label("until"),
        )
        .select_from(ticket_turns.join(tickets, _t.id == _u.ticket_id))
        .where(or_(open_, closed), *narrowing(narrowed, _u.unit))
    )


def _late(row: Row[Any]) -> Overdue:
    return Overdue(
        row.ticket_id,
        row.seq,
        row.number,
        row.summary,
        row.unit,
        row.category,
        row.place,
        row.channel,
        row.limit,
        row.late_at,
        row.until,
    )


# --- the statistics that others may use -----------------------------------------------------------


def monthly(
    tx: Connection, months: Sequence[tuple[str, datetime, datetime]], now: datetime
) -> Iterator[dict[str, Any]]:
    """Yield the statistics of the tickets that came in each month, by all that they break down by."""
    passed = or_(_u.until >= _u.late_at, and_(_u.until.is_(None), _u.late_at <= now))
    keys = [func.coalesce(_t.lead, "").label("unit"), _t.category, _t.place, _t.channel]
    for month, start, end in months:
        came = and_(_t.created_at >= start, _t.created_at < end)
        limits = (
            select(
                _u.ticket_id,
                func.max(case((passed, 1), else_=0)).label("late"),
                func.count(_u.late_at).label("number"),
            )
            .select_from(ticket_turns.join(tickets, _t.id == _u.ticket_id))
            .where(came)
            .group_by(_u.ticket_id)
            .subquery()
        )
        is_late = func.coalesce(limits.c.late, 0) == 1
        columns = [
            func.count().label("tickets"),
            _flag(_t.closed_at.is_not(None)).label("closed"),
            _flag(and_(_t.closed_at.is_not(None), limits.c.number > 0, ~is_late)).label("on_time"),
            _flag(is_late).label("overdue"),
            _flag(_t.satisfied.is_(True)).label("satisfied"),
            _flag(_t.satisfied.is_not(None)).label("rated"),
        ]
        table = tickets.outerjoin(limits, limits.c.ticket_id == _t.id)
        for row in tx.execute(select(*keys, *columns).select_from(table).where(came).group_by(*keys)):
            yield {"month": month, **row._mapping}


def first_ticket_at(tx: Connection) -> datetime | None:
    """Return when the first ticket came in, None before there is one."""
    return tx.execute(select(_t.created_at).order_by(_t.created_at, _t.id).limit(1)).scalar_one_or_none()
