"""The tables of the statistics and every statement on them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Connection,
    ForeignKey,
    Index,
    Integer,
    Select,
    String,
    Table,
    and_,
    case,
    delete,
    func,
    or_,
    select,
    update,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.sql import ColumnElement

from cases.store import cases
from catalog.store import dataset_revisions, datasets, distributions
from core.db import Instant, metadata
from supervision.model import CallSum, DatasetName, Handled, Limit, LookSum, Seen, Target

# --- calls ----------------------------------------------------------------------------------------


def _sums(name: str, span: str) -> Table:
    """Return a table of sums of calls; `span` is its first key: a day or a month of Shanghai."""
    return Table(
        name,
        metadata,
        Column(span, String(10), primary_key=True),
        Column("dataset", String(60), primary_key=True),
        Column("provider", String(80), primary_key=True),
        Column("consumer", String(80), primary_key=True),
        Column("client", String(40), primary_key=True),
        Column("grant_number", String(40), primary_key=True),
        Column("decision", String(20), primary_key=True),
        Column("calls", BigInteger, nullable=False),
        Column("row_count", BigInteger, nullable=False),
        Column("byte_count", BigInteger, nullable=False),
        Column("milliseconds", BigInteger, nullable=False),
    )


call_days = _sums("call_days", "day")
"""What the access records say, summed up by day: made from them, and made again at any time."""
call_months = _sums("call_months", "month")
"""The same by month, so that a year is read at once."""

last_calls = Table(
    "last_calls",
    metadata,
    Column("grant_number", String(40), primary_key=True),
    Column("at", Instant, nullable=False),
)

call_positions = Table(
    "call_positions",
    metadata,
    Column("origin", String(200), primary_key=True),  # which log
    Column("size", BigInteger, nullable=False),  # how many of its records are in the sums
)


class CallKey(NamedTuple):
    """Whose calls a sum counts: the day (or month) in Shanghai, the parties, and how they ended."""

    span: str
    dataset: str
    provider: str
    consumer: str
    client: str
    grant_number: str
    decision: str


Sum = list[int]
"""Calls, rows, bytes and milliseconds."""
_ADDED = ("calls", "row_count", "byte_count", "milliseconds")


def _insert(tx: Connection, table: Table) -> Any:
    return {"sqlite": sqlite.insert, "postgresql": postgresql.insert}[tx.dialect.name](table)


def counted_size(tx: Connection, origin: str) -> int:
    """Return how many records of a log are in the sums."""
    query = select(call_positions.c.size).where(call_positions.c.origin == origin)
    return int(tx.execute(query).scalar() or 0)


def move_position(tx: Connection, origin: str, start: int, size: int) -> bool:
    """Set the position from `start` to `size`; tell whether it stood at `start`."""
    if start == 0:
        fresh = _insert(tx, call_positions).values(origin=origin, size=0)
        tx.execute(fresh.on_conflict_do_nothing(index_elements=["origin"]))
    at_start = (call_positions.c.origin == origin, call_positions.c.size == start)
    return tx.execute(update(call_positions).where(*at_start).values(size=size)).rowcount == 1


def add_calls(tx: Connection, sums: Mapping[CallKey, Sum]) -> None:
    """Add sums to their days and months."""
    months: dict[CallKey, Sum] = {}
    for key, values in sums.items():
        month = months.setdefault(key._replace(span=key.span[:7]), [0, 0, 0, 0])
        for i, value in enumerate(values):
            month[i] += value
    _add(tx, call_days, sums)
    _add(tx, call_months, months)


def _add(tx: Connection, table: Table, sums: Mapping[CallKey, Sum]) -> None:
    if not sums:
        return
    statement = _insert(tx, table)
    added = statement.on_conflict_do_update(
        index_elements=[c.name for c in table.primary_key],
        set_={name: table.c[name] + statement.excluded[name] for name in _ADDED},
    )
    names = table.columns.keys()
    tx.execute(added, [dict(zip(names, (*k, *v), strict=True)) for k, v in sums.items()])


def put_last_calls(tx: Connection, instants: Mapping[str, datetime]) -> None:
    """Remember when grants were last used; an earlier instant changes nothing."""
    if not instants:
        return
    statement = _insert(tx, last_calls)
    at, new = last_calls.c.at, statement.excluded.at
    later = statement.on_conflict_do_update(
        index_elements=["grant_number"], set_={"at": case((new > at, new), else_=at)}
    )
    tx.execute(later, [{"grant_number": number, "at": at} for number, at in instants.items()])


def select_last_call(tx: Connection, grant_number: str) -> datetime | None:
    """Return when a grant was last used, as far as its calls are counted."""
    return tx.execute(select(last_calls.c.at).where(last_calls.c.grant_number == grant_number)).scalar()


def forget_calls(tx: Connection, origin: str) -> None:
    """Empty the sums and start over; when grants were last used is kept, since it can only become later."""
    for table in (call_days, call_months):
        tx.execute(delete(table))
    tx.execute(delete(call_positions).where(call_positions.c.origin == origin))


def call_sums(tx: Connection, by_month: bool, first: str, end: str) -> list[CallSum]:
    """Return what was called from the span `first` up to, not including, `end`, over all days and grants."""
    c, span = _spanned(by_month)
    keys = (c.dataset, c.provider, c.consumer, c.client, c.decision)
    query = select(*keys, *(func.sum(c[name]) for name in _ADDED))
    rows = tx.execute(query.where(span >= first, span < end).group_by(*keys))
    return [CallSum(*row[:5], *(int(value) for value in row[5:])) for row in rows]


def call_series(
    tx: Connection, by_month: bool, first: str, end: str, department: str | None, dataset: str | None
) -> dict[str, dict[str, int]]:
    """Return span to decision to number of calls: of a provider or a dataset, if one is named."""
    c, span = _spanned(by_month)
    query = select(span, c.decision, func.sum(c.calls)).where(span >= first, span < end)
    if department is not None:
        query = query.where(c.provider == department)
    if dataset is not None:
        query = query.where(c.dataset == dataset)
    found: dict[str, dict[str, int]] = {}
    for name, decision, calls in tx.execute(query.group_by(span, c.decision)):
        found.setdefault(name, {})[decision] = int(calls)
    return found


def _spanned(by_month: bool) -> tuple[Any, ColumnElement[str]]:
    return (call_months.c, call_months.c.month) if by_month else (call_days.c, call_days.c.day)


# --- applications ---------------------------------------------------------------------------------

handled_applications = Table(
    "handled_applications",
    metadata,
    Column("case_id", ForeignKey("cases.id"), primary_key=True),
    Column("version", Integer, nullable=False),  # of the case that the line was worked out from
    Column("basis", String(16), nullable=False),  # digest of the calendar that it was worked out on
    Column("dataset", String(60), nullable=False),
    Column("decider", String(80), nullable=False),
    Column("checked", Boolean, nullable=False),
    Column("submitted_at", Instant),
    Column("accepted_at", Instant),
    Column("concluded_at", Instant, index=True),
    Column("outcome", String(20)),
    Column("workdays", Integer),
    Column("late", Boolean, nullable=False),
)
"""A line for each application, worked out from its events; made again whenever these have changed."""

handled_limits = Table(
    "handled_limits",
    metadata,
    Column("case_id", ForeignKey("cases.id"), primary_key=True),
    Column("clock", String(40), primary_key=True),
    Column("due", Instant, primary_key=True),
    Column("until", Instant),
    Column("department", String(80), nullable=False),
    Index("ix_handled_limits_due", "due"),
)

_LINE = [c for c in handled_applications.c if c.name not in ("version", "basis")]


def _fresh(basis: str) -> ColumnElement[bool]:
    line = handled_applications.c
    return and_(line.case_id == cases.c.id, line.version == cases.c.version, line.basis == basis)


def stale_applications(tx: Connection, kind: str, basis: str, limit: int) -> list[str]:
    """Return ids of cases whose line is missing or worked out from something else than holds now."""
    joined = cases.outerjoin(handled_applications, _fresh(basis))
    query = select(cases.c.id).select_from(joined)
    query = query.where(cases.c.kind == kind, handled_applications.c.case_id.is_(None))
    return list(tx.execute(query.order_by(cases.c.changed_at, cases.c.id).limit(limit)).scalars())


def put_handled(tx: Connection, lines: Sequence[tuple[int, Handled]], basis: str) -> None:
    """Keep lines, each with the version of the case that it was worked out from."""
    ids = [line.case_id for _, line in lines]
    for table in (handled_limits, handled_applications):
        tx.execute(delete(table).where(table.c.case_id.in_(ids)))
    rows = [
        {"version": version, "basis": basis, **{c.name: getattr(line, c.name) for c in _LINE}}
        for version, line in lines
    ]
    limits = [
        {
            "case_id": line.case_id,
            **{name: getattr(m, name) for name in ("clock", "due", "until", "department")},
        }
        for _, line in lines
        for m in line.limits
    ]
    for table, values in ((handled_applications, rows), (handled_limits, limits)):
        if values:
            tx.execute(table.insert(), values)


def handled_between(tx: Connection, basis: str, start: datetime, end: datetime) -> list[Handled]:
    """Return the fresh lines of applications that were pending at some time from `start` up to `end`.

    Of their limits they bring those that were or may have been passed before `end`.
    """
    line = handled_applications.c
    lasted = or_(line.concluded_at.is_(None), line.concluded_at >= start)
    pending = and_(_fresh(basis), line.submitted_at < end, lasted)
    limits = _limits_between(tx, basis, start, end)
    rows = tx.execute(select(*_LINE).select_from(handled_applications.join(cases, pending)))
    found = {row.case_id: _line(row, limits.pop(row.case_id, ())) for row in rows}
    return [*found.values(), *_of_limits(tx, limits)]


def _line(row: Any, limits: tuple[Limit, ...]) -> Handled:
    return Handled(
        row.case_id,
        row.dataset,
        row.decider,
        row.checked,
        row.submitted_at,
        row.accepted_at,
        row.concluded_at,
        row.outcome,
        row.workdays,
        row.late,
        limits,
    )


def _limits_between(
    tx: Connection, basis: str, start: datetime, end: datetime
) -> dict[str, tuple[Limit, ...]]:
    """Return limits by case that fell due before `end` and ran over, and until `start` at least."""
    limit = handled_limits.c
    over = or_(limit.until.is_(None), and_(limit.until > limit.due, limit.until >= start))
    query = select(handled_limits).select_from(
        handled_limits.join(handled_applications, limit.case_id == handled_applications.c.case_id).join(
            cases, _fresh(basis)
        )
    )
    found: dict[str, tuple[Limit, ...]] = {}
    for row in tx.execute(query.where(limit.due < end, over).order_by(limit.case_id, limit.due)):
        found[row.case_id] = (
            *found.get(row.case_id, ()),
            Limit(row.clock, row.due, row.until, row.department),
        )
    return found


def _of_limits(tx: Connection, limits: Mapping[str, tuple[Limit, ...]]) -> Iterable[Handled]:
    """Yield the lines of applications decided before, of which a limit ran on: to inform the applicant."""
    ids = list(limits)
    for at in range(0, len(ids), 500):
        query = select(*_LINE).where(handled_applications.c.case_id.in_(ids[at : at + 500]))
        for row in tx.execute(query):
            yield _line(row, limits[row.case_id])


# --- looks ----------------------------------------------------------------------------------------

probes = Table(
    "probes",
    metadata,
    Column("dataset", String(60), primary_key=True),
    Column("kind", String(10), primary_key=True),
    Column("at", Instant, primary_key=True),
    Column("ok", Boolean, nullable=False),
    Column("milliseconds", Integer, nullable=False),
    Column("reason", String(40)),
    Column("excused", Boolean, nullable=False),  # during announced maintenance: it counts for nobody
    Index("ix_probes_at", "at"),
)

probe_days = Table(
    "probe_days",
    metadata,
    Column("day", String(10), primary_key=True),
    Column("dataset", String(60), primary_key=True),
    Column("kind", String(10), primary_key=True),
    Column("looks", Integer, nullable=False),  # outside announced maintenance
    Column("failures", Integer, nullable=False),
    Column("milliseconds", BigInteger, nullable=False),  # of the looks that succeeded
    Column("excused", Integer, nullable=False),
)
_LOOKS = ("looks", "failures", "milliseconds", "excused")


def targets(tx: Connection, since: datetime) -> list[Target]:
    """Return what is published and has not been looked at after `since`."""
    looked = (
        select(func.max(probes.c.at))
        .where(probes.c.dataset == datasets.c.code, probes.c.kind == distributions.c.kind)
        .scalar_subquery()
    )
    query = (
        select(datasets.c.code, distributions.c.kind, distributions.c.connection)
        .add_columns(distributions.c.detail, datasets.c.document)
        .join(cases, cases.c.id == datasets.c.id)
        .join(distributions, distributions.c.dataset_id == datasets.c.id)
        .where(cases.c.serves, or_(looked.is_(None), looked <= since))
        .order_by(datasets.c.code, distributions.c.kind)
    )
    return [Target(*row) for row in tx.execute(query)]


def add_looks(tx: Connection, seen: Sequence[Seen], day: str) -> None:
    """Keep what looks found, and add it to the sums of their day."""
    if not seen:
        return
    kept = _insert(tx, probes).on_conflict_do_nothing(index_elements=["dataset", "kind", "at"])
    sums = _insert(tx, probe_days)
    added = sums.on_conflict_do_update(
        index_elements=["day", "dataset", "kind"],
        set_={name: probe_days.c[name] + sums.excluded[name] for name in _LOOKS},
    )
    for look in seen:
        # Of an INSERT, PostgreSQL's driver does not count the rows.
        if tx.execute(kept.values(**look._asdict()).returning(probes.c.dataset)).first() is not None:
            tx.execute(added.values(day=day, dataset=look.dataset, kind=look.kind, **_counts(look)))


def _counts(look: Seen) -> dict[str, int]:
    if look.excused:
        return dict(zip(_LOOKS, (0, 0, 0, 1), strict=True))
    return dict(zip(_LOOKS, (1, int(not look.ok), look.milliseconds if look.ok else 0, 0), strict=True))


def forget_looks(tx: Connection, before: datetime) -> None:
    """Delete single looks that are older; the sums of their days stay."""
    tx.execute(delete(probes).where(probes.c.at < before))


def look_sums(tx: Connection, first: str, end: str) -> list[LookSum]:
    """Return what looks found from the day `first` up to, not including, `end`, by dataset."""
    c = probe_days.c
    query = select(c.dataset, *(func.sum(c[name]) for name in _LOOKS))
    rows = tx.execute(query.where(c.day >= first, c.day < end).group_by(c.dataset))
    return [LookSum(row[0], *(int(value) for value in row[1:])) for row in rows]


def look_series(
    tx: Connection, first: str, end: str, codes: Sequence[str] | None
) -> dict[str, tuple[int, int]]:
    """Return day to looks and failures: of some datasets, if any are named."""
    c = probe_days.c
    query: Select[Any] = select(c.day, func.sum(c.looks), func.sum(c.failures))
    if codes is not None:
        query = query.where(c.dataset.in_(codes))
    rows = tx.execute(query.where(c.day >= first, c.day < end).group_by(c.day))
    return {day: (int(looks), int(failures)) for day, looks, failures in rows}


# --- datasets -------------------------------------------------------------------------------------


def dataset_names(tx: Connection) -> list[DatasetName]:
    """Return the datasets that have ever been published, by code, in the wording that was published last."""
    c, said = datasets.c, dataset_revisions.c
    title, share_class = (said.document[name].as_string() for name in ("title", "share_class"))
    query = select(c.code, title, c.provider, share_class).join(
        dataset_revisions, and_(said.dataset_id == c.id, said.revision == c.published_revision)
    )
    return [DatasetName(*row) for row in tx.execute(query.order_by(c.code))]
