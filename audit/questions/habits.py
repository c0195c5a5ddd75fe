"""Questions about what grants and systems do that is not their habit."""

from __future__ import annotations

from datetime import datetime, timedelta

import ibis

from audit.questions.parts import Span, all_calls, ascending, day, day_number, instant, volume
from audit.questions.tables import PERMITTED, Expression, grants, worktime
from core.periods import day_of, midnight

_c = ibis._
HISTORY_DAYS = 28
LEAST_HISTORY = 7
"""Days of history below which a grant has no habit to depart from."""


def unused_grants(now: datetime, days: int) -> Expression:
    """Return the grants in force, granted more than `days` days ago and not called with success since."""
    cutoff = instant(now - timedelta(days=days))
    good = all_calls().filter(_c.decision == PERMITTED, _c.grant.notnull())
    last = good.group_by("grant").aggregate(last_call=_c.at.max())
    joined = grants.filter(_c.granted_at < cutoff).left_join(last, "grant")
    idle = joined.filter(_c.last_call.isnull() | (_c.last_call < cutoff))
    shown = idle.select(
        "grant", "consumer", "provider", "client", "dataset", "granted_at", "valid_until", "last_call"
    )
    return shown.order_by(_c.last_call.asc(nulls_first=True), _c.granted_at, _c.grant)


def off_hours(span: Span) -> Expression:
    """Return the calls outside the working hours of a period, by system and day, the most first."""
    calls = span.calls().mutate(day=day(_c.at))
    outside = calls.anti_join(
        worktime,
        [calls.day == worktime.day, calls["at"] >= worktime.opens, calls["at"] < worktime.closes],
    )
    grouped = outside.group_by("client", "consumer", "day").aggregate(
        **volume(), first=_c.at.min(), last=_c.at.max()
    )
    return grouped.order_by(_c.calls.desc(), _c.day.desc(), *ascending("client", "consumer"))


def volume_spikes(span: Span, measure: str, deviations: float, least: int) -> Expression:
    """Return the days on which a grant moved far more than in the 28 days before.

    `measure` is calls, rows or bytes. A spike is more than `deviations` standard deviations over the mean,
    and at least `least`. A day without calls counts as none, and a grant is judged from the eighth day after
    its first call on.
    """
    calls = all_calls().filter(_c.grant.notnull(), _c["at"] < instant(span.until))
    # What lies further back matters only in that there was a first call: days are counted of a short time.
    began = calls.group_by("grant").aggregate(first_call=_c["at"].min())
    earliest = day_of(span.since) - timedelta(days=HISTORY_DAYS)
    lately = calls.filter(_c["at"] >= instant(midnight(earliest))).mutate(day=day(_c.at))
    daily = lately.group_by("grant", "day").aggregate(value=volume()[measure])
    daily = daily.mutate(day_number=day_number(_c.day), size=_c.value.cast("float64"))
    before = ibis.window(group_by="grant", order_by="day_number", range=(-HISTORY_DAYS, -1))
    seen = daily.mutate(
        total=_c["size"].sum().over(before).fill_null(0.0),
        squares=(_c["size"] * _c["size"]).sum().over(before).fill_null(0.0),
    )
    seen = seen.join(began, "grant").mutate(first_day=day_number(day(_c.first_call)))
    known = seen.mutate(history=ibis.least(_c.day_number - _c.first_day, HISTORY_DAYS))
    known = known.filter(_c.history >= LEAST_HISTORY, _c.day >= day_of(span.since), _c.value >= least)
    judged = known.mutate(mean=_c.total / _c.history).mutate(
        deviation=ibis.greatest(_c.squares / _c.history - _c.mean * _c.mean, 0.0).sqrt()
    )
    spikes = judged.filter(_c.value > _c.mean + deviations * _c.deviation)
    shown = spikes.select(
        "grant", "day", "value", mean=_c.mean.round(2), deviation=_c.deviation.round(2), history="history"
    )
    return shown.order_by((_c.value - _c["mean"]).round(2).desc(), _c.day.desc(), _c.grant)


def new_addresses(span: Span) -> Expression:
    """Return the systems that called from an address which they had never used before.

    The address of a system's very first call is none of these.
    """
    calls = all_calls().filter(_c.client.notnull(), _c.address.notnull(), _c["at"] < instant(span.until))
    used = calls.group_by("client", "consumer", "address").aggregate(
        first=_c.at.min(), last=_c.at.max(), calls=_c.count()
    )
    began = used.mutate(began=_c["first"].min().over(ibis.window(group_by="client")))
    new = began.filter(_c["first"] >= instant(span.since), _c["first"] > _c.began)
    shown = new.select("client", "consumer", "address", "first", "last", "calls")
    return shown.order_by(_c["first"].desc(), _c.client, _c.address, _c.consumer)
