"""The table of proposals of roles, and every statement on it."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import CheckConstraint, Column, Connection, ForeignKey, Index, Row, String, Table, select

from accounts.roles.model import OPEN, Proposal
from core.db import Document, Instant, Page, metadata, page

role_proposals = Table(
    "role_proposals",
    metadata,
    Column("id", String(36), primary_key=True),
    Column("login", ForeignKey("accounts.login"), nullable=False, index=True),
    Column("gives", Document, nullable=False),
    Column("takes", Document, nullable=False),
    Column("reason", String(20), nullable=False),
    Column("state", String(20), nullable=False),
    Column("proposed_by", String(80), nullable=False),
    Column("proposed_at", Instant, nullable=False),
    Column("decided_by", String(80)),
    Column("decided_at", Instant),
    CheckConstraint("proposed_by <> login", name="not_for_oneself"),
    CheckConstraint(
        "decided_by IS NULL OR (decided_by <> proposed_by AND decided_by <> login)", name="by_another"
    ),
    Index("ix_role_proposals_newest", "proposed_at", "id"),
)


def insert_proposal(tx: Connection, new: Proposal) -> None:
    """Add a proposal."""
    values = {c.name: getattr(new, c.name) for c in role_proposals.c}
    tx.execute(role_proposals.insert().values({**values, "gives": list(new.gives), "takes": list(new.takes)}))


def proposal(tx: Connection, proposal_id: str) -> Proposal | None:
    """Return a proposal, or None."""
    row = tx.execute(select(role_proposals).where(role_proposals.c.id == proposal_id)).one_or_none()
    return _proposal(row) if row else None


def open_proposal(tx: Connection, login: str) -> Proposal | None:
    """Return what is proposed for an account and not decided."""
    wanted = (role_proposals.c.login == login) & (role_proposals.c.state == OPEN)
    row = tx.execute(select(role_proposals).where(wanted)).one_or_none()
    return _proposal(row) if row else None


def proposals_page(tx: Connection, state: str | None, limit: int, cursor: str | None) -> Page:
    """Return one page of proposals, the newest first."""
    query = select(role_proposals)
    if state is not None:
        query = query.where(role_proposals.c.state == state)
    found = page(tx, query, [role_proposals.c.proposed_at, role_proposals.c.id], limit=limit, cursor=cursor)
    return Page([_proposal(row) for row in found.rows], found.next_cursor)


def close_proposal(tx: Connection, proposal_id: str, state: str, by: str | None, now: datetime) -> bool:
    """Close an open proposal; `by` is who decided on it. False where somebody else closed it meanwhile."""
    wanted = (role_proposals.c.id == proposal_id) & (role_proposals.c.state == OPEN)
    change = role_proposals.update().where(wanted).values(state=state, decided_by=by, decided_at=now)
    return tx.execute(change).rowcount == 1


def _proposal(row: Row[Any]) -> Proposal:
    values = {c.name: row._mapping[c.name] for c in role_proposals.c}
    return Proposal(**{**values, "gives": tuple(row.gives), "takes": tuple(row.takes)})
