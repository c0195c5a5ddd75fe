"""What the hotline's rulebook says of the knowledge base."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from core.errors import NotFound
from core.text import Text, text_of
from core.times import parse_instant
from core.work import Work
from hotline.book import hotline_book
from hotline.knowledge.model import WORKFLOW, Article, Document
from rules.durations import Duration, after
from rules.rulebook import Rulebook
from rules.workflow import Opening, Workflow

EXPIRES = "kb.expires_after"
"""The policy that says after how long an unconfirmed article ends; null where the text is silent."""


def opening_of(work: Work) -> Opening:
    """Return how an article begins. Raises NotFound where the book has no knowledge base."""
    flow = hotline_book(work).workflows.get(WORKFLOW)
    if flow is None or flow.opens_by is None:
        raise NotFound("本地规则没有知识库", "the rulebook has no knowledge base", code="no_knowledge_base")
    return flow.opens_by


def flow_of(work: Work) -> Workflow:
    """Return the workflow of articles in the book in force. Raises NotFound where there is none."""
    opening_of(work)
    return hotline_book(work).workflow(WORKFLOW)


def categories(work: Work) -> Mapping[str, Text]:
    """Return the topics of the book in force: code to title."""
    listed = hotline_book(work).policy("categories").value or ()
    return {str(topic["code"]): text_of(topic["title"]) for topic in listed}


def end_of(work: Work, article: Article, document: Document, confirmed_at: datetime) -> datetime | None:
    """Return from when on a wording confirmed at an instant is no answer any more; None for never.

    The earlier of the end that the wording names itself and the one that the rulebook sets.
    """
    book: Rulebook = work.rulebooks.get(article.case.rulebook, article.case.rulebook_version)
    policy = book.policies.get(EXPIRES)
    ends = [parse_instant(document["valid_until"])] if document.get("valid_until") else []
    if policy is not None and policy.value is not None:
        end = after(confirmed_at, Duration.parse(policy.value), work.rulebooks.calendar)
        ends += [end] if end is not None else []
    return min(ends, default=None)
