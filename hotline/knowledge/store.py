"""The tables of the knowledge base, and the statements on articles, wordings and unanswered questions."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any

from sqlalchemy import (
    Boolean,
    Column,
    Connection,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    delete,
    event,
    func,
    select,
    update,
)
from sqlalchemy import Text as Words
from sqlalchemy.dialects import postgresql

from cases.store import cases_by_id
from core.db import Document, Instant, Page, metadata, page
from core.errors import Conflict
from hotline.knowledge.model import Article, Gap, Revision

articles = Table(
    "articles",
    metadata,
    Column("id", ForeignKey("cases.id"), primary_key=True),
    Column("code", String(40), nullable=False, unique=True),
    Column("unit", String(80), nullable=False, index=True),
    Column("revision", Integer, nullable=False),
    Column("version", Integer, nullable=False),  # raised by every change, whatever was changed
    Column("document", Document, nullable=False),  # fits request/article: the wording being written
    Column("published", Document),  # the wording that readers see
    Column("published_revision", Integer),
    Column("public", Boolean, nullable=False),  # of the published wording
    Column("created_at", Instant, nullable=False),
    Column("updated_at", Instant, nullable=False),
    Column("published_at", Instant),
    Column("confirmed_at", Instant),
    Column("valid_from", Instant),
    Column("ends_at", Instant),
    Column("uses", Integer, nullable=False),
    Column("last_used_at", Instant),
    Index("ix_articles_updated_at", "updated_at", "id"),
    Index("ix_articles_uses", "uses", "id"),
)

article_revisions = Table(
    "article_revisions",
    metadata,
    Column("article_id", ForeignKey("articles.id"), primary_key=True),
    Column("revision", Integer, primary_key=True),
    Column("document", Document, nullable=False),
    Column("at", Instant, nullable=False),
    Column("by", String(80), nullable=False),
)

article_categories = Table(
    "article_categories",
    metadata,
    Column("article_id", ForeignKey("articles.id"), primary_key=True),
    Column("category", String(40), primary_key=True),
    Index("ix_article_categories_category", "category"),
)

knowledge_gaps = Table(
    "knowledge_gaps",
    metadata,
    Column("id", String(36), primary_key=True),
    Column("key", String(64), unique=True),  # digest of the words while it is open; None once it is closed
    Column("words", Words, nullable=False),  # without numbers and names of people
    Column("count", Integer, nullable=False),
    Column("first_at", Instant, nullable=False),
    Column("last_at", Instant, nullable=False),
    Column("unit", String(80)),
    Column("assigned_at", Instant),
    Column("article", String(40)),
    Column("outcome", String(20)),
    Column("closed_at", Instant),
    Column("version", Integer, nullable=False),
    Index("ix_knowledge_gaps_last_at", "last_at", "id"),
    Index("ix_knowledge_gaps_article", "article"),
)

# What the full-text index is built over; catalog/search/tokens.py says what a token is.
article_documents = Table(
    "article_documents",
    metadata,
    Column("number", Integer, primary_key=True),
    Column("article_id", ForeignKey("articles.id"), nullable=False, unique=True),
    Column("question", Words, nullable=False),  # tokens, separated by spaces
    Column("keywords", Words, nullable=False),
    Column("answer", Words, nullable=False),
    Column("tokens_version", Integer, nullable=False),
    Column("vector", Words().with_variant(postgresql.TSVECTOR(), "postgresql")),  # PostgreSQL only
)

_SEARCH = {
    "sqlite": """CREATE VIRTUAL TABLE IF NOT EXISTS article_search USING fts5(question, keywords, answer,
    content='article_documents', content_rowid='number', tokenize='unicode61 remove_diacritics 0')""",
    "postgresql": """CREATE INDEX IF NOT EXISTS ix_article_documents_vector ON article_documents
    USING gin (vector) WITH (fastupdate = off)""",
}


def create_search(tx: Connection) -> None:
    """Create what `metadata` cannot describe: the full-text index over articles. Safe to repeat."""
    tx.exec_driver_sql(_SEARCH[tx.dialect.name])


@event.listens_for(metadata, "after_create")
def _created(_target: MetaData, connection: Connection, **_: Any) -> None:
    create_search(connection)


# --- articles -------------------------------------------------------------------------------------


def article_by_code(tx: Connection, code: str) -> Article | None:
    """Return the article with this code, or None."""
    row = tx.execute(select(articles).where(articles.c.code == code)).one_or_none()
    return _articles(tx, [row])[0] if row else None


def articles_by_id(tx: Connection, ids: Sequence[str]) -> list[Article]:
    """Return the articles with these ids (at most a page of them), in the same order."""
    rows = {row.id: row for row in tx.execute(select(articles).where(articles.c.id.in_(ids)))}
    return _articles(tx, [rows[i] for i in ids if i in rows])


def _articles(tx: Connection, rows: Sequence[Any]) -> list[Article]:
    their_cases = cases_by_id(tx, [row.id for row in rows])
    names = [name for name in Article.__dataclass_fields__ if name != "case"]
    return [Article(**{n: row._mapping[n] for n in names}, case=their_cases[row.id]) for row in rows]


def insert_article(tx: Connection, article: Article) -> None:
    """Keep a new article; its case exists already."""
    tx.execute(
        articles.insert().values(
            id=article.id,
            code=article.code,
            unit=article.unit,
            created_at=article.created_at,
            uses=article.uses,
            last_used_at=article.last_used_at,
            **_changing(article),
        )
    )
    _put_categories(tx, article)


def update_article(tx: Connection, article: Article, from_version: int) -> None:
    """Write what changed. Raises Conflict when somebody else changed the article since `from_version`."""
    c = articles.c
    done = tx.execute(
        update(articles).where(c.id == article.id, c.version == from_version).values(**_changing(article))
    )
    if done.rowcount != 1:
        raise changed_meanwhile()
    _put_categories(tx, article)


def changed_meanwhile() -> Conflict:
    """Return the refusal to act on something that changed since it was read."""
    return Conflict(
        "内容已被他人更改，请刷新后重试",
        "it changed since you read it; read it again",
        code="changed_meanwhile",
    )


def _changing(article: Article) -> dict[str, Any]:
    return {
        "revision": article.revision,
        "version": article.version,
        "document": dict(article.document),
        "published": dict(article.published) if article.published is not None else None,
        "published_revision": article.published_revision,
        "public": article.is_open,
        "updated_at": article.updated_at,
        "published_at": article.published_at,
        "confirmed_at": article.confirmed_at,
        "valid_from": article.valid_from,
        "ends_at": article.ends_at,
    }


def _put_categories(tx: Connection, article: Article) -> None:
    """Keep the topics of the wording that readers see; of one never published, those being written."""
    c = article_categories.c
    tx.execute(delete(article_categories).where(c.article_id == article.id))
    rows = [
        {"article_id": article.id, "category": code}
        for code in (article.published or article.document).get("categories", ())
    ]
    if rows:
        tx.execute(article_categories.insert(), rows)


def count_use(tx: Connection, article_id: str, at: datetime) -> None:
    """Count that an article answered a caller."""
    c = articles.c
    tx.execute(update(articles).where(c.id == article_id).values(uses=c.uses + 1, last_used_at=at))


# --- wordings -------------------------------------------------------------------------------------


def insert_revision(tx: Connection, article_id: str, revision: Revision) -> None:
    """Keep one wording of an article."""
    row = {**asdict(revision), "revision": revision.number, "document": dict(revision.document)}
    row.pop("number")
    tx.execute(article_revisions.insert().values(article_id=article_id, **row))


def revisions(tx: Connection, article_id: str) -> list[Revision]:
    """Return every wording of an article, the first one first."""
    c = article_revisions.c
    query = select(c.revision, c.document, c.at, c.by).where(c.article_id == article_id).order_by(c.revision)
    return [Revision(*row) for row in tx.execute(query)]


def last_revision(tx: Connection, article_id: str) -> int:
    """Return the highest number that a wording of an article has."""
    c = article_revisions.c
    return int(tx.execute(select(func.max(c.revision)).where(c.article_id == article_id)).scalar_one() or 0)


def authors_since(tx: Connection, article_id: str, revision: int) -> set[str]:
    """Return who wrote wordings of an article later than `revision`."""
    c = article_revisions.c
    return set(tx.execute(select(c.by).where(c.article_id == article_id, c.revision > revision)).scalars())


# --- questions without an answer --------------------------------------------------------------------


def gap(tx: Connection, gap_id: str) -> Gap | None:
    """Return an unanswered question, or None."""
    row = tx.execute(select(knowledge_gaps).where(knowledge_gaps.c.id == gap_id)).one_or_none()
    return _gap(row) if row else None


def gap_by_key(tx: Connection, key: str) -> Gap | None:
    """Return the open question with the same words, or None."""
    row = tx.execute(select(knowledge_gaps).where(knowledge_gaps.c.key == key)).one_or_none()
    return _gap(row) if row else None


def insert_gap(tx: Connection, gap: Gap, key: str) -> None:
    """Keep a question that nobody asked before."""
    tx.execute(knowledge_gaps.insert().values(key=key, **asdict(gap)))


def update_gap(tx: Connection, gap: Gap, from_version: int) -> None:
    """Write what changed; a closed one frees its words. Raises Conflict when it changed meanwhile."""
    c = knowledge_gaps.c
    values = asdict(gap) | ({"key": None} if gap.outcome else {})
    done = tx.execute(
        update(knowledge_gaps).where(c.id == gap.id, c.version == from_version).values(**values)
    )
    if done.rowcount != 1:
        raise changed_meanwhile()


def gaps_of_article(tx: Connection, code: str) -> list[Gap]:
    """Return the open questions that an article is written for."""
    c = knowledge_gaps.c
    query = select(knowledge_gaps).where(c.article == code, c.outcome.is_(None)).order_by(c.id).limit(100)
    return [_gap(row) for row in tx.execute(query)]


def list_gaps(
    tx: Connection, is_open: bool, units: Iterable[str] | None, limit: int, cursor: str | None
) -> Page:
    """Return a page of questions, the last asked first; of all departments where `units` is None."""
    c = knowledge_gaps.c
    query = select(knowledge_gaps).where(c.outcome.is_(None) if is_open else c.outcome.is_not(None))
    if units is not None:
        query = query.where(c.unit.in_(list(units)))
    found = page(tx, query, (c.last_at, c.id), limit=limit, cursor=cursor)
    return Page([_gap(row) for row in found.rows], found.next_cursor)


def _gap(row: Any) -> Gap:
    return Gap(**{name: row._mapping[name] for name in Gap.__dataclass_fields__})
