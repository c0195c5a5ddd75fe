"""The knowledge base as JSON: one form for the API and for the console's pages."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from cases.model import HANDLER, roles_in
from cases.present import case_view, department_view, label, state_now
from cases.timing import book_of, clocks
from core.times import local_iso
from core.work import Work
from hotline.knowledge.articles import PUBLISH, REVISE, wrote
from hotline.knowledge.lookup import LookedUp
from hotline.knowledge.model import Article, Document, Gap
from hotline.knowledge.reading import list_wordings, takes_part
from hotline.knowledge.rules import categories
from hotline.knowledge.search.excerpt import Piece, excerpt
from hotline.knowledge.search.find import Found


def article_view(work: Work, article: Article) -> dict[str, Any]:
    """Return an article as JSON (schema response/article): the wording for this viewer, and their steps."""
    inside = takes_part(work, article)
    document = article.document if inside else _read_by_others(article)
    other = article.published if inside and article.published != article.document else None
    view = {
        **_head(work, article, document),
        "document": dict(document),
        "published": dict(other) if other is not None else None,
        "created_at": local_iso(article.created_at),
        "last_used_at": _iso(article.last_used_at),
        **case_view(work, article.case),
        "version": article.version,
        "may_edit": may_edit(work, article),
    }
    return _without(view, _barred(work, article)) if inside else {**view, "history": []}


def _barred(work: Work, article: Article) -> set[str]:
    """Return the steps that the rulebook offers and that somebody else has to take."""
    _, flow = book_of(work, article.case)
    return set(flow.names(PUBLISH)) if wrote(work, article) else set()


def _without(view: Mapping[str, Any], barred: set[str]) -> dict[str, Any]:
    return {
        **view,
        "actions": [a for a in view["actions"] if a not in barred],
        "forms": {a: form for a, form in view["forms"].items() if a not in barred},
    }


def may_edit(work: Work, article: Article) -> bool:
    """Tell whether the actor may change the wording now, with or without a step that begins a revision."""
    if HANDLER not in roles_in(article.case, work.actor):
        return False
    _, flow = book_of(work, article.case)
    state = state_now(work, article.case, flow)
    return "editable" in flow.states[state].flags or flow.doing(REVISE, state, article.case.facts) is not None


def _read_by_others(article: Article) -> Document:
    return article.published if article.published is not None else article.document


def article_row(work: Work, article: Article, found: Found) -> dict[str, Any]:
    """Return an article as a row of a list (schema response/article_row), with the passage that was hit."""
    document = article.document if takes_part(work, article) else _read_by_others(article)
    return {
        **_head(work, article, document),
        "excerpt": pieces(excerpt(document["answer"], found.terms)),
    }


def _head(work: Work, article: Article, document: Document) -> dict[str, Any]:
    _, flow = book_of(work, article.case)
    state = state_now(work, article.case, flow)
    topics = categories(work)
    return {
        "id": article.id,
        "code": article.code,
        "address": f"/api/knowledge/{article.code}",
        "unit": department_view(work, article.unit),
        "question": document["question"],
        "topics": [{"code": c, **label(topics[c])} for c in document["categories"] if c in topics],
        "public": bool(document.get("public", False)),
        "live": article.is_live(work.now),
        "revision": article.revision,
        "published_at": _iso(article.published_at),
        "confirmed_at": _iso(article.confirmed_at),
        "valid_from": _iso(article.valid_from),
        "ends_at": _iso(article.ends_at),
        "updated_at": local_iso(article.updated_at),
        "uses": article.uses,
        "state": state,
        "state_title": label(flow.states[state].title),
    }


def found_view(work: Work, looked_up: LookedUp) -> dict[str, Any]:
    """Return what an operator reads to a caller (schema response/knowledge_found)."""
    found = looked_up.found
    return {
        "items": [_answer(work, article, found) for article in found.articles],
        "total": found.total,
        "loosened": found.loosened,
        "noted": looked_up.noted,
    }


def _answer(work: Work, article: Article, found: Found) -> dict[str, Any]:
    document = _read_by_others(article)
    late = any(c.running and c.breached for c in clocks(work, article.case))
    return {
        "code": article.code,
        "address": f"/api/knowledge/{article.code}",
        "unit": department_view(work, article.unit),
        "question": document["question"],
        "answer": document["answer"],
        "basis": list(document["basis"]),
        "excerpt": pieces(excerpt(document["answer"], found.terms)),
        "ends_at": _iso(article.ends_at),
        "unconfirmed": late,
        "uses": article.uses,
    }


def wordings_view(work: Work, article: Article) -> list[dict[str, Any]]:
    """Return the wordings of an article, newest first, with what each of them changed."""
    return [
        {
            "revision": revision.number,
            "at": local_iso(revision.at),
            "changes": [{"field": d.field, "before": d.before, "after": d.after} for d in changed],
        }
        for revision, changed in list_wordings(work, article)
    ]


def gap_view(work: Work, gap: Gap) -> dict[str, Any]:
    """Return an unanswered question as JSON (schema response/knowledge_gap)."""
    return {
        "id": gap.id,
        "words": gap.words,
        "count": gap.count,
        "first_at": local_iso(gap.first_at),
        "last_at": local_iso(gap.last_at),
        "unit": department_view(work, gap.unit) if gap.unit else None,
        "assigned_at": _iso(gap.assigned_at),
        "article": gap.article,
        "outcome": gap.outcome,
        "closed_at": _iso(gap.closed_at),
        "version": gap.version,
    }


def pieces(found: Iterable[Piece]) -> list[dict[str, Any]]:
    """Return a passage as JSON."""
    return [piece._asdict() for piece in found]


def _iso(instant: datetime | None) -> str | None:
    return local_iso(instant) if instant is not None else None
