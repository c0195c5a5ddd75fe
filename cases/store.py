"""The tables of the case engine and every statement on them."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any, NamedTuple

from sqlalchemy import (
    Boolean,
    Column,
    Connection,
    ForeignKey,
    Index,
    Integer,
    String,
    Table,
    Text,
    and_,
    bindparam,
    exists,
    func,
    literal,
    or_,
    select,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.sql import ColumnElement

from cases.model import PROCEDURES, Attachment, Case, Event, Parties, in_role
from core.db import Document, Instant, Page, metadata, page
from core.errors import Conflict

cases = Table(
    "cases",
    metadata,
    Column("id", String(36), primary_key=True),
    Column("kind", String(20), nullable=False),  # dataset, application, grant, ticket
    Column("workflow", String(40), nullable=False),
    Column("rulebook", String(80), nullable=False),
    Column("rulebook_version", String(64), nullable=False),
    Column("state", String(40), nullable=False),
    Column("serves", Boolean, nullable=False),  # data flow in this state: the data plane reads no rulebook
    Column("facts", Document, nullable=False),
    Column("parties", Document, nullable=False),  # role -> department, or a list of departments
    Column("version", Integer, nullable=False),
    Column("opened_at", Instant, nullable=False),
    Column("opened_by", String(80), nullable=False),
    Column("changed_at", Instant, nullable=False),
    Column("lapses_at", Instant),  # when a timer transition falls due
    Column("next_due_at", Instant),  # the earliest due of a running clock
    Column("watch_at", Instant),  # when the sweep has something to put on record
    Column("closed_at", Instant),
    Index("ix_cases_kind_state", "kind", "state"),
    Index("ix_cases_next_due_at", "next_due_at"),
    Index("ix_cases_watch_at", "watch_at"),
)

case_parties = Table(
    "case_parties",
    metadata,
    Column("case_id", ForeignKey("cases.id"), primary_key=True),
    Column("role", String(40), primary_key=True),
    Column("department", String(80), primary_key=True),
    Index("ix_case_parties_department_role", "department", "role", "case_id"),
)

case_turns = Table(
    "case_turns",
    metadata,
    Column("case_id", ForeignKey("cases.id"), primary_key=True),
    Column("role", String(40), primary_key=True),
    Column("department", String(80), primary_key=True),
    Index("ix_case_turns_department_role", "department", "role", "case_id"),
)

case_events = Table(
    "case_events",
    metadata,
    Column("case_id", ForeignKey("cases.id"), primary_key=True),
    Column("seq", Integer, primary_key=True),
    Column("action", String(40), nullable=False),
    Column("names", Document, nullable=False),  # the events that start and stop clocks
    Column("at", Instant, nullable=False),
    Column("from_state", String(40)),
    Column("to_state", String(40), nullable=False),
    Column("actor", String(80), nullable=False),
    Column("actor_department", String(80), nullable=False),
    Column("role", String(40), nullable=False),
    Column("fields", Document, nullable=False),
    Column("record_id", String(36), nullable=False),
)

case_breaches = Table(
    "case_breaches",
    metadata,
    Column("case_id", ForeignKey("cases.id"), primary_key=True),
    Column("clock", String(40), primary_key=True),
    Column("due", Instant, primary_key=True),
    Column("recorded_at", Instant, nullable=False),
    Column("record_id", String(36), nullable=False),
)

case_signals = Table(
    "case_signals",
    metadata,
    Column("case_id", ForeignKey("cases.id"), primary_key=True),
    Column("clock", String(40), primary_key=True),
    Column("due", Instant, primary_key=True),
    Column("signal", String(10), primary_key=True),  # warned, passed
    Column("at", Instant, nullable=False),
)

attachments = Table(
    "attachments",
    metadata,
    Column("id", String(36), primary_key=True),
    Column("case_id", ForeignKey("cases.id"), nullable=False, index=True),
    Column("type", String(40), nullable=False),
    Column("sealed", Boolean, nullable=False),
    Column("name", String(200), nullable=False),
    Column("media_type", String(80), nullable=False),
    Column("size", Integer, nullable=False),
    Column("digest", String(64), nullable=False),
    Column("added_at", Instant, nullable=False),
    Column("added_by", String(80), nullable=False),
    Column("envelope", Text),  # where the content is sealed: all but the ciphertext
    Column("sealed_name", Text),
)

code_sequences = Table(
    "code_sequences",
    metadata,
    Column("prefix", String(40), primary_key=True),
    Column("last", Integer, nullable=False),
)

rulebook_versions = Table(
    "rulebook_versions",
    metadata,
    Column("id", String(80), primary_key=True),
    Column("version", String(64), primary_key=True),
    Column("document", Document, nullable=False),
    Column("first_seen", Instant, nullable=False),
)


# --- cases ----------------------------------------------------------------------------------------


def case(tx: Connection, case_id: str, *, lock: bool = False) -> Case | None:
    """Return a case with its events, or None. `lock` keeps other writers away from it (PostgreSQL)."""
    row = tx.execute(_LOCKED_CASE if lock else _ONE_CASE, {"case": case_id}).one_or_none()
    if row is None:
        return None
    return _case(row, tuple(_event(event) for event in tx.execute(_ITS_EVENTS, {"case": case_id})))


def locked_version(tx: Connection, case_id: str) -> int | None:
    """Keep other writers away from a case (PostgreSQL) and return its version, None where there is none."""
    return tx.execute(_LOCKED_VERSION, {"case": case_id}).scalar_one_or_none()


_ONE_CASE = select(cases).where(cases.c.id == bindparam("case"))
_LOCKED_CASE = _ONE_CASE.with_for_update()
_LOCKED_VERSION = select(cases.c.version).where(cases.c.id == bindparam("case")).with_for_update()
_ITS_EVENTS = (
    select(case_events).where(case_events.c.case_id == bindparam("case")).order_by(case_events.c.seq)
)


def cases_by_id(tx: Connection, ids: Sequence[str]) -> dict[str, Case]:
    """Return the cases with these ids (at most a page of them), with their events."""
    events = _events(tx, ids)
    rows = tx.execute(select(cases).where(cases.c.id.in_(ids)))
    return {row.id: _case(row, events.get(row.id, ())) for row in rows}


def _case(row: Any, events: tuple[Event, ...]) -> Case:
    return Case(
        id=row.id,
        kind=row.kind,
        workflow=row.workflow,
        rulebook=row.rulebook,
        rulebook_version=row.rulebook_version,
        state=row.state,
        serves=row.serves,
        facts=row.facts,
        parties=row.parties,
        version=row.version,
        opened_at=row.opened_at,
        opened_by=row.opened_by,
        changed_at=row.changed_at,
        lapses_at=row.lapses_at,
        next_due_at=row.next_due_at,
        closed_at=row.closed_at,
        events=events,
    )


def _events(tx: Connection, ids: Sequence[str]) -> dict[str, tuple[Event, ...]]:
    query = (
        select(case_events)
        .where(case_events.c.case_id.in_(ids))
        .order_by(case_events.c.case_id, case_events.c.seq)
    )
    found: dict[str, list[Event]] = {}
    for row in tx.execute(query):
        found.setdefault(row.case_id, []).append(_event(row))
    return {k: tuple(v) for k, v in found.items()}


def _event(row: Any) -> Event:
    return Event(
        seq=row.seq,
        action=row.action,
        names=tuple(row.names),
        at=row.at,
        from_state=row.from_state,
        to_state=row.to_state,
        actor=row.actor,
        actor_department=row.actor_department,
        role=row.role,
        fields=row.fields,
        record_id=row.record_id,
    )


def insert_case(tx: Connection, case: Case, watch: datetime | None) -> None:
    """Add a case and its parties."""
    columns = {c.name: getattr(case, c.name) for c in cases.c if c.name != "watch_at"}
    tx.execute(cases.insert(), {**columns, "watch_at": watch})
    insert_parties(tx, case.id, case.parties)


def insert_parties(tx: Connection, case_id: str, parties: Parties) -> None:
    """Add departments in their roles to a case."""
    rows = [
        {"case_id": case_id, "role": role, "department": department}
        for role in parties
        for department in in_role(parties, role)
    ]
    if rows:
        tx.execute(case_parties.insert(), rows)


def replace_parties(tx: Connection, case_id: str, parties: Parties) -> None:
    """Let departments play these roles of a case in place of who did before."""
    c = case_parties.c
    tx.execute(case_parties.delete().where(c.case_id == case_id, c.role.in_(list(parties))))
    insert_parties(tx, case_id, parties)


def update_case(tx: Connection, case: Case, from_version: int, watch: datetime | None) -> None:
    """Write a moved case. Raises Conflict when somebody else moved it since `from_version`."""
    moved = tx.execute(
        _MOVE,
        {
            "case": case.id,
            "from_version": from_version,
            "state": case.state,
            "serves": case.serves,
            "facts": dict(case.facts),
            "parties": dict(case.parties),
            "version": case.version,
            "changed_at": case.changed_at,
            "lapses_at": case.lapses_at,
            "next_due_at": case.next_due_at,
            "closed_at": case.closed_at,
            "watch_at": watch,
        },
    )
    if moved.rowcount != 1:
        raise Conflict("内容已被他人更改", "it changed meanwhile", code="changed_meanwhile")


_MOVE = cases.update().where(cases.c.id == bindparam("case"), cases.c.version == bindparam("from_version"))


def insert_event(tx: Connection, case_id: str, event: Event) -> None:
    """Add an event to a case's history."""
    columns = {f: getattr(event, f) for f in Event.__dataclass_fields__}
    tx.execute(case_events.insert(), {**columns, "case_id": case_id, "names": list(event.names)})


