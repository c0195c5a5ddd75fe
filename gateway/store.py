"""The tables of the gateway and every statement on them."""

from __future__ import annotations

from ipaddress import ip_network
from typing import Any

from sqlalchemy import Boolean, Column, Connection, ForeignKey, Index, Integer, String, Table, and_, select, update

from cases.store import cases
from catalog.store import datasets, distributions
from core.db import Document, Instant, metadata
from gateway.model import Permit, Terms

clients = Table(
    "clients",
    metadata,
    Column("id", String(40), primary_key=True),
    Column("name", String(200), nullable=False),
    Column("department", String(80), nullable=False, index=True),
    Column("description", String(2000), nullable=False),
    Column("networks", Document, nullable=False),
    Column("state", String(20), nullable=False),  # pending, active, disabled
    Column("created_at", Instant, nullable=False),
    Column("created_by", String(80), nullable=False),
    Column("approved_at", Instant),
    Column("approved_by", String(80)),
)

client_credentials = Table(
    "client_credentials",
    metadata,
    Column("id", String(36), primary_key=True),
    Column("client_id", ForeignKey("clients.id"), nullable=False, index=True),
    Column("kind", String(40), nullable=False),  # client_secret; key-based kinds come with their own column
    Column("digest", String(64), nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("created_by", String(80), nullable=False),
    Column("not_after", Instant),
    Column("revoked_at", Instant),
)

applications = Table(
    "applications",
    metadata,
    Column("id", ForeignKey("cases.id"), primary_key=True),
    Column("number", String(40), nullable=False, unique=True),
    Column("dataset_id", ForeignKey("datasets.id"), nullable=False, index=True),
    Column("client_id", ForeignKey("clients.id"), nullable=False),
    Column("consumer", String(80), nullable=False, index=True),
    Column("provider", String(80), nullable=False, index=True),
    Column("document", Document, nullable=False),  # fits request/application
    Column("previous_grant", String(36)),
    Column("created_at", Instant, nullable=False),
)

grants = Table(
    "grants",
    metadata,
    Column("id", ForeignKey("cases.id"), primary_key=True),
    Column("number", String(40), nullable=False, unique=True),
    Column("application_id", ForeignKey("applications.id")),
    Column("dataset_id", ForeignKey("datasets.id"), nullable=False, index=True),
    Column("client_id", ForeignKey("clients.id"), nullable=False, index=True),
    Column("consumer", String(80), nullable=False, index=True),
    Column("provider", String(80), nullable=False, index=True),
    Column("terms", Document, nullable=False),
    Column("granted_at", Instant, nullable=False),
    Column("valid_until", Instant),
)

access_tokens = Table(
    "access_tokens",
    metadata,
    Column("digest", String(64), primary_key=True),
    Column("grant_id", ForeignKey("grants.id"), nullable=False, index=True),
    Column("client_id", ForeignKey("clients.id"), nullable=False),
    Column("issued_at", Instant, nullable=False),
    Column("expires_at", Instant, nullable=False),
    Column("revoked", Boolean, nullable=False),
    Index("ix_access_tokens_expires_at", "expires_at"),
)

policy = Table(
    "policy",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("version", Integer, nullable=False),
)

POLICY_ROW = 1


# --- policy version -------------------------------------------------------------------------------


def policy_version(tx: Connection) -> int:
    """Return the policy version: raised by every change that may turn a permit into a refusal."""
    version = tx.execute(select(policy.c.version).where(policy.c.id == POLICY_ROW)).scalar()
    return 0 if version is None else int(version)


def raise_policy_version(tx: Connection) -> int:
    """Raise the policy version by one and return the new one."""
    changed = tx.execute(
        update(policy).where(policy.c.id == POLICY_ROW).values(version=policy.c.version + 1)
    )
    if changed.rowcount == 0:
        tx.execute(policy.insert().values(id=POLICY_ROW, version=1))
    return policy_version(tx)


# --- permits --------------------------------------------------------------------------------------

_grant_case = cases.alias("grant_case")
_dataset_case = cases.alias("dataset_case")

_PERMIT = (
    select(
        access_tokens.c.expires_at,
        access_tokens.c.revoked,
        grants.c.id.label("grant_id"),
        grants.c.number,
        grants.c.terms,
        grants.c.valid_until,
        grants.c.consumer,
        grants.c.provider,
        _grant_case.c.state.label("grant_state"),
        clients.c.id.label("client_id"),
        clients.c.state.label("client_state"),
        datasets.c.id.label("dataset_id"),
        datasets.c.code,
        datasets.c.document,
        _dataset_case.c.state.label("dataset_state"),
    )
    .join(grants, grants.c.id == access_tokens.c.grant_id)
    .join(_grant_case, _grant_case.c.id == grants.c.id)
    .join(clients, and_(clients.c.id == grants.c.client_id, clients.c.id == access_tokens.c.client_id))
    .join(datasets, datasets.c.id == grants.c.dataset_id)
    .join(_dataset_case, _dataset_case.c.id == datasets.c.id)
)


def permit(tx: Connection, token_digest: str) -> Permit | None:
    """Return what the token with this digest stands for, or None when there is no such token."""
    row = tx.execute(_PERMIT.where(access_tokens.c.digest == token_digest)).one_or_none()
    if row is None:
        return None
    terms = terms_of(row.terms)
    mounted = tx.execute(
        select(distributions.c.connection, distributions.c.detail).where(
            distributions.c.dataset_id == row.dataset_id, distributions.c.kind == terms.kind
        )
    ).one_or_none()
    return Permit(
        token_expires=row.expires_at.timestamp(),
        token_revoked=row.revoked,
        grant_id=row.grant_id,
        grant_number=row.number,
        grant_state=row.grant_state,
        valid_until=row.valid_until.timestamp() if row.valid_until else None,
        client_id=row.client_id,
        client_state=row.client_state,
        consumer=row.consumer,
        provider=row.provider,
        dataset_id=row.dataset_id,
        dataset_code=row.code,
        dataset_state=row.dataset_state,
        terms=terms,
        networks=tuple(ip_network(n) for n in terms.networks),
        connection=mounted.connection if mounted else None,
        detail=mounted.detail if mounted else {},
        attributes=tuple(row.document["attributes"]),
    )


def terms_of(document: dict[str, Any]) -> Terms:
    """Read a grant's terms from the column that keeps them."""
    return Terms(
        kind=document["kind"],
        fields=tuple(document["fields"]),
        row_filter={k: tuple(v) for k, v in document["row_filter"].items()},
        parameters={k: tuple(v) for k, v in document["parameters"].items()},
        operations=tuple(document["operations"]),
        row_limit=document["row_limit"],
        networks=tuple(document["networks"]),
        purpose=document["purpose"],
        sensitive=document["sensitive"],
    )
