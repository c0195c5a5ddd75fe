"""Green, yellow, red: how a ticket stands to its limits, where the rulebook has lights (GZ art. 12(一))."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from core.text import Text
from core.work import Work
from hotline.book import hotline_book
from hotline.model import ClockRow
from hotline.supervising import store
from rules.clocks import is_past
from rules.durations import Duration, before
from rules.rulebook import Rulebook
from rules.workdays import Calendar

GREEN, YELLOW, RED = "green", "yellow", "red"
LIGHTS = {GREEN: Text("绿灯", "green"), YELLOW: Text("黄灯", "yellow"), RED: Text("红灯", "red")}
_OVERDUE, _NEAR_DUE = "overdue", "near_due"


def light_of(book: Rulebook, clocks: Iterable[ClockRow], calendar: Calendar, now: datetime) -> str | None:
    """Return the light of a ticket by its running duties, as they are written down beside it.

    None where the book has no lights, or where nothing is due. A warning is given as long before the due
    instant as the clock says, else as the book reminds of everything.
    """
    shown: Mapping[str, str] | None = book.policy("lights").value
    dues = [(c.clock, c.due) for c in clocks if c.due is not None and c.stopped_at is None and c.obliges]
    if shown is None or not dues:
        return None
    stands = _NEAR_DUE if any(_near(book, name, due, calendar, now) for name, due in dues) else ""
    stands = _OVERDUE if any(is_past(due, now) for _, due in dues) else stands
    return next((colour for colour, when in shown.items() if when == stands), GREEN)


def _near(book: Rulebook, clock: str, due: datetime, calendar: Calendar, now: datetime) -> bool:
    """Tell whether the instant to warn of a due instant has come.

    Variants of a clock may warn at different times; lists do not read the facts that tell them apart, so the
    earliest warning counts.
    """
    leads = [rule.warn for rule in book.clocks if rule.name == clock and rule.warn is not None]
    general = book.policy("notices.remind_before").value
    leads = leads or ([Duration.parse(general)] if general is not None else [])
    instants = [at for at in (before(due, lead, calendar) for lead in leads) if at is not None]
    return bool(instants) and min(instants) <= now


def lights_of(work: Work, ids: Sequence[str]) -> dict[str, str]:
    """Return the lights of a page of tickets, by id; what has none is left out."""
    book: Rulebook = hotline_book(work)
    if book.policy("lights").value is None:
        return {}
    rows = store.running_clocks(work.tx, ids)
    found: dict[str, Any] = {
        id: light_of(book, clocks, work.rulebooks.calendar, work.now) for id, clocks in rows.items()
    }
    return {id: light for id, light in found.items() if light is not None}
