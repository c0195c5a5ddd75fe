"""The questions as Ibis expressions over unbound tables: the same objects for DuckDB and for Spark.

A function takes typed parameters and returns an expression; nothing here knows an engine, a file or the
clock. Instants are UTC without a zone, as the columns hold them; days are those of Shanghai (UTC+8, which
has had no summer time since 1991). Every answer is in a total order, so that pages of it fit together.

A call counts once, with the record of its end: `access`, or `access.end` for a stream. Of a stream that a
crash cut off there is only the beginning, and it is not counted.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import ibis

from audit.questions.subject import DIGEST_CHARS
from core.periods import day_of

Expression = Any
"""An Ibis table expression; Ibis comes without types."""

INSTANT = "timestamp(6)"
_STRINGS = (
    "id kind source consumer provider department actor client grant dataset operation method purpose"
    " decision reason case ticket trace address subject intent log"
)
records = ibis.table(
    {
        "log_index": "int64",
        "at": INSTANT,
        "status": "int32",
        "rows": "int64",
        "bytes": "int64",
        "ms": "float64",
        **dict.fromkeys(_STRINGS.split(), "string"),
    },
    name="records",
)
"""The log: a row for each record (audit/columns/schema.py has what the columns hold)."""
grants = ibis.table(
    {
        **dict.fromkeys(("grant", "consumer", "provider", "client", "dataset"), "string"),
        "granted_at": INSTANT,
        "valid_until": INSTANT,
    },
    name="grants",
)
"""The grants in force, handed in by who asks."""
worktime = ibis.table({"day": "date", "opens": INSTANT, "closes": INSTANT}, name="worktime")
"""The working hours of each working day of a period, handed in by who asks."""

CALLS = ("access", "access.end")
STREAM_BEGUN = "access.start"
INTENT = "access.intent"
PERMITTED, REFUSED, FAILED, ABORTED = DECISIONS = ("permitted", "refused", "failed", "aborted")
QUERY = "audit.query"
HEARTBEAT = "heartbeat"
DISTINCT = {"systems": "client", "grants": "grant", "datasets": "dataset", "consumers": "consumer"}
"""What is counted in `totals` beside calls, and by which column."""
HISTORY_DAYS = 28
LEAST_HISTORY = 7
"""Days of history below which a grant has no habit to depart from."""
_OFFSET = ibis.interval(hours=8)


# --- what grants and systems do -----------------------------------------------------------------------


def unused_grants(now: datetime, days: int) -> Expression:
    """Return the grants in force, granted more than `days` days ago and not called with success since."""
    cutoff = instant(now - timedelta(days=days))
    good = _calls().filter(_c.decision == PERMITTED, _c.grant.notnull())
    last = good.group_by("grant").aggregate(last_call=_c.at.max())
    joined = grants.filter(_c.granted_at < cutoff).left_join(last, "grant")
    idle = joined.filter(_c.last_call.isnull() | (_c.last_call < cutoff))
    shown = idle.select(
        "grant", "consumer", "provider", "client", "dataset", "granted_at", "valid_until", "last_call"
    )
    return shown.order_by(_c.last_call.asc(nulls_first=True), _c.granted_at, _c.grant)


def off_hours(since: datetime, until: datetime, consumer: str | None = None) -> Expression:
    """Return the calls outside the working hours of a period, by system and day, the most first."""
    calls = _within(_calls(), since, until, consumer=consumer).mutate(day=_day(_c.at))
    outside = calls.anti_join(
        worktime,
        [calls.day == worktime.day, calls["at"] >= worktime.opens, calls["at"] < worktime.closes],
    )
    grouped = outside.group_by("client", "consumer", "day").aggregate(
        **_volume(), first=_c.at.min(), last=_c.at.max()
    )
    return grouped.order_by(_c.calls.desc(), _c.day.desc(), *_ascending("client", "consumer"))


def volume_spikes(
    since: datetime, until: datetime, measure: str, deviations: float, least: int
) -> Expression:
    """Return the days on which a grant moved far more than in the 28 days before.

    `measure` is calls, rows or bytes. A spike is more than `deviations` standard deviations over the mean,
    and at least `least`. A day without calls counts as none, and a grant is judged from the eighth day after
    its first call on.
    """
    calls = _calls().filter(_c.grant.notnull(), _c["at"] < instant(until)).mutate(day=_day(_c.at))
    daily = calls.group_by("grant", "day").aggregate(value=_measure(measure))
    daily = daily.mutate(day_number=_day_number(_c.day), size=_c.value.cast("float64"))
    before = ibis.window(group_by="grant", order_by="day_number", range=(-HISTORY_DAYS, -1))
    seen = daily.mutate(
        total=_c["size"].sum().over(before).fill_null(0.0),
        squares=(_c["size"] * _c["size"]).sum().over(before).fill_null(0.0),
        first_day=_c.day_number.min().over(ibis.window(group_by="grant")),
    )
    known = seen.mutate(history=ibis.least(_c.day_number - _c.first_day, HISTORY_DAYS))
    known = known.filter(_c.history >= LEAST_HISTORY, _c.day >= day_of(since), _c.value >= least)
    judged = known.mutate(mean=_c.total / _c.history).mutate(
        deviation=ibis.greatest(_c.squares / _c.history - _c.mean * _c.mean, 0.0).sqrt()
    )
    spikes = judged.filter(_c.value > _c.mean + deviations * _c.deviation)
    shown = spikes.select(
        "grant", "day", "value", mean=_c.mean.round(2), deviation=_c.deviation.round(2), history="history"
    )
    return shown.order_by((_c.value - _c["mean"]).round(2).desc(), _c.day.desc(), _c.grant)


def new_addresses(since: datetime, until: datetime) -> Expression:
    """Return the systems that called from an address which they had never used before.

    The address of a system's very first call is none of these.
    """
    calls = _calls().filter(_c.client.notnull(), _c.address.notnull(), _c["at"] < instant(until))
    used = calls.group_by("client", "consumer", "address").aggregate(
        first=_c.at.min(), last=_c.at.max(), calls=_c.count()
    )
    began = used.mutate(began=_c["first"].min().over(ibis.window(group_by="client")))
    new = began.filter(_c["first"] >= instant(since), _c["first"] > _c.began)
    shown = new.select("client", "consumer", "address", "first", "last", "calls")
    return shown.order_by(_c["first"].desc(), _c.client, _c.address, _c.consumer)


# --- who uses what ------------------------------------------------------------------------------------


def calls_per_day(
    since: datetime,
    until: datetime,
    consumer: str | None = None,
    provider: str | None = None,
    dataset: str | None = None,
) -> Expression:
    """Return the calls of each day by how they ended, and what they moved."""
    calls = _within(_calls(), since, until, consumer=consumer, provider=provider, dataset=dataset)
    daily = calls.mutate(day=_day(_c.at)).group_by("day").aggregate(**_volume(), **_by_decision())
    return daily.order_by("day")


def top_consumers(
    since: datetime,
    until: datetime,
    by: str,
    consumer: str | None = None,
    provider: str | None = None,
    dataset: str | None = None,
) -> Expression:
    """Return who called most in a period: `by` consumer, client, grant, dataset or provider."""
    calls = _within(_calls(), since, until, consumer=consumer, provider=provider, dataset=dataset)
    found = calls.group_by(name=_c[by]).aggregate(**_volume(), **_by_decision(), last=_c.at.max())
    return found.order_by(_c.calls.desc(), _c.name)


def totals(
    since: datetime,
    until: datetime,
    consumer: str | None = None,
    provider: str | None = None,
    dataset: str | None = None,
) -> Expression:
    """Return one row with all calls of a period, and how many systems, grants and datasets had a part."""
    calls = _within(_calls(), since, until, consumer=consumer, provider=provider, dataset=dataset)
    distinct = {name: _c[column].nunique() for name, column in DISTINCT.items()}
    return calls.aggregate(**_volume(), **_by_decision(), **distinct)


def refusals_by_reason(
    since: datetime,
    until: datetime,
    consumer: str | None = None,
    provider: str | None = None,
    dataset: str | None = None,
) -> Expression:
    """Return why calls were refused, failed or were cut off in a period, and how many systems met that."""
    calls = _within(_calls(), since, until, consumer=consumer, provider=provider, dataset=dataset)
    found = (
        calls.filter(_c.decision != PERMITTED)
        .group_by("decision", "reason")
        .aggregate(calls=_c.count(), systems=_c.client.nunique(), first=_c.at.min(), last=_c.at.max())
    )
    return found.order_by(_c.calls.desc(), _c.decision, _c.reason)


def readers_of_dataset(dataset: str, since: datetime, until: datetime) -> Expression:
    """Return the systems that were given data of a dataset in a period, and for what purpose."""
    calls = _within(_calls(), since, until, dataset=dataset).filter(_c.decision.isin((PERMITTED, ABORTED)))
    found = calls.group_by("grant", "purpose").aggregate(
        consumer=_c.consumer.max(), client=_c.client.max(), **_volume(), first=_c.at.min(), last=_c.at.max()
    )
    shown = found.relocate("consumer", "client")
    return shown.order_by(_c.calls.desc(), *_ascending("grant", "purpose"))


# --- single records -----------------------------------------------------------------------------------

RECORD = (
    *("id", "at", "kind", "consumer", "provider", "department", "actor", "client", "grant", "dataset"),
    *("operation", "purpose", "decision", "reason", "status", "rows", "bytes", "ticket", "address"),
    *("log_index", "log"),
)
"""The columns of an answer that lists records."""


def find_records(since: datetime, until: datetime, **equal: str | None) -> Expression:
    """Return the records of a period whose fields equal what is asked for, the newest first.

    `department` is any that used, provided or acted; `subject` any of those that the record names.
    """
    department, subject = equal.pop("department", None), equal.pop("subject", None)
    found = _within(records, since, until, **equal)
    if department is not None:
        found = found.filter(
            (_c.consumer == department) | (_c.provider == department) | (_c.department == department)
        )
    return _listed(found if subject is None else found.filter(_names(subject)))


def accesses_of_citizen(subject: str, since: datetime, until: datetime) -> Expression:
    """Return every call that asked for the record of one person, by the digest of name and value."""
    calls = _within(records, since, until).filter(_c.kind.isin((*CALLS, INTENT, STREAM_BEGUN)))
    return _listed(calls.filter(_names(subject)))


def orphan_intents(since: datetime, until: datetime, minutes: int, now: datetime) -> Expression:
    """Return the calls that were about to be made `minutes` ago or longer and of which nothing more is known.

    The provider may have been asked: a worker that died in the middle leaves such a record.
    """
    end = min(until, now - timedelta(minutes=minutes))
    followed = records.filter(_c.kind.isin((*CALLS, STREAM_BEGUN)), _c.intent.notnull())
    intents = _within(records, since, end, kind=INTENT)
    return _listed(intents.anti_join(followed, intents.id == followed.intent))


def searches_by_auditors(since: datetime, until: datetime, actor: str | None = None) -> Expression:
    """Return the auditors' own searches, the newest first; `actor` is a pseudonym."""
    asked = _within(records, since, until, kind=QUERY, actor=actor)
    shown = asked.select("id", "at", "actor", "department", "rows", "log_index", "log")
    return shown.order_by(_c["at"].desc(), _c.id.desc())


