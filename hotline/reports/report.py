"""A report of a period: figures in all and broken down, rankings, topics, and the periods to compare with."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cached_property

from core.errors import NotPermitted, invalid
from core.periods import Period, read_period
from core.settings_hotline import significant
from core.text import Text
from core.whole import whole
from core.work import Work
from hotline.book import hotline_book
from hotline.model import WORKFLOW
from hotline.reports import store
from hotline.reports.model import (
    DIMENSIONS,
    FLOOR,
    HANDLER,
    OFFICE,
    Counts,
    Narrowed,
    Ranked,
    RateRule,
    Row,
    Topic,
    Wanted,
)
from hotline.reports.names import Names, level_below
from hotline.reports.rates import limits_signing_in, rankings, rate_rules, shares_of

TOPIC_FLOOR = 3
"""The fewest tickets of a topic."""
TOPICS = 20
MOST_FLOOR = 1000
ALL = Text("合计", "In all")


@dataclass(frozen=True, slots=True)
class Compared:
    """The figures of another period."""

    period: Period
    whole: Row


@dataclass(frozen=True, slots=True)
class Part:
    """What happened in a part of the period; None in one that lies ahead."""

    period: Period
    received: int | None
    closed: int | None


@dataclass(frozen=True, slots=True)
class Report:
    """A report as somebody may see it."""

    wanted: Wanted
    as_of: datetime
    """The instant for which everything in it holds."""
    own_only: bool
    """Whether the reader sees one unit alone, and of all others nothing but the average."""
    rules: tuple[RateRule, ...]
    limits_signing_in: bool
    whole: Row
    average: Row | None
    """Every unit together, for whoever sees one alone."""
    rows: Mapping[str, tuple[Row, ...]]
    """Dimension to its groups."""
    ranking: Mapping[str, tuple[Ranked, ...]]
    ranked_units: Mapping[str, int]
    topics: tuple[Topic, ...]
    previous: Compared
    year_before: Compared
    parts: tuple[Part, ...]

    @property
    def complete(self) -> bool:
        """Whether the period is over."""
        return self.as_of >= self.wanted.period.end_at


def wanted(work: Work, query: Mapping[str, str]) -> Wanted:
    """Read what is asked for. Raises Invalid with the parameter that is wrong."""
    names = Names(work)
    period = read_period(query.get("period"), query.get("at"), work.now, "/at")
    by = query.get("by") or "unit"
    if by not in DIMENSIONS:
        raise invalid("/by", f"应为 {'、'.join(DIMENSIONS)} 之一", f"must be one of {', '.join(DIMENSIONS)}")
    asked = {name: query.get(name, "").strip() or None for name in DIMENSIONS}
    for name, key in asked.items():
        if key is not None and not names.knows(name, key):
            title = DIMENSIONS[name]
            raise invalid(f"/{name}", f"没有这个{title.zh}", f"is no known {name}", code="unknown")
    if asked["place"] is not None:
        asked["place"] = significant(asked["place"])
    below = names.below(asked["category"]) if asked["category"] is not None else ()
    return Wanted(period, by, Narrowed(below=below, **asked), _floor(query.get("floor")))


def _floor(text: str | None) -> int:
    if not text:
        return FLOOR
    floor = whole(text, 1, MOST_FLOOR)
    if floor is None:
        raise invalid(
            "/floor", f"应为 1 到 {MOST_FLOOR} 的整数", f"must be a whole number from 1 to {MOST_FLOOR}"
        )
    return floor


def sees_all(work: Work) -> bool:
    """Tell whether the reader sees the figures of every unit."""
    return bool(work.actor.roles & OFFICE) or work.actor.has("system")


def as_seen(work: Work, wanted: Wanted) -> Wanted:
    """Return what is asked for as far as the actor may see it: a unit sees itself alone.

    Raises NotPermitted for the figures of another unit, and for whoever is neither office nor unit.
    """
    if sees_all(work):
        return wanted
    own = work.actor.department
    if not work.actor.has(HANDLER) or wanted.narrowed.unit not in (None, own):
        raise NotPermitted("只能查看本单位的报表", "you may see the reports of your own unit alone")
    return replace(wanted, narrowed=replace(wanted.narrowed, unit=own))


def read_report(work: Work, asked: Wanted, dimensions: Sequence[str] | None = None) -> Report:
    """Work out the report that the actor may see, broken down by `dimensions` (else as asked).

    Raises NotPermitted, and NotFound where the deployment has no hotline.
    """
    book = hotline_book(work)
    wanted = as_seen(work, asked)
    rules = rate_rules(book)
    shown = tuple(dimensions or (wanted.by,))
    reader = _Reader(work, wanted, rules, shown)
    own_only = not sees_all(work)
    ranking, ranked = reader.ranking(own_only)
    return Report(
        wanted,
        work.now,
        own_only,
        rules,
        limits_signing_in(book, WORKFLOW),
        reader.whole(),
        reader.average() if own_only else None,
        {name: reader.rows(name) for name in shown},
        ranking,
        ranked,
        reader.topics(),
        reader.compared(wanted.period.previous),
        reader.compared(wanted.period.year_before),
        reader.parts(),
    )


class _Reader:
    """Reads what was counted in a period, by each dimension once."""

    def __init__(self, work: Work, wanted: Wanted, rules: tuple[RateRule, ...], shown: Sequence[str]) -> None:
        self._work, self._wanted, self._rules = work, wanted, rules
        self._names = Names(work)
        self._units = self._by_unit(wanted.narrowed)
        everybody = replace(wanted.narrowed, unit=None)
        self._everybody = self._by_unit(everybody) if wanted.narrowed.unit else self._units
        self._beside = tuple(name for name in shown if name != "unit")

    def _by_unit(self, narrowed: Narrowed) -> Mapping[str, Counts]:
        found = store.counted(self._work.tx, *self._span(self._wanted.period), narrowed)
        return _folded(found, 0)

    @cached_property
    def _mixed(self) -> Mapping[tuple[str, ...], Counts]:
        """What was counted by all other dimensions that are shown, read at once."""
        narrowed = self._wanted.narrowed
        return store.counted(self._work.tx, *self._span(self._wanted.period), narrowed, self._beside)

    def _span(self, period: Period) -> tuple[datetime, datetime, datetime]:
        """Return the first instant of a period, its end, and the instant as of which things are told."""
        return period.start_at, period.end_at, self._work.now

    def _row(self, key: str, title: Text, counts: Counts) -> Row:
        return Row(key, title, counts, shares_of(self._rules, counts))

    def whole(self) -> Row:
        """Return the figures in all."""
        return self._row("", ALL, _sum(self._units))

    def average(self) -> Row:
        """Return the figures of every unit together."""
        return self._row("", Text("全部单位", "All units"), _sum(self._everybody))

    def rows(self, dimension: str) -> tuple[Row, ...]:
        """Return the groups of a dimension, the one with the most tickets first."""
        if dimension == "unit":
            return self._grouped(dimension, self._units)
        found = _folded(self._mixed, self._beside.index(dimension))
        return self._grouped(dimension, self._rolled_up(found) if dimension == "place" else found)

    def _rolled_up(self, found: Mapping[str, Counts]) -> Mapping[str, Counts]:
        """Return what was counted in divisions of one level."""
        digits = level_below(found, self._wanted.narrowed.place)
        groups: dict[str, Counts] = {}
        for place, counts in found.items():
            key = significant(place)[:digits]
            groups[key] = groups.get(key, Counts()).plus(counts)
        return groups

    def _grouped(self, dimension: str, groups: Mapping[str, Counts]) -> tuple[Row, ...]:
        made = [
            self._row(key, self._names.of(dimension, key), counts)
            for key, counts in groups.items()
            if any(counts)
        ]
        return tuple(sorted(made, key=lambda r: (not r.key, -r.counts.received, -r.counts.due, r.key)))

    def ranking(self, own_only: bool) -> tuple[Mapping[str, tuple[Ranked, ...]], Mapping[str, int]]:
        """Return the units by each rate, and how many are ranked: all that a unit learns of others."""
        whole = rankings(self._rules, self._grouped("unit", self._everybody), self._wanted.floor)
        number = {rate: len(ranked) for rate, ranked in whole.items()}
        if not own_only:
            return whole, number
        own = self._work.actor.department
        return {rate: tuple(r for r in ranked if r.row.key == own) for rate, ranked in whole.items()}, number

    def compared(self, period: Period) -> Compared:
        """Return the figures of another period, of the same tickets otherwise."""
        found = store.counted(self._work.tx, *self._span(period), self._wanted.narrowed)
        return Compared(period, self._row("", ALL, _sum(_folded(found, 0))))

    def topics(self) -> tuple[Topic, ...]:
        """Return what more tickets are about than in the period before, the fastest growing first."""
        period, narrowed = self._wanted.period, self._wanted.narrowed
        now, before = (
            store.received_by_topic(self._work.tx, p.start_at, p.end_at, narrowed)
            for p in (period, period.previous)
        )
        digits = level_below((place for _, place, _ in [*now, *before]), narrowed.place)
        here, there = _by_topic(now, digits), _by_topic(before, digits)
        made = [
            Topic(self._names.of("category", c), self._names.of("place", p), c, p, number, there[c, p])
            for (c, p), number in here.items()
            if number >= TOPIC_FLOOR
        ]
        made.sort(key=lambda t: (-t.growth, -t.now, t.category_code, t.place_code))
        return tuple(made[:TOPICS])

    def parts(self) -> tuple[Part, ...]:
        """Return what happened in each part of the period."""
        parts = self._wanted.period.parts()
        begun = [part for part in parts if part.start_at <= self._work.now]
        spans = [(part.start_at, part.end_at) for part in begun]
        found = store.happenings(self._work.tx, spans, self._wanted.narrowed)
        made = [Part(part, *numbers) for part, numbers in zip(begun, found, strict=True)]
        return (*made, *(Part(part, None, None) for part in parts[len(begun) :]))


def _folded(found: Mapping[tuple[str, ...], Counts], at: int) -> dict[str, Counts]:
    """Return what was counted by one of several keys."""
    groups: dict[str, Counts] = {}
    for keys, counts in found.items():
        groups[keys[at]] = groups.get(keys[at], Counts()).plus(counts)
    return groups


def _sum(groups: Mapping[str, Counts]) -> Counts:
    whole = Counts()
    for counts in groups.values():
        whole = whole.plus(counts)
    return whole


def _by_topic(rows: Iterable[tuple[str, str, int]], digits: int) -> Counter[tuple[str, str]]:
    topics: Counter[tuple[str, str]] = Counter()
    for category, place, number in rows:
        topics[category, significant(place)[:digits]] += number
    return topics
