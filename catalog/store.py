"""The tables of the catalog and every statement on them."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import (
    Boolean,
    Column,
    Connection,
    ForeignKey,
    Integer,
    MetaData,
    String,
    Table,
    delete,
    event,
    select,
    update,
)
from sqlalchemy import Text as Words
from sqlalchemy.dialects import postgresql

from cases.store import cases_by_id
from catalog.model import CheckItem, CheckReport, Dataset, Distribution, Revision
from core.db import Document, Instant, metadata
from core.errors import Conflict
from core.text import Text

datasets = Table(
    "datasets",
    metadata,
    Column("id", ForeignKey("cases.id"), primary_key=True),
    Column("code", String(60), nullable=False, unique=True),
    Column("manifest", String(120), unique=True),  # the manifest file that keeps it, if one does
    Column("title", String(200), nullable=False),
    Column("provider", String(80), nullable=False, index=True),
    Column("share_class", String(20), nullable=False, index=True),
    Column("controlled_params", Boolean, nullable=False),
    Column("theme", String(60), index=True),
    Column("revision", Integer, nullable=False),
    Column("version", Integer, nullable=False),  # raised by every change, whatever was changed
    Column("document", Document, nullable=False),  # fits request/dataset, the current revision
    Column("created_at", Instant, nullable=False),
    Column("updated_at", Instant, nullable=False, index=True),
    Column("published_at", Instant),
    Column("published_revision", Integer),  # the wording that was published last; later ones await review
)

dataset_revisions = Table(
    "dataset_revisions",
    metadata,
    Column("dataset_id", ForeignKey("datasets.id"), primary_key=True),
    Column("revision", Integer, primary_key=True),
    Column("document", Document, nullable=False),
    Column("cause", String(2000), nullable=False),
    Column("at", Instant, nullable=False),
    Column("by", String(80), nullable=False),
)

distributions = Table(
    "distributions",
    metadata,
    Column("dataset_id", ForeignKey("datasets.id"), primary_key=True),
    Column("kind", String(10), primary_key=True),  # table, api, file: at most one of each
    Column("connection", String(80), nullable=False),
    Column("detail", Document, nullable=False),  # fits request/distribution
    Column("check_passed", Boolean, nullable=False),
    Column("check_report", Document, nullable=False),
    Column("checked_at", Instant, nullable=False),
    Column("attached_at", Instant, nullable=False),
    Column("attached_by", String(80), nullable=False),
)


# What the full-text index is built over; catalog/search/tokens.py says what a token is.
search_documents = Table(
    "search_documents",
    metadata,
    Column("number", Integer, primary_key=True),
    Column("dataset_id", ForeignKey("datasets.id"), nullable=False, unique=True),
    Column("title", Words, nullable=False),  # tokens, separated by spaces
    Column("summary", Words, nullable=False),
    Column("attributes", Words, nullable=False),
    Column("tokens_version", Integer, nullable=False),
    Column("vector", Words().with_variant(postgresql.TSVECTOR(), "postgresql")),  # PostgreSQL only
)


# --- the full-text index --------------------------------------------------------------------------

_SQLITE = (
    """CREATE VIRTUAL TABLE IF NOT EXISTS dataset_search USING fts5(title, summary, attributes,
    content='search_documents', content_rowid='number', tokenize='unicode61 remove_diacritics 0')""",
)
_POSTGRESQL = (
    """CREATE INDEX IF NOT EXISTS ix_search_documents_vector ON search_documents USING gin (vector)
    WITH (fastupdate = off)""",
)


def create_search(tx: Connection) -> None:
    """Create what `metadata` cannot describe: the full-text index over `search_documents`. Safe to repeat."""
    for statement in {"sqlite": _SQLITE, "postgresql": _POSTGRESQL}[tx.dialect.name]:
        tx.exec_driver_sql(statement)


@event.listens_for(metadata, "after_create")
def _created(_target: MetaData, connection: Connection, **_: Any) -> None:
    create_search(connection)


# --- datasets -------------------------------------------------------------------------------------


def dataset_by_code(tx: Connection, code: str) -> Dataset | None:
    """Return the dataset with this code, or None."""
    return _one(tx, datasets.c.code == code)


def dataset_by_manifest(tx: Connection, manifest: str) -> Dataset | None:
    """Return the dataset that a manifest keeps, or None."""
    return _one(tx, datasets.c.manifest == manifest)


def _one(tx: Connection, condition: Any) -> Dataset | None:
    row = tx.execute(select(datasets).where(condition)).one_or_none()
    return _datasets(tx, [row])[0] if row else None


def datasets_by_id(tx: Connection, ids: Sequence[str]) -> list[Dataset]:
    """Return the datasets with these ids (at most a page of them), in the same order."""
    rows = {row.id: row for row in tx.execute(select(datasets).where(datasets.c.id.in_(ids)))}
    return _datasets(tx, [rows[i] for i in ids if i in rows])


def _datasets(tx: Connection, rows: Sequence[Any]) -> list[Dataset]:
    ids = [row.id for row in rows]
    their_cases = cases_by_id(tx, ids)
    mounted = _distributions(tx, ids)
    return [
        Dataset(
            id=row.id,
            code=row.code,
            manifest=row.manifest,
            provider=row.provider,
            revision=row.revision,
            version=row.version,
            document=row.document,
            created_at=row.created_at,
            updated_at=row.updated_at,
            published_at=row.published_at,
            distributions=tuple(mounted.get(row.id, ())),
            case=their_cases[row.id],
        )
        for row in rows
    ]


def titles(tx: Connection, codes: Collection[str]) -> dict[str, str]:
    """Return the titles of the datasets with these codes (at most a page of them)."""
    c = datasets.c
    return {row.code: row.title for row in tx.execute(select(c.code, c.title).where(c.code.in_(codes)))}


def insert_dataset(tx: Connection, dataset: Dataset) -> None:
    """Keep a new dataset."""
    tx.execute(
        datasets.insert().values(
            id=dataset.id,
            code=dataset.code,
            manifest=dataset.manifest,
            provider=dataset.provider,
            created_at=dataset.created_at,
            **_changing(dataset),
        )
    )


def update_dataset(tx: Connection, dataset: Dataset, from_version: int) -> None:
    """Write what changed. Raises Conflict when somebody else changed the dataset since `from_version`."""
    c = datasets.c
    done = tx.execute(
        update(datasets).where(c.id == dataset.id, c.version == from_version).values(**_changing(dataset))
    )
    if done.rowcount != 1:
        raise Conflict(
            "内容已被他人更改，请刷新后重试",
            "it changed since you read it; read it again",
            code="changed_meanwhile",
        )


def _changing(dataset: Dataset) -> dict[str, Any]:
    wording = {"published_revision": dataset.revision} if dataset.is_public else {}
    return {
        **wording,
        "title": dataset.title,
        "share_class": dataset.share_class,
        "controlled_params": dataset.controlled_params,
        "theme": dataset.document.get("theme"),
        "revision": dataset.revision,
        "version": dataset.version,
        "document": dict(dataset.document),
        "updated_at": dataset.updated_at,
        "published_at": dataset.published_at,
    }


# --- revisions ------------------------------------------------------------------------------------


def insert_revision(tx: Connection, dataset_id: str, revision: Revision) -> None:
    """Keep one wording of a dataset's entry."""
    tx.execute(
        dataset_revisions.insert().values(
            dataset_id=dataset_id,
            revision=revision.number,
            document=dict(revision.document),
            cause=revision.cause,
            at=revision.at,
            by=revision.by,
        )
    )


