"""The tables of the Open311 face, and the statement that finds what anybody may read."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import (
    Boolean,
    Column,
    Connection,
    ForeignKey,
    Index,
    Select,
    String,
    Table,
    func,
    or_,
    select,
    update,
)

from cases.store import cases, rulebook_versions
from core.db import Instant, metadata
from hotline.open311.model import Filters, Key, Numbered, Published
from hotline.store import ticket_callers, ticket_clocks, tickets

open311_keys = Table(
    "open311_keys",
    metadata,
    Column("id", String(36), primary_key=True),
    Column("name", String(40), nullable=False),
    Column("channel", String(40), nullable=False),
    Column("batch", Boolean, nullable=False),
    Column("digest", String(64), nullable=False, unique=True),
    Column("created_at", Instant, nullable=False),
    Column("created_by", String(80), nullable=False),
    Column("revoked_at", Instant),
    Index("ix_open311_keys_name", "name"),
)

open311_tokens = Table(
    "open311_tokens",
    metadata,
    Column("token", String(43), primary_key=True),  # opens nothing but a public number
    Column("ticket_id", ForeignKey("tickets.id"), nullable=False, unique=True),
)

HANDLING = "handle"
"""The clock that says when a request should be fulfilled."""


# --- keys -------------------------------------------------------------------------------------------


def insert_key(tx: Connection, key: Key, digest: str) -> None:
    """Add a key, its secret by digest only."""
    tx.execute(
        open311_keys.insert().values(
            id=key.id,
            name=key.name,
            channel=key.channel,
            batch=key.batch,
            digest=digest,
            created_at=key.created_at,
            created_by=key.created_by,
        )
    )


def key_by_digest(tx: Connection, digest: str) -> Key | None:
    """Return the key with this digest that has not been revoked, locked until the transaction ends."""
    c = open311_keys.c
    query = _keys().where(c.digest == digest, c.revoked_at.is_(None)).with_for_update()
    row = tx.execute(query).one_or_none()
    return Key(*row) if row is not None else None


def keys(tx: Connection) -> list[Key]:
    """Return every key, the newest last."""
    return [Key(*row) for row in tx.execute(_keys().order_by(open311_keys.c.created_at))]


def active_key(tx: Connection, name: str) -> Key | None:
    """Return the key with a name that has not been revoked, or None."""
    c = open311_keys.c
    row = tx.execute(_keys().where(c.name == name, c.revoked_at.is_(None))).one_or_none()
    return Key(*row) if row is not None else None


def revoke_key(tx: Connection, key_id: str, now: datetime) -> None:
    """End a key."""
    tx.execute(update(open311_keys).where(open311_keys.c.id == key_id).values(revoked_at=now))


def _keys() -> Select[Any]:
    c = open311_keys.c
    return select(c.id, c.name, c.channel, c.batch, c.created_at, c.created_by, c.revoked_at)


# --- tokens -----------------------------------------------------------------------------------------


def insert_token(tx: Connection, token: str, ticket_id: str) -> None:
    """Add the token that will bring a request's number."""
    tx.execute(open311_tokens.insert().values(token=token, ticket_id=ticket_id))


def token_of(tx: Connection, ticket_id: str) -> str | None:
    """Return the token of a ticket, or None."""
    c = open311_tokens.c
    return tx.execute(select(c.token).where(c.ticket_id == ticket_id)).scalar_one_or_none()


def number_of(tx: Connection, token: str) -> Numbered | None:
    """Return the number that a token stands for, or None for a token that was never given out."""
    c = tickets.c
    query = (
        select(c.number, c.accepted_at, c.closed_at)
        .join(open311_tokens, open311_tokens.c.ticket_id == c.id)
        .where(open311_tokens.c.token == token)
    )
    row = tx.execute(query).one_or_none()
    if row is None:
        return None
    return Numbered(row.number, row.accepted_at is not None or row.closed_at is not None)


# --- what anybody may read --------------------------------------------------------------------------


def published(
    tx: Connection, filters: Filters, topics: Sequence[str], closed_states: Sequence[str]
) -> list[Published]:
    """Return the requests that anybody may read, the newest first.

    `topics` are those open to other systems; nothing anonymous, confidential, masked or about a person or a
    department's own conduct is ever among them, nor does a page show that something is left out.
    `closed_states` count as closed although the case may still move.
    """
    c = tickets.c
    closed = or_(c.closed_at.is_not(None), c.state.in_(closed_states))
    query = _public().add_columns(closed.label("closed")).where(c.category.in_(topics))
    if filters.numbers is not None:
        query = query.where(c.number.in_(filters.numbers))
    else:
        query = query.where(c.created_at >= filters.start, c.created_at <= filters.end)
        if filters.services:
            query = query.where(c.category.in_(filters.services))
        if filters.statuses == {"closed"}:
            query = query.where(closed)
        elif filters.statuses == {"open"}:
            query = query.where(~closed)
    ordered = query.order_by(c.created_at.desc(), c.id.desc())
    rows = tx.execute(ordered.limit(filters.page_size).offset((filters.page - 1) * filters.page_size)).all()
    expected = _expected(tx, [row.id for row in rows])
    return [_published(row, expected.get(row.id)) for row in rows]


def _public() -> Select[Any]:
    c, caller = tickets.c, ticket_callers.c
    return (
        select(
            *(c.id, c.number, c.state, c.category, c.summary, c.lead, c.place, c.created_at, c.closed_at),
            cases.c.changed_at,
        )
        .join(cases, cases.c.id == c.id)
        .join(ticket_callers, caller.ticket_id == c.id)
        .where(caller.anonymous.is_(False), caller.confidential.is_(False))
        .where(c.accused.is_(None), c.about_person.is_(False), c.masked.is_(False))
    )


def _expected(tx: Connection, ids: Sequence[str]) -> dict[str, datetime]:
    c = ticket_clocks.c
    query = select(c.ticket_id, func.max(c.due, type_=Instant()).label("due")).group_by(c.ticket_id)
    found = tx.execute(query.where(c.ticket_id.in_(ids), c.clock == HANDLING, c.stopped_at.is_(None)))
    return {row.ticket_id: row.due for row in found if row.due is not None}


def _published(row: Any, expected: datetime | None) -> Published:
    return Published(
        id=row.id,
        number=row.number,
        state=row.state,
        closed=bool(row.closed),
        category=row.category,
        summary=row.summary,
        lead=row.lead,
        place=row.place,
        requested_at=row.created_at,
        updated_at=row.closed_at or row.changed_at,
        expected_at=expected,
    )


# --- discovery --------------------------------------------------------------------------------------


def changed_at(tx: Connection, book: str, version: str) -> datetime | None:
    """Return since when the deployment has this version of a rulebook, or None."""
    c = rulebook_versions.c
    return tx.execute(select(c.first_seen).where(c.id == book, c.version == version)).scalar_one_or_none()
