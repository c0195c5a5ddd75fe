"""The table of checks and every statement on it."""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple

from sqlalchemy import (
    BigInteger,
    Column,
    Connection,
    ForeignKey,
    Index,
    Integer,
    String,
    Table,
    and_,
    delete,
    func,
    or_,
    select,
)

from cases.store import cases
from catalog.quality.model import CHECKED_KINDS, Run
from catalog.store import datasets, distributions
from core.db import Document, Instant, Page, metadata, page

KEPT = 100
"""Checks of one dataset that are kept."""

quality_runs = Table(
    "quality_runs",
    metadata,
    Column("id", String(36), primary_key=True),
    Column("dataset_id", ForeignKey("datasets.id"), nullable=False),
    Column("kind", String(10), nullable=False),
    Column("at", Instant, nullable=False),
    Column("by", String(80), nullable=False),
    Column("rows", BigInteger, nullable=False),
    Column("failed_rules", Integer, nullable=False),
    Column("duration_ms", Integer, nullable=False),
    Column("document", Document, nullable=False),  # fits response/quality_report
    Index("ix_quality_runs_dataset_id_at", "dataset_id", "at"),
)


class Due(NamedTuple):
    """A distribution whose data are to be checked."""

    code: str
    kind: str


def insert_run(tx: Connection, run: Run) -> None:
    """Keep a check, and forget those of the dataset beyond the newest hundred."""
    c = quality_runs.c
    tx.execute(
        quality_runs.insert().values(
            id=run.id,
            dataset_id=run.dataset_id,
            kind=run.kind,
            at=run.at,
            by=run.by,
            rows=run.rows,
            failed_rules=run.failed_rules,
            duration_ms=run.duration_ms,
            document=dict(run.document),
        )
    )
    newest = select(c.id).where(c.dataset_id == run.dataset_id).order_by(c.at.desc(), c.id.desc()).limit(KEPT)
    kept = tx.execute(newest).scalars().all()
    tx.execute(delete(quality_runs).where(c.dataset_id == run.dataset_id, c.id.not_in(kept)))


def runs_of(tx: Connection, dataset_id: str, limit: int, cursor: str | None) -> Page:
    """Return one page of the checks of a dataset, newest first, without their reports."""
    c = quality_runs.c
    query = select(c.id, c.kind, c.at, c.rows, c.failed_rules, c.duration_ms).where(
        c.dataset_id == dataset_id
    )
    return page(tx, query, (c.at, c.id), limit=limit, cursor=cursor)


def latest_runs(tx: Connection, dataset_id: str) -> list[Run]:
    """Return the newest check of each distribution of a dataset."""
    c = quality_runs.c
    found = []
    for kind in CHECKED_KINDS:
        newest = select(quality_runs).where(c.dataset_id == dataset_id, c.kind == kind)
        row = tx.execute(newest.order_by(c.at.desc(), c.id.desc()).limit(1)).one_or_none()
        if row is not None:
            found.append(Run(**row._mapping))
    return found


def due(tx: Connection, before: datetime, limit: int) -> list[Due]:
    """Return published distributions that nobody has checked since `before`, the longest waiting first."""
    c, d = quality_runs.c, distributions.c
    last = select(c.dataset_id, c.kind, func.max(c.at).label("at")).group_by(c.dataset_id, c.kind).subquery()
    same = and_(last.c.dataset_id == d.dataset_id, last.c.kind == d.kind)
    query = (
        select(datasets.c.code, d.kind)
        .join(datasets, datasets.c.id == d.dataset_id)
        .join(cases, cases.c.id == d.dataset_id)
        .outerjoin(last, same)
        .where(cases.c.serves, d.kind.in_(CHECKED_KINDS), or_(last.c.at.is_(None), last.c.at < before))
        .order_by(last.c.at.is_not(None), last.c.at, datasets.c.code, d.kind)
        .limit(limit)
    )
    return [Due(*row) for row in tx.execute(query)]
