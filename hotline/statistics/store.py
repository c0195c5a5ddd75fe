"""The file that holds the hotline's dataset, apart from the platform's own database.

A provider mounts a database whole: whoever may be given the statistics must not come near the tickets.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from sqlalchemy import Column, Engine, Integer, MetaData, String, Table, create_engine, delete, select
from sqlalchemy.pool import NullPool

published = MetaData()

hotline_statistics = Table(
    "hotline_statistics",
    published,
    Column("month", String(7), primary_key=True),
    Column("unit", String(80), primary_key=True),
    Column("category", String(40), primary_key=True),
    Column("place", String(12), primary_key=True),
    Column("channel", String(40), primary_key=True),
    Column("tickets", Integer, nullable=False),
    Column("closed", Integer, nullable=False),
    Column("on_time", Integer, nullable=False),
    Column("overdue", Integer, nullable=False),
    Column("satisfied", Integer, nullable=False),
    Column("rated", Integer, nullable=False),
)


def write_rows(path: Path, rows: Sequence[dict[str, Any]]) -> None:
    """Write the rows in place of all before; whoever reads meanwhile sees the old ones or the new."""
    path.parent.mkdir(parents=True, exist_ok=True)
    engine = _engine(path)
    published.create_all(engine)
    with engine.begin() as tx:
        tx.execute(delete(hotline_statistics))
        if rows:
            tx.execute(hotline_statistics.insert(), list(rows))


def read_rows(path: Path) -> list[dict[str, Any]]:
    """Return the rows in the order of their keys."""
    query = select(hotline_statistics).order_by(*hotline_statistics.primary_key.columns)
    with _engine(path).connect() as tx:
        return [dict(row._mapping) for row in tx.execute(query)]


def _engine(path: Path) -> Engine:
    return create_engine(f"sqlite:///{path}", poolclass=NullPool, connect_args={"timeout": 10})
