"""The tables of erasures and every statement on them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import (
    BigInteger,
    Column,
    Connection,
    ForeignKey,
    Row,
    String,
    Table,
    Text,
    insert,
    select,
    update,
)

from audit.keeping.model import ASKED, DONE, GRANTED, OVERWRITTEN, STATED, Erasure, Target
from core.db import Document, Instant, Page, metadata, page

audit_erasures = Table(
    "audit_erasures",
    metadata,
    Column("id", String(36), primary_key=True),
    Column("state", String(20), nullable=False, index=True),
    Column("basis", Text, nullable=False),
    Column("document", String(200), nullable=False),
    Column("asked_by", String(80), nullable=False),
    Column("asked_department", String(80), nullable=False),
    Column("asked_at", Instant, nullable=False),
    Column("decided_by", String(80)),
    Column("decided_at", Instant),
    Column("remark", Text),
    Column("done_at", Instant),
    Column("outcome", Document),
)

audit_erasure_records = Table(
    "audit_erasure_records",
    metadata,
    Column("erasure_id", ForeignKey("audit_erasures.id"), primary_key=True),
    Column("record_id", String(36), primary_key=True, index=True),
    Column("log", String(200), nullable=False),
    Column("log_index", BigInteger),
    Column("statement", String(36)),  # the body.erased record
)
_erasures, _records = audit_erasures, audit_erasure_records


def insert_erasure(tx: Connection, erasure: Erasure) -> None:
    """Keep a new request with its records."""
    own = {column.name: getattr(erasure, column.name) for column in _erasures.c}
    tx.execute(insert(_erasures).values(own))
    rows = [_row(erasure.id, target) for target in erasure.targets]
    tx.execute(insert(_records), rows)


def _row(erasure_id: str, target: Target) -> dict[str, Any]:
    place = {"log": target.log, "log_index": target.log_index, "statement": target.statement}
    return {"erasure_id": erasure_id, "record_id": target.record_id, **place}


def find_erasure(tx: Connection, erasure_id: str) -> Erasure | None:
    """Return an erasure with its records, None when there is no such."""
    row = tx.execute(select(_erasures).where(_erasures.c.id == erasure_id)).first()
    return None if row is None else _erasure(row, _targets(tx, [row.id])[row.id])


def erasures_page(tx: Connection, state: str | None, limit: int, cursor: str | None) -> Page:
    """Return one page of erasures, the newest first."""
    query = select(_erasures)
    if state is not None:
        query = query.where(_erasures.c.state == state)
    found = page(tx, query, [_erasures.c.id], limit=limit, cursor=cursor)
    targets = _targets(tx, [row.id for row in found.rows])
    return Page([_erasure(row, targets[row.id]) for row in found.rows], found.next_cursor)


def unfinished(tx: Connection) -> list[Erasure]:
    """Return the erasures that were granted and are not carried out, the oldest first."""
    query = select(_erasures).where(_erasures.c.state.in_((GRANTED, STATED, OVERWRITTEN)))
    rows = tx.execute(query.order_by(_erasures.c.id)).all()
    targets = _targets(tx, [row.id for row in rows])
    return [_erasure(row, targets[row.id]) for row in rows]


def done_since(tx: Connection, instant: datetime) -> list[Erasure]:
    """Return the erasures that were carried out since an instant."""
    query = select(_erasures).where(_erasures.c.state == DONE, _erasures.c.done_at >= instant)
    rows = tx.execute(query.order_by(_erasures.c.id)).all()
    return [_erasure(row, ()) for row in rows]


def decide(tx: Connection, erasure_id: str, state: str, by: str, at: datetime, remark: str | None) -> bool:
    """Keep the decision; tell whether there was still one to take."""
    values = {"state": state, "decided_by": by, "decided_at": at, "remark": remark}
    undecided = _erasures.c.id == erasure_id, _erasures.c.state == ASKED
    return tx.execute(update(_erasures).where(*undecided).values(values)).rowcount == 1


def state_targets(tx: Connection, erasure_id: str, targets: Iterable[Target]) -> None:
    """Keep which `body.erased` record is about which record, and where that lies."""
    for target in targets:
        place = _records.c.erasure_id == erasure_id, _records.c.record_id == target.record_id
        values = {"log_index": target.log_index, "statement": target.statement}
        tx.execute(update(_records).where(*place).values(values))
    tx.execute(update(_erasures).where(_erasures.c.id == erasure_id).values(state=STATED))


def overwrite(tx: Connection, erasure_id: str) -> None:
    """Keep that the bodies are gone."""
    tx.execute(update(_erasures).where(_erasures.c.id == erasure_id).values(state=OVERWRITTEN))


def finish(tx: Connection, erasure_id: str, at: datetime, outcome: Mapping[str, Any]) -> None:
    """Keep that an erasure was carried out."""
    values = {"state": DONE, "done_at": at, "outcome": outcome}
    tx.execute(update(_erasures).where(_erasures.c.id == erasure_id).values(values))


def is_wanted(tx: Connection, record_id: str) -> bool:
    """Tell whether an erasure of the record is asked for, granted or done."""
    mine = select(_records.c.record_id).join(_erasures, _erasures.c.id == _records.c.erasure_id)
    states = _erasures.c.state.in_((ASKED, GRANTED, STATED, OVERWRITTEN, DONE))
    return tx.execute(mine.where(_records.c.record_id == record_id, states).limit(1)).first() is not None


def _targets(tx: Connection, erasure_ids: Iterable[str]) -> dict[str, tuple[Target, ...]]:
    ids = list(erasure_ids)
    found: dict[str, list[Target]] = {erasure_id: [] for erasure_id in ids}
    query = select(_records).where(_records.c.erasure_id.in_(ids)).order_by(_records.c.record_id)
    for row in tx.execute(query):
        found[row.erasure_id].append(Target(row.record_id, row.log, row.log_index, row.statement))
    return {erasure_id: tuple(targets) for erasure_id, targets in found.items()}


def _erasure(row: Row[Any], targets: tuple[Target, ...]) -> Erasure:
    own = {column.name: getattr(row, column.name) for column in _erasures.c}
    return Erasure(**own, targets=targets)
