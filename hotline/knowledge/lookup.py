"""What an operator looks up while somebody is on the line, and what is noted when nothing answers it."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from audit.log import record
from core.work import Work
from hotline.knowledge.gaps import note_unanswered
from hotline.knowledge.search.find import Found, find_answers

ANSWERS = 10
"""How many articles a look-up shows."""


@dataclass(frozen=True, slots=True)
class LookedUp:
    """What was found, and whether the question was noted as one without an answer."""

    found: Found
    noted: bool


def look_up(
    work: Work,
    question: str,
    *,
    category: str | None = None,
    unanswered: bool = False,
    hide: Collection[str] = (),
    limit: int = ANSWERS,
) -> LookedUp:
    """Return what a caller may be answered with, the best first.

    A question that finds nothing is noted, and one that the operator says is `unanswered` by what was found;
    of its words only those that name nobody, and none of those in `hide`. The record holds none of them.
    """
    found = find_answers(work, question, category, limit)
    asked = bool(found.terms)
    noted = asked and (unanswered or not found.total) and note_unanswered(work, question, hide) is not None
    record(work, "knowledge.looked_up", {"found": found.total, "noted": noted})
    return LookedUp(found, noted)
