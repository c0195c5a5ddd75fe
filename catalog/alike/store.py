"""The table of what entries hold, and every statement on it."""

from __future__ import annotations

from collections.abc import Collection

from sqlalchemy import (
    Column,
    ColumnElement,
    Connection,
    ForeignKey,
    String,
    Table,
    and_,
    case,
    delete,
    func,
    or_,
    select,
)

from cases.store import cases
from catalog.alike.keys import ELEMENT, ITEM, TITLE, WIDTH, Key
from catalog.store import datasets
from core.db import metadata

dataset_items = Table(
    "dataset_items",
    metadata,
    Column("dataset_id", ForeignKey("datasets.id"), primary_key=True),
    Column("kind", String(10), primary_key=True),  # title, element or item
    Column("key", String(WIDTH), primary_key=True, index=True),
)


def put_keys(tx: Connection, dataset_id: str, keys: Collection[Key]) -> None:
    """Keep what an entry holds, and nothing that it held before."""
    tx.execute(delete(dataset_items).where(dataset_items.c.dataset_id == dataset_id))
    rows = [{"dataset_id": dataset_id, "kind": k.kind, "key": k.digest} for k in sorted(keys)]
    if rows:
        tx.execute(dataset_items.insert(), rows)


def without_keys(tx: Connection, after: str, limit: int) -> list[str]:
    """Return datasets beyond `after`, by id, of which nothing is kept."""
    d, i = datasets.c, dataset_items.c
    known = select(i.dataset_id).where(i.dataset_id == d.id).exists()
    return list(tx.execute(select(d.id).where(d.id > after, ~known).order_by(d.id).limit(limit)).scalars())


def alike(
    tx: Connection, dataset_id: str, provider: str, keys: Collection[Key], least: int, limit: int
) -> list[str]:
    """Return the datasets that hold the same: by title, by data element, or by `least` items; closest first.

    Only what is public and what the same provider has, as long as it is not withdrawn.
    """
    i, d = dataset_items.c, datasets.c
    title, element, item = _shared(TITLE), _shared(ELEMENT), _shared(ITEM)
    query = (
        select(i.dataset_id)
        .join(datasets, d.id == i.dataset_id)
        .join(cases, cases.c.id == i.dataset_id)
        .where(
            i.dataset_id != dataset_id,
            i.key.in_([k.digest for k in keys]),
            or_(cases.c.serves, and_(d.provider == provider, cases.c.closed_at.is_(None))),
        )
        .group_by(i.dataset_id, d.code)
        .having(or_(title > 0, element > 0, item >= least))
        .order_by(title.desc(), element.desc(), item.desc(), d.code)
        .limit(limit)
    )
    return list(tx.execute(query).scalars())


def _shared(kind: str) -> ColumnElement[int]:
    return func.sum(case((dataset_items.c.kind == kind, 1), else_=0))
