"""Answers kept for repeated requests (`Idempotency-Key`), and every statement on them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import Column, Connection, Integer, String, Table, Text, delete, select

from core.db import Document, Instant, metadata

kept_answers = Table(
    "kept_answers",
    metadata,
    Column("key", String(64), primary_key=True),
    Column("request_digest", String(64), nullable=False),
    Column("status", Integer, nullable=False),
    Column("headers", Document, nullable=False),
    Column("body", Text, nullable=False),
    Column("at", Instant, nullable=False, index=True),
)


class Kept(NamedTuple):
    """An answer given before under the same key."""

    request_digest: str
    status: int
    headers: Mapping[str, str]
    body: str


def kept_answer(tx: Connection, key: str) -> Kept | None:
    """Return the answer kept under `key`, or None."""
    c = kept_answers.c
    row = tx.execute(select(c.request_digest, c.status, c.headers, c.body).where(c.key == key)).one_or_none()
    return Kept(*row) if row else None


def keep_answer(tx: Connection, key: str, answer: Kept, now: datetime) -> None:
    """Keep an answer, in the transaction of the act that it answers."""
    values: dict[str, Any] = {**answer._asdict(), "headers": dict(answer.headers)}
    tx.execute(kept_answers.insert().values(key=key, at=now, **values))


def forget_answers(tx: Connection, before: datetime) -> int:
    """Drop the answers kept before an instant; return how many."""
    return tx.execute(delete(kept_answers).where(kept_answers.c.at < before)).rowcount
