"""The table of identities that accounts have elsewhere, and every statement on it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Column, Connection, ForeignKey, Row, String, Table, UniqueConstraint, select

from core.db import Instant, metadata
from core.work import SYSTEM


@dataclass(frozen=True, slots=True)
class Identity:
    """Whom a provider knows by `subject`, and whose account it is here."""

    id: str
    issuer: str
    subject: str
    login: str
    linked_at: datetime
    linked_by: str
    used_at: datetime | None = None
    vouched_by: str | None = None
    """Who vouched for it, where somebody else linked it for the person."""

    @property
    def is_own(self) -> bool:
        """Whether the person linked it, by going there and back; or whoever has the server."""
        return self.linked_by in (self.login, SYSTEM.login)

    @property
    def is_good(self) -> bool:
        """Whether one may sign in by it."""
        return self.is_own or self.vouched_by is not None


account_identities = Table(
    "account_identities",
    metadata,
    Column("id", String(36), primary_key=True),
    Column("issuer", String(255), nullable=False),
    Column("subject", String(255), nullable=False),
    Column("login", ForeignKey("accounts.login"), nullable=False, index=True),
    Column("linked_at", Instant, nullable=False),
    Column("linked_by", String(80), nullable=False),
    Column("used_at", Instant),
    Column("vouched_by", String(80)),
    UniqueConstraint("issuer", "subject", name="uq_account_identities_issuer"),
)


def insert_identity(tx: Connection, new: Identity) -> None:
    """Add an identity."""
    tx.execute(
        account_identities.insert().values({c.name: getattr(new, c.name) for c in account_identities.c})
    )


def identity_of(tx: Connection, issuer: str, subject: str) -> Identity | None:
    """Return the identity that a provider names, None when nobody here has it."""
    wanted = (account_identities.c.issuer == issuer) & (account_identities.c.subject == subject)
    row = tx.execute(select(account_identities).where(wanted)).one_or_none()
    return _identity(row) if row else None


def identities(tx: Connection, login: str) -> list[Identity]:
    """Return the identities of an account, the oldest first."""
    query = select(account_identities).where(account_identities.c.login == login)
    return [_identity(row) for row in tx.execute(query.order_by(account_identities.c.id))]


def linked_by_others(tx: Connection, login: str) -> list[Identity]:
    """Return the identities of an account that the person did not link."""
    return [identity for identity in identities(tx, login) if not identity.is_own]


def vouch_for_identities(tx: Connection, login: str, by: str) -> None:
    """Let every identity of an account serve to sign in that nobody vouched for yet."""
    c = account_identities.c
    wanted = (c.login == login) & c.vouched_by.is_(None) & (c.linked_by != login)
    tx.execute(account_identities.update().where(wanted).values(vouched_by=by))


def touch_identity(tx: Connection, identity_id: str, now: datetime) -> None:
    """Note that somebody signed in by an identity."""
    change = account_identities.update().where(account_identities.c.id == identity_id)
    tx.execute(change.values(used_at=now))


def delete_identity(tx: Connection, identity_id: str) -> None:
    """Forget an identity; the records know of it for good."""
    tx.execute(account_identities.delete().where(account_identities.c.id == identity_id))


def _identity(row: Row[Any]) -> Identity:
    return Identity(**{c.name: row._mapping[c.name] for c in account_identities.c})
