"""The tables of notices and who read them, and every statement on them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import (
    Column,
    Connection,
    ForeignKey,
    Index,
    String,
    Subquery,
    Table,
    and_,
    delete,
    exists,
    func,
    literal,
    select,
    union_all,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.sql import ColumnElement

from core.db import Document, Instant, Page, metadata, page
from core.text import Text, text_of
from notices.model import Draft, Notice, Reader

notices = Table(
    "notices",
    metadata,
    Column("id", String(36), primary_key=True),
    Column("key", String(120), nullable=False, unique=True),
    Column("posted_at", Instant, nullable=False, index=True),
    Column("about", String(36), nullable=False),
    Column("link", String(500), nullable=False),
    Column("department", String(80), nullable=False),
    Column("role", String(40), nullable=False),
    Column("kind", String(40), nullable=False),
    Column("subject", Document, nullable=False),
    Column("body", Document, nullable=False),
    Column("due", Instant),
    Column("cite", String(300)),
    Index("ix_notices_inbox", "department", "role", "posted_at", "id", "kind"),
    Index("ix_notices_about", "about", "posted_at"),
)

notice_reads = Table(
    "notice_reads",
    metadata,
    Column("login", String(80), primary_key=True),
    Column("notice_id", ForeignKey("notices.id"), primary_key=True, index=True),
    Column("at", Instant, nullable=False),
)

notice_marks = Table(
    "notice_marks",
    metadata,
    # Everything posted before is read: one row in place of one for each old notice.
    Column("login", String(80), primary_key=True),
    Column("before", Instant, nullable=False),
)

_c = notices.c


def notice_of(named: Mapping[Any, Any]) -> Notice:
    """Return the notice of a row, by the names of `notice_columns`."""
    return Notice(
        id=named["id"],
        posted_at=named["posted_at"],
        about=named["about"],
        link=named["link"],
        department=named["department"],
        role=named["role"],
        kind=named["kind"],
        subject=text_of(named["subject"]),
        body=text_of(named["body"]),
        due=named["due"],
        cite=named["cite"],
    )


def _label(text: Text) -> dict[str, str]:
    return {"zh": text.zh, "en": text.en}


def upsert(tx: Connection) -> Any:
    """Return the INSERT of the database's own dialect, which knows what to do on conflict."""
    return {"sqlite": sqlite.insert, "postgresql": postgresql.insert}[tx.dialect.name]


def insert_notice(tx: Connection, id: str, draft: Draft, now: datetime) -> bool:
    """Add a notice; return whether its key is new."""
    values = {
        "id": id,
        "key": draft.key,
        "posted_at": now,
        "about": draft.about,
        "link": draft.link,
        "department": draft.department,
        "role": draft.role,
        "kind": draft.kind,
        "subject": _label(draft.subject),
        "body": _label(draft.body),
        "due": draft.due,
        "cite": draft.cite,
    }
    return bool(tx.execute(_POSTED[tx.dialect.name], values).first())


_POSTED = {
    name: insert(notices).on_conflict_do_nothing(index_elements=["key"]).returning(_c.id)
    for name, insert in (("sqlite", sqlite.insert), ("postgresql", postgresql.insert))
}


def departments_told(tx: Connection, about: str, kind: str | None, since: datetime | None) -> frozenset[str]:
    """Return the departments that were posted a notice about a case."""
    query = select(_c.department).distinct().where(_c.about == about)
    if kind is not None:
        query = query.where(_c.kind == kind)
    if since is not None:
        query = query.where(_c.posted_at >= since)
    return frozenset(tx.execute(query).scalars())


def notice_columns() -> list[Column[Any]]:
    """Return the columns that `notice_of` reads."""
    return [c for c in _c if c.name != "key"]


# --- the inbox ------------------------------------------------------------------------------------


class Line(NamedTuple):
    """A notice in somebody's inbox."""

    notice: Notice
    read: bool


def _visible(reader: Reader, *wheres: ColumnElement[bool]) -> Subquery:
    """Return what a person may see, one branch for each role: each is read in the order of the index."""
    return union_all(*(select(*notice_columns()).where(mine, *wheres) for mine in _mine(reader))).subquery()


def _mine(reader: Reader) -> list[ColumnElement[bool]]:
    roles = sorted({"", *reader.roles})
    return [and_(_c.department == reader.department, _c.role == role) for role in roles]


def _unread(login: str, mark: datetime | None) -> tuple[ColumnElement[bool], ...]:
    r = notice_reads.c
    one_by_one = exists().where(r.login == login, r.notice_id == _c.id)
    return (~one_by_one,) if mark is None else (_c.posted_at >= mark, ~one_by_one)


