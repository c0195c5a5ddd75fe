"""The findings that the rulebook names and the supervisions opened, counted for one period."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from cases.store import cases_by_id
from core.text import Text, text_of
from core.work import Work
from hotline.accountability import begun_by_urging, refusing, took_part, units_without_liaison
from hotline.book import hotline_book
from hotline.repeats import is_repeated
from hotline.reports.findings import store
from hotline.reports.model import Wanted
from hotline.reports.report import as_seen
from rules.citation import Citation
from rules.rulebook import Rulebook

POLICY = "accountability"
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

    cite: Citation
    flags: tuple[Flag, ...]
    supervised: tuple[Supervised, ...]


def count_flags(work: Work, asked: Wanted) -> Flags:
    """Count the findings of a period as far as the actor may see them. Raises NotPermitted."""
    book = hotline_book(work)
    wanted = as_seen(work, asked)
    leaf = book.policy(POLICY)
    flags = tuple(
        Flag(raw["code"], text_of(raw["title"]), _count(work, wanted, book, raw["flag"]))
        for raw in leaf.value or ()
    )
    opened = store.supervisions_opened(work.tx, wanted)
    supervised = tuple(
        Supervised(name, book.workflows[name].title if name in book.workflows else Text(name, name), number)
        for name, number in sorted(opened.items(), key=lambda item: (-item[1], item[0]))
    )
    return Flags(leaf.cite, flags, supervised)


def _count(work: Work, wanted: Wanted, book: Rulebook, finding: str | None) -> int | None:
    counter = COUNTERS.get(finding or "")
    return counter(work, wanted, book) if counter else None


def _late(work: Work, wanted: Wanted, book: Rulebook) -> int:
    return store.late_tickets(work.tx, wanted, work.now)


def _urged_in_vain(work: Work, wanted: Wanted, book: Rulebook) -> int:
    return store.urged_in_vain(work.tx, wanted, begun_by_urging(book), work.now)


def _dissatisfied_again(work: Work, wanted: Wanted, book: Rulebook) -> int:
    return store.dissatisfied_again(work.tx, wanted)


def _refused_again(work: Work, wanted: Wanted, book: Rulebook) -> int:
    return store.refused_again(work.tx, wanted, refusing(book))


def _repeated(work: Work, wanted: Wanted, book: Rulebook) -> int:
    """Count the matters that came to be repeated ones in the period."""
    return sum(1 for m in store.matters_again(work.tx, wanted) if _became_repeated(work, book, m))


def _became_repeated(work: Work, book: Rulebook, matter: store.Matter) -> bool:
    calendar = work.rulebooks.calendar
    before, now = matter.last_before, is_repeated(book, matter.reports, matter.first, matter.last, calendar)
    was = before is not None and is_repeated(book, matter.reports_before, matter.first, before, calendar)
    return now and not was


def _unmasked(work: Work, wanted: Wanted, book: Rulebook) -> int:
    """Count how often a caller was shown to a department accused, or to one that never took part."""
    shown = store.doubtful_unmaskings(work.tx, wanted)
    cases = cases_by_id(work.tx, sorted({s.ticket_id for s in shown}))
    return sum(1 for s in shown if s.is_accused or s.department not in took_part(cases[s.ticket_id]))


def _unanswered(work: Work, wanted: Wanted, book: Rulebook) -> int:
    return store.supervisions_late(work.tx, wanted)


def _without_liaison(work: Work, wanted: Wanted, book: Rulebook) -> int:
    """Count the units that nobody could handle a ticket for, as of now."""
    return sum(1 for unit in units_without_liaison(work) if wanted.narrowed.unit in (None, unit))


COUNTERS: dict[str, Counter] = {
    "late": _late,
    "second_dissatisfied": _dissatisfied_again,
    "repeat_matter": _repeated,
    "return_refused": _refused_again,
    "urged_in_vain": _urged_in_vain,
    "supervision_unanswered": _unanswered,
    "unmasked": _unmasked,
    "liaison_missing": _without_liaison,
}
"""The findings of the platform (`hotline.accountability`) to how often a period has them."""
