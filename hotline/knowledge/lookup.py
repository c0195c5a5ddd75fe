"""What an operator looks up while somebody is on the line, and what is noted when nothing answers it."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from audit.log import record
from catalog.search.tokens import tokens
from core.work import Work
from hotline.knowledge.gaps import note_unanswered
from hotline.knowledge.model import Article
from hotline.knowledge.search.find import Found, find_answers

LOOKERS = frozenset({"operator", "dispatcher", "handler", "supervisor"})
"""Who looks things up for somebody else."""
ANSWERS = 10
"""How many articles a look-up shows."""
ENOUGH = 0.4
"""The part of a question's words that an article must have to count as an answer where none has them all."""


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

    A question is noted when nothing was found that has most of its words, or when the operator says that it
    is `unanswered`; of its words only those that name nobody, and none in `hide`. The record holds none.
    """
    found = find_answers(work, question, category, limit)
    lacks = bool(found.terms) and (unanswered or not _helps(found))
    noted = lacks and note_unanswered(work, question, hide) is not None
    record(work, "knowledge.looked_up", {"found": found.total, "noted": noted})
    return LookedUp(found, noted)


def _helps(found: Found) -> bool:
    """Tell whether something was found that may well answer the question."""
    if not found.loosened:
        return found.total > 0
    wanted = {token for term in found.terms for token in term.tokens}
    return any(len(wanted & _words(article)) >= ENOUGH * len(wanted) for article in found.articles)


def _words(article: Article) -> set[str]:
    document = article.published or article.document
    return set(tokens(" ".join([document["question"], document["answer"], *document.get("keywords", ())])))