def cases_after(tx: Connection, after: str, limit: int) -> list[str]:
    """Return the ids of cases behind `after`, in their order, whether open or closed."""
    query = select(cases.c.id).where(cases.c.id > after).order_by(cases.c.id).limit(limit)
    return list(tx.execute(query).scalars())


def set_fields(tx: Connection, case_id: str, seq: int, fields: Mapping[str, Any]) -> None:
    """Write the fields of a step in another form; what they say is the same."""
    c = case_events.c
    tx.execute(case_events.update().where(c.case_id == case_id, c.seq == seq).values(fields=dict(fields)))


# --- what falls due -------------------------------------------------------------------------------


def cases_to_watch(tx: Connection, now: datetime, limit: int) -> list[str]:
    """Return the ids of the cases with something to put on record by `now`, the oldest first."""
    query = select(cases.c.id).where(cases.c.watch_at <= now).order_by(cases.c.watch_at).limit(limit)
    return list(tx.execute(query).scalars())


def set_watch(tx: Connection, case_id: str, watch: datetime | None) -> None:
    """Set the instant at which the sweep looks at the case again."""
    tx.execute(_SET_WATCH, {"case": case_id, "watch": watch})


_SET_WATCH = cases.update().where(cases.c.id == bindparam("case")).values(watch_at=bindparam("watch"))


