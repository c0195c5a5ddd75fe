"""The tables of the case engine and every statement on them."""

from __future__ import annotations

from sqlalchemy import Boolean, Column, ForeignKey, Index, Integer, String, Table

from core.db import Document, Instant, metadata

cases = Table(
    "cases",
    metadata,
    Column("id", String(36), primary_key=True),
    Column("kind", String(20), nullable=False),  # dataset, application, grant, ticket
    Column("workflow", String(40), nullable=False),
    Column("rulebook", String(80), nullable=False),
    Column("rulebook_version", String(64), nullable=False),
    Column("state", String(40), nullable=False),
    Column("facts", Document, nullable=False),
    Column("parties", Document, nullable=False),  # role -> department
    Column("version", Integer, nullable=False),
    Column("opened_at", Instant, nullable=False),
    Column("opened_by", String(80), nullable=False),
    Column("changed_at", Instant, nullable=False),
    Column("lapses_at", Instant),  # when a timer transition falls due
    Column("next_due_at", Instant),  # the earliest due of a running clock
    Column("next_due_clock", String(40)),
    Column("closed_at", Instant),
    Index("ix_cases_kind_state", "kind", "state"),
    Index("ix_cases_next_due_at", "next_due_at"),
    Index("ix_cases_lapses_at", "lapses_at"),
)

case_parties = Table(
    "case_parties",
    metadata,
    Column("case_id", ForeignKey("cases.id"), primary_key=True),
    Column("role", String(40), primary_key=True),
    Column("department", String(80), nullable=False),
    Index("ix_case_parties_department_role", "department", "role"),
)

case_events = Table(
    "case_events",
    metadata,
    Column("case_id", ForeignKey("cases.id"), primary_key=True),
    Column("seq", Integer, primary_key=True),
    Column("action", String(40), nullable=False),
    Column("names", Document, nullable=False),  # the events that start and stop clocks
    Column("at", Instant, nullable=False),
    Column("from_state", String(40)),
    Column("to_state", String(40), nullable=False),
    Column("actor", String(80), nullable=False),
    Column("actor_department", String(80), nullable=False),
    Column("role", String(40), nullable=False),
    Column("fields", Document, nullable=False),
    Column("record_id", String(36), nullable=False),
)

case_breaches = Table(
    "case_breaches",
    metadata,
    Column("case_id", ForeignKey("cases.id"), primary_key=True),
    Column("clock", String(40), primary_key=True),
    Column("due", Instant, primary_key=True),
    Column("recorded_at", Instant, nullable=False),
    Column("record_id", String(36), nullable=False),
)

attachments = Table(
    "attachments",
    metadata,
    Column("id", String(36), primary_key=True),
    Column("case_id", ForeignKey("cases.id"), nullable=False, index=True),
    Column("type", String(40), nullable=False),
    Column("sealed", Boolean, nullable=False),
    Column("name", String(200), nullable=False),
    Column("media_type", String(80), nullable=False),
    Column("size", Integer, nullable=False),
    Column("digest", String(64), nullable=False),
    Column("added_at", Instant, nullable=False),
    Column("added_by", String(80), nullable=False),
)

rulebook_versions = Table(
    "rulebook_versions",
    metadata,
    Column("id", String(80), primary_key=True),
    Column("version", String(64), primary_key=True),
    Column("document", Document, nullable=False),
    Column("first_seen", Instant, nullable=False),
)
