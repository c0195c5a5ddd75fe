"""What a search form says, read as filters; the shortcuts beside it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta

from audit.identifiers import LONG, wrong_in
from audit.query import Filters
from audit.record import FIELDS
from core.codes import code_in
from core.errors import FieldError, Invalid
from core.periods import day_of, midnight
from core.text import Text
from core.times import SHANGHAI, parse_instant

EXAMPLE = Text(
    "应为时间，如 2026-02-13T10:00:00+08:00", "must be an instant such as 2026-02-13T10:00:00+08:00"
)


def read_filters(query: Mapping[str, str]) -> Filters:
    """Read the filters of a query. Raises Invalid with an entry for each that is wrong."""
    wrong: list[FieldError] = []
    since, until = (_instant(query, name, wrong) for name in ("since", "until"))
    asked = {n: query[n].strip() for n in (*FIELDS, "department") if query.get(n, "").strip()}
    wrong += [_error(name, words) for name in asked if (words := wrong_in(name, asked[name])) is not None]
    if since is not None and until is not None and since >= until:
        wrong.append(FieldError("/until", Text("应晚于起始时刻", "must be later than the start"), "range"))
    if wrong:
        raise Invalid(wrong)
    department = asked.pop("department", None)
    if "dataset" in asked:
        asked["dataset"] = code_in(asked["dataset"])
    return Filters(since, until, department, asked)


def _error(name: str, words: Text) -> FieldError:
    return FieldError(f"/{name}", words, "range" if words is LONG else "format")


def _instant(query: Mapping[str, str], name: str, wrong: list[FieldError]) -> datetime | None:
    if not query.get(name):
        return None
    try:
        return parse_instant(query[name])
    except ValueError:
        wrong.append(FieldError(f"/{name}", EXAMPLE))
        return None


def shortcuts(now: datetime) -> tuple[tuple[Text, str], ...]:
    """Return the periods that are one click away, with when they begin as the form writes it."""
    today = day_of(now)
    begins = (
        (Text("今天", "Today"), today),
        (Text("近 7 天", "Last 7 days"), today - timedelta(days=6)),
        (Text("本月", "This month"), today.replace(day=1)),
    )
    return tuple((title, spelled(midnight(day))) for title, day in begins)


def spelled(instant: datetime) -> str:
    """Return an instant as the field of a form takes it: to the minute, in the platform's time zone."""
    return instant.astimezone(SHANGHAI).strftime("%Y-%m-%dT%H:%M")
