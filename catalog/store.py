"""The tables of the catalog and every statement on them."""

from __future__ import annotations

from sqlalchemy import Boolean, Column, ForeignKey, Index, Integer, String, Table

from core.db import Document, Instant, metadata

datasets = Table(
    "datasets",
    metadata,
    Column("id", ForeignKey("cases.id"), primary_key=True),
    Column("code", String(60), nullable=False, unique=True),
    Column("manifest", String(120), unique=True),  # the manifest file that keeps it, if one does
    Column("title", String(200), nullable=False),
    Column("provider", String(80), nullable=False, index=True),
    Column("share_class", String(20), nullable=False),
    Column("controlled_params", Boolean, nullable=False),
    Column("revision", Integer, nullable=False),
    Column("document", Document, nullable=False),  # fits request/dataset, the current revision
    Column("created_at", Instant, nullable=False),
    Column("updated_at", Instant, nullable=False),
    Column("published_at", Instant),
)

dataset_revisions = Table(
    "dataset_revisions",
    metadata,
    Column("dataset_id", ForeignKey("datasets.id"), primary_key=True),
    Column("revision", Integer, primary_key=True),
    Column("document", Document, nullable=False),
    Column("cause", String(500), nullable=False),
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

code_sequences = Table(
    "code_sequences",
    metadata,
    Column("prefix", String(40), primary_key=True),
    Column("last", Integer, nullable=False),
)

# One row per dataset and searchable token; see catalog/search.py for what a token is.
search_terms = Table(
    "search_terms",
    metadata,
    Column("dataset_id", ForeignKey("datasets.id"), primary_key=True),
    Column("term", String(40), primary_key=True),
    Column("weight", Integer, nullable=False),
    Index("ix_search_terms_term", "term", "weight"),
)
