"""What is answered for, counted: the findings that the rulebook names, and the supervisions opened."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from core.text import Text, text_of
from core.work import Work
from hotline.book import hotline_book
from hotline.reports import store
from hotline.reports.model import Wanted
from hotline.reports.report import as_seen
from rules.citation import Citation
from rules.rulebook import Rulebook

POLICY, REPEAT = "accountability", "repeat"
Counter = Callable[[Work, Wanted, Rulebook], int | None]


@dataclass(frozen=True, slots=True)
class Flag:
    """One thing to answer for, and how often the platform found it; None where only a person can find it."""

    code: str
    title: Text
    count: int | None


@dataclass(frozen=True, slots=True)
class Supervised:
    """A procedure of supervision, and how often it was opened."""

    workflow: str
    title: Text
    count: int


@dataclass(frozen=True, slots=True)
class Flags:
    """What a period has to be answered for. A finding accuses nobody: a person looks at it."""

    cite: Citation | None
    flags: tuple[Flag, ...]
    supervised: tuple[Supervised, ...]


def count_flags(work: Work, asked: Wanted) -> Flags:
    """Count the findings of a period as far as the actor may see them. Raises NotPermitted."""
    book = hotline_book(work)
    wanted = as_seen(work, asked)
    leaf = book.policies.get(POLICY)
    flags = tuple(
        Flag(raw["code"], text_of(raw["title"]), _count(work, wanted, book, raw["flag"]))
        for raw in (leaf.value or () if leaf else ())
    )
    period = wanted.period
    opened = store.supervisions_opened(work.tx, period.start_at, period.end_at, wanted.narrowed)
    supervised = tuple(
        Supervised(name, book.workflows[name].title if name in book.workflows else Text(name, name), number)
        for name, number in sorted(opened.items(), key=lambda item: (-item[1], item[0]))
    )
    return Flags(leaf.cite if leaf else None, flags, supervised)


def _count(work: Work, wanted: Wanted, book: Rulebook, finding: str | None) -> int | None:
    counter = _COUNTERS.get(finding or "")
    return counter(work, wanted, book) if counter else None


def _late(work: Work, wanted: Wanted, book: Rulebook) -> int:
    period = wanted.period
    return store.late_tickets(work.tx, period.start_at, period.end_at, work.now, wanted.narrowed)


def _again(work: Work, wanted: Wanted, book: Rulebook) -> int:
    return store.dissatisfied_again(work.tx, wanted.period.start_at, wanted.period.end_at, wanted.narrowed)


def _repeated(work: Work, wanted: Wanted, book: Rulebook) -> int | None:
    leaf = book.policies.get(f"{REPEAT}.flag_at")
    times = leaf.value if leaf is not None else None
    if times is None:
        return None
    period = wanted.period
    return store.repeated_matters(work.tx, period.start_at, period.end_at, int(times), wanted.narrowed)


def _unmasked(work: Work, wanted: Wanted, book: Rulebook) -> int:
    return store.unmasked(work.tx, wanted.period.start_at, wanted.period.end_at, wanted.narrowed)


def _unanswered(work: Work, wanted: Wanted, book: Rulebook) -> int:
    return store.supervisions_late(work.tx, wanted.period.start_at, wanted.period.end_at, wanted.narrowed)


_COUNTERS: dict[str, Counter] = {
    "late": _late,
    "second_dissatisfied": _again,
    "repeat_matter": _repeated,
    "unmasked": _unmasked,
    "supervision_unanswered": _unanswered,
}
"""The findings that are counted from tables; a refused return shows in the tickets alone."""