def recorded_breaches(tx: Connection, case_id: str) -> set[tuple[str, datetime]]:
    """Return the (clock, due) pairs whose breach is on record already."""
    return {(row.clock, row.due) for row in tx.execute(_ITS_BREACHES, {"case": case_id})}


_ITS_BREACHES = select(case_breaches.c.clock, case_breaches.c.due).where(
    case_breaches.c.case_id == bindparam("case")
)


def insert_breach(
    tx: Connection, case_id: str, clock: str, due: datetime, now: datetime, record_id: str
) -> None:
    """Note that a breach is on record, so that it is never recorded twice."""
    row = {"case_id": case_id, "clock": clock, "due": due, "recorded_at": now, "record_id": record_id}
    tx.execute(case_breaches.insert(), row)


def signals(tx: Connection, case_id: str) -> set[tuple[str, datetime, str]]:
    """Return the (clock, due, signal) triples that people have been told of."""
    return {tuple(row) for row in tx.execute(_ITS_SIGNALS, {"case": case_id})}


_ITS_SIGNALS = select(case_signals.c.clock, case_signals.c.due, case_signals.c.signal).where(
    case_signals.c.case_id == bindparam("case")
)


def insert_signal(
    tx: Connection, case_id: str, clock: str, due: datetime, signal: str, now: datetime
) -> None:
    """Note that people have been told, so that they are not told twice."""
    row = {"case_id": case_id, "clock": clock, "due": due, "signal": signal, "at": now}
    tx.execute(case_signals.insert(), row)


