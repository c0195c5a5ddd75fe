"""How an instant may be written in a text column, and where its spellings lie among those of others. Pure.

SQLite has no type for instants. Most files hold ISO 8601 as text: with a space or a `T` before the time, with
the seconds or without, with a fraction or without. As text all of a day with a space come before all with a
`T`, and within either kind they are in order. So a comparison with an instant is one with two places.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, time, timedelta

DIGITS = 9
"""Of a fraction of a second, at most."""
_LEAST = datetime.combine(date.min, time.min)
_MOST = datetime.combine(date.max, time.max)


@dataclass(frozen=True, slots=True)
class Places:
    """Where the spellings of a local time lie: the first and the last, after a space and after a `T`."""

    first: str
    last: str
    first_t: str
    last_t: str
    start_t: str
    """Before every spelling with a `T` of that day, and behind every one with a space."""


def places_of(at: datetime) -> Places:
    """Return where the spellings of a local time lie among all spellings of its day."""
    day, (short, *_, full) = at.date().isoformat(), _times(at)
    midnight = at.time() == time.min
    first = day if midnight else f"{day} {short}"
    return Places(first, f"{day} {full}", f"{day}T{short}", f"{day}T{full}", f"{day}T")


def spellings_of(at: datetime) -> list[str]:
    """Return every usual spelling of a local time; of a midnight, the day alone as well."""
    day = at.date().isoformat()
    alone = [day] if at.time() == time.min else []
    return alone + [f"{day}{mark}{clock}" for mark in " T" for clock in _times(at)]


def _times(at: datetime) -> list[str]:
    """Return how a time of day is written, the shortest first; as text they are in this order."""
    second, fraction = f"{at:%H:%M:%S}", f"{at:%f}".rstrip("0")
    short = [f"{at:%H:%M}"] if not (at.second or fraction) else []
    lengths = sorted({len(fraction), *(n for n in (3, 6, DIGITS) if n > len(fraction))})
    return short + [f"{second}.{fraction.ljust(n, '0')}" if n else second for n in lengths]


@dataclass(frozen=True, slots=True)
class Around:
    """An instant with an offset: what it is in UTC, and between which days every spelling of it lies."""

    utc: str
    since: str
    until: str


def around(at: datetime) -> Around:
    """Return where an instant with an offset lies, whatever offset it is written with (14 hours at most)."""
    utc = _moved(at.replace(tzinfo=None), -(at.utcoffset() or timedelta(0)))
    since, until = (_moved(utc, timedelta(days=n)) for n in (-1, 2))
    last = ":" if until == _MOST else until.date().isoformat()  # behind every digit
    return Around(utc.isoformat(" "), since.date().isoformat(), last)


def _moved(at: datetime, by: timedelta) -> datetime:
    try:
        return at + by
    except OverflowError:
        return _MOST if by > timedelta(0) else _LEAST
