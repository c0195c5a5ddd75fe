"""The search index and every statement on it: FTS5 on SQLite, a tsvector on PostgreSQL.

Both keep the tokens that `catalog.search.tokens` makes, so neither depends on a word list or a locale. The
index is kept in the transaction of the change that it reflects.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
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
from catalog.store import datasets, distributions, search_documents
from core.db import Page, page

TITLE, SUMMARY, ATTRIBUTES = 10.0, 3.0, 1.0
"""How much more a word in the title says than one among the attributes."""

# --- keeping the index ----------------------------------------------------------------------------


class Indexed(NamedTuple):
    """The tokens of one dataset, by how much they say."""

    title: list[str]
    summary: list[str]
    attributes: list[str]


_fts = table(
    "dataset_search",
    column("dataset_search", Text),
    column("rowid", Integer),
    column("title", Text),
    column("summary", Text),
    column("attributes", Text),
)
"""The FTS5 table over `search_documents`; it holds no text, so it must be told what it forgets."""


def index_dataset(tx: Connection, dataset_id: str, words: Indexed) -> None:
    """Make a dataset findable by these tokens, and by no earlier ones."""
    _forget(tx, dataset_id)
    told = {name: " ".join(tokens) for name, tokens in words._asdict().items()}
    vector = _vector(words) if tx.dialect.name == "postgresql" else None
    values = {"dataset_id": dataset_id, "tokens_version": VERSION, "vector": vector, **told}
    number = tx.execute(
        search_documents.insert().values(**values).returning(search_documents.c.number)
    ).scalar_one()
    if tx.dialect.name == "sqlite":
        tx.execute(_fts.insert().values(rowid=number, **told))


def _forget(tx: Connection, dataset_id: str) -> None:
    c = search_documents.c
    known = select(c.number, c.title, c.summary, c.attributes).where(c.dataset_id == dataset_id)
    row = tx.execute(known).one_or_none()
    if row is None:
        return
    if tx.dialect.name == "sqlite":
        told = {"title": row.title, "summary": row.summary, "attributes": row.attributes}
        tx.execute(_fts.insert().values(dataset_search="delete", rowid=row.number, **told))
    tx.execute(delete(search_documents).where(c.number == row.number))


def stale_documents(tx: Connection, limit: int) -> list[str]:
    """Return datasets whose tokens another version of the tokeniser made."""
    c = search_documents.c
    return list(tx.execute(select(c.dataset_id).where(c.tokens_version != VERSION).limit(limit)).scalars())


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

    terms: tuple[Term, ...] = ()
    any_term: bool = False
    share_class: str | None = None
    provider: str | None = None
    kind: str | None = None
    theme: str | None = None
    state: str | None = None
    level: str | None = None
    """The level of the basis on which a dataset is withheld."""
    sees_all: bool = False
    """The manager sees every entry."""
    sees_own: str | None = None
    """A provider sees those of the department as well."""
    sees_past: bool = False
    """An auditor sees those that were published once."""


FACETS = ("provider", "share_class", "kind", "theme")


def find_ids(tx: Connection, asked: Asked, limit: int, cursor: str | None) -> Page:
    """Return one page of dataset ids: the best first when words are asked for, else the newest first."""
    if not asked.terms:
        query = _base(asked, (datasets.c.updated_at, datasets.c.id))
        return page(tx, query, (datasets.c.updated_at, datasets.c.id), limit=limit, cursor=cursor)
    matched = _matched(tx, asked)
    query = _base(asked, (matched.c.score, datasets.c.id), matched)
    return page(tx, query, (matched.c.score, datasets.c.id), limit=limit, cursor=cursor, descending=False)


def count(tx: Connection, asked: Asked) -> int:
    """Return how many datasets fit."""
    matched = _matched(tx, asked) if asked.terms else None
    query = _base(asked, (datasets.c.id,), matched).subquery()
    return int(tx.execute(select(func.count()).select_from(query)).scalar_one())


def facet(tx: Connection, asked: Asked, name: str) -> list[tuple[str, int]]:
    """Return the values of one facet with their counts, as if this facet alone were not filtered by."""
    matched = _matched(tx, asked) if asked.terms else None
    value = distributions.c.kind if name == "kind" else datasets.c[name]
    fitting = _base(asked, (datasets.c.id,), matched, without=name).subquery()
    query = select(value, func.count()).join(fitting, fitting.c.id == datasets.c.id)
    if name == "kind":
        query = query.join(distributions, distributions.c.dataset_id == datasets.c.id)
    query = query.select_from(datasets).where(value.is_not(None)).group_by(value)
    return sorted(((v, n) for v, n in tx.execute(query)), key=lambda found: (-found[1], found[0]))


def _base(
    asked: Asked, columns: Sequence[ColumnElement[Any]], matched: Subquery | None = None, without: str = ""
) -> Select[Any]:
    query = select(*columns).select_from(datasets).join(cases, cases.c.id == datasets.c.id)
    if matched is not None:
        query = query.join(search_documents, search_documents.c.dataset_id == datasets.c.id)
        query = query.join(matched, matched.c.number == search_documents.c.number)
    query = query.where(_visible(asked))
    if asked.state:
        query = query.where(cases.c.state == asked.state)
    if asked.level:
        query = query.where(datasets.c.document["basis"]["level"].as_string() == asked.level)
    for name in FACETS:
        value = getattr(asked, name)
        if value and name != without:
            query = query.where(_has_kind(value) if name == "kind" else datasets.c[name] == value)
    return query


def _has_kind(kind: str) -> ColumnElement[bool]:
    c = distributions.c
    return exists().where(c.dataset_id == datasets.c.id, c.kind == kind)


def _visible(asked: Asked) -> ColumnElement[bool]:
    if asked.sees_all:
        return literal(True)
    return or_(
        cases.c.serves,
        datasets.c.provider == asked.sees_own if asked.sees_own else false(),
        datasets.c.published_at.is_not(None) if asked.sees_past else false(),
    )


def _matched(tx: Connection, asked: Asked) -> Subquery:
    """Return (number, score) of the documents that have the words; the lowest score is the best."""
    if tx.dialect.name == "postgresql":
        return _matched_by_vector(asked)
    index = _fts.c.dataset_search
    question = (" OR " if asked.any_term else " AND ").join(_fts5(term) for term in asked.terms)
    score = func.bm25(index, TITLE, SUMMARY, ATTRIBUTES, type_=Float).label("score")
    return select(_fts.c.rowid.label("number"), score).where(index.op("MATCH")(question)).subquery()


def _fts5(term: Term) -> str:
    """Return a term in the query language of FTS5; tokens hold letters and digits only."""
    return f'"{" ".join(term.tokens)}"' + ("*" if term.prefix else "")


def _matched_by_vector(asked: Asked) -> Subquery:
    c = search_documents.c
    words = (" | " if asked.any_term else " & ").join(
        "(" + " <-> ".join(f"'{token}'" for token in term.tokens) + (":*" if term.prefix else "") + ")"
        for term in asked.terms
    )
    question = cast(literal(words, Text), TSQUERY)
    weights = cast([0.0, ATTRIBUTES / TITLE, SUMMARY / TITLE, 1.0], ARRAY(Float(24)))
    score = (-cast(func.ts_rank(weights, c.vector, question), Float(53))).label("score")
    return select(c.number, score).where(and_(c.vector.op("@@")(question))).subquery()
