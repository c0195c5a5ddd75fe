"""The tables of the audit log and every statement on them.

`audit_outbox` and `audit_anchor` belong to the platform's database: a control-plane record lies in the
outbox from the commit of the act until it is sealed, and the anchor remembers how far the log had come, so
that an older copy of the log folder cannot be put in its place unnoticed.

The index is a SQLite file of its own beside the bodies. It can be made again from them at any time.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    Column,
    Connection,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Row,
    Select,
    String,
    Table,
    delete,
    func,
    insert,
    select,
    update,
)
from sqlalchemy.dialects import sqlite

from audit.record import FIELDS, Record
from core.db import Instant, metadata

_Sequence = BigInteger().with_variant(Integer, "sqlite")

audit_outbox = Table(
    "audit_outbox",
    metadata,
    # A number must never come back: the sealer deletes by it, after a crash once more.
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
"""An unsealed record: seq, envelope, body."""


# --- the outbox -----------------------------------------------------------------------------------


def insert_outbox(tx: Connection, record: Record) -> None:
    """Put a record beside the act that it tells of, to be committed with it."""
    row = {"id": record.id, "kind": record.kind, "at": record.at}
    tx.execute(insert(audit_outbox), {**row, "envelope": record.envelope, "body": record.body})


def select_outbox(tx: Connection, limit: int) -> Sequence[OutboxRow]:
    """Return seq, envelope and body of the oldest unsealed records."""
    query = select(audit_outbox.c.seq, audit_outbox.c.envelope, audit_outbox.c.body)
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


# --- the index of the bodies ----------------------------------------------------------------------

index_metadata = MetaData()

_records = Table(
    "records",
    index_metadata,
    Column("log_index", Integer, primary_key=True),
    Column("id", LargeBinary, nullable=False, unique=True),  # a UUID of version 7 sorts by time
    *(Column(name, String) for name in FIELDS),
    Column("offset", Integer, nullable=False),
    Column("length", Integer, nullable=False),
)
_BODY_FIELDS = ("k", *FIELDS[1:])
# Consumers and providers are looked up among the parties: each index slows the sealer down.
for _name in FIELDS[:1] + FIELDS[3:]:
    Index(f"ix_{_name}", _records.c[_name], _records.c.id, sqlite_where=_records.c[_name].is_not(None))

_parties = Table(
    "parties",
    index_metadata,
    Column("department", String, primary_key=True),
    Column("id", LargeBinary, primary_key=True),
    sqlite_with_rowid=False,
)
_INSERT_RECORDS, _INSERT_PARTIES = (
    str(insert(table).prefix_with("OR IGNORE").compile(dialect=sqlite.dialect()))
    for table in (_records, _parties)
)


class Entry(NamedTuple):
    """Where the body of an indexed record lies."""

    id: str
    log_index: int
    offset: int
    length: int


class NewEntry(NamedTuple):
    """A body to be indexed, read, and its place."""

    log_index: int
    offset: int
    length: int
    body: Mapping[str, Any]


def create_index(tx: Connection) -> None:
    """Make the tables of the index unless they exist."""
    index_metadata.create_all(tx)


def empty_index(tx: Connection) -> None:
    """Forget every indexed body."""
    tx.execute(delete(_parties))
    tx.execute(delete(_records))


def last_entry(tx: Connection) -> tuple[int, int, int] | None:
    """Return log index, offset and length of the last body that is indexed."""
    query = select(_records.c.log_index, _records.c.offset, _records.c.length)
    row = tx.execute(query.order_by(_records.c.log_index.desc()).limit(1)).first()
    return None if row is None else (row.log_index, row.offset, row.length)


def insert_entries(tx: Connection, entries: Iterable[NewEntry]) -> None:
    """Index bodies. Should one id come twice, the first of the two is found."""
    records, parties = [], []
    for log_index, offset, length, body in entries:
        key = bytes.fromhex(body["id"].replace("-", ""))
        values = (v if isinstance(v := body.get(name), str) else None for name in _BODY_FIELDS)
        records.append((log_index, key, *values, offset, length))
        parties += [(department, key) for department in parties_of(body)]
    # Compiled once and handed to the driver: preparing each row anew would cost more than inserting it.
    if records:
        tx.exec_driver_sql(_INSERT_RECORDS, records)
    if parties:
        tx.exec_driver_sql(_INSERT_PARTIES, parties)


def parties_of(body: Mapping[str, Any]) -> set[str]:
    """Return the departments that a record concerns: who used, who provided, who acted."""
    found = (body.get(name) for name in ("consumer", "provider", "department"))
    return {department for department in found if department and isinstance(department, str)}


def select_entries(
    tx: Connection,
    equal: Mapping[str, str],
    department: str | None,
    *,
    first: str | None,
    before: str | None,
    limit: int,
) -> list[Entry]:
    """Return the newest bodies whose fields equal `equal`, that concern `department`, by id descending.

    `first` is the least id to return, `before` the one to stay below.
    """
    department = department or equal.get("consumer") or equal.get("provider")
    key = _records.c.id
    query: Select[Any] = select(key, _records.c.log_index, _records.c.offset, _records.c.length)
    if department is not None:
        query = query.join(_parties, _parties.c.id == key).where(_parties.c.department == department)
        key = _parties.c.id
    for name, value in equal.items():
        query = query.where(_records.c[name] == value)
    if first is not None:
        query = query.where(key >= UUID(first).bytes)
    if before is not None:
        query = query.where(key < UUID(before).bytes)
    rows = tx.execute(query.order_by(key.desc()).limit(limit))
    return [Entry(str(UUID(bytes=r.id)), r.log_index, r.offset, r.length) for r in rows]


def select_entry(tx: Connection, record_id: str) -> Entry | None:
    """Return where the body of `record_id` lies, None when it is not indexed."""
    query = select(_records).where(_records.c.id == UUID(record_id).bytes)
    row = tx.execute(query).first()
    return None if row is None else Entry(record_id, row.log_index, row.offset, row.length)
