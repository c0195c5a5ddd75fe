"""What the questions are put together from: a span of calls, days, sums, lists of records.

Days are those of Shanghai (UTC+8, which has had no summer time since 1991).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

import ibis

from audit.questions.subject import DIGEST_CHARS
from audit.questions.tables import CALLS, DECISIONS, INSTANT, Expression, records

RECORD = (
    *("id", "at", "kind", "consumer", "provider", "department", "actor", "client", "grant", "dataset"),
    *("operation", "purpose", "decision", "reason", "status", "rows", "bytes", "ticket", "address"),
    *("log_index", "log"),
)
"""The columns of an answer that lists records."""
_OFFSET = ibis.interval(hours=8)
_c = ibis._


@dataclass(frozen=True, slots=True)
class Span:
    """What nearly every question is narrowed to: a period, and whose calls in it; None leaves that open."""

    since: datetime
    until: datetime
    consumer: str | None = None
    provider: str | None = None
    dataset: str | None = None

    def of(self, table: Expression, **equal: str | None) -> Expression:
        """Return the rows of a table that lie in the span and whose further columns are `equal`."""
        wanted = {"consumer": self.consumer, "provider": self.provider, "dataset": self.dataset, **equal}
        narrowed = [_c[name] == value for name, value in wanted.items() if value is not None]
        return table.filter(_c["at"] >= instant(self.since), _c["at"] < instant(self.until), *narrowed)

    def calls(self) -> Expression:
        """Return the calls of the span."""
        return self.of(all_calls())


def instant(moment: datetime) -> Expression:
    """Return an aware instant as the columns hold it: UTC, without a zone."""
    return ibis.literal(moment.astimezone(UTC).replace(tzinfo=None), INSTANT)


def all_calls() -> Expression:
    """Return every call, once: the record of its end.

    That is `access`, or `access.end` for a stream. Of a stream that a crash cut off there is only the
    beginning, and it is not counted.
    """
    return records.filter(_c.kind.isin(CALLS))


def naming(found: Expression, subject: str) -> Expression:
    """Return the records that name a subject, alone or among several. Raises ValueError for no digest of one.

    A record that names several has their digests in a row, all of one length, so none hides in another.
    Whoever is named alone is found by equality, which engines have filters for.
    """
    if len(subject) != DIGEST_CHARS:
        raise ValueError("not the digest of a subject")
    return found.filter(_c.subject == subject).union(found.filter(_c.several.contains(subject)))


def day(at: Expression) -> Expression:
    """Return the day of an instant."""
    return (at + _OFFSET).date()


def day_number(of: Expression) -> Expression:
    """Return the days from 1 January 1970 to a day."""
    return (seconds(of.cast(INSTANT)) / 86_400).floor().cast("int64")


def seconds(at: Expression) -> Expression:
    """Return the whole seconds since 1970; engines differ in what they make of a second's fraction."""
    return at.truncate("s").epoch_seconds()


def volume() -> Mapping[str, Expression]:
    """Return how many calls there were, and the rows and bytes that they moved."""
    return {
        "calls": _c.count(),
        "rows": _c["rows"].sum().fill_null(0),
        "bytes": _c["bytes"].sum().fill_null(0),
    }


def by_decision() -> Mapping[str, Expression]:
    """Return how many calls ended in which way."""
    return {name: (_c.decision == name).ifelse(1, 0).sum().fill_null(0) for name in DECISIONS}


def listed(found: Expression) -> Expression:
    """Return records as answers list them, the newest first."""
    return found.select(*RECORD).order_by(_c["at"].desc(), _c.id.desc())


def ascending(*columns: str) -> list[Expression]:
    """Return an order by columns."""
    return [_c[name].asc() for name in columns]
