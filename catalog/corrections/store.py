"""The table of open corrections and every statement on it: a row lives as long as the data are in doubt."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from sqlalchemy import Boolean, Column, Connection, ForeignKey, Index, String, Table, delete, select

from catalog.corrections.model import Dispute
from core.db import Document, Instant, metadata

disputes = Table(
    "disputes",
    metadata,
    Column("number", String(40), primary_key=True),
    Column("dataset_id", ForeignKey("datasets.id"), primary_key=True),
    Column("since", Instant, nullable=False),
    Column("items", Document, nullable=False),
    Column("record_key", Document, nullable=False),
    Column("record_digest", String(64)),
    Column("served_as_usual", Boolean, nullable=False),
    Column("cite", Document, nullable=False),
    Column("link", String(200), nullable=False),
    Index("ix_disputes_dataset_id_since", "dataset_id", "since"),
)


def insert_dispute(tx: Connection, dispute: Dispute) -> None:
    """Add an open correction."""
    lists = {"items": list(dispute.items), "record_key": list(dispute.record_key)}
    tx.execute(disputes.insert().values(**{**asdict(dispute), **lists}))


def delete_disputes(tx: Connection, number: str) -> int:
    """Remove a correction from every dataset that it is about; return from how many."""
    return tx.execute(delete(disputes).where(disputes.c.number == number)).rowcount


def disputes_of(tx: Connection, dataset_id: str, limit: int) -> tuple[Dispute, ...]:
    """Return the open corrections of a dataset, the newest first, at most `limit`."""
    c = disputes.c
    query = select(disputes).where(c.dataset_id == dataset_id).order_by(c.since.desc(), c.number.desc())
    return tuple(_dispute(row) for row in tx.execute(query.limit(limit)))


def _dispute(row: Any) -> Dispute:
    values = dict(row._mapping)
    return Dispute(**{**values, "items": tuple(row.items), "record_key": tuple(row.record_key)})
