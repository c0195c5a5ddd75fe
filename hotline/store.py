"""The tables of the hotline and the statements on tickets, callers and what is derived from their cases."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import (
    Boolean,
    Column,
    Connection,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    bindparam,
    delete,
    event,
    func,
    select,
    update,
)
from sqlalchemy.dialects import postgresql

from cases.store import case_parties, cases
from core.db import Document, Instant, metadata
from hotline.model import Caller, ClockRow, Rating, Ticket

tickets = Table(
    "tickets",
    metadata,
    Column("id", ForeignKey("cases.id"), primary_key=True),
    Column("number", String(20), nullable=False, unique=True),
    Column("channel", String(40), nullable=False),
    Column("source", String(20), nullable=False),
    Column("external_id", String(120)),
    Column("summary", Text, nullable=False),
    Column("place", String(12), nullable=False),
    Column("category", String(40), nullable=False),
    Column("accused", String(80)),
    Column("about_person", Boolean, nullable=False),
    Column("matter_id", String(36), nullable=False),
    Column("merged_into", String(36)),
    Column("dataset", String(40)),
    Column("grant", String(20)),
    Column("correction", String(36)),
    Column("created_by", String(80), nullable=False),
    Column("created_at", Instant, nullable=False),
    # From here on derived from the case, in the transaction of each of its steps.
    Column("state", String(40), nullable=False),
    Column("lead", String(80)),
    Column("masked", Boolean, nullable=False),
    Column("handlings", Integer, nullable=False),
    Column("satisfied", Boolean),
    Column("hung", Boolean, nullable=False),
    Column("accepted_at", Instant),
    Column("dispatched_at", Instant),
    Column("fed_back_at", Instant),
    Column("due_at", Instant),
    Column("closed_at", Instant),
    Index("ix_tickets_created_at", "created_at", "id"),
    Index("ix_tickets_state", "state", "created_at", "id"),
    Index("ix_tickets_lead", "lead", "created_at", "id"),
    Index("ix_tickets_category", "category", "created_at", "id"),
    Index("ix_tickets_place", "place", "created_at", "id"),
    Index("ix_tickets_due_at", "due_at"),
    Index("ix_tickets_closed_at", "closed_at", "created_at", "id"),
    Index("ix_tickets_dispatched_at", "dispatched_at"),
    Index("ix_tickets_matter_id", "matter_id"),
    Index("ix_tickets_dataset", "dataset"),
    Index("ix_tickets_external_id", "source", "external_id"),
)

ticket_callers = Table(
    "ticket_callers",
    metadata,
    Column("ticket_id", ForeignKey("tickets.id"), primary_key=True),
    Column("sealed", Text, nullable=False),  # JSON of name, phone, address, ip, contact
    Column("phone_index", String(64)),  # keyed: says only whether two numbers are the same
    Column("anonymous", Boolean, nullable=False),
    Column("confidential", Boolean, nullable=False),
    Column("consent", Boolean, nullable=False),
    Column("code_digest", String(64), nullable=False),
    Index("ix_ticket_callers_phone_index", "phone_index"),
)

ticket_texts = Table(
    "ticket_texts",
    metadata,
    Column("ticket_id", ForeignKey("tickets.id"), primary_key=True),
    Column("sealed", Text, nullable=False),  # JSON of description, location, accused_person and so on
)

ticket_clocks = Table(
    "ticket_clocks",
    metadata,
    Column("ticket_id", ForeignKey("tickets.id"), primary_key=True),
    Column("clock", String(40), primary_key=True),
    Column("started_at", Instant, primary_key=True),
    Column("unit", String(80), nullable=False),
    Column("due", Instant),
    Column("stopped_at", Instant),
    Column("provisional", Boolean, nullable=False),
    Column("obliges", Boolean, nullable=False),
    Index("ix_ticket_clocks_clock", "clock", "due"),
)

ticket_ratings = Table(
    "ticket_ratings",
    metadata,
    Column("ticket_id", ForeignKey("tickets.id"), primary_key=True),
    Column("seq", Integer, primary_key=True),
    Column("unit", String(80), nullable=False),
    Column("satisfaction", String(40), nullable=False),
    Column("level", Integer, nullable=False),
    Column("satisfied", Boolean, nullable=False),
    Column("at", Instant, nullable=False),
    Column("by", String(20), nullable=False),  # operator, citizen
    Index("ix_ticket_ratings_at", "at"),
)

unmaskings = Table(
    "unmaskings",
    metadata,
    Column("id", String(36), primary_key=True),
    Column("ticket_id", ForeignKey("tickets.id"), nullable=False, index=True),
    Column("login", String(80), nullable=False),
    Column("at", Instant, nullable=False),
    Column("reason_sealed", Text, nullable=False),
    Column("fields", Document, nullable=False),  # what was shown, by name
    Column("record_id", String(36), nullable=False),
)

ticket_guesses = Table(
    "ticket_guesses",
    metadata,
    Column("key", String(64), primary_key=True),  # keyed digest of a ticket number or an address
    Column("since", Instant, nullable=False),
    Column("tries", Integer, nullable=False),
    Index("ix_ticket_guesses_since", "since"),
)

supervisions = Table(
    "supervisions",
    metadata,
    Column("id", ForeignKey("cases.id"), primary_key=True),
    Column("number", String(20), nullable=False, unique=True),
    Column("workflow", String(40), nullable=False),
    Column("ticket_id", ForeignKey("tickets.id")),  # nothing where it is about a unit or a period
    Column("origin", String(36)),  # the case that called for it
    Column("created_at", Instant, nullable=False),
    Index("ix_supervisions_ticket_id", "ticket_id"),
    Index("ix_supervisions_origin", "origin", "workflow"),
    Index("ix_supervisions_workflow", "workflow", "created_at", "id"),
)

# What the full-text index is built over; catalog/search/tokens.py says what a token is.
ticket_documents = Table(
    "ticket_documents",
    metadata,
    Column("number", Integer, primary_key=True),
    Column("ticket_id", ForeignKey("tickets.id"), nullable=False, unique=True),
    Column("words", Text, nullable=False),  # tokens of number and summary, separated by spaces
    Column("vector", Text().with_variant(postgresql.TSVECTOR(), "postgresql")),  # PostgreSQL only
)

_SEARCH = {
    "sqlite": """CREATE VIRTUAL TABLE IF NOT EXISTS ticket_search USING fts5(words,
    content='ticket_documents', content_rowid='number', tokenize='unicode61 remove_diacritics 0')""",
    "postgresql": """CREATE INDEX IF NOT EXISTS ix_ticket_documents_vector ON ticket_documents
    USING gin (vector)""",
}


def create_search(tx: Connection) -> None:
    """Create what `metadata` cannot describe: the full-text index over `ticket_documents`. Safe to repeat."""
    tx.exec_driver_sql(_SEARCH[tx.dialect.name])


@event.listens_for(metadata, "after_create")
def _created(_target: MetaData, connection: Connection, **_: Any) -> None:
    create_search(connection)


def _columns(entry: Any) -> dict[str, Any]:
    """Return a dataclass as the columns of its row; `dataclasses.asdict` would copy every value."""
    return {name: getattr(entry, name) for name in entry.__dataclass_fields__}


# --- tickets --------------------------------------------------------------------------------------


def insert_ticket(tx: Connection, ticket: Ticket) -> None:
    """Add a ticket; its case exists already."""
    tx.execute(tickets.insert(), _columns(ticket))


def ticket(tx: Connection, ticket_id: str) -> Ticket | None:
    """Return a ticket, or None."""
    row = tx.execute(_ONE_TICKET, {"ticket": ticket_id}).first()
    return read_ticket(row) if row is not None else None


_ONE_TICKET = select(tickets).where(tickets.c.id == bindparam("ticket"))


def ticket_by_number(tx: Connection, number: str) -> Ticket | None:
    """Return the ticket with a number, or None."""
    return _one(tx, tickets.c.number == number)


def ticket_by_external_id(tx: Connection, source: str, external_id: str) -> Ticket | None:
    """Return the ticket that came from another system under this name, or None."""
    return _one(tx, (tickets.c.source == source) & (tickets.c.external_id == external_id))


def _one(tx: Connection, where: Any) -> Ticket | None:
    row = tx.execute(select(tickets).where(where)).first()
    return read_ticket(row) if row is not None else None


def is_open_number(tx: Connection, number: str, department: str) -> bool:
    """Tell whether the ticket with this number is open and the department takes part in it."""
    query = select(tickets.c.id).join(cases, cases.c.id == tickets.c.id)
    query = query.join(case_parties, case_parties.c.case_id == tickets.c.id)
    query = query.where(
        tickets.c.number == number,
        tickets.c.closed_at.is_(None),
        cases.c.closed_at.is_(None),
        case_parties.c.department == department,
    )
    return tx.execute(query.limit(1)).first() is not None


def tickets_by_id(tx: Connection, ids: Sequence[str]) -> dict[str, Ticket]:
    """Return the tickets with these ids (at most a page of them)."""
    return {row.id: read_ticket(row) for row in tx.execute(select(tickets).where(tickets.c.id.in_(ids)))}


def update_ticket(tx: Connection, ticket_id: str, **columns: Any) -> None:
    """Write some columns of a ticket."""
    tx.execute(update(tickets).where(tickets.c.id == ticket_id).values(**columns))


def put_derived(tx: Connection, ticket_id: str, columns: Mapping[str, Any]) -> None:
    """Write what follows from the case of a ticket."""
    tx.execute(_BY_ID, {"ticket": ticket_id, **columns})


_BY_ID = update(tickets).where(tickets.c.id == bindparam("ticket"))


def read_ticket(row: Any) -> Ticket:
    """Return a row of the table as a ticket."""
    return Ticket(**{name: row._mapping[name] for name in Ticket.__dataclass_fields__})


def join_matters(tx: Connection, matter_id: str, into: str) -> None:
    """Let every ticket of one matter be of another."""
    tx.execute(update(tickets).where(tickets.c.matter_id == matter_id).values(matter_id=into))


def count_matter(tx: Connection, matter_id: str) -> int:
    """Return how many tickets are about a matter."""
    return int(tx.execute(select(func.count()).where(tickets.c.matter_id == matter_id)).scalar_one())


def matter_span(tx: Connection, matter_id: str) -> tuple[datetime | None, datetime | None, int]:
    """Return when a matter was first and last reported, and how often."""
    c = tickets.c
    query = select(func.min(c.created_at), func.max(c.created_at), func.count())
    row = tx.execute(query.where(c.matter_id == matter_id)).one()
    return row[0], row[1], int(row[2])


# --- callers and what they said -------------------------------------------------------------------


def insert_caller(tx: Connection, caller: Caller) -> None:
    """Add the caller of a ticket, sealed."""
    tx.execute(ticket_callers.insert(), _columns(caller))


def caller(tx: Connection, ticket_id: str) -> Caller | None:
    """Return the caller of a ticket, sealed, or None."""
    row = tx.execute(_ONE_CALLER, {"ticket": ticket_id}).one_or_none()
    return Caller(**row._mapping) if row is not None else None


_ONE_CALLER = select(ticket_callers).where(ticket_callers.c.ticket_id == bindparam("ticket"))


def set_phone_index(tx: Connection, ticket_id: str, index: str) -> None:
    """Put another index of the caller's number in the place of the one before."""
    query = ticket_callers.update().where(ticket_callers.c.ticket_id == ticket_id)
    tx.execute(query, {"phone_index": index})