def mark_of(tx: Connection, login: str) -> datetime | None:
    """Return the instant before which a person has read everything, or None."""
    query = select(notice_marks.c.before).where(notice_marks.c.login == login)
    return tx.execute(query).scalar_one_or_none()


def inbox(
    tx: Connection, reader: Reader, kind: str | None, unread: bool, limit: int, cursor: str | None
) -> Page:
    """Return one page of `Line`s of a person's inbox, the newest first."""
    mark = mark_of(tx, reader.login)
    wheres = [_c.kind == kind] if kind else []
    shown = _visible(reader, *wheres, *(_unread(reader.login, mark) if unread else ()))
    found = page(tx, select(shown), [shown.c.posted_at, shown.c.id], limit=limit, cursor=cursor)
    notices_found = [notice_of(row._mapping) for row in found.rows]
    seen = set() if unread else _reads(tx, reader.login, [n.id for n in notices_found])
    lines = [Line(n, n.id in seen or (mark is not None and n.posted_at < mark)) for n in notices_found]
    return Page(lines, found.next_cursor)


def _reads(tx: Connection, login: str, ids: Sequence[str]) -> set[str]:
    r = notice_reads.c
    return set(tx.execute(select(r.notice_id).where(r.login == login, r.notice_id.in_(ids))).scalars())


def count_unread(tx: Connection, reader: Reader, most: int) -> int:
    """Return how many notices a person has not read, counting no further than `most`."""
    shown = _visible(reader, *_unread(reader.login, mark_of(tx, reader.login)))
    return int(
        tx.execute(select(func.count()).select_from(select(shown.c.id).limit(most).subquery())).scalar_one()
    )


def visible_notice(tx: Connection, reader: Reader, notice_id: str) -> Notice | None:
    """Return a notice if it is in a person's inbox, or None."""
    shown = _visible(reader, _c.id == notice_id)
    row = tx.execute(select(shown)).one_or_none()
    return notice_of(row._mapping) if row else None


def insert_read(tx: Connection, login: str, notice_id: str, now: datetime) -> None:
    """Note that a person has read a notice; once is enough."""
    new = upsert(tx)(notice_reads).values(login=login, notice_id=notice_id, at=now)
    tx.execute(new.on_conflict_do_nothing(index_elements=["login", "notice_id"]))


def oldest_unread(tx: Connection, reader: Reader) -> datetime | None:
    """Return when the oldest notice was posted that a person has not read."""
    unread = _unread(reader.login, mark_of(tx, reader.login))
    queries = [
        select(_c.posted_at).where(mine, *unread).order_by(_c.posted_at).limit(1) for mine in _mine(reader)
    ]
    found = [at for at in (tx.execute(query).scalar_one_or_none() for query in queries) if at is not None]
    return min(found, default=None)


def read_since(tx: Connection, reader: Reader, since: datetime, now: datetime) -> None:
    """Note that a person has read every notice posted since an instant that is there now."""
    shown = _visible(reader, _c.posted_at >= since, *_unread(reader.login, None))
    rows = select(literal(reader.login), shown.c.id, literal(now, Instant))
    new = upsert(tx)(notice_reads).from_select(["login", "notice_id", "at"], rows.where(literal(True)))
    tx.execute(new.on_conflict_do_nothing(index_elements=["login", "notice_id"]))


def move_mark(tx: Connection, login: str, before: datetime) -> None:
    """Note that a person has read everything before an instant, and drop what that makes superfluous."""
    new = upsert(tx)(notice_marks).values(login=login, before=before)
    tx.execute(new.on_conflict_do_update(index_elements=["login"], set_={"before": before}))
    r = notice_reads.c
    old = select(_c.id).where(_c.id == r.notice_id, _c.posted_at < before).exists()
    tx.execute(delete(notice_reads).where(r.login == login, old))


# --- the end --------------------------------------------------------------------------------------


def old_notices(tx: Connection, before: datetime, limit: int) -> list[str]:
    """Return the ids of the oldest notices posted before an instant."""
    query = select(_c.id).where(_c.posted_at < before).order_by(_c.posted_at).limit(limit)
    return list(tx.execute(query).scalars())


def delete_notices(tx: Connection, ids: Sequence[str]) -> None:
    """Delete notices and who read them."""
    tx.execute(delete(notice_reads).where(notice_reads.c.notice_id.in_(ids)))
    tx.execute(delete(notices).where(_c.id.in_(ids)))
