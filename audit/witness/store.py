"""The tables of a witness, in a SQLite file of its own: one row for each log, and what contradicted it."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import (
    BigInteger,
    Column,
    Connection,
    Integer,
    MetaData,
    Row,
    String,
    Table,
    Text,
    func,
    insert,
    select,
    update,
)

from audit.note import Checkpoint
from audit.witness.protocol import Known
from core.db import Instant

witness_metadata = MetaData()

_known = Table(
    "known",
    witness_metadata,
    Column("origin", String(255), primary_key=True),
    Column("size", BigInteger, nullable=False),
    Column("root", String(44), nullable=False),
    Column("note", Text, nullable=False),
    Column("at", Instant, nullable=False),
)

_conflicts = Table(
    "conflicts",
    witness_metadata,
    Column("seq", Integer, primary_key=True),
    Column("origin", String(255), nullable=False, index=True),
    Column("note", Text, nullable=False),
    Column("known", Text, nullable=False),
    Column("at", Instant, nullable=False),
)

KnownRow = Row[str, int, str, datetime]
"""A log that was cosigned: origin, size, root in base64, when."""
ConflictRow = Row[str, str, str, datetime]
"""Two signed checkpoints of one size that differ: origin, the note refused, the note cosigned, when."""


def create_tables(tx: Connection) -> None:
    """Make the tables unless they exist."""
    witness_metadata.create_all(tx)


def select_known(tx: Connection, origin: str) -> Known:
    """Return the tree that was cosigned last, the empty one when there was none."""
    query = select(_known.c.size, _known.c.root).where(_known.c.origin == origin)
    row = tx.execute(query).first()
    return Known() if row is None else Known(row.size, base64.b64decode(row.root))


def put_known(tx: Connection, checkpoint: Checkpoint, note: str, at: datetime) -> None:
    """Remember the tree that is about to be cosigned."""
    root = base64.b64encode(checkpoint.root).decode()
    values = {"size": checkpoint.size, "root": root, "note": note, "at": at}
    same = _known.c.origin == checkpoint.origin
    if tx.execute(update(_known).where(same).values(values)).rowcount == 0:
        tx.execute(insert(_known).values(origin=checkpoint.origin, **values))


def list_known(tx: Connection) -> Sequence[KnownRow]:
    """Return every log that was cosigned, by origin; there are as many as the witness was told of."""
    query = select(_known.c.origin, _known.c.size, _known.c.root, _known.c.at)
    return tx.execute(query.order_by(_known.c.origin)).all()


def insert_conflict(tx: Connection, checkpoint: Checkpoint, note: str, at: datetime, most: int) -> None:
    """Keep a signed checkpoint that contradicts the one that was cosigned, up to `most` of a log."""
    count = select(func.count()).where(_conflicts.c.origin == checkpoint.origin)
    cosigned = select(_known.c.note).where(_known.c.origin == checkpoint.origin)
    known = tx.execute(cosigned).scalar()
    if known is not None and tx.execute(count).scalar_one() < most:
        values = {"origin": checkpoint.origin, "note": note, "known": known, "at": at}
        tx.execute(insert(_conflicts).values(values))


def list_conflicts(tx: Connection) -> Sequence[ConflictRow]:
    """Return the contradictions that were kept, oldest first."""
    query = select(_conflicts.c.origin, _conflicts.c.note, _conflicts.c.known, _conflicts.c.at)
    return tx.execute(query.order_by(_conflicts.c.seq)).all()