def code_of(tx: Connection, number: str) -> str | None:
    """Return the digest of the query code of the ticket with a number, or None; both take one statement."""
    return tx.execute(_ITS_CODE, {"number": number}).scalar_one_or_none()


_ITS_CODE = (
    select(ticket_callers.c.code_digest)
    .join(tickets, tickets.c.id == ticket_callers.c.ticket_id)
    .where(tickets.c.number == bindparam("number"))
)


def insert_texts(tx: Connection, ticket_id: str, sealed: str) -> None:
    """Keep the sealed texts of a ticket."""
    tx.execute(ticket_texts.insert(), {"ticket_id": ticket_id, "sealed": sealed})


def texts(tx: Connection, ticket_id: str) -> str | None:
    """Return the sealed texts of a ticket, or None."""
    return tx.execute(_ITS_TEXTS, {"ticket": ticket_id}).scalar_one_or_none()


_ITS_TEXTS = select(ticket_texts.c.sealed).where(ticket_texts.c.ticket_id == bindparam("ticket"))


def insert_unmasking(tx: Connection, row: Mapping[str, Any]) -> None:
    """Note that a caller was shown in the clear."""
    tx.execute(unmaskings.insert(), dict(row))


def unmaskings_of(tx: Connection, ticket_id: str) -> list[Mapping[str, Any]]:
    """Return who saw the caller of a ticket, the oldest first."""
    query = select(unmaskings).where(unmaskings.c.ticket_id == ticket_id).order_by(unmaskings.c.at)
    return [dict(row._mapping) for row in tx.execute(query)]


