"""The tables of the audit log and every statement on them.

`audit_outbox` and `audit_anchor` belong to the platform's database: a control-plane record lies in the
outbox from the commit of the act until it is sealed, and the anchor remembers how far the log had come, so
that an older copy of the log folder cannot be put in its place unnoticed.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import (
    BigInteger,
    Column,
    Connection,
    Integer,
    LargeBinary,
    Row,
    String,
    Table,
    delete,
    func,
    insert,
    select,
    update,
)

from audit.record import Record
from core.db import Instant, metadata

_Sequence = BigInteger().with_variant(Integer, "sqlite")

audit_outbox = Table(
    "audit_outbox",
    metadata,
    # A number must not come back while the sealer, which deletes by it, is between two steps.
    Column("seq", _Sequence, primary_key=True, autoincrement=True),
    Column("id", String(36), nullable=False, unique=True),
    Column("kind", String(60), nullable=False),
    Column("at", Instant, nullable=False),
    Column("envelope", LargeBinary, nullable=False),
    Column("body", LargeBinary, nullable=False),
    sqlite_autoincrement=True,
)

audit_anchor = Table(
    "audit_anchor",
    metadata,
    Column("origin", String(200), primary_key=True),
    Column("size", BigInteger, nullable=False),
    Column("root", String(44), nullable=False),
    Column("at", Instant, nullable=False),
)


OutboxRow = Row[int, bytes, bytes]
"""A row that waits: seq, envelope, body."""


# --- the outbox -----------------------------------------------------------------------------------


def insert_outbox(tx: Connection, record: Record) -> None:
    """Put a record beside the act that it tells of, to be committed with it."""
    row = {"id": record.id, "kind": record.kind, "at": record.at}
    tx.execute(insert(audit_outbox), {**row, "envelope": record.envelope, "body": record.body})


def select_outbox(tx: Connection, limit: int) -> Sequence[OutboxRow]:
    """Return seq, envelope and body of the oldest unsealed records."""
    query = select(audit_outbox.c.seq, audit_outbox.c.envelope, audit_outbox.c.body)
    return tx.execute(query.order_by(audit_outbox.c.seq).limit(limit)).all()


def select_envelopes(tx: Connection, after: int, limit: int) -> Sequence[Row[int, bytes]]:
    """Return seq and envelope of the oldest rows whose seq is greater than `after`."""
    query = select(audit_outbox.c.seq, audit_outbox.c.envelope).where(audit_outbox.c.seq > after)
    return tx.execute(query.order_by(audit_outbox.c.seq).limit(limit)).all()


def count_outbox(tx: Connection) -> int:
    """Return how many records wait in the outbox."""
    return int(tx.execute(select(func.count()).select_from(audit_outbox)).scalar_one())


def delete_outbox(tx: Connection, seqs: Sequence[int]) -> None:
    """Delete sealed records from the outbox; those that are gone already do not matter."""
    for start in range(0, len(seqs), 500):
        tx.execute(delete(audit_outbox).where(audit_outbox.c.seq.in_(seqs[start : start + 500])))


# --- the anchor -----------------------------------------------------------------------------------


def select_anchor(tx: Connection, origin: str) -> tuple[int, str] | None:
    """Return the size and the root (base64) that the log had when it was last anchored."""
    query = select(audit_anchor.c.size, audit_anchor.c.root).where(audit_anchor.c.origin == origin)
    row = tx.execute(query).first()
    return None if row is None else (row.size, row.root)


def put_anchor(tx: Connection, origin: str, size: int, root: str, at: datetime) -> None:
    """Remember how far the log has come."""
    values = {"size": size, "root": root, "at": at}
    changed = tx.execute(update(audit_anchor).where(audit_anchor.c.origin == origin).values(values))
    if changed.rowcount == 0:
        tx.execute(insert(audit_anchor).values(origin=origin, **values))