def revisions(tx: Connection, dataset_id: str) -> list[Revision]:
    """Return every wording of a dataset's entry, the first one first."""
    c = dataset_revisions.c
    rows = tx.execute(
        select(c.revision, c.document, c.cause, c.at, c.by)
        .where(c.dataset_id == dataset_id)
        .order_by(c.revision)
    )
    return [Revision(*row) for row in rows]


# --- distributions --------------------------------------------------------------------------------


def put_distribution(tx: Connection, dataset_id: str, made: Distribution) -> None:
    """Keep a distribution in place of an earlier one of the same kind."""
    delete_distribution(tx, dataset_id, made.kind)
    tx.execute(
        distributions.insert().values(
            dataset_id=dataset_id,
            kind=made.kind,
            connection=made.connection,
            detail=dict(made.detail),
            check_passed=made.report.passed,
            check_report=[[i.name, i.passed, i.found.zh, i.found.en] for i in made.report.items],
            checked_at=made.checked_at,
            attached_at=made.attached_at,
            attached_by=made.attached_by,
        )
    )


def delete_distribution(tx: Connection, dataset_id: str, kind: str) -> None:
    """Forget a distribution."""
    c = distributions.c
    tx.execute(delete(distributions).where(c.dataset_id == dataset_id, c.kind == kind))


def _distributions(tx: Connection, ids: Iterable[str]) -> Mapping[str, list[Distribution]]:
    found: dict[str, list[Distribution]] = {}
    c = distributions.c
    for row in tx.execute(select(distributions).where(c.dataset_id.in_(ids)).order_by(c.dataset_id, c.kind)):
        items = tuple(CheckItem(name, ok, Text(zh, en)) for name, ok, zh, en in row.check_report)
        found.setdefault(row.dataset_id, []).append(
            Distribution(
                kind=row.kind,
                connection=row.connection,
                detail=row.detail,
                report=CheckReport(items),
                checked_at=row.checked_at,
                attached_at=row.attached_at,
                attached_by=row.attached_by,
            )
        )
    return found
