"""Statements that find tickets: FTS5 on SQLite, a tsvector on PostgreSQL, lists by key and never by offset.

Documents are numbered in the order in which tickets come in, so what words find is listed newest first
without being sorted.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple

from sqlalchemy import (
    Connection,
    Integer,
    Select,
    Text,
    and_,
    cast,
    column,
    exists,
    false,
    func,
    literal,
    or_,
    select,
    table,
    true,
)
from sqlalchemy.dialects.postgresql import TSQUERY
from sqlalchemy.sql import ColumnElement

from cases.model import MEMBER
from cases.store import case_events, case_parties, case_turns, cases
from catalog.search.tokens import Term
from core.db import Instant, Page, page
from core.settings_hotline import LEVELS, significant
from core.work import Actor
from hotline.book import UNITS
from hotline.model import Ticket, Wanted
from hotline.store import read_ticket, supervisions, ticket_callers, ticket_documents, tickets

_fts = table(
    "ticket_search",
    column("ticket_search", Text),
    column("rowid", Integer),
    column("words", Text),
    column("rank"),
)
"""The FTS5 table over `ticket_documents`."""
LAST_LEVEL = LEVELS[-1]
_NO_DUE = literal(datetime(9999, 12, 31, tzinfo=UTC), Instant)


_ADDED = ticket_documents.insert().returning(ticket_documents.c.number)


def insert_document(tx: Connection, ticket_id: str, words: Sequence[str]) -> None:
    """Make a ticket findable by these tokens."""
    told = " ".join(words)
    vector = _vector(words) if tx.dialect.name == "postgresql" else None
    values = {"ticket_id": ticket_id, "words": told, "vector": vector}
    number = tx.execute(_ADDED, values).scalar_one()
    if tx.dialect.name == "sqlite":
        tx.execute(_fts.insert(), {"rowid": number, "words": told})


def _vector(words: Sequence[str]) -> str:
    """Return a tsvector literal: each token with its places."""
    places: dict[str, list[str]] = {}
    for at, token in enumerate(words, 1):
        places.setdefault(token, []).append(str(min(at, 16383)))
    return " ".join(f"'{token}':{','.join(found)}" for token, found in places.items())


# --- lists ----------------------------------------------------------------------------------------


class Viewer(NamedTuple):
    """Who looks at tickets."""

    actor: Actor
    everywhere: frozenset[str]
    """Roles of the actor that take part in every ticket from its start."""
    elsewhere: frozenset[str]
    """Roles of the actor that take part in some."""


class Asked(NamedTuple):
    """What a list is narrowed to, in the names of a rulebook."""

    wanted: Wanted
    states: Sequence[str] | None = None
    """Tickets that stand in one of them."""
    asking: Sequence[str] = ()
    """The steps by which is asked for what is pending."""
    answers: Sequence[str] = ()
    """The steps that answer it."""


def tickets_page(
    tx: Connection,
    viewer: Viewer,
    asked: Asked,
    words: Sequence[Term],
    now: datetime,
    *,
    limit: int,
    cursor: str | None,
) -> Page:
    """Return one page of the tickets that the viewer takes part in (an auditor: of all).

    What `words` find comes newest first, as do lists that are not asked for by due.
    """
    wanted = asked.wanted
    conditions = _conditions(viewer, asked, now)
    if words:
        conditions.append(or_(_readable(viewer), tickets.c.number == (wanted.q or "").strip().upper()))
        return _found_by_words(tx, conditions, words, limit, cursor)
    query = select(tickets).where(*conditions)
    if wanted.by_due:
        due = func.coalesce(tickets.c.due_at, _NO_DUE, type_=Instant).label("due")
        found = page(
            tx, query.add_columns(due), [due, tickets.c.id], limit=limit, cursor=cursor, descending=False
        )
    else:
        found = page(tx, query, [tickets.c.created_at, tickets.c.id], limit=limit, cursor=cursor)
    return Page([read_ticket(row) for row in found.rows], found.next_cursor)


def count_wanted(tx: Connection, viewer: Viewer, asked: Asked, now: datetime, most: int) -> int:
    """Return how many tickets of a list there are, counting no further than `most`."""
    some = select(tickets.c.id).where(*_conditions(viewer, asked, now)).limit(most).subquery()
    return int(tx.execute(select(func.count()).select_from(some)).scalar_one())


def _conditions(viewer: Viewer, asked: Asked, now: datetime) -> list[ColumnElement[bool]]:
    """What is narrowed to, and what the viewer takes part in; whoever has the turn does."""
    seen = _turn_of(viewer) if asked.wanted.turn else _visible(viewer)
    return [seen, *_narrowed(asked.wanted, asked.states, now), *_waiting(viewer, asked)]


def _found_by_words(
    tx: Connection,
    conditions: Sequence[ColumnElement[bool]],
    words: Sequence[Term],
    limit: int,
    cursor: str | None,
) -> Page:
    number, matched = _matching(tx, words, any_of=False)
    number = number.label("found")
    query = select(tickets, number).select_from(matched).where(*conditions)
    found = page(tx, query, [number], limit=limit, cursor=cursor)
    return Page([read_ticket(row) for row in found.rows], found.next_cursor)


def _matching(tx: Connection, words: Sequence[Term], *, any_of: bool) -> tuple[ColumnElement[int], Any]:
    """Return the number of documents that have the words, and what they are selected from."""
    d = ticket_documents
    if tx.dialect.name == "postgresql":
        question = (" | " if any_of else " & ").join(_lexemes(term) for term in words)
        matches = d.c.vector.op("@@")(cast(literal(question, Text), TSQUERY))
        return d.c.number, d.join(tickets, and_(tickets.c.id == d.c.ticket_id, matches))
    question = (" OR " if any_of else " AND ").join(_fts5(term) for term in words)
    matches = _fts.c.ticket_search.op("MATCH")(question)
    joined = _fts.join(d, and_(d.c.number == _fts.c.rowid, matches))
    return _fts.c.rowid, joined.join(tickets, tickets.c.id == d.c.ticket_id)


def _fts5(term: Term) -> str:
    """Return a term in the query language of FTS5; tokens hold letters and digits only."""
    return f'"{" ".join(term.tokens)}"' + ("*" if term.prefix else "")


def _lexemes(term: Term) -> str:
    return "(" + " <-> ".join(f"'{token}'" for token in term.tokens) + (":*" if term.prefix else "") + ")"


def _visible(viewer: Viewer) -> ColumnElement[bool]:
    """Tickets of which the department is a party in one of the viewer's roles."""
    if viewer.actor.has("auditor") or viewer.actor.has("system"):
        return true()
    return _named_in(case_parties.c, viewer)


