"""Search the knowledge base: words and filters, one page at a time; everybody finds what they may read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from catalog.search.tokens import Term, loosened, terms, tokens
from core.errors import FieldError, Invalid
from core.text import Text
from core.work import Work
from hotline.book import hotline_book
from hotline.knowledge import store
from hotline.knowledge.model import Article
from hotline.knowledge.rules import categories, flow_of
from hotline.knowledge.search import store as index
from hotline.model import DOMAIN

LONGEST = 200
"""Characters of a question."""
SORTS = {"changed": Text("最近更新", "changed last"), "used": Text("使用最多", "most used")}


@dataclass(frozen=True, slots=True)
class Found:
    """One page of what a search found."""

    articles: list[Article]
    next_cursor: str | None
    total: int
    loosened: bool
    """Nothing had all the words, so these have some of them."""
    terms: tuple[Term, ...]
    """What was looked for."""


def find_articles(
    work: Work, asked: Mapping[str, str | None], *, limit: int = 50, cursor: str | None = None
) -> Found:
    """Return the articles that the actor may read and that fit `asked`: q, category, unit, state, sort.

    Raises Invalid for a filter value that does not exist.
    """
    given = {name: value for name, value in asked.items() if value}
    _check(work, given)
    actor = work.actor
    reviews = {role for step in flow_of(work).transitions if step.does == "publish" for role in step.roles}
    question = index.Asked(
        now=work.now,
        terms=terms(given.get("q", "")),
        category=given.get("category"),
        unit=given.get("unit"),
        state=given.get("state"),
        sees_all=actor.has("auditor") or bool((reviews - {"handler"}) & actor.roles),
        sees_own=actor.department if actor.has("handler") else None,
        by_use=given.get("sort") == "used",
    )
    return _found(work, question, limit, cursor)


def find_open_articles(
    work: Work, asked: Mapping[str, str | None], *, limit: int = 50, cursor: str | None = None
) -> Found:
    """Return the articles that are open to the public and valid now (GZ art. 17): by q and category."""
    given = {name: value for name, value in asked.items() if value}
    _check(work, given)
    question = index.Asked(
        now=work.now, terms=terms(given.get("q", "")), category=given.get("category"), open_only=True
    )
    return _found(work, question, limit, cursor)


def find_answers(work: Work, question: str, category: str | None, limit: int) -> Found:
    """Return what an operator may answer a caller with now, the best first."""
    _check(work, {"q": question, **({"category": category} if category else {})})
    asked = index.Asked(now=work.now, terms=terms(question), category=category)
    return _found(work, asked, limit, None)


def _found(work: Work, question: index.Asked, limit: int, cursor: str | None) -> Found:
    hotline_book(work)
    total = index.count(work.tx, question)
    loose = not total and len(loosened(question.terms)) > 1
    if loose:
        question = replace(question, terms=loosened(question.terms), any_term=True)
        total = index.count(work.tx, question)
    ids, next_cursor = index.find_ids(work.tx, question, limit, cursor)
    found = store.articles_by_id(work.tx, [row.id for row in ids])
    return Found(found, next_cursor, total, loose and total > 0, question.terms)


def index_article(work: Work, article: Article) -> None:
    """Make an article findable by the wording that readers see; one never published by what is written."""
    document = article.published or article.document
    topics = categories(work)
    unit = work.settings.departments.get(article.unit)
    known = [word for code in document.get("categories", ()) if code in topics for word in topics[code]]
    words = index.Indexed(
        tokens(document["question"]),
        tokens(" ".join([*document.get("keywords", ()), *known])),
        tokens(
            " ".join([document["answer"], *document["basis"], *(unit.name if unit else ()), article.code])
        ),
    )
    index.index_article(work.tx, article.id, words)


def reindex(work: Work, limit: int = 500) -> int:
    """Make anew what another version of the tokeniser made; return how many, 0 when nothing is left to do."""
    if DOMAIN not in work.rulebooks.selected:
        return 0
    stale = index.stale_articles(work.tx, limit)
    for article in store.articles_by_id(work.tx, stale):
        index_article(work, article)
    return len(stale)


def _check(work: Work, given: Mapping[str, str]) -> None:
    choices: dict[str, Mapping[str, object]] = {
        "category": categories(work),
        "unit": work.settings.departments,
        "state": flow_of(work).states,
        "sort": SORTS,
    }
    wrong = [
        FieldError(
            f"/{name}",
            Text(f"“{given[name]}”不在可选值中", f"{given[name]!r} is not one of the values"),
            "enum",
        )
        for name, known in choices.items()
        if name in given and given[name] not in known
    ]
    if len(given.get("q", "")) > LONGEST:
        wrong.append(
            FieldError("/q", Text(f"最多 {LONGEST} 个字", f"must have at most {LONGEST} characters"))
        )
    if wrong:
        raise Invalid(wrong)