# --- attachments ----------------------------------------------------------------------------------


def insert_attachment(tx: Connection, attachment: Attachment) -> None:
    """Add a paper to a case; its content is kept already."""
    tx.execute(attachments.insert().values(**asdict(attachment)))


def attachments_of(tx: Connection, case_id: str) -> tuple[Attachment, ...]:
    """Return the papers of a case, the oldest first."""
    c = attachments.c
    query = select(attachments).where(c.case_id == case_id).order_by(c.added_at, c.id)
    return tuple(Attachment(**row._mapping) for row in tx.execute(query))


def sealed_attachments_after(tx: Connection, after: str, limit: int) -> list[Attachment]:
    """Return the papers behind `after`, in the order of their ids, whose content is sealed at rest."""
    c = attachments.c
    query = select(attachments).where(c.id > after, c.envelope.is_not(None)).order_by(c.id).limit(limit)
    return [Attachment(**row._mapping) for row in tx.execute(query)]


def set_envelope(tx: Connection, attachment_id: str, envelope: str, sealed_name: str) -> None:
    """Write what opens a sealed paper in another form; what it opens is the same."""
    values = {"envelope": envelope, "sealed_name": sealed_name}
    tx.execute(attachments.update().where(attachments.c.id == attachment_id).values(**values))


# --- numbers --------------------------------------------------------------------------------------


def next_in_sequence(tx: Connection, prefix: str) -> int:
    """Return the next number of a prefix; a number is given out once, whatever becomes of it."""
    return int(tx.execute(_COUNTED[tx.dialect.name], {"prefix": prefix, "last": 1}).scalar_one())


def _counting(insert: Any) -> Any:
    counted = insert(code_sequences).on_conflict_do_update(
        index_elements=["prefix"], set_={"last": code_sequences.c.last + 1}
    )
    return counted.returning(code_sequences.c.last)


_COUNTED = {"sqlite": _counting(sqlite.insert), "postgresql": _counting(postgresql.insert)}


# --- rulebook versions ----------------------------------------------------------------------------


def archive_rulebook(
    tx: Connection, book_id: str, version: str, document: Mapping[str, Any], now: datetime
) -> None:
    """Keep a rulebook version for the cases opened under it; a version already kept is left alone."""
    known = select(rulebook_versions.c.id).where(
        rulebook_versions.c.id == book_id, rulebook_versions.c.version == version
    )
    if tx.execute(known).one_or_none() is None:
        tx.execute(
            rulebook_versions.insert().values(
                id=book_id, version=version, document=dict(document), first_seen=now
            )
        )


def archived_rulebooks(tx: Connection) -> list[Mapping[str, Any]]:
    """Return the document of every rulebook version that a case may have been opened under."""
    rows = tx.execute(
        select(rulebook_versions.c.id, rulebook_versions.c.version, rulebook_versions.c.document)
    )
    return [{"id": r.id, "version": r.version, "document": r.document} for r in rows]


# --- the desk -------------------------------------------------------------------------------------

Index("ix_cases_changed_at", cases.c.changed_at)


class Party(NamedTuple):
    """Who looks at cases: a department, in some of its roles."""

    department: str
    roles: frozenset[str]


_NO_DUE = literal(datetime(9999, 12, 31, tzinfo=UTC), Instant)


def put_turns(tx: Connection, case_id: str, turns: Collection[tuple[str, str]]) -> None:
    """Write down which (role, department) pairs have the turn in a case, in place of those before."""
    tx.execute(_DROP_TURNS, {"case": case_id})
    insert_turns(tx, case_id, turns)


_DROP_TURNS = case_turns.delete().where(case_turns.c.case_id == bindparam("case"))


