"""The tables of matters and every statement on them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import (
    Column,
    Connection,
    ForeignKey,
    Index,
    Row,
    String,
    Table,
    exists,
    false,
    func,
    or_,
    select,
)

from cases.model import MEMBER
from cases.store import case_parties, cases
from core.db import Document, Instant, Page, metadata, page
from core.work import Actor
from gateway.store import applications
from matters.model import Matter, Wanted

matters = Table(
    "matters",
    metadata,
    Column("id", ForeignKey("cases.id"), primary_key=True),
    Column("number", String(20), nullable=False, unique=True),
    Column("workflow", String(40), nullable=False),
    Column("datasets", Document, nullable=False),  # codes
    Column("grant", String(20)),
    Column("application", String(20)),
    Column("client", String(36)),
    Column("origin", String(36)),
    Column("opened_by", String(80), nullable=False),
    Column("created_at", Instant, nullable=False),
    Index("ix_matters_origin", "origin"),
    Index("ix_matters_workflow", "workflow", "created_at"),
    Index("ix_matters_grant", "grant"),
    Index("ix_matters_application", "application"),
)

matter_datasets = Table(
    "matter_datasets",
    metadata,
    Column("matter_id", ForeignKey("matters.id"), primary_key=True),
    Column("dataset", String(40), primary_key=True),
    Index("ix_matter_datasets_dataset", "dataset"),
)


def insert_matter(tx: Connection, matter: Matter) -> None:
    """Add a matter; its case exists already."""
    columns = {c.name: getattr(matter, c.name) for c in matters.c}
    tx.execute(matters.insert().values(**{**columns, "datasets": list(matter.datasets)}))
    for code in matter.datasets:
        tx.execute(matter_datasets.insert().values(matter_id=matter.id, dataset=code))


def matter(tx: Connection, matter_id: str) -> Matter | None:
    """Return a matter, or None."""
    row = tx.execute(select(matters).where(matters.c.id == matter_id)).one_or_none()
    return _matter(row) if row is not None else None


def application_id(tx: Connection, number: str) -> str | None:
    """Return the id of the application with a number, or None."""
    return tx.execute(select(applications.c.id).where(applications.c.number == number)).scalar_one_or_none()


def open_from(tx: Connection, origin: str, workflow: str) -> Matter | None:
    """Return the matter of a workflow that a case called for and that is not closed yet, or None."""
    query = select(matters).join(cases, cases.c.id == matters.c.id)
    query = query.where(
        matters.c.origin == origin, matters.c.workflow == workflow, cases.c.closed_at.is_(None)
    )
    row = tx.execute(query.limit(1)).first()
    return _matter(row) if row is not None else None


def count_open(tx: Connection, department: str, workflow: str, dataset: str) -> int:
    """Return how many matters of a workflow a department opened about a dataset that are not closed yet."""
    query = select(func.count()).select_from(matters).join(cases, cases.c.id == matters.c.id)
    query = query.join(matter_datasets, matter_datasets.c.matter_id == matters.c.id)
    query = query.where(
        matters.c.workflow == workflow,
        matters.c.opened_by == department,
        matter_datasets.c.dataset == dataset,
        cases.c.closed_at.is_(None),
    )
    return int(tx.execute(query).scalar_one())


def latest_from(tx: Connection, origins: Sequence[str], workflows: Sequence[str]) -> list[Row[Any]]:
    """Return origin, id, number, state and time of what these cases called for, the oldest first."""
    c = matters.c
    query = select(c.origin, c.id, c.number, cases.c.state, c.created_at).join(cases, cases.c.id == c.id)
    query = query.where(c.origin.in_(origins), c.workflow.in_(workflows))
    return list(tx.execute(query.order_by(c.created_at, c.id)))


def matters_page(tx: Connection, actor: Actor, wanted: Wanted, limit: int, cursor: str | None) -> Page:
    """Return one page of the matters that the actor is a party of (an auditor: of all), the newest first."""
    query = select(matters).join(cases, cases.c.id == matters.c.id)
    for column, value in (
        (matters.c.workflow, wanted.workflow),
        (cases.c.state, wanted.state),
        (matters.c.grant, wanted.grant),
        (matters.c.application, wanted.application),
        (matters.c.origin, wanted.origin),
    ):
        if value is not None:
            query = query.where(column == value)
    if wanted.is_open is not None:
        query = query.where(cases.c.closed_at.is_(None) if wanted.is_open else cases.c.closed_at.is_not(None))
    if wanted.dataset is not None:
        about = exists().where(
            matter_datasets.c.matter_id == matters.c.id, matter_datasets.c.dataset == wanted.dataset
        )
        query = query.where(about)
    if not actor.has("auditor"):
        query = query.where(_is_party(actor))
    found = page(tx, query, [matters.c.created_at, matters.c.id], limit=limit, cursor=cursor)
    return Page([_matter(row) for row in found.rows], found.next_cursor)


def matters_in(tx: Connection, states: Sequence[tuple[str, str]]) -> list[Matter]:
    """Return the matters that stand in one of `states` (workflow, state)."""
    where = [(cases.c.workflow == workflow) & (cases.c.state == state) for workflow, state in states]
    query = select(matters).join(cases, cases.c.id == matters.c.id).where(or_(false(), *where))
    return [_matter(row) for row in tx.execute(query)]


def _is_party(actor: Actor) -> Any:
    return exists().where(
        case_parties.c.case_id == matters.c.id,
        case_parties.c.department == actor.department,
        case_parties.c.role.in_(sorted(actor.roles | {MEMBER})),
    )


def _matter(row: Any) -> Matter:
    known = {name: row._mapping[name] for name in Matter.__dataclass_fields__}
    return Matter(**{**known, "datasets": tuple(row.datasets)})
