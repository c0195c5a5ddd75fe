"""The search index of articles and every statement on it: FTS5 on SQLite, a tsvector on PostgreSQL.

Both keep the tokens that `catalog.search.tokens` makes. The index holds the wording that readers see; of an
article that was never published, the one being written, which only its own people find.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import (
    ARRAY,
    Connection,
    Float,
    Integer,
    Select,
    Subquery,
    Text,
    and_,
    cast,
    column,
    delete,
    exists,
    false,
    func,
    literal,
    or_,
    select,
    table,
)
from sqlalchemy.dialects.postgresql import TSQUERY
from sqlalchemy.sql import ColumnElement

from cases.store import cases
from catalog.search.tokens import VERSION, Term
from core.db import Page, page
from hotline.knowledge.store import article_categories, article_documents, articles

QUESTION, KEYWORDS, ANSWER = 10.0, 6.0, 1.0
"""How much more a word in the question says than one in the answer."""


class Indexed(NamedTuple):
    """The tokens of one article, by how much they say."""

    question: list[str]
    keywords: list[str]
    answer: list[str]


_fts = table(
    "article_search",
    column("article_search", Text),
    column("rowid", Integer),
    column("question", Text),
    column("keywords", Text),
    column("answer", Text),
)
"""The FTS5 table over `article_documents`; it holds no text, so it must be told what it forgets."""


# --- keeping the index ----------------------------------------------------------------------------


def index_article(tx: Connection, article_id: str, words: Indexed) -> None:
    """Make an article findable by these tokens, and by no earlier ones."""
    _forget(tx, article_id)
    told = {name: " ".join(tokens) for name, tokens in words._asdict().items()}
    vector = _vector(words) if tx.dialect.name == "postgresql" else None
    values = {"article_id": article_id, "tokens_version": VERSION, "vector": vector, **told}
    number = tx.execute(
        article_documents.insert().values(**values).returning(article_documents.c.number)
    ).scalar_one()
    if tx.dialect.name == "sqlite":
        tx.execute(_fts.insert().values(rowid=number, **told))


def _forget(tx: Connection, article_id: str) -> None:
    c = article_documents.c
    known = select(c.number, c.question, c.keywords, c.answer).where(c.article_id == article_id)
    row = tx.execute(known).one_or_none()
    if row is None:
        return
    if tx.dialect.name == "sqlite":
        told = {"question": row.question, "keywords": row.keywords, "answer": row.answer}
        tx.execute(_fts.insert().values(article_search="delete", rowid=row.number, **told))
    tx.execute(delete(article_documents).where(c.number == row.number))


def stale_articles(tx: Connection, limit: int) -> list[str]:
    """Return articles whose tokens another version of the tokeniser made."""
    c = article_documents.c
    return list(tx.execute(select(c.article_id).where(c.tokens_version != VERSION).limit(limit)).scalars())


def _vector(words: Indexed) -> str:
    """Return a tsvector literal: each token with its places, weighted A, B and C."""
    places: dict[str, list[str]] = {}
    at = 0
    for weight, tokens in zip("ABC", words, strict=True):
        for token in tokens:
            at += 1
            places.setdefault(token, []).append(f"{min(at, 16383)}{weight}")
        at += 1  # no phrase reaches from one part into the next
    return " ".join(f"'{token}':{','.join(found)}" for token, found in places.items())


# --- asking ---------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Asked:
    """What a search asks for, and for whom."""

    now: datetime
    terms: tuple[Term, ...] = ()
    any_term: bool = False
    category: str | None = None
    unit: str | None = None
    state: str | None = None
    open_only: bool = False
    """Only what is meant for the public."""
    sees_all: bool = False
    """Reviewers and auditors see every article, whatever its standing."""
    sees_own: str | None = None
    """A unit sees those of its own as well."""
    by_use: bool = False
    """The most used first, where no words are asked for."""


def find_ids(tx: Connection, asked: Asked, limit: int, cursor: str | None) -> Page:
    """Return one page of article ids: the best first when words are asked for, else as `asked` says."""
    if not asked.terms:
        first = articles.c.uses if asked.by_use else articles.c.updated_at
        query = _base(asked, (first, articles.c.id))
        return page(tx, query, (first, articles.c.id), limit=limit, cursor=cursor)
    matched = _matched(tx, asked)
    query = _base(asked, (matched.c.score, articles.c.id), matched)
    return page(tx, query, (matched.c.score, articles.c.id), limit=limit, cursor=cursor, descending=False)


def count(tx: Connection, asked: Asked) -> int:
    """Return how many articles fit."""
    matched = _matched(tx, asked) if asked.terms else None
    query = _base(asked, (articles.c.id,), matched).subquery()
    return int(tx.execute(select(func.count()).select_from(query)).scalar_one())


def _base(
    asked: Asked, columns: Sequence[ColumnElement[Any]], matched: Subquery | None = None
) -> Select[Any]:
    query = select(*columns).select_from(articles).join(cases, cases.c.id == articles.c.id)
    if matched is not None:
        query = query.join(article_documents, article_documents.c.article_id == articles.c.id)
        query = query.join(matched, matched.c.number == article_documents.c.number)
    query = query.where(_visible(asked))
    if asked.open_only:
        query = query.where(articles.c.public)
    if asked.unit:
        query = query.where(articles.c.unit == asked.unit)
    if asked.state:
        query = query.where(cases.c.state == asked.state)
    if asked.category:
        c = article_categories.c
        query = query.where(exists().where(c.article_id == articles.c.id, c.category == asked.category))
    return query


def _visible(asked: Asked) -> ColumnElement[bool]:
    """An article is an answer while its state is public, from its first to its last instant."""
    c = articles.c
    live = and_(
        cases.c.serves,
        c.published_at.is_not(None),
        or_(c.valid_from.is_(None), c.valid_from <= asked.now),
        or_(c.ends_at.is_(None), c.ends_at > asked.now),
    )
    if asked.sees_all:
        return literal(True)
    return or_(live, c.unit == asked.sees_own if asked.sees_own else false())


def _matched(tx: Connection, asked: Asked) -> Subquery:
    """Return (number, score) of the documents that have the words; the lowest score is the best."""
    if tx.dialect.name == "postgresql":
        return _matched_by_vector(asked)
    index = _fts.c.article_search
    question = (" OR " if asked.any_term else " AND ").join(_fts5(term) for term in asked.terms)
    score = func.bm25(index, QUESTION, KEYWORDS, ANSWER, type_=Float).label("score")
    return select(_fts.c.rowid.label("number"), score).where(index.op("MATCH")(question)).subquery()


def _fts5(term: Term) -> str:
    """Return a term in the query language of FTS5; tokens hold letters and digits only."""
    return f'"{" ".join(term.tokens)}"' + ("*" if term.prefix else "")


def _matched_by_vector(asked: Asked) -> Subquery:
    c = article_documents.c
    words = (" | " if asked.any_term else " & ").join(
        "(" + " <-> ".join(f"'{token}'" for token in term.tokens) + (":*" if term.prefix else "") + ")"
        for term in asked.terms
    )
    question = cast(literal(words, Text), TSQUERY)
    weights = cast([0.0, ANSWER / QUESTION, KEYWORDS / QUESTION, 1.0], ARRAY(Float(24)))
    score = (-cast(func.ts_rank(weights, c.vector, question), Float(53))).label("score")
    return select(c.number, score).where(and_(c.vector.op("@@")(question))).subquery()