# --- what is derived from a ticket's case -----------------------------------------------------------


def put_clocks(tx: Connection, ticket_id: str, rows: Sequence[ClockRow]) -> None:
    """Write down the clocks of a ticket, in place of those before."""
    tx.execute(_DROP_CLOCKS, {"ticket": ticket_id})
    insert_clocks(tx, rows)


_DROP_CLOCKS = delete(ticket_clocks).where(ticket_clocks.c.ticket_id == bindparam("ticket"))


def insert_clocks(tx: Connection, rows: Sequence[ClockRow]) -> None:
    """Write down the clocks of a ticket of which none is written down."""
    if rows:
        tx.execute(ticket_clocks.insert(), [_columns(row) for row in rows])


def clocks_of(tx: Connection, ticket_id: str) -> list[ClockRow]:
    """Return the clocks of a ticket as they are written down, in the order of their start."""
    return [ClockRow(**row._mapping) for row in tx.execute(_ITS_CLOCKS, {"ticket": ticket_id})]


_ITS_CLOCKS = (
    select(ticket_clocks)
    .where(ticket_clocks.c.ticket_id == bindparam("ticket"))
    .order_by(ticket_clocks.c.started_at, ticket_clocks.c.clock)
)


def insert_rating(tx: Connection, rating: Rating) -> None:
    """Add what the caller says of one handling."""
    tx.execute(ticket_ratings.insert(), _columns(rating))