def silent_periods(since: datetime, until: datetime, minutes: int, now: datetime) -> Expression:
    """Return the times in which the log wrote no heartbeat for `minutes` minutes or longer, up to `now`."""
    end = instant(min(until, now))
    beats = records.filter(_c.kind == HEARTBEAT, _c["at"] < end).select("at")
    following = _c["at"].lead().over(ibis.window(order_by="at"))
    gaps = beats.mutate(ends=ibis.coalesce(following, end))
    gaps = gaps.mutate(minutes=((_seconds(_c.ends) - _seconds(_c["at"])) / 60).floor().cast("int64"))
    silent = gaps.filter(_c.ends > instant(since), _c.minutes >= minutes)
    return silent.select(begins="at", ends="ends", minutes="minutes").order_by("begins")


# --- parts of expressions -----------------------------------------------------------------------------

_c = ibis._


def instant(moment: datetime) -> Expression:
    """Return an aware instant as the columns hold it: UTC, without a zone."""
    return ibis.literal(moment.astimezone(UTC).replace(tzinfo=None), INSTANT)


def _calls() -> Expression:
    return records.filter(_c.kind.isin(CALLS))


def _within(table: Expression, since: datetime, until: datetime, **equal: str | None) -> Expression:
    wanted = [_c[name] == value for name, value in equal.items() if value is not None]
    return table.filter(_c["at"] >= instant(since), _c["at"] < instant(until), *wanted)


