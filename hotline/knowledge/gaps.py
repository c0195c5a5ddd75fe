"""Questions that were looked up and that no article answers: noted, given to a unit, closed.

The hotline analyses what is asked often and tells units what their knowledge lacks (GZ art. 17). Nothing is
kept of who asked, and of the question itself only what names nobody.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

from audit.log import record
from catalog.search.tokens import tokens
from core.db import Page
from core.errors import Conflict, NotFound, NotPermitted, invalid
from core.ids import digest, new_id
from core.text import Text
from core.times import millis
from core.work import Work
from hotline.book import hotline_book
from hotline.knowledge import store
from hotline.knowledge.masking import HIDDEN, masked
from hotline.knowledge.model import ANSWERED, DISMISSED, Gap
from hotline.knowledge.reading import find_valid
from notices.post import Draft, post_notice

DESK = frozenset({"dispatcher", "supervisor"})
"""Who gives questions to units and closes them."""
VIEWERS = DESK | {"operator", "leader", "auditor"}
"""Who sees all of them; a unit sees those that it was asked to answer."""
KIND = "knowledge_gap"
"""The kind of the notice to the unit."""


def note_unanswered(work: Work, question: str, also: Collection[str] = ()) -> Gap | None:
    """Note that a question found no answer, once for the same words; None when nothing of it may be kept.

    `also` are words that must not be kept: the caller's name, say.
    """
    words = masked(question, also)
    key = _key(words)
    if key is None:
        return None
    known = store.gap_by_key(work.tx, key)
    if known is not None:
        again = replace(known, count=known.count + 1, last_at=work.now, version=known.version + 1)
        store.update_gap(work.tx, again, known.version)
        return again
    made = Gap(
        id=new_id(millis(work.now)),
        words=words,
        count=1,
        first_at=work.now,
        last_at=work.now,
        unit=None,
        assigned_at=None,
        article=None,
        outcome=None,
        closed_at=None,
        version=1,
    )
    store.insert_gap(work.tx, made, key)
    return made


def _key(words: str) -> str | None:
    """Return what is the same for the same words, however they are spaced and punctuated; None for none."""
    said = "".join(sorted(set(tokens(words.replace(HIDDEN, " ")))))
    return digest(said) if said else None


def find_gap(work: Work, gap_id: str) -> Gap:
    """Return a question that the actor may know of. Raises NotFound for every other."""
    hotline_book(work)
    gap = store.gap(work.tx, gap_id)
    if gap is None or not (_sees_all(work) or _is_asked(work, gap)):
        raise NotFound("没有这个未答问题", "there is no such unanswered question")
    return gap


def list_gaps(work: Work, is_open: bool, limit: int, cursor: str | None) -> Page:
    """Return a page of the questions that the actor may see, the last asked first."""
    hotline_book(work)
    units = None if _sees_all(work) else [work.actor.department]
    return store.list_gaps(work.tx, is_open, units, limit, cursor)


def _sees_all(work: Work) -> bool:
    return not VIEWERS.isdisjoint(work.actor.roles)


def _is_asked(work: Work, gap: Gap) -> bool:
    return work.actor.has("handler") and gap.unit == work.actor.department


def assign_gap(work: Work, gap_id: str, unit: str, *, expect_version: int | None = None) -> Gap:
    """Ask a unit to write the answer, and tell it.

    Raises Invalid for whoever is no unit of the hotline, Conflict when the question is closed.
    """
    gap = _open(work, gap_id, expect_version)
    _must_be_desk(work)
    department = work.settings.departments.get(unit)
    if department is None or not department.hotline_unit:
        raise invalid("/unit", "不是热线承办单位", "is not a unit that works for the hotline", code="unknown")
    given = replace(gap, unit=unit, assigned_at=work.now, version=gap.version + 1)
    store.update_gap(work.tx, given, gap.version)
    record(work, "knowledge.gap_assigned", {"gap": gap.id, "unit": unit})
    post_notice(
        work,
        Draft(
            key=f"gap:{gap.id}:{given.version}",
            about="",
            link=f"/knowledge/new?answers={gap.id}",
            department=unit,
            role="handler",
            kind=KIND,
            subject=Text("知识库：请补充一条知识", "Knowledge base: please write an article"),
            body=Text(
                "有来电人问到的问题知识库中没有答案，请编写后提交审核。",
                "Callers asked something that the knowledge base does not answer; please write it.",
            ),
        ),
    )
    return given


def close_gap(
    work: Work, gap_id: str, *, article: str | None = None, expect_version: int | None = None
) -> Gap:
    """Close a question: with the code of the article that answers it, or as one that needs no article.

    The article must be one that is published and valid now. Raises Invalid for another, Conflict when the
    question is closed already.
    """
    gap = _open(work, gap_id, expect_version)
    _must_be_desk(work)
    if article is None:
        return _close(work, gap, DISMISSED, None)
    return _close(work, gap, ANSWERED, find_valid(work, article).code)


def take_up_gap(work: Work, gap: Gap, article: str) -> None:
    """Note that an article is being written for a question."""
    if gap.outcome is not None:
        raise _closed()
    taken = replace(gap, article=article, version=gap.version + 1)
    store.update_gap(work.tx, taken, gap.version)


def answer_gaps(work: Work, article: str) -> None:
    """Close the questions that an article was written for, now that it is published."""
    for gap in store.gaps_of_article(work.tx, article):
        _close(work, gap, ANSWERED, article)


def _close(work: Work, gap: Gap, outcome: str, article: str | None) -> Gap:
    closed = replace(gap, outcome=outcome, article=article, closed_at=work.now, version=gap.version + 1)
    store.update_gap(work.tx, closed, gap.version)
    record(work, "knowledge.gap_closed", {"gap": gap.id, "outcome": outcome, "number": article})
    return closed


def _open(work: Work, gap_id: str, expect_version: int | None) -> Gap:
    gap = find_gap(work, gap_id)
    if expect_version is not None and gap.version != expect_version:
        raise store.changed_meanwhile()
    if gap.outcome is not None:
        raise _closed()
    return gap


def _closed() -> Conflict:
    return Conflict("这个问题已经处理完毕", "the question is closed already", code="closed")


def _must_be_desk(work: Work) -> None:
    if DESK.isdisjoint(work.actor.roles):
        raise NotPermitted("只有派单员和督办员能处理未答问题", "only dispatchers and supervisors do this")