def _turn_of(viewer: Viewer) -> ColumnElement[bool]:
    """Tickets in which the department has the turn in one of the viewer's roles."""
    return _named_in(case_turns.c, viewer)


def _named_in(p: Any, viewer: Viewer) -> ColumnElement[bool]:
    """Tickets for which a table names the viewer's department in one of the viewer's roles.

    Where that is every ticket each is looked at by itself, where it is some those are listed first.
    """
    department = viewer.actor.department
    dense = exists().where(
        p.case_id == tickets.c.id, p.department == department, p.role.in_(sorted(viewer.everywhere))
    )
    sparse = select(p.case_id).where(p.department == department, p.role.in_(sorted(viewer.elsewhere)))
    return or_(
        dense if viewer.everywhere else false(),
        tickets.c.id.in_(sparse) if viewer.elsewhere else false(),
    )


def _readable(viewer: Viewer) -> ColumnElement[bool]:
    """Tickets whose summary and caller the viewer may know of, beside their number.

    A department that is complained about, and a unit that has a ticket masked, must not find out by searching
    for words or for a telephone number what is hidden from it.
    """
    c, p = tickets.c, case_parties.c
    seats = sorted((viewer.everywhere | viewer.elsewhere) - set(UNITS))
    otherwise = exists().where(
        p.case_id == c.id, p.department == viewer.actor.department, p.role.in_([*seats, MEMBER])
    )
    as_auditor = true() if viewer.actor.has("auditor") else false()
    unmasked = or_(c.masked.is_(False), as_auditor, otherwise)
    return and_(or_(c.accused.is_(None), c.accused != viewer.actor.department), unmasked)


