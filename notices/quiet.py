"""Quiet hours: when no e-mail and no webhook goes out, though the inbox has everything at once. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, time, timedelta

from core.times import SHANGHAI


def quiet_until(hours: Mapping[str, str] | None, now: datetime, due: datetime | None) -> datetime | None:
    """Return when the quiet hours end that `now` lies in; None where it lies in none.

    `hours` names when they begin and end, ``from`` and ``to``, in the time of Shanghai and perhaps beyond
    midnight. What falls due before they end does not wait for their end (reading I-H-23).
    """
    if hours is None:
        return None
    local = now.astimezone(SHANGHAI)
    begin, end = (time.fromisoformat(hours[name]) for name in ("from", "to"))
    if not _lies_within(local.time(), begin, end):
        return None
    until = datetime.combine(local.date(), end, SHANGHAI)
    until = until if until > local else until + timedelta(days=1)
    return None if due is not None and due <= until else until


def _lies_within(at: time, begin: time, end: time) -> bool:
    return begin <= at < end if begin <= end else at >= begin or at < end