def ratings_of(tx: Connection, ticket_id: str) -> list[Rating]:
    """Return the ratings of a ticket, the oldest first."""
    c = ticket_ratings.c
    query = select(ticket_ratings).where(c.ticket_id == ticket_id).order_by(c.seq)
    return [Rating(**row._mapping) for row in tx.execute(query)]


# --- the renewal of keys ----------------------------------------------------------------------------

_SEALED_COLUMNS = {
    "callers": (ticket_callers.c.ticket_id, ticket_callers.c.sealed),
    "texts": (ticket_texts.c.ticket_id, ticket_texts.c.sealed),
    "reasons": (unmaskings.c.id, unmaskings.c.reason_sealed),
}
SEALED = tuple(_SEALED_COLUMNS)
"""What is kept sealed of tickets, beside the fields of their steps and their papers."""


def ids_after(tx: Connection, after: str, limit: int) -> list[str]:
    """Return the ids of tickets behind `after`, in their order."""
    query = select(tickets.c.id).where(tickets.c.id > after).order_by(tickets.c.id).limit(limit)
    return list(tx.execute(query).scalars())


def sealed_of(tx: Connection, kind: str, ids: Sequence[str]) -> list[tuple[str, str]]:
    """Return what is kept sealed of a kind for these tickets, each with the key of its row."""
    key, sealed = _SEALED_COLUMNS[kind]
    return [(row[0], row[1]) for row in tx.execute(select(key, sealed).where(key.table.c.ticket_id.in_(ids)))]


def set_sealed(tx: Connection, kind: str, row: str, sealed: str) -> None:
    """Write what is sealed in another form; what it says is the same."""
    key, column = _SEALED_COLUMNS[kind]
    tx.execute(update(key.table).where(key == row).values({column: sealed}))


# --- wrong guesses of query codes -------------------------------------------------------------------


def guesses(tx: Connection, key: str, since: datetime) -> int:
    """Return how many wrong guesses are counted under `key` that began after `since`."""
    c = ticket_guesses.c
    return int(tx.execute(select(c.tries).where(c.key == key, c.since > since)).scalar_one_or_none() or 0)


def count_guess(tx: Connection, key: str, since: datetime, now: datetime) -> None:
    """Count one more wrong guess under `key`; a count that began before `since` begins anew."""
    c = ticket_guesses.c
    counted = update(ticket_guesses).where(c.key == key, c.since > since).values(tries=c.tries + 1)
    if tx.execute(counted).rowcount == 0:
        tx.execute(delete(ticket_guesses).where(c.key == key))
        tx.execute(ticket_guesses.insert().values(key=key, since=now, tries=1))


def forget_guesses(tx: Connection, before: datetime) -> int:
    """Drop the counts that began before an instant; return how many."""
    return tx.execute(delete(ticket_guesses).where(ticket_guesses.c.since < before)).rowcount
