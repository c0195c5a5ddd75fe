"""One check from end to end: read what a distribution offers, count what breaks the dictionary, report."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from catalog.quality.conditions import column_of, conditions
from catalog.quality.days import instant
from catalog.quality.duck import SAMPLES, Bounds, Rows, Seen, Unfinished, rows_of
from catalog.quality.files import file_sources
from catalog.quality.freshness import Supply, freshness, instant_literal, words
from catalog.quality.model import Finding, Freshness, Origin, Report, Sample
from catalog.quality.sources import Source, Unreadable, rows_in_hand
from catalog.quality.tables import table_sources
from core.settings import Connection, Settings
from core.text import Text
from core.times import SHANGHAI
from rules.visibility import masked
from rules.workdays import Calendar

LONGEST = 40
"""Characters of a value that a sample may show the outline of."""

Progress = Callable[[int], object]
"""Told, now and then, how many rows have been read."""


@dataclass(frozen=True, slots=True)
class Subject:
    """What is checked, as far as the check itself needs to know."""

    document: Mapping[str, Any]
    kind: str
    now: datetime
    calendar: Calendar
    supply: Supply


def check_mounted(
    settings: Settings,
    subject: Subject,
    connection: Connection | None,
    detail: Mapping[str, Any],
    progress: Progress = lambda rows: None,
) -> Report:
    """Return what a look at a table or at files finds; it may take minutes, so hold no transaction."""
    bounds = _bounds(settings)
    names = [a["name"] for a in subject.document["attributes"]]
    if connection is None:
        gone = Text("连接已不存在", "the connection is no longer there")
        sources = _only(Source("", (), fault=gone))
    elif subject.kind == "table":
        sources = table_sources(connection, detail, names, bounds.deadline)
    else:
        sources = file_sources(connection, detail, names)
    return _checked(subject, sources, settings.data / "run", bounds, progress)


def check_rows(settings: Settings, subject: Subject, rows: Iterable[Mapping[str, Any]]) -> Report:
    """Return what is wrong with rows that are at hand, such as the records of an answer."""
    names = [a["name"] for a in subject.document["attributes"]]
    source = rows_in_hand(names, rows)
    return _checked(subject, _only(source), settings.data / "run", _bounds(settings), lambda rows: None)


def _only(source: Source) -> Generator[Source]:
    yield source


def _bounds(settings: Settings) -> Bounds:
    platform = settings.platform
    free = shutil.disk_usage(settings.data).free - platform.disk_reserve_bytes
    return Bounds(
        platform.quality_memory_mb, max(free // 2, 64 * 2**20), time.monotonic() + platform.quality_seconds
    )


def _checked(
    subject: Subject, sources: Generator[Source], folder: Path, bounds: Bounds, progress: Progress
) -> Report:
    began = time.monotonic()
    reading = _Reading(subject, [])
    attributes = subject.document["attributes"]
    try:
        with closing(sources), rows_of(range(len(attributes)), folder, bounds) as rows:
            reading.load(sources, rows, progress)
            report = replace(reading.report(rows), rows=rows.count)
    except Unfinished as why:
        origins = tuple(_origin(s) for s in reading.sources)
        report = Report(subject.kind, subject.now, 0, 0, (), None, origins, why.reason)
    return replace(report, duration_ms=round((time.monotonic() - began) * 1000))


class _Reading:
    """The sources of one check, and what is asked of their rows."""

    def __init__(self, subject: Subject, sources: list[Source]) -> None:
        self.subject = subject
        self.sources = sources
        self.attributes = subject.document["attributes"]

    def load(self, sources: Iterator[Source], rows: Rows, progress: Progress) -> None:
        """Take in every source, one after the other: a file is open only while it has its turn."""
        for source in sources:
            self.sources.append(source)
            try:
                for piece in source.pieces:
                    rows.load(len(self.sources) - 1, piece.first, piece.columns, piece.size)
                    source.rows += piece.size
                    progress(rows.count)
            except Unreadable as why:
                source.fault = why.reason
            if source.fault is not None:
                rows.keep_time()  # what was cut off by the deadline is no defect
        rows.loaded()

    def report(self, rows: Rows) -> Report:
        """Return the report on the rows that were loaded."""
        read = [s for s in self.sources if s.read and s.fault is None]
        findings = list(self._of_sources(read))
        if read and rows.count:
            findings += [*self._of_values(rows), *self._of_keys(rows)]
        fresh = self._freshness(rows)
        findings += [f for f in [_late(fresh)] if f is not None]
        origins = tuple(_origin(s) for s in self.sources)
        return Report(self.subject.kind, self.subject.now, 0, 0, tuple(findings), fresh, origins)

    # --- what is asked of sources

    def _of_sources(self, read: list[Source]) -> Iterator[Finding]:
        failed = [s for s in self.sources if s.fault is not None]
        reason = failed[0].fault if failed else None
        samples = tuple(Sample(s.name, 0, (), None) for s in failed[:SAMPLES])
        yield Finding("readable", None, reason, len(self.sources), len(failed), samples)
        if self.subject.kind == "file" and read:
            lines = sum(s.rows + s.malformed for s in read)
            yield Finding("shape", None, None, lines, sum(s.malformed for s in read))
        for i, attribute in enumerate(self.attributes):
            lacking = sum(i not in s.columns for s in read)
            if lacking:
                yield Finding("column", attribute["name"], None, len(read), lacking)

    # --- what is asked of values

    def _present(self) -> dict[int, Mapping[str, Any]]:
        """The attributes that have a column somewhere."""
        there = {i for s in self.sources for i in s.columns}
        return {i: self.attributes[i] for i in sorted(there)}

    def _of_values(self, rows: Rows) -> Iterator[Finding]:
        rules = conditions(self._present(), self.subject.now.astimezone(SHANGHAI).date())
        key = self._key()
        for rule, counted in zip(rules, rows.counts(rules), strict=True):
            if counted is None:
                yield Finding("unusable", rule.attribute, rule.expected, 1, 1)
                continue
            checked, failed = counted
            seen = rows.samples(rule, key) if failed else []
            samples = tuple(self._sample(s) for s in seen)
            yield Finding(rule.rule, rule.attribute, rule.expected, checked, failed, samples)

    def _key(self) -> list[int]:
        return [i for i, attribute in self._present().items() if attribute.get("primary_key")]

    def _of_keys(self, rows: Rows) -> Iterator[Finding]:
        """A key is complete and unique; where it is, no row can be there twice."""
        key = self._key()
        unique = False
        if key:
            missing, lacking = rows.incomplete_keys(key)
            repeated, again = rows.repeated_keys(key)
            unique = not missing and not repeated
            words = Text(*[" + ".join(self.attributes[i]["name"] for i in key)] * 2)
            yield Finding("key_complete", None, words, rows.count, missing, self._samples(lacking))
            yield Finding("key_unique", None, words, rows.count - missing, repeated, self._samples(again))
        yield Finding("duplicate", None, None, rows.count, 0 if unique else rows.repeated_rows())

    def _samples(self, seen: list[Seen]) -> tuple[Sample, ...]:
        return tuple(self._sample(s) for s in seen)

    def _sample(self, seen: Seen) -> Sample:
        key = tuple(outline(part) for part in seen.key)
        return Sample(self.sources[seen.source].name, seen.row, key, outline(seen.value))

    # --- freshness

    def _freshness(self, rows: Rows) -> Freshness | None:
        subject = self.subject
        return freshness(subject.supply, self._newest(rows), subject.now, subject.calendar)

    def _newest(self, rows: Rows) -> datetime | None:
        """The newest instant in the data up to now, else the newest file, else the last recorded supply."""
        name = self.subject.document.get("freshness_attribute")
        place = next((i for i, a in self._present().items() if a["name"] == name), None)
        if place is not None and rows.count:
            told = instant(self.attributes[place]["type"], column_of(place))
            found = rows.newest(told, instant_literal(self.subject.now + timedelta(seconds=1)))
            return found.replace(tzinfo=UTC) if found is not None else None
        modified = [s.modified for s in self.sources if s.modified is not None]
        return max(modified, default=self.subject.supply.recorded)


def _late(fresh: Freshness | None) -> Finding | None:
    if fresh is None or fresh.due is None:
        return None
    return Finding("freshness", None, words(fresh), 1, int(fresh.late))


def _origin(source: Source) -> Origin:
    rows = source.rows if source.read else None
    return Origin(source.name, source.bytes, source.modified, source.encoding, rows)


def outline(value: str | None) -> str | None:
    """Return a value with only its ends left; of a single character nothing is left."""
    if value is None:
        return None
    return "**" if len(value) < 2 else masked(value[:LONGEST])
