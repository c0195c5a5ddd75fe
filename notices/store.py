"""The tables of notices and who read them, and every statement on them."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import (
    Column,
    Connection,
    ForeignKey,
    Index,
    Row,
    String,
    Table,
    select,
)
from sqlalchemy.dialects import postgresql, sqlite

from core.db import Document, Instant, metadata
from core.text import Text, text_of
from notices.model import Draft, Notice

notices = Table(
    "notices",
    metadata,
    Column("id", String(36), primary_key=True),
    Column("key", String(120), nullable=False, unique=True),
    Column("posted_at", Instant, nullable=False, index=True),
    Column("about", String(36), nullable=False),
    Column("link", String(500), nullable=False),
    Column("department", String(80), nullable=False),
    Column("role", String(40), nullable=False),
    Column("kind", String(40), nullable=False),
    Column("subject", Document, nullable=False),
    Column("body", Document, nullable=False),
    Column("due", Instant),
    Column("cite", String(300)),
    Index("ix_notices_inbox", "department", "role", "posted_at", "id", "kind"),
    Index("ix_notices_about", "about", "posted_at"),
)

notice_reads = Table(
    "notice_reads",
    metadata,
    Column("login", String(80), primary_key=True),
    Column("notice_id", ForeignKey("notices.id"), primary_key=True, index=True),
    Column("at", Instant, nullable=False),
)

notice_marks = Table(
    "notice_marks",
    metadata,
    # Everything posted before is read: one row in place of one for each old notice.
    Column("login", String(80), primary_key=True),
    Column("before", Instant, nullable=False),
)

_c = notices.c


def _notice(row: Row[Any]) -> Notice:
    named = row._mapping
    return Notice(
        id=named["id"],
        posted_at=named["posted_at"],
        about=named["about"],
        link=named["link"],
        department=named["department"],
        role=named["role"],
        kind=named["kind"],
        subject=text_of(named["subject"]),
        body=text_of(named["body"]),
        due=named["due"],
        cite=named["cite"],
    )


def _label(text: Text) -> dict[str, str]:
    return {"zh": text.zh, "en": text.en}


def upsert(tx: Connection) -> Any:
    """Return the INSERT of the database's own dialect, which knows what to do on conflict."""
    return {"sqlite": sqlite.insert, "postgresql": postgresql.insert}[tx.dialect.name]


def insert_notice(tx: Connection, id: str, draft: Draft, now: datetime) -> bool:
    """Add a notice; return whether its key is new."""
    values = {
        "id": id,
        "key": draft.key,
        "posted_at": now,
        "about": draft.about,
        "link": draft.link,
        "department": draft.department,
        "role": draft.role,
        "kind": draft.kind,
        "subject": _label(draft.subject),
        "body": _label(draft.body),
        "due": draft.due,
        "cite": draft.cite,
    }
    query = upsert(tx)(notices).values(values).on_conflict_do_nothing(index_elements=["key"])
    return bool(tx.execute(query.returning(_c.id)).first())


def departments_told(tx: Connection, about: str, kind: str | None, since: datetime | None) -> frozenset[str]:
    """Return the departments that were posted a notice about a case."""
    query = select(_c.department).distinct().where(_c.about == about)
    if kind is not None:
        query = query.where(_c.kind == kind)
    if since is not None:
        query = query.where(_c.posted_at >= since)
    return frozenset(tx.execute(query).scalars())
