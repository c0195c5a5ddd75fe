"""Every statement that counts what a period has to be answered for."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import Column, Connection, Select, and_, case, exists, false, func, or_, select

from accounts.store import accounts
from cases.store import case_breaches, case_events, case_parties
from core.db import Instant
from hotline.reports.model import Wanted
from hotline.reports.store import Condition, fell_due, narrowing, ticket_turns
from hotline.store import supervisions, ticket_clocks, ticket_ratings, tickets, unmaskings

_t, _u, _r = tickets.c, ticket_turns.c, ticket_ratings.c
_LEAD = func.coalesce(_t.lead, "")


def _within(wanted: Wanted, at: Column[datetime]) -> Condition:
    return and_(at >= wanted.period.start_at, at < wanted.period.end_at)


def _number(tx: Connection, query: Select[Any]) -> int:
    return int(tx.execute(query).scalar_one())


# --- findings about tickets -------------------------------------------------------------------------


def late_tickets(tx: Connection, wanted: Wanted, as_of: datetime) -> int:
    """Return how many tickets had a limit for handling that passed in the period and was not kept."""
    kept = and_(_u.answered, _u.until < _u.late_at)
    fell = fell_due(wanted.period.start_at, wanted.period.end_at, as_of)
    query = select(func.count(func.distinct(_u.ticket_id)))
    query = query.select_from(ticket_turns.join(tickets, _t.id == _u.ticket_id))
    return _number(tx, query.where(fell, ~func.coalesce(kept, false()), *narrowing(wanted.narrowed, _u.unit)))


def urged_in_vain(tx: Connection, wanted: Wanted, clocks: Collection[str], as_of: datetime) -> int:
    """Return how many tickets had a limit that an urge began, due in the period and not kept by the unit."""
    c = ticket_clocks.c
    missed = or_(c.stopped_at > c.due, and_(c.stopped_at.is_(None), c.due < as_of))
    query = select(func.count(func.distinct(c.ticket_id)))
    query = query.select_from(ticket_clocks.join(tickets, _t.id == c.ticket_id))
    query = query.where(c.clock.in_(sorted(clocks)), c.unit != "", c.obliges, _within(wanted, c.due), missed)
    return _number(tx, query.where(*narrowing(wanted.narrowed, c.unit)))


def dissatisfied_again(tx: Connection, wanted: Wanted) -> int:
    """Return how many tickets were rated dissatisfied in the period for the second time."""
    earlier = ticket_ratings.alias("earlier")
    before = select(func.count()).where(
        earlier.c.ticket_id == _r.ticket_id, earlier.c.seq < _r.seq, earlier.c.satisfied.is_(False)
    )
    query = select(func.count()).select_from(ticket_ratings.join(tickets, _t.id == _r.ticket_id))
    query = query.where(_within(wanted, _r.at), _r.satisfied.is_(False), before.scalar_subquery() == 1)
    return _number(tx, query.where(*narrowing(wanted.narrowed, _r.unit)))


def refused_again(tx: Connection, wanted: Wanted, refusing: Collection[str]) -> int:
    """Return of how many tickets a return was refused in the period for the second time.

    `refusing` are the steps by which it is.
    """
    c, earlier = case_events.c, case_events.alias("earlier")
    before = select(func.count()).where(
        earlier.c.case_id == c.case_id, earlier.c.seq < c.seq, earlier.c.action.in_(sorted(refusing))
    )
    query = select(func.count()).select_from(case_events.join(tickets, _t.id == c.case_id))
    query = query.where(c.action.in_(sorted(refusing)), _within(wanted, c.at), before.scalar_subquery() == 1)
    return _number(tx, query.where(*narrowing(wanted.narrowed, _LEAD)))


class Matter(NamedTuple):
    """A matter that came up again in the period: how often up to its end, how often before it began."""

    first: datetime
    last: datetime
    reports: int
    last_before: datetime | None
    reports_before: int


def matters_again(tx: Connection, wanted: Wanted) -> list[Matter]:
    """Return the matters that came up again in the period."""
    again = select(_t.matter_id).where(_within(wanted, _t.created_at), _t.matter_id != _t.id)
    again = again.where(*narrowing(wanted.narrowed, _LEAD))
    before = _t.created_at < wanted.period.start_at
    query = select(
        func.min(_t.created_at, type_=Instant()),
        func.max(_t.created_at, type_=Instant()),
        func.count(),
        func.max(case((before, _t.created_at)), type_=Instant()),
        func.count(case((before, _t.id))),
    ).where(_t.matter_id.in_(again), _t.created_at < wanted.period.end_at)
    return [Matter(*row) for row in tx.execute(query.group_by(_t.matter_id))]


class Shown(NamedTuple):
    """A caller was shown in the clear to somebody of a department that has no part in the ticket now."""

    ticket_id: str
    department: str
    is_accused: bool
    """Whether the matter complains about that department."""


def doubtful_unmaskings(tx: Connection, wanted: Wanted) -> list[Shown]:
    """Return the unmaskings of the period that were for nobody who handles the ticket now."""
    same = tickets.alias("same_matter")
    accused = exists().where(same.c.matter_id == _t.matter_id, same.c.accused == accounts.c.department)
    party = exists().where(
        case_parties.c.case_id == _t.id, case_parties.c.department == accounts.c.department
    )
    table = unmaskings.join(tickets, _t.id == unmaskings.c.ticket_id)
    table = table.outerjoin(accounts, accounts.c.login == unmaskings.c.login)
    query = select(_t.id, func.coalesce(accounts.c.department, ""), accused).select_from(table)
    query = query.where(_within(wanted, unmaskings.c.at), or_(accused, ~party))
    return [Shown(*row) for row in tx.execute(query.where(*narrowing(wanted.narrowed, _LEAD)))]


# --- supervisions -----------------------------------------------------------------------------------


def supervisions_late(tx: Connection, wanted: Wanted) -> int:
    """Return how many limits of supervisions passed in the period, as they are on record."""
    c = case_breaches.c
    table = case_breaches.join(supervisions, supervisions.c.id == c.case_id)
    table = table.outerjoin(tickets, _t.id == supervisions.c.ticket_id)
    query = select(func.count()).select_from(table).where(_within(wanted, c.due))
    return _number(tx, query.where(*narrowing(wanted.narrowed, _LEAD)))


def supervisions_opened(tx: Connection, wanted: Wanted) -> dict[str, int]:
    """Return how many supervisions were opened in the period, by procedure, those about no ticket among them.

    These are in no report that is narrowed down: nothing says which unit or topic they are about.
    """
    c = supervisions.c
    query = select(c.workflow, func.count()).select_from(
        supervisions.outerjoin(tickets, _t.id == c.ticket_id)
    )
    query = query.where(_within(wanted, c.created_at), *narrowing(wanted.narrowed, _LEAD))
    return {workflow: int(n) for workflow, n in tx.execute(query.group_by(c.workflow))}
