"""The table of deliveries and every statement on it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime

from sqlalchemy import Column, Connection, ForeignKey, Index, Integer, String, Table, delete

from core.db import Instant, metadata
from core.ids import new_id
from core.times import millis
from notices.store import notices

deliveries = Table(
    "notice_deliveries",
    metadata,
    Column("id", String(36), primary_key=True),
    Column("notice_id", ForeignKey(notices.c.id), nullable=False, index=True),
    Column("department", String(80), nullable=False),
    Column("channel", String(20), nullable=False),
    Column("target", String(254), nullable=False),
    Column("state", String(20), nullable=False),
    Column("attempts", Integer, nullable=False),
    # The next try of a waiting delivery, the end of the claim of a claimed one, nothing once it is settled.
    Column("due_at", Instant),
    Column("attempt_id", String(36)),
    Column("reason", String(200)),
    Column("settled_at", Instant),
    Index("ix_notice_deliveries_due", "state", "due_at"),
)


def insert_deliveries(
    tx: Connection, notice_id: str, department: str, ways: Iterable[tuple[str, str]], now: datetime
) -> None:
    """Add one delivery for each way (channel, target), due at once."""
    rows = [
        {
            "id": new_id(millis(now)),
            "notice_id": notice_id,
            "department": department,
            "channel": channel,
            "target": target,
            "state": "waiting",
            "attempts": 0,
            "due_at": now,
        }
        for channel, target in ways
    ]
    if rows:
        tx.execute(deliveries.insert(), rows)


def delete_deliveries(tx: Connection, notice_ids: Sequence[str]) -> None:
    """Delete the deliveries of notices."""
    tx.execute(delete(deliveries).where(deliveries.c.notice_id.in_(notice_ids)))
