"""The 12345 hotline: tickets, their callers and texts sealed, clocks, ratings, supervisions, search."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

SEARCH = {
    "sqlite": """CREATE VIRTUAL TABLE IF NOT EXISTS ticket_search USING fts5(words,
    content='ticket_documents', content_rowid='number', tokenize='unicode61 remove_diacritics 0')""",
    "postgresql": """CREATE INDEX IF NOT EXISTS ix_ticket_documents_vector ON ticket_documents
    USING gin (vector)""",
}
"""The full-text index over ticket_documents, which no table definition can say."""
ARTICLE_SEARCH = {
    "sqlite": """CREATE VIRTUAL TABLE IF NOT EXISTS article_search USING fts5(question, keywords, answer,
    content='article_documents', content_rowid='number', tokenize='unicode61 remove_diacritics 0')""",
    "postgresql": """CREATE INDEX IF NOT EXISTS ix_article_documents_vector ON article_documents
    USING gin (vector) WITH (fastupdate = off)""",
}
"""The full-text index over article_documents."""


def _document() -> sa.JSON:
    return sa.JSON().with_variant(postgresql.JSONB(), "postgresql")


def _instant(name: str, nullable: bool = False) -> sa.Column[str]:
    return sa.Column(name, sa.String(length=27), nullable=nullable)


def upgrade() -> None:
    _who_takes_part(["department", "role", "case_id"])
    _tickets()
    _people()
    _derived()
    _packets()
    _search()
    _knowledge()
    _reports()
    _open311()
    _imports()
    with op.batch_alter_table("attachments") as batch:
        batch.add_column(sa.Column("envelope", sa.Text(), nullable=True))
        batch.add_column(sa.Column("sealed_name", sa.Text(), nullable=True))


def _tickets() -> None:
    op.create_table(
        "tickets",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("number", sa.String(length=20), nullable=False),
        sa.Column("channel", sa.String(length=40), nullable=False),
        sa.Column("source", sa.String(length=20), nullable=False),
        sa.Column("external_id", sa.String(length=120), nullable=True),
        sa.Column("summary", sa.Text(), nullable=False),
        sa.Column("place", sa.String(length=12), nullable=False),
        sa.Column("category", sa.String(length=40), nullable=False),
        sa.Column("accused", sa.String(length=80), nullable=True),
        sa.Column("about_person", sa.Boolean(), nullable=False),
        sa.Column("matter_id", sa.String(length=36), nullable=False),
        sa.Column("merged_into", sa.String(length=36), nullable=True),
        sa.Column("dataset", sa.String(length=40), nullable=True),
        sa.Column("grant", sa.String(length=20), nullable=True),
        sa.Column("correction", sa.String(length=36), nullable=True),
        sa.Column("created_by", sa.String(length=80), nullable=False),
        _instant("created_at"),
        sa.Column("state", sa.String(length=40), nullable=False),
        sa.Column("lead", sa.String(length=80), nullable=True),
        sa.Column("masked", sa.Boolean(), nullable=False),
        sa.Column("handlings", sa.Integer(), nullable=False),
        sa.Column("satisfied", sa.Boolean(), nullable=True),
        sa.Column("hung", sa.Boolean(), nullable=False),
        *(_instant(n, True) for n in ("accepted_at", "dispatched_at", "fed_back_at", "due_at", "closed_at")),
        sa.ForeignKeyConstraint(["id"], ["cases.id"], name=op.f("fk_tickets_id_cases")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_tickets")),
        sa.UniqueConstraint("number", name=op.f("uq_tickets_number")),
    )
    for name in ("state", "lead", "category", "place", "closed_at"):
        op.create_index(f"ix_tickets_{name}", "tickets", [name, "created_at", "id"], unique=False)
    for name in ("due_at", "dispatched_at", "matter_id", "dataset"):
        op.create_index(f"ix_tickets_{name}", "tickets", [name], unique=False)
    op.create_index("ix_tickets_created_at", "tickets", ["created_at", "id"], unique=False)
    op.create_index("ix_tickets_external_id", "tickets", ["source", "external_id"], unique=False)
    op.create_table(
        "supervisions",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("number", sa.String(length=20), nullable=False),
        sa.Column("workflow", sa.String(length=40), nullable=False),
        sa.Column("ticket_id", sa.String(length=36), nullable=True),
        sa.Column("origin", sa.String(length=36), nullable=True),
        _instant("created_at"),
        sa.ForeignKeyConstraint(["id"], ["cases.id"], name=op.f("fk_supervisions_id_cases")),
        sa.ForeignKeyConstraint(
            ["ticket_id"], ["tickets.id"], name=op.f("fk_supervisions_ticket_id_tickets")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_supervisions")),
        sa.UniqueConstraint("number", name=op.f("uq_supervisions_number")),
    )
    op.create_index("ix_supervisions_ticket_id", "supervisions", ["ticket_id"], unique=False)
    op.create_index("ix_supervisions_origin", "supervisions", ["origin", "workflow"], unique=False)
    op.create_index(
        "ix_supervisions_workflow", "supervisions", ["workflow", "created_at", "id"], unique=False
    )


def _of_ticket(table: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(["ticket_id"], ["tickets.id"], name=op.f(f"fk_{table}_ticket_id_tickets"))


def _people() -> None:
    op.create_table(
        "ticket_callers",
        sa.Column("ticket_id", sa.String(length=36), nullable=False),
        sa.Column("sealed", sa.Text(), nullable=False),
        sa.Column("phone_index", sa.String(length=64), nullable=True),
        sa.Column("anonymous", sa.Boolean(), nullable=False),
        sa.Column("confidential", sa.Boolean(), nullable=False),
        sa.Column("consent", sa.Boolean(), nullable=False),
        sa.Column("code_digest", sa.String(length=64), nullable=False),
        _of_ticket("ticket_callers"),
        sa.PrimaryKeyConstraint("ticket_id", name=op.f("pk_ticket_callers")),
    )
    op.create_index("ix_ticket_callers_phone_index", "ticket_callers", ["phone_index"], unique=False)
    op.create_table(
        "ticket_texts",
        sa.Column("ticket_id", sa.String(length=36), nullable=False),
        sa.Column("sealed", sa.Text(), nullable=False),
        _of_ticket("ticket_texts"),
        sa.PrimaryKeyConstraint("ticket_id", name=op.f("pk_ticket_texts")),
    )
    op.create_table(
        "unmaskings",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("ticket_id", sa.String(length=36), nullable=False),
        sa.Column("login", sa.String(length=80), nullable=False),
        _instant("at"),
        sa.Column("reason_sealed", sa.Text(), nullable=False),
        sa.Column("fields", _document(), nullable=False),
        sa.Column("record_id", sa.String(length=36), nullable=False),
        _of_ticket("unmaskings"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_unmaskings")),
    )
    op.create_index(op.f("ix_unmaskings_ticket_id"), "unmaskings", ["ticket_id"], unique=False)
    op.create_table(
        "ticket_guesses",
        sa.Column("key", sa.String(length=64), nullable=False),
        _instant("since"),
        sa.Column("tries", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_ticket_guesses")),
    )
    op.create_index("ix_ticket_guesses_since", "ticket_guesses", ["since"], unique=False)


def _derived() -> None:
    op.create_table(
        "ticket_clocks",
        sa.Column("ticket_id", sa.String(length=36), nullable=False),
        sa.Column("clock", sa.String(length=40), nullable=False),
        _instant("started_at"),
        sa.Column("unit", sa.String(length=80), nullable=False),
        _instant("due", True),
        _instant("stopped_at", True),
        sa.Column("provisional", sa.Boolean(), nullable=False),
        sa.Column("obliges", sa.Boolean(), nullable=False),
        _of_ticket("ticket_clocks"),
        sa.PrimaryKeyConstraint("ticket_id", "clock", "started_at", name=op.f("pk_ticket_clocks")),
    )
    op.create_index("ix_ticket_clocks_clock", "ticket_clocks", ["clock", "due"], unique=False)
    op.create_table(
        "ticket_ratings",
        sa.Column("ticket_id", sa.String(length=36), nullable=False),
        sa.Column("seq", sa.Integer(), nullable=False),
        sa.Column("unit", sa.String(length=80), nullable=False),
        sa.Column("satisfaction", sa.String(length=40), nullable=False),
        sa.Column("level", sa.Integer(), nullable=False),
        sa.Column("satisfied", sa.Boolean(), nullable=False),
        _instant("at"),
        sa.Column("by", sa.String(length=20), nullable=False),
        _of_ticket("ticket_ratings"),
        sa.PrimaryKeyConstraint("ticket_id", "seq", name=op.f("pk_ticket_ratings")),
    )
    op.create_index("ix_ticket_ratings_at", "ticket_ratings", ["at"], unique=False)


def _packets() -> None:
    op.create_table(
        "supervision_packets",
        sa.Column("supervision_id", sa.String(length=36), nullable=False),
        sa.Column("sealed", sa.Text(), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.ForeignKeyConstraint(
            ["supervision_id"],
            ["supervisions.id"],
            name=op.f("fk_supervision_packets_supervision_id_supervisions"),
        ),
        sa.PrimaryKeyConstraint("supervision_id", name=op.f("pk_supervision_packets")),
    )


def _search() -> None:
    op.create_table(
        "ticket_documents",
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("ticket_id", sa.String(length=36), nullable=False),
        sa.Column("words", sa.Text(), nullable=False),
        sa.Column("vector", sa.Text().with_variant(postgresql.TSVECTOR(), "postgresql"), nullable=True),
        _of_ticket("ticket_documents"),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_ticket_documents")),
        sa.UniqueConstraint("ticket_id", name=op.f("uq_ticket_documents_ticket_id")),
    )
    op.execute(SEARCH[op.get_context().dialect.name])


def _knowledge() -> None:
    op.create_table(
        "articles",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("code", sa.String(length=40), nullable=False),
        sa.Column("unit", sa.String(length=80), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("document", _document(), nullable=False),
        sa.Column("published", _document(), nullable=True),
        sa.Column("published_revision", sa.Integer(), nullable=True),
        sa.Column("public", sa.Boolean(), nullable=False),
        _instant("created_at"),
        _instant("updated_at"),
        *(_instant(n, True) for n in ("published_at", "confirmed_at", "valid_from", "ends_at")),
        sa.Column("uses", sa.Integer(), nullable=False),
        _instant("last_used_at", True),
        sa.ForeignKeyConstraint(["id"], ["cases.id"], name=op.f("fk_articles_id_cases")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_articles")),
        sa.UniqueConstraint("code", name=op.f("uq_articles_code")),
    )
    op.create_index(op.f("ix_articles_unit"), "articles", ["unit"], unique=False)
    op.create_index("ix_articles_updated_at", "articles", ["updated_at", "id"], unique=False)
    op.create_index("ix_articles_uses", "articles", ["uses", "id"], unique=False)
    op.create_table(
        "article_revisions",
        sa.Column("article_id", sa.String(length=36), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("document", _document(), nullable=False),
        _instant("at"),
        sa.Column("by", sa.String(length=80), nullable=False),
        _of_article("article_revisions"),
        sa.PrimaryKeyConstraint("article_id", "revision", name=op.f("pk_article_revisions")),
    )
    op.create_table(
        "article_categories",
        sa.Column("article_id", sa.String(length=36), nullable=False),
        sa.Column("category", sa.String(length=40), nullable=False),
        _of_article("article_categories"),
        sa.PrimaryKeyConstraint("article_id", "category", name=op.f("pk_article_categories")),
    )
    op.create_index("ix_article_categories_category", "article_categories", ["category"], unique=False)
    op.create_table(
        "article_documents",
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("article_id", sa.String(length=36), nullable=False),
        sa.Column("question", sa.Text(), nullable=False),
        sa.Column("keywords", sa.Text(), nullable=False),
        sa.Column("answer", sa.Text(), nullable=False),
        sa.Column("tokens_version", sa.Integer(), nullable=False),
        sa.Column("vector", sa.Text().with_variant(postgresql.TSVECTOR(), "postgresql"), nullable=True),
        _of_article("article_documents"),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_article_documents")),
        sa.UniqueConstraint("article_id", name=op.f("uq_article_documents_article_id")),
    )
    op.create_table(
        "knowledge_gaps",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("key", sa.String(length=64), nullable=True),
        sa.Column("words", sa.Text(), nullable=False),
        sa.Column("count", sa.Integer(), nullable=False),
        _instant("first_at"),
        _instant("last_at"),
        sa.Column("unit", sa.String(length=80), nullable=True),
        _instant("assigned_at", True),
        sa.Column("article", sa.String(length=40), nullable=True),
        sa.Column("outcome", sa.String(length=20), nullable=True),
        _instant("closed_at", True),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_knowledge_gaps")),
        sa.UniqueConstraint("key", name=op.f("uq_knowledge_gaps_key")),
    )
    op.create_index("ix_knowledge_gaps_last_at", "knowledge_gaps", ["last_at", "id"], unique=False)
    op.create_index("ix_knowledge_gaps_article", "knowledge_gaps", ["article"], unique=False)
    op.execute(ARTICLE_SEARCH[op.get_context().dialect.name])


def _of_article(table: str) -> sa.ForeignKeyConstraint:
    name = op.f(f"fk_{table}_article_id_articles")
    return sa.ForeignKeyConstraint(["article_id"], ["articles.id"], name=name)


def _reports() -> None:
    op.create_table(
        "ticket_turns",
        sa.Column("ticket_id", sa.String(length=36), nullable=False),
        sa.Column("seq", sa.Integer(), nullable=False),
        sa.Column("unit", sa.String(length=80), nullable=False),
        _instant("at"),
        *(_instant(n, True) for n in ("over_at", "sign_late_at", "signed_at", "late_at", "until")),
        sa.Column("answered", sa.Boolean(), nullable=False),
        _of_ticket("ticket_turns"),
        sa.PrimaryKeyConstraint("ticket_id", "seq", name=op.f("pk_ticket_turns")),
    )
    for columns in (
        ["at", "unit", "over_at", "sign_late_at", "signed_at"],
        ["late_at", "until", "answered", "unit"],
        ["until", "late_at", "unit"],
        ["sign_late_at", "signed_at", "over_at"],
    ):
        op.create_index(f"ix_ticket_turns_{columns[0]}", "ticket_turns", columns, unique=False)


def _open311() -> None:
    op.create_table(
        "open311_keys",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("name", sa.String(length=40), nullable=False),
        sa.Column("channel", sa.String(length=40), nullable=False),
        sa.Column("batch", sa.Boolean(), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        _instant("created_at"),
        sa.Column("created_by", sa.String(length=80), nullable=False),
        _instant("revoked_at", True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_open311_keys")),
        sa.UniqueConstraint("digest", name=op.f("uq_open311_keys_digest")),
    )
    op.create_index("ix_open311_keys_name", "open311_keys", ["name"], unique=False)
    op.create_table(
        "open311_tokens",
        sa.Column("token", sa.String(length=43), nullable=False),
        sa.Column("ticket_id", sa.String(length=36), nullable=False),
        _of_ticket("open311_tokens"),
        sa.PrimaryKeyConstraint("token", name=op.f("pk_open311_tokens")),
        sa.UniqueConstraint("ticket_id", name=op.f("uq_open311_tokens_ticket_id")),
    )


def _imports() -> None:
    op.create_table(
        "imports",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("source", sa.String(length=20), nullable=False),
        sa.Column("dry_run", sa.Boolean(), nullable=False),
        sa.Column("format", sa.String(length=4), nullable=False),
        sa.Column("state", sa.String(length=10), nullable=False),
        sa.Column("department", sa.String(length=80), nullable=False),
        sa.Column("created_by", sa.String(length=80), nullable=False),
        _instant("created_at"),
        _instant("finished_at", True),
        sa.Column("rows", sa.Integer(), nullable=True),
        sa.Column("taken", sa.Integer(), nullable=False),
        sa.Column("repeated", sa.Integer(), nullable=False),
        sa.Column("refused", sa.Integer(), nullable=False),
        sa.Column("failure_zh", sa.Text(), nullable=True),
        sa.Column("failure_en", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_imports")),
    )
    op.create_index("ix_imports_department", "imports", ["department", "created_at", "id"], unique=False)
    op.create_index("ix_imports_state", "imports", ["state", "created_at"], unique=False)
    op.create_table(
        "import_files",
        sa.Column("import_id", sa.String(length=36), nullable=False),
        sa.Column("envelope", sa.Text(), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        _of_import("import_files"),
        sa.PrimaryKeyConstraint("import_id", name=op.f("pk_import_files")),
    )
    op.create_table(
        "import_chunks",
        sa.Column("import_id", sa.String(length=36), nullable=False),
        sa.Column("first", sa.Integer(), nullable=False),
        sa.Column("sealed", sa.Text(), nullable=False),
        _of_import("import_chunks"),
        sa.PrimaryKeyConstraint("import_id", "first", name=op.f("pk_import_chunks")),
    )
    op.create_table(
        "import_faults",
        sa.Column("import_id", sa.String(length=36), nullable=False),
        sa.Column("row", sa.Integer(), nullable=False),
        sa.Column("seq", sa.Integer(), nullable=False),
        sa.Column("column", sa.String(length=60), nullable=False),
        sa.Column("code", sa.String(length=60), nullable=False),
        sa.Column("reason_zh", sa.Text(), nullable=False),
        sa.Column("reason_en", sa.Text(), nullable=False),
        sa.Column("sealed", sa.Text(), nullable=True),
        _of_import("import_faults"),
        sa.PrimaryKeyConstraint("import_id", "row", "seq", name=op.f("pk_import_faults")),
    )


def _who_takes_part(columns: list[str]) -> None:
    """Let what waits for a department, and what it takes part in, be counted from the index alone."""
    for table in ("case_parties", "case_turns"):
        name = f"ix_{table}_department_role"
        op.drop_index(name, table)
        op.create_index(name, table, columns, unique=False)


def _of_import(table: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(["import_id"], ["imports.id"], name=op.f(f"fk_{table}_import_id_imports"))


def downgrade() -> None:
    _who_takes_part(["department", "role"])
    op.drop_table("ticket_turns")
    for name in ("import_faults", "import_chunks", "import_files", "imports"):
        op.drop_table(name)
    for name in ("open311_tokens", "open311_keys"):
        op.drop_table(name)
    op.drop_table("supervision_packets")
    if op.get_context().dialect.name == "sqlite":
        op.execute("DROP TABLE article_search")
    for name in (
        "knowledge_gaps",
        "article_documents",
        "article_categories",
        "article_revisions",
        "articles",
    ):
        op.drop_table(name)
    with op.batch_alter_table("attachments") as batch:
        batch.drop_column("sealed_name")
        batch.drop_column("envelope")
    if op.get_context().dialect.name == "sqlite":
        op.execute("DROP TABLE ticket_search")
    for name in ("ticket_documents", "ticket_ratings", "ticket_clocks", "ticket_guesses", "unmaskings"):
        op.drop_table(name)
    for name in ("ticket_texts", "ticket_callers", "supervisions", "tickets"):
        op.drop_table(name)