def _names(subject: str) -> Expression:
    """A record that names several has their digests in a row, all of one length, so none hides in another."""
    if len(subject) != DIGEST_CHARS:
        raise ValueError("not the digest of a subject")
    return _c.subject.contains(subject)


def _day(at: Expression) -> Expression:
    return (at + _OFFSET).date()


def _day_number(day: Expression) -> Expression:
    return (_seconds(day.cast(INSTANT)) / 86_400).floor().cast("int64")


def _seconds(at: Expression) -> Expression:
    """Engines differ in what they make of a second's fraction."""
    return at.truncate("s").epoch_seconds()


def _volume() -> Mapping[str, Expression]:
    return {
        "calls": _c.count(),
        "rows": _c["rows"].sum().fill_null(0),
        "bytes": _c["bytes"].sum().fill_null(0),
    }


def _by_decision() -> Mapping[str, Expression]:
    return {name: (_c.decision == name).ifelse(1, 0).sum().fill_null(0) for name in DECISIONS}


def _measure(name: str) -> Expression:
    return _volume()[name]


def _listed(found: Expression) -> Expression:
    return found.select(*RECORD).order_by(_c["at"].desc(), _c.id.desc())


def _ascending(*names: str) -> list[Expression]:
    return [_c[name].asc() for name in names]
