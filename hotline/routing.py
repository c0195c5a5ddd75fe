"""Routing: the units that the duty table of the deployment names for a ticket, by territory and by duty."""

from __future__ import annotations

from collections.abc import Sequence

from core.settings_hotline import Duty, lies_within, significant
from core.work import Work
from hotline.book import coded, hotline_book, states_with, value_of
from hotline.model import Held, Suggested
from rules.rulebook import Rulebook

MOST = 5
"""Units that are suggested."""


def suggested_units(work: Work, held: Held) -> list[Suggested]:
    """Return the units that answer for a ticket's topic and place, to the office while it assigns it."""
    at_desk = held.ticket.state in states_with(hotline_book(work), "intake")
    if not at_desk or work.actor.roles.isdisjoint(("operator", "dispatcher")):
        return []
    return suggest(work, held.ticket.category, held.ticket.place, held.ticket.accused)


def suggest(work: Work, category: str, place: str, accused: str | None = None) -> list[Suggested]:
    """Return the units that the duty table names for a topic in a place, the fittest first.

    What counts first, territory or duty, the rulebook says (`dispatch.principle`); a row for a smaller
    division or for the topic itself goes before one for more.
    """
    book = hotline_book(work)
    parents = _upwards(book, category)
    fitting = [d for d in work.settings.hotline.duties if _fits(d, parents, place)]
    order = value_of(book, "dispatch.principle") or ("duty", "territory")
    fitting.sort(key=lambda duty: _rank(duty, parents, order))
    first = {duty.unit: duty for duty in reversed(fitting)}
    units = list(dict.fromkeys(duty.unit for duty in fitting))[:MOST]
    return [Suggested(unit, first[unit], unit == accused) for unit in units]


def unknown_topics(duties: Sequence[Duty], book: Rulebook) -> list[str]:
    """Return the topics of the duty table that the rulebook does not have: such a row suggests nobody."""
    known = coded(book, "categories")
    return sorted({d.category for d in duties if d.category is not None and d.category not in known})


def _upwards(book: Rulebook, category: str) -> list[str]:
    """Return a topic and those above it."""
    above = {str(e["code"]): e["parent"] for e in value_of(book, "categories")}
    found: list[str] = []
    at: str | None = category
    while at and at in above and at not in found:
        found.append(at)
        at = above[at]
    return found


def _fits(duty: Duty, topics: list[str], place: str) -> bool:
    topical = duty.category is None or duty.category in topics
    return topical and (duty.place is None or lies_within(place, duty.place))


def _rank(duty: Duty, topics: list[str], order: Sequence[str]) -> tuple[int, ...]:
    """Return a key under which the fittest row comes first."""
    ranks = {
        "territory": -len(significant(duty.place)) if duty.place is not None else 0,
        "duty": topics.index(duty.category) if duty.category is not None else len(topics),
    }
    return tuple(ranks[name] for name in order if name in ranks)
