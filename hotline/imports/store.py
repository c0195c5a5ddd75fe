"""The tables of imports: the jobs, what is yet to be dealt with, and what was refused."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any

from sqlalchemy import (
    Boolean,
    Column,
    Connection,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    String,
    Table,
    Text,
    delete,
    func,
    select,
    update,
)

from core.db import Instant, Page, metadata, page
from core.text import Text as Words
from hotline.imports.model import FAILED, RUNNING, UNFINISHED, WAITING, Import

imports = Table(
    "imports",
    metadata,
    Column("id", String(36), primary_key=True),
    Column("source", String(20), nullable=False),
    Column("dry_run", Boolean, nullable=False),
    Column("format", String(4), nullable=False),
    Column("state", String(10), nullable=False),
    Column("department", String(80), nullable=False),
    Column("created_by", String(80), nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("finished_at", Instant),
    Column("rows", Integer),
    Column("taken", Integer, nullable=False),
    Column("repeated", Integer, nullable=False),
    Column("refused", Integer, nullable=False),
    Column("failure_zh", Text),
    Column("failure_en", Text),
    Index("ix_imports_department", "department", "created_at", "id"),
    Index("ix_imports_state", "state", "created_at"),
)

import_files = Table(
    "import_files",
    metadata,
    Column("import_id", ForeignKey("imports.id"), primary_key=True),
    Column("envelope", Text, nullable=False),
    Column(
        "body", LargeBinary, nullable=False
    ),  # the table as handed in, sealed; deleted once it has been read
)

import_chunks = Table(
    "import_chunks",
    metadata,
    Column("import_id", ForeignKey("imports.id"), primary_key=True),
    Column("first", Integer, primary_key=True),
    Column(
        "sealed", Text, nullable=False
    ),  # JSON of some rows; deleted in the transaction that deals with them
)

import_faults = Table(
    "import_faults",
    metadata,
    Column("import_id", ForeignKey("imports.id"), primary_key=True),
    Column("row", Integer, primary_key=True),
    Column("seq", Integer, primary_key=True),
    Column("column", String(60), nullable=False),
    Column("code", String(60), nullable=False),
    Column("reason_zh", Text, nullable=False),
    Column("reason_en", Text, nullable=False),
    Column("sealed", Text),  # what stood there, masked
)

SealedKey = tuple[int, int | None]
"""Where something sealed lies within an import: the first row of a piece, or row and place of a fault."""


# --- jobs -----------------------------------------------------------------------------------------


def insert_import(tx: Connection, made: Import, sealed: tuple[str, bytes]) -> None:
    """Add an import with its table, sealed."""
    row = {name: value for name, value in asdict(made).items() if name != "failure"}
    tx.execute(imports.insert().values(**row))
    envelope, body = sealed
    tx.execute(import_files.insert().values(import_id=made.id, envelope=envelope, body=body))


def find(tx: Connection, import_id: str) -> Import | None:
    """Return an import, or None."""
    row = tx.execute(select(imports).where(imports.c.id == import_id)).one_or_none()
    return _import(row) if row is not None else None


def imports_page(tx: Connection, department: str | None, limit: int, cursor: str | None) -> Page:
    """Return one page of the imports of a department, or of all, the newest first."""
    query = select(imports)
    if department is not None:
        query = query.where(imports.c.department == department)
    found = page(tx, query, [imports.c.created_at, imports.c.id], limit=limit, cursor=cursor)
    return Page([_import(row) for row in found.rows], found.next_cursor)


def count_unfinished(tx: Connection, department: str) -> int:
    """Return how many imports of a department are still on their way."""
    c = imports.c
    query = select(func.count()).where(c.department == department, c.state.in_(UNFINISHED))
    return int(tx.execute(query).scalar_one())


def next_unfinished(tx: Connection) -> Import | None:
    """Return the import that has waited longest, or None."""
    query = (
        select(imports).where(imports.c.state.in_(UNFINISHED)).order_by(imports.c.created_at, imports.c.id)
    )
    row = tx.execute(query.limit(1)).one_or_none()
    return _import(row) if row is not None else None


def begin_running(tx: Connection, import_id: str, rows: int) -> bool:
    """Turn an import that waits into one that runs; tell whether it was still waiting."""
    c = imports.c
    changed = tx.execute(
        update(imports).where(c.id == import_id, c.state == WAITING).values(state=RUNNING, rows=rows)
    )
    return changed.rowcount == 1


def add_counts(tx: Connection, import_id: str, taken: int, repeated: int, refused: int) -> None:
    """Add to what has become of the rows."""
    c = imports.c
    tx.execute(
        update(imports)
        .where(c.id == import_id)
        .values(taken=c.taken + taken, repeated=c.repeated + repeated, refused=c.refused + refused)
    )


def finish(tx: Connection, import_id: str, state: str, now: datetime, failure: Words | None = None) -> bool:
    """End an import and forget what is left of its table; tell whether it had not ended before."""
    c = imports.c
    changed = tx.execute(
        update(imports)
        .where(c.id == import_id, c.state.in_(UNFINISHED))
        .values(
            state=state,
            finished_at=now,
            failure_zh=failure.zh if failure else None,
            failure_en=failure.en if failure else None,
        )
    )
    forget_file(tx, import_id)
    if state == FAILED:
        tx.execute(delete(import_chunks).where(import_chunks.c.import_id == import_id))
    return changed.rowcount == 1


def _import(row: Any) -> Import:
    kept = dict(row._mapping)
    zh, en = kept.pop("failure_zh"), kept.pop("failure_en")
    return Import(**kept, failure=Words(zh, en) if zh is not None else None)


# --- what is yet to be dealt with -------------------------------------------------------------------


def file_of(tx: Connection, import_id: str) -> tuple[str, bytes] | None:
    """Return what opens the sealed table of an import, and the table; None once it has been read."""
    c = import_files.c
    row = tx.execute(select(c.envelope, c.body).where(c.import_id == import_id)).one_or_none()
    return (row.envelope, row.body) if row is not None else None


def forget_file(tx: Connection, import_id: str) -> None:
    """Delete the table of an import."""
    tx.execute(delete(import_files).where(import_files.c.import_id == import_id))


def insert_chunk(tx: Connection, import_id: str, first: int, sealed: str) -> None:
    """Add some rows that are to be dealt with together, sealed."""
    tx.execute(import_chunks.insert().values(import_id=import_id, first=first, sealed=sealed))


def take_chunk(tx: Connection, import_id: str) -> tuple[int, str] | None:
    """Take out the next rows of an import, None at the end; they are back unless the transaction succeeds."""
    c = import_chunks.c
    query = select(c.first, c.sealed).where(c.import_id == import_id).order_by(c.first).limit(1)
    row = tx.execute(query.with_for_update()).one_or_none()
    if row is None:
        return None
    gone = tx.execute(delete(import_chunks).where(c.import_id == import_id, c.first == row.first))
    return (row.first, row.sealed) if gone.rowcount == 1 else None


# --- what was refused -------------------------------------------------------------------------------


def insert_faults(tx: Connection, rows: Sequence[dict[str, Any]]) -> None:
    """Add why rows were refused."""
    if rows:
        tx.execute(import_faults.insert(), list(rows))


def faults_page(tx: Connection, import_id: str, limit: int, cursor: str | None) -> Page:
    """Return one page of the faults of an import, in the order of its rows."""
    c = import_faults.c
    query = select(import_faults).where(c.import_id == import_id)
    found = page(tx, query, [c.row, c.seq], limit=limit, cursor=cursor, descending=False)
    return Page([dict(row._mapping) for row in found.rows], found.next_cursor)


# --- under a new key --------------------------------------------------------------------------------


def import_after(tx: Connection, after: str) -> str | None:
    """Return the id of the import behind `after`, or None."""
    c = imports.c
    return tx.execute(select(c.id).where(c.id > after).order_by(c.id).limit(1)).scalar_one_or_none()


def sealed_of(tx: Connection, import_id: str) -> list[tuple[SealedKey, str]]:
    """Return what the pieces and faults of an import keep sealed, by where it lies."""
    chunk, fault = import_chunks.c, import_faults.c
    chunks = tx.execute(select(chunk.first, chunk.sealed).where(chunk.import_id == import_id))
    faults = tx.execute(
        select(fault.row, fault.seq, fault.sealed).where(
            fault.import_id == import_id, fault.sealed.is_not(None)
        )
    )
    kept: list[tuple[SealedKey, str]] = [((row.first, None), row.sealed) for row in chunks]
    return kept + [((row.row, row.seq), row.sealed) for row in faults]


def set_sealed(tx: Connection, import_id: str, key: SealedKey, sealed: str) -> None:
    """Write again what a piece or a fault keeps sealed."""
    number, seq = key
    chunk, fault = import_chunks.c, import_faults.c
    if seq is None:
        found = (chunk.import_id == import_id) & (chunk.first == number)
        tx.execute(update(import_chunks).where(found).values(sealed=sealed))
    else:
        found = (fault.import_id == import_id) & (fault.row == number) & (fault.seq == seq)
        tx.execute(update(import_faults).where(found).values(sealed=sealed))


def set_envelope(tx: Connection, import_id: str, envelope: str) -> None:
    """Write again what opens the table of an import."""
    tx.execute(update(import_files).where(import_files.c.import_id == import_id).values(envelope=envelope))
