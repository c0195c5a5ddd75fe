"""Questions about single records: finding them, and finding where one is missing."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

import ibis

from audit.questions.parts import Span, instant, listed, naming, seconds
from audit.questions.tables import CALLS, HEARTBEAT, INTENT, QUERY, STREAM_BEGUN, Expression, records

_c = ibis._


def find_records(span: Span, **equal: str | None) -> Expression:
    """Return the records of a period whose fields equal what is asked for, the newest first.

    `department` is any that used, provided or acted; `subject` any of those that the record names. With
    `without`, a pseudonym, heartbeats are left out and what that person looked up in the log.
    """
    department, subject, without = (equal.pop(name, None) for name in ("department", "subject", "without"))
    found = span.of(records, **equal)
    if without is not None:
        own = (_c.kind == QUERY) & (_c.actor.fill_null("") == without)
        found = found.filter(~((_c.kind == HEARTBEAT) | own))
    if department is not None:
        found = found.filter(
            (_c.consumer == department) | (_c.provider == department) | (_c.department == department)
        )
    return listed(found if subject is None else naming(found, subject))


def accesses_of_citizen(span: Span, subject: str) -> Expression:
    """Return every call that asked for the record of one person, by the digest of name and value."""
    calls = span.of(records).filter(_c.kind.isin((*CALLS, INTENT, STREAM_BEGUN)))
    return listed(naming(calls, subject))


def orphan_intents(span: Span, minutes: int, now: datetime) -> Expression:
    """Return the calls that were about to be made `minutes` ago or longer and of which nothing more is known.

    The provider may have been asked: a worker that died in the middle leaves such a record.
    """
    due = replace(span, until=min(span.until, now - timedelta(minutes=minutes)))
    followed = records.filter(_c.kind.isin((*CALLS, STREAM_BEGUN)), _c.intent.notnull())
    intents = due.of(records, kind=INTENT)
    return listed(intents.anti_join(followed, intents.id == followed.intent))


def searches_by_auditors(span: Span, actor: str | None = None) -> Expression:
    """Return the auditors' own searches, the newest first; `actor` is a pseudonym."""
    asked = span.of(records, kind=QUERY, actor=actor)
    shown = asked.select("id", "at", "actor", "department", "rows", "log_index", "log")
    return shown.order_by(_c["at"].desc(), _c.id.desc())


def silent_periods(span: Span, minutes: int, now: datetime) -> Expression:
    """Return the times in which the log wrote no heartbeat for `minutes` minutes or longer, up to `now`."""
    end = instant(min(span.until, now))
    beats = records.filter(_c.kind == HEARTBEAT, _c["at"] < end).select("at")
    following = _c["at"].lead().over(ibis.window(order_by="at"))
    gaps = beats.mutate(ends=ibis.coalesce(following, end))
    gaps = gaps.mutate(minutes=((seconds(_c.ends) - seconds(_c["at"])) / 60).floor().cast("int64"))
    silent = gaps.filter(_c.ends > instant(span.since), _c.minutes >= minutes)
    return silent.select(begins="at", ends="ends", minutes="minutes").order_by("begins")