def _narrowed(wanted: Wanted, states: Sequence[str] | None, now: datetime) -> list[ColumnElement[bool]]:
    c = tickets.c
    equal = {
        "category": c.category,
        "channel": c.channel,
        "source": c.source,
        "lead": c.lead,
        "dataset": c.dataset,
        "matter": c.matter_id,
        "hung": c.hung,
        "satisfied": c.satisfied,
        "merged_into": c.merged_into,
        "created_by": c.created_by,
    }
    found = [col == getattr(wanted, name) for name, col in equal.items() if getattr(wanted, name) is not None]
    if states is not None:
        found.append(c.state.in_(states))
    if wanted.place:
        within = significant(wanted.place)
        found.append(c.place.between(within.ljust(LAST_LEVEL, "0"), within.ljust(LAST_LEVEL, "9")))
    if wanted.is_open is not None:
        found.append(c.closed_at.is_(None) if wanted.is_open else c.closed_at.is_not(None))
    if wanted.late:
        found.append(c.due_at < now.replace(microsecond=0))
    bounds = (
        (c.created_at, wanted.created_from, wanted.created_until),
        (c.due_at, wanted.due_from, wanted.due_until),
    )
    for at, since, until in bounds:
        found += [at >= since] if since is not None else []
        found += [at < until] if until is not None else []
    return found


def _waiting(viewer: Viewer, asked: Asked) -> list[ColumnElement[bool]]:
    """Tickets that wait for the viewer, for the answer to a request, or under supervision."""
    wanted, roles = asked.wanted, sorted(viewer.everywhere | viewer.elsewhere)
    found: list[ColumnElement[bool]] = []
    if asked.asking:
        found.append(_is_pending(asked.asking, asked.answers))
    if wanted.supervised:
        found.append(tickets.c.id.in_(_supervised(viewer, roles)))
    return found


def _is_pending(asking: Sequence[str], answers: Sequence[str]) -> ColumnElement[bool]:
    asked, answered = case_events.alias("asked"), case_events.alias("answered")
    later = exists().where(
        answered.c.case_id == asked.c.case_id, answered.c.seq > asked.c.seq, answered.c.action.in_(answers)
    )
    return exists().where(asked.c.case_id == tickets.c.id, asked.c.action.in_(asking), ~later)


def _supervised(viewer: Viewer, roles: Sequence[str]) -> Select[Any]:
    query = select(supervisions.c.ticket_id).join(cases, cases.c.id == supervisions.c.id)
    query = query.where(cases.c.closed_at.is_(None), supervisions.c.ticket_id.is_not(None))
    if viewer.actor.has("auditor"):
        return query
    p = case_parties.c
    party = exists().where(
        p.case_id == supervisions.c.id, p.department == viewer.actor.department, p.role.in_([*roles, MEMBER])
    )
    return query.where(party)


# --- earlier tickets of the same matter -----------------------------------------------------------


def with_phone(tx: Connection, viewer: Viewer, index: str, limit: int) -> list[Ticket]:
    """Return the tickets of whoever called from a number, by its index, the newest first."""
    c = ticket_callers.c
    query = select(tickets).join(ticket_callers, c.ticket_id == tickets.c.id)
    query = query.where(c.phone_index == index, _visible(viewer), _readable(viewer))
    return _tickets(tx, query.order_by(tickets.c.created_at.desc(), tickets.c.id.desc()).limit(limit))


def in_place(
    tx: Connection, viewer: Viewer, place: str, category: str, since: datetime, limit: int
) -> list[Ticket]:
    """Return the tickets of a place and topic since an instant, the newest first."""
    c = tickets.c
    query = select(tickets).where(
        c.place == place, c.category == category, c.created_at >= since, _visible(viewer), _readable(viewer)
    )
    return _tickets(tx, query.order_by(c.created_at.desc(), c.id.desc()).limit(limit))


def with_some_words(
    tx: Connection, viewer: Viewer, words: Sequence[Term], since: datetime, limit: int
) -> list[Ticket]:
    """Return the tickets since an instant that have most of the words."""
    number, matched = _matching(tx, words, any_of=True)
    first = select(ticket_documents.c.number).join(tickets, tickets.c.id == ticket_documents.c.ticket_id)
    first = first.where(tickets.c.created_at >= since).order_by(tickets.c.created_at, tickets.c.id).limit(1)
    begin = tx.execute(first).scalar_one_or_none()
    if begin is None:
        return []
    query = select(tickets).select_from(matched).where(number >= begin, _visible(viewer), _readable(viewer))
    best = _fts.c.rank if tx.dialect.name == "sqlite" else number.desc()
    return _tickets(tx, query.order_by(best).limit(limit))


def _tickets(tx: Connection, query: Select[Any]) -> list[Ticket]:
    return [read_ticket(row) for row in tx.execute(query)]
