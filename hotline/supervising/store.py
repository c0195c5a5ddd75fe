"""The packets of supervisions, and every statement on supervisions (their table stands with the tickets)."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import (
    Column,
    Connection,
    ForeignKey,
    String,
    Table,
    Text,
    and_,
    exists,
    false,
    func,
    or_,
    select,
    update,
)
from sqlalchemy.sql import ColumnElement

from accounts.model import ACTIVE
from accounts.store import accounts
from cases.model import CO_HANDLER, HANDLER, MEMBER
from cases.store import case_breaches, case_events, case_parties, cases
from core.db import Page, metadata, page
from core.work import Actor
from hotline.model import ClockRow
from hotline.store import (
    supervisions,
    ticket_clocks,
    ticket_ratings,
    tickets,
    tickets_by_id,
    unmaskings,
)
from hotline.supervising.model import Supervision, Wanted

packets = Table(
    "supervision_packets",
    metadata,
    Column("supervision_id", ForeignKey("supervisions.id"), primary_key=True),
    Column("sealed", Text, nullable=False),  # the packet as JSON
    Column("digest", String(64), nullable=False),  # SHA-256 of that JSON
)

_c = supervisions.c


class Sealed(NamedTuple):
    """A packet as it is kept."""

    supervision_id: str
    sealed: str
    digest: str


def insert_supervision(tx: Connection, supervision: Supervision) -> None:
    """Add a supervision; its case exists already."""
    tx.execute(supervisions.insert(), asdict(supervision))


def insert_packet(tx: Connection, packet: Sealed) -> None:
    """Add the packet of a supervision."""
    tx.execute(packets.insert(), packet._asdict())


def supervision(tx: Connection, supervision_id: str) -> Supervision | None:
    """Return a supervision, or None."""
    row = tx.execute(select(supervisions).where(_c.id == supervision_id)).one_or_none()
    return _supervision(row) if row is not None else None


def packet(tx: Connection, supervision_id: str) -> Sealed | None:
    """Return the packet of a supervision as it is kept, or None."""
    row = tx.execute(select(packets).where(packets.c.supervision_id == supervision_id)).one_or_none()
    return Sealed(*row) if row is not None else None


def packets_after(tx: Connection, after: str, limit: int) -> list[Sealed]:
    """Return the packets of the supervisions behind `after`, in their order."""
    c = packets.c
    query = select(packets).where(c.supervision_id > after).order_by(c.supervision_id).limit(limit)
    return [Sealed(*row) for row in tx.execute(query)]


def set_packet(tx: Connection, supervision_id: str, sealed: str) -> None:
    """Keep a packet sealed in another form; what it says is the same."""
    tx.execute(update(packets).where(packets.c.supervision_id == supervision_id).values(sealed=sealed))


def open_from(tx: Connection, origin: str, workflow: str) -> str | None:
    """Return the id of the supervision of a workflow that a case called for and that is not closed yet."""
    query = select(_c.id).join(cases, cases.c.id == _c.id)
    query = query.where(_c.origin == origin, _c.workflow == workflow, cases.c.closed_at.is_(None))
    return tx.execute(query.limit(1)).scalar_one_or_none()


def open_about(tx: Connection, ticket_id: str, workflow: str, state: str | None = None) -> str | None:
    """Return the number of an open supervision of a workflow about a ticket, in a state if one is given."""
    query = select(_c.number).join(cases, cases.c.id == _c.id)
    query = query.where(_c.ticket_id == ticket_id, _c.workflow == workflow, cases.c.closed_at.is_(None))
    if state is not None:
        query = query.where(cases.c.state == state)
    return tx.execute(query.limit(1)).scalar_one_or_none()


def of_ticket(tx: Connection, ticket_id: str) -> list[Supervision]:
    """Return the supervisions of a ticket, the oldest first."""
    query = select(supervisions).where(_c.ticket_id == ticket_id).order_by(_c.created_at, _c.id)
    return [_supervision(row) for row in tx.execute(query)]


def supervisions_page(tx: Connection, actor: Actor, wanted: Wanted, limit: int, cursor: str | None) -> Page:
    """Return one page of the supervisions that the actor takes part in (an auditor: of all), newest first."""
    query = select(supervisions).join(cases, cases.c.id == _c.id)
    for column, value in ((_c.workflow, wanted.workflow), (cases.c.state, wanted.state)):
        if value is not None:
            query = query.where(column == value)
    if wanted.is_open is not None:
        query = query.where(cases.c.closed_at.is_(None) if wanted.is_open else cases.c.closed_at.is_not(None))
    if wanted.ticket is not None:
        query = query.join(tickets, tickets.c.id == _c.ticket_id).where(tickets.c.number == wanted.ticket)
    if not actor.has("auditor"):
        query = query.where(_is_party(actor))
    found = page(tx, query, [_c.created_at, _c.id], limit=limit, cursor=cursor)
    return Page([_supervision(row) for row in found.rows], found.next_cursor)


def _is_party(actor: Actor) -> Any:
    held = actor.roles | {MEMBER} | ({CO_HANDLER} if actor.has(HANDLER) else set())
    return exists().where(
        case_parties.c.case_id == _c.id,
        case_parties.c.department == actor.department,
        case_parties.c.role.in_(sorted(held)),
    )


def breach_records(tx: Connection, case_id: str) -> dict[tuple[str, datetime], str]:
    """Return the records of the breaches of a case, by clock and due instant, the oldest first."""
    c = case_breaches.c
    query = select(c.clock, c.due, c.record_id).where(c.case_id == case_id).order_by(c.due, c.clock)
    return {(row.clock, row.due): row.record_id for row in tx.execute(query)}


def late_among(tx: Connection, ids: Collection[str]) -> set[str]:
    """Return those of these cases of which a breach is on record."""
    c = case_breaches.c
    return set(tx.execute(select(c.case_id).where(c.case_id.in_(sorted(ids)))).scalars())


def same_matter(tx: Connection, matter_id: str) -> Sequence[Any]:
    """Return id, number, time and accused department of the tickets of one matter, the oldest first."""
    c = tickets.c
    query = select(c.id, c.number, c.created_at, c.accused).where(c.matter_id == matter_id)
    return list(tx.execute(query.order_by(c.created_at, c.id)))


def unmaskings_by_department(tx: Connection, ticket_id: str) -> dict[str, int]:
    """Return how often the caller of a ticket was shown in the clear, by the department of the reader."""
    query = select(accounts.c.department, func.count()).select_from(unmaskings)
    query = query.outerjoin(accounts, accounts.c.login == unmaskings.c.login)
    query = query.where(unmaskings.c.ticket_id == ticket_id).group_by(accounts.c.department)
    return {department or "": int(n) for department, n in tx.execute(query)}


def departments_with(tx: Connection, role: str) -> set[str]:
    """Return the departments in which somebody with a role can sign in."""
    query = select(accounts.c.department, accounts.c.roles).where(accounts.c.state == ACTIVE)
    return {row.department for row in tx.execute(query) if role in row.roles}


def running_clocks(tx: Connection, ids: Iterable[str]) -> dict[str, list[ClockRow]]:
    """Return the running duties of a page of tickets as they are written down, by ticket."""
    c = ticket_clocks.c
    query = select(ticket_clocks).where(
        c.ticket_id.in_(list(ids)), c.stopped_at.is_(None), c.due.is_not(None)
    )
    found: dict[str, list[ClockRow]] = {}
    for row in tx.execute(query):
        found.setdefault(row.ticket_id, []).append(ClockRow(**row._mapping))
    return found


# --- what may be called to account ------------------------------------------------------------------


class Flags(NamedTuple):
    """What a list of findings is narrowed down to; None does not narrow."""

    flag: str | None = None
    unit: str | None = None
    created_from: datetime | None = None
    created_until: datetime | None = None


def likely(
    tx: Connection,
    now: datetime,
    kinds: Collection[str],
    wanted: Flags,
    refusing: Sequence[str],
    urging: Sequence[str],
    second: int,
    limit: int,
    cursor: str | None,
) -> Page:
    """Return one page of tickets that one of these kinds of findings may hold for, the newest first.

    `refusing` are the steps by which a return is refused, `urging` the clocks that an urge notice starts;
    what comes `second` counts from that number on.
    """
    t = tickets.c
    holds = {
        "late": _is_late(now),
        "urged_in_vain": _is_late(now, ticket_clocks.c.clock.in_(list(urging))),
        "second_dissatisfied": _as_often(ticket_ratings.c, second, ticket_ratings.c.satisfied.is_(False)),
        "repeat_matter": _is_repeated(second),
        "return_refused": _was_refused(refusing, second),
        "supervision_unanswered": _was_unanswered(now),
        "unmasked": exists().where(unmaskings.c.ticket_id == t.id),
    }
    query = select(t.id, t.created_at).where(or_(false(), *(holds[kind] for kind in sorted(kinds))))
    if wanted.unit is not None:
        query = query.where(t.lead == wanted.unit)
    if wanted.created_from is not None:
        query = query.where(t.created_at >= wanted.created_from)
    if wanted.created_until is not None:
        query = query.where(t.created_at < wanted.created_until)
    found = page(tx, query, [t.created_at, t.id], limit=limit, cursor=cursor)
    known = tickets_by_id(tx, [row.id for row in found.rows])
    return Page([known[row.id] for row in found.rows], found.next_cursor)


def _is_late(now: datetime, *wheres: ColumnElement[bool]) -> ColumnElement[bool]:
    c = ticket_clocks.c
    over = or_(c.stopped_at > c.due, and_(c.stopped_at.is_(None), c.due < now))
    return exists().where(c.ticket_id == tickets.c.id, c.unit != "", c.obliges, over, *wheres)


def _as_often(columns: Any, most: int, *wheres: ColumnElement[bool]) -> ColumnElement[bool]:
    counted = select(func.count()).where(columns.ticket_id == tickets.c.id, *wheres)
    return counted.scalar_subquery() >= most


def _is_repeated(times: int) -> ColumnElement[bool]:
    other = tickets.alias("same_matter")
    several = select(other.c.matter_id).group_by(other.c.matter_id).having(func.count() >= times)
    return tickets.c.matter_id.in_(several)


def _was_refused(refusing: Sequence[str], times: int) -> ColumnElement[bool]:
    c = case_events.c
    counted = select(func.count()).where(c.case_id == tickets.c.id, c.action.in_(list(refusing)))
    return counted.scalar_subquery() >= times


def _was_unanswered(now: datetime) -> ColumnElement[bool]:
    on_record = exists().where(case_breaches.c.case_id == _c.id)
    running = exists().where(cases.c.id == _c.id, cases.c.closed_at.is_(None), cases.c.next_due_at < now)
    return exists().where(_c.ticket_id == tickets.c.id, or_(on_record, running))


def _supervision(row: Any) -> Supervision:
    return Supervision(**{name: row._mapping[name] for name in Supervision.__dataclass_fields__})
