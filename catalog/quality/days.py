"""Days and instants as conditions in SQL: whether a text names one that exists. Pure.

One pattern knows which days exist, leap years included, which costs less than to cut the text up and convert.
"""

from __future__ import annotations

_MONTHS = "(0[13578]|1[02]){0}(0[1-9]|[12][0-9]|3[01])|(0[469]|11){0}(0[1-9]|[12][0-9]|30)"
_FEBRUARY = "02{0}(0[1-9]|1[0-9]|2[0-8])"
_TIMES_FOUR = "(0[48]|[2468][048]|[13579][26])"
"""Two digits that make a multiple of four, 00 left out."""
_TIME = r"([01][0-9]|2[0-3]):[0-5][0-9](:[0-5][0-9](\.[0-9]{1,9})?)?"
_OFFSET = "(Z|[+-](0[0-9]|1[0-4])(:?[0-5][0-9])?)?"
_BARE = "[T ]([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]"


def day_pattern(separator: str) -> str:
    """Return the pattern (RE2) of year, month and day; the year 0 is among them."""
    leap = f"([0-9]{{2}}{_TIMES_FOUR}|{_TIMES_FOUR}00){{0}}02{{0}}29"
    return f"([0-9]{{4}}{{0}}({_MONTHS}|{_FEBRUARY})|{leap})".replace("{0}", separator)


_DAY = day_pattern("-")


def is_date(value: str) -> str:
    """Return the condition for a day that exists, written as 2026-02-28."""
    return f"(regexp_full_match({value}, '{_DAY}') AND {value} >= '0001')"


def is_datetime(value: str) -> str:
    """Return the condition for an instant (ISO 8601, with ``T`` or a blank, with or without an offset)."""
    return f"(regexp_full_match({value}, '{_DAY}[T ]{_TIME}{_OFFSET}') AND {value} >= '0001')"


def instant(kind: str, value: str) -> str:
    """Return a `date` or `datetime` as a TIMESTAMP in UTC; days begin at midnight, no offset is Shanghai."""
    if kind == "date":
        return f"CASE WHEN {is_date(value)} THEN try_cast({value} AS TIMESTAMP) - INTERVAL 8 HOUR END"
    bare = f"regexp_full_match({value}, '{_DAY}{_BARE}') AND {value} >= '0001'"
    return (
        f"CASE WHEN {bare} THEN try_cast({value} AS TIMESTAMP) - INTERVAL 8 HOUR "
        f"WHEN {is_datetime(value)} THEN {_local(value)} - ({_shift(value)}) END"
    )


def _local(value: str) -> str:
    shown = f"regexp_extract(replace({value}, 'T', ' ')[1:19], '^[-0-9]{{10}} [0-9:]+')"
    return f"try_cast({shown} AS TIMESTAMP)"


def _shift(value: str) -> str:
    offset = f"regexp_extract({value}, '([+-])([0-9]{{2}}):?([0-9]{{2}})?$', ['sign', 'hours', 'minutes'])"
    minutes = f"{offset}.hours::INTEGER * 60 + coalesce(try_cast({offset}.minutes AS INTEGER), 0)"
    return (
        f"CASE WHEN ends_with({value}, 'Z') THEN INTERVAL 0 MINUTE "
        f"WHEN NOT regexp_matches({value}[17:], '[+-]') THEN INTERVAL 8 HOUR "
        f"ELSE to_minutes((CASE WHEN {offset}.sign = '-' THEN -1 ELSE 1 END * ({minutes}))::INTEGER) END"
    )
