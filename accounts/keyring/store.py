"""The check values of the platform's keys: which key this database was used with, never the key."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Column, Connection, String, Table, select

from core.db import Instant, metadata

key_checks = Table(
    "key_checks",
    metadata,
    Column("name", String(60), primary_key=True),
    Column("value", String(16), nullable=False),
    Column("since", Instant, nullable=False),
    Column("retired_at", Instant),
)


@dataclass(frozen=True, slots=True)
class KeyCheck:
    """What a key file must fit: `value` tells its newest key; a retired one may be gone."""

    name: str
    value: str
    since: datetime
    retired_at: datetime | None


def key_checks_of(tx: Connection) -> Sequence[KeyCheck]:
    """Return the check values of all keys, by name."""
    rows = tx.execute(select(key_checks).order_by(key_checks.c.name))
    return [KeyCheck(**row._mapping) for row in rows]


def put_check(tx: Connection, name: str, value: str, since: datetime) -> None:
    """Say that the key file `name` now begins with the key that has this check value."""
    changed = tx.execute(
        key_checks.update().where(key_checks.c.name == name), {"value": value, "since": since}
    )
    if not changed.rowcount:
        tx.execute(key_checks.insert(), {"name": name, "value": value, "since": since, "retired_at": None})


def retire_check(tx: Connection, name: str, at: datetime) -> None:
    """Say that nothing needs the key any more, but backups."""
    query = key_checks.update().where(key_checks.c.name == name, key_checks.c.retired_at.is_(None))
    tx.execute(query, {"retired_at": at})
