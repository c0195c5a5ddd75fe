"""When a matter that is reported again is one to look at, as the rulebook says. Pure."""

from __future__ import annotations

from datetime import datetime

from core.times import SHANGHAI
from rules.durations import Duration, after
from rules.rulebook import Rulebook
from rules.workdays import Calendar


def is_repeated(book: Rulebook, reports: int, first: datetime, last: datetime, calendar: Calendar) -> bool:
    """Tell whether a matter was reported as often (GZ art. 26(三)) or for as long (TH art. 29(七)) as counts.

    It is from the report on that the book names (`repeat.flag_at`), or from the day on which reports have
    gone on for as long as it says (`repeat.flag_span`).
    """
    if reports < 2:
        return False
    often, span = book.policy("repeat.flag_at").value, book.policy("repeat.flag_span").value
    if often is not None and reports >= often:
        return True
    end = after(first.astimezone(SHANGHAI), Duration.parse(span), calendar) if span is not None else None
    return end is not None and last.astimezone(SHANGHAI).date() >= end.date()