def insert_turns(tx: Connection, case_id: str, turns: Collection[tuple[str, str]]) -> None:
    """Write down which (role, department) pairs have the turn in a case of which none is written down."""
    rows = [{"case_id": case_id, "role": r, "department": d} for r, d in sorted(turns)]
    if rows:
        tx.execute(case_turns.insert(), rows)


def has_turns(tx: Connection) -> bool:
    """Tell whether any turn is written down."""
    return tx.execute(select(case_turns.c.case_id).limit(1)).first() is not None


def open_cases_after(tx: Connection, after: str, limit: int) -> list[str]:
    """Return the ids of open cases behind `after`, in their order."""
    query = select(cases.c.id).where(cases.c.closed_at.is_(None), cases.c.id > after)
    return list(tx.execute(query.order_by(cases.c.id).limit(limit)).scalars())


def tasks(tx: Connection, whose: Party, limit: int, cursor: str | None = None) -> Page:
    """Return ids of open cases in which a department has the turn, those that fall due first, first."""
    due = func.coalesce(cases.c.next_due_at, _NO_DUE).label("due")
    query = select(cases.c.id, due).where(_has_turn(whose))
    return page(tx, query, [due, cases.c.id], limit=limit, cursor=cursor, descending=False)


def late(tx: Connection, now: datetime, whose: Party | None, limit: int, cursor: str | None = None) -> Page:
    """Return ids of open cases with a limit that has passed, the longest overdue first; None looks at all."""
    due = cases.c.next_due_at.label("due")
    query = select(cases.c.id, due).where(_is_late(now, whose))
    return page(tx, query, [due, cases.c.id], limit=limit, cursor=cursor, descending=False)


def recent(tx: Connection, whose: Party | None, limit: int, cursor: str | None = None) -> Page:
    """Return ids of cases in the order of their last change, the newest first; of a party, or of all."""
    changed = cases.c.changed_at.label("changed")
    query = select(cases.c.id, changed).where(_concerns(whose))
    return page(tx, query, [changed, cases.c.id], limit=limit, cursor=cursor)


def count_tasks(tx: Connection, whose: Party) -> int:
    """Return how many open cases wait for a department."""
    c = case_turns.c
    query = select(func.count(func.distinct(c.case_id))).where(
        c.department == whose.department, c.role.in_(sorted(whose.roles))
    )
    return tx.execute(query).scalar_one()


def count_late(tx: Connection, now: datetime, whose: Party | None) -> int:
    """Return how many open cases of a party (or of all) have a limit that has passed."""
    return tx.execute(select(func.count()).where(_is_late(now, whose))).scalar_one()


def _has_turn(whose: Party) -> ColumnElement[bool]:
    mine = select(case_turns.c.case_id).where(
        case_turns.c.department == whose.department, case_turns.c.role.in_(sorted(whose.roles))
    )
    return cases.c.id.in_(mine)


def _is_late(now: datetime, whose: Party | None) -> ColumnElement[bool]:
    # A limit runs to the end of its last second.
    past = cases.c.next_due_at < now.replace(microsecond=0)
    return and_(cases.c.closed_at.is_(None), past, _concerns(whose))


def _concerns(whose: Party | None) -> ColumnElement[bool]:
    if whose is None:
        return _brought_in(None)
    party = exists().where(
        case_parties.c.case_id == cases.c.id,
        case_parties.c.department == whose.department,
        case_parties.c.role.in_(sorted(whose.roles)),
    )
    return and_(party, _brought_in(whose.department))


def _brought_in(department: str | None) -> ColumnElement[bool]:
    """Leave out requests that nobody has acted on yet: drafts are for the requesting department alone.

    What follows a procedure has no draft: it is before its parties from the start.
    """
    first = exists().where(
        case_events.c.case_id == cases.c.id,
        case_events.c.seq == 1,
        or_(case_events.c.role == "system", case_events.c.actor_department == (department or "")),
    )
    return or_(cases.c.version > 1, cases.c.kind.in_(sorted(PROCEDURES)), first)
