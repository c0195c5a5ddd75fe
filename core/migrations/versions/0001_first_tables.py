"""The tables of the first release."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

SEARCH = {
    "sqlite": (
        "CREATE VIRTUAL TABLE IF NOT EXISTS dataset_search USING fts5(title, summary, attributes,\n    content='search_documents', content_rowid='number', tokenize='unicode61 remove_diacritics 0')",
    ),
    "postgresql": (
        "CREATE INDEX IF NOT EXISTS ix_search_documents_vector ON search_documents USING gin (vector)\n    WITH (fastupdate = off)",
    ),
}
"""The full-text index over search_documents, which no table definition can say."""


def _document() -> sa.JSON:
    return sa.JSON().with_variant(postgresql.JSONB(), "postgresql")


def upgrade() -> None:
    op.create_table(
        "accounts",
        sa.Column("login", sa.String(length=80), nullable=False),
        sa.Column("name", sa.String(length=120), nullable=False),
        sa.Column("department", sa.String(length=80), nullable=False),
        sa.Column("roles", _document(), nullable=False),
        sa.Column("pseudonym", sa.String(length=32), nullable=False),
        sa.Column("password_hash", sa.String(length=200), nullable=True),
        sa.Column("state", sa.String(length=20), nullable=False),
        sa.Column("must_change", sa.Boolean(), nullable=False),
        sa.Column("failed_count", sa.Integer(), nullable=False),
        sa.Column("failed_since", sa.String(length=27), nullable=True),
        sa.Column("locked_until", sa.String(length=27), nullable=True),
        sa.Column("created_at", sa.String(length=27), nullable=False),
        sa.Column("changed_at", sa.String(length=27), nullable=False),
        sa.Column("last_seen_at", sa.String(length=27), nullable=True),
        sa.PrimaryKeyConstraint("login", name=op.f("pk_accounts")),
        sa.UniqueConstraint("pseudonym", name=op.f("uq_accounts_pseudonym")),
    )
    op.create_index(op.f("ix_accounts_department"), "accounts", ["department"], unique=False)
    op.create_table(
        "audit_anchor",
        sa.Column("origin", sa.String(length=200), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("root", sa.String(length=44), nullable=False),
        sa.Column("at", sa.String(length=27), nullable=False),
        sa.PrimaryKeyConstraint("origin", name=op.f("pk_audit_anchor")),
    )
    op.create_table(
        "audit_outbox",
        sa.Column(
            "seq", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False
        ),
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("kind", sa.String(length=60), nullable=False),
        sa.Column("at", sa.String(length=27), nullable=False),
        sa.Column("envelope", sa.LargeBinary(), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("seq", name=op.f("pk_audit_outbox")),
        sa.UniqueConstraint("id", name=op.f("uq_audit_outbox_id")),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "cases",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("kind", sa.String(length=20), nullable=False),
        sa.Column("workflow", sa.String(length=40), nullable=False),
        sa.Column("rulebook", sa.String(length=80), nullable=False),
        sa.Column("rulebook_version", sa.String(length=64), nullable=False),
        sa.Column("state", sa.String(length=40), nullable=False),
        sa.Column("serves", sa.Boolean(), nullable=False),
        sa.Column("facts", _document(), nullable=False),
        sa.Column("parties", _document(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("opened_at", sa.String(length=27), nullable=False),
        sa.Column("opened_by", sa.String(length=80), nullable=False),
        sa.Column("changed_at", sa.String(length=27), nullable=False),
        sa.Column("lapses_at", sa.String(length=27), nullable=True),
        sa.Column("next_due_at", sa.String(length=27), nullable=True),
        sa.Column("watch_at", sa.String(length=27), nullable=True),
        sa.Column("closed_at", sa.String(length=27), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_cases")),
    )
    op.create_index("ix_cases_changed_at", "cases", ["changed_at"], unique=False)
    op.create_index("ix_cases_kind_state", "cases", ["kind", "state"], unique=False)
    op.create_index("ix_cases_next_due_at", "cases", ["next_due_at"], unique=False)
    op.create_index("ix_cases_watch_at", "cases", ["watch_at"], unique=False)
    op.create_table(
        "clients",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("department", sa.String(length=80), nullable=False),
        sa.Column("description", sa.String(length=2000), nullable=False),
        sa.Column("networks", _document(), nullable=False),
        sa.Column("state", sa.String(length=20), nullable=False),
        sa.Column("created_at", sa.String(length=27), nullable=False),
        sa.Column("created_by", sa.String(length=80), nullable=False),
        sa.Column("approved_at", sa.String(length=27), nullable=True),
        sa.Column("approved_by", sa.String(length=80), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_clients")),
    )
    op.create_index(op.f("ix_clients_department"), "clients", ["department"], unique=False)
    op.create_table(
        "code_sequences",
        sa.Column("prefix", sa.String(length=40), nullable=False),
        sa.Column("last", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("prefix", name=op.f("pk_code_sequences")),
    )
    op.create_table(
        "kept_answers",
        sa.Column("key", sa.String(length=64), nullable=False),
        sa.Column("request_digest", sa.String(length=64), nullable=False),
        sa.Column("status", sa.Integer(), nullable=False),
        sa.Column("headers", _document(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("at", sa.String(length=27), nullable=False),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_kept_answers")),
    )
    op.create_index(op.f("ix_kept_answers_at"), "kept_answers", ["at"], unique=False)
    op.create_table(
        "policy",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_policy")),
    )
    op.create_table(
        "rulebook_versions",
        sa.Column("id", sa.String(length=80), nullable=False),
        sa.Column("version", sa.String(length=64), nullable=False),
        sa.Column("document", _document(), nullable=False),
        sa.Column("first_seen", sa.String(length=27), nullable=False),
        sa.PrimaryKeyConstraint("id", "version", name=op.f("pk_rulebook_versions")),
    )
    op.create_table(
        "token_failures",
        sa.Column("client", sa.String(length=64), nullable=False),
        sa.Column("source", sa.String(length=64), nullable=False),
        sa.Column("since", sa.String(length=27), nullable=False),
        sa.Column("tries", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("client", "source", name=op.f("pk_token_failures")),
    )
    op.create_index(op.f("ix_token_failures_since"), "token_failures", ["since"], unique=False)
    op.create_table(
        "attachments",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("case_id", sa.String(length=36), nullable=False),
        sa.Column("type", sa.String(length=40), nullable=False),
        sa.Column("sealed", sa.Boolean(), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("media_type", sa.String(length=80), nullable=False),
        sa.Column("size", sa.Integer(), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("added_at", sa.String(length=27), nullable=False),
        sa.Column("added_by", sa.String(length=80), nullable=False),
        sa.ForeignKeyConstraint(["case_id"], ["cases.id"], name=op.f("fk_attachments_case_id_cases")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_attachments")),
    )
    op.create_index(op.f("ix_attachments_case_id"), "attachments", ["case_id"], unique=False)
    op.create_table(
        "case_breaches",
        sa.Column("case_id", sa.String(length=36), nullable=False),
        sa.Column("clock", sa.String(length=40), nullable=False),
        sa.Column("due", sa.String(length=27), nullable=False),
        sa.Column("recorded_at", sa.String(length=27), nullable=False),
        sa.Column("record_id", sa.String(length=36), nullable=False),
        sa.ForeignKeyConstraint(["case_id"], ["cases.id"], name=op.f("fk_case_breaches_case_id_cases")),
        sa.PrimaryKeyConstraint("case_id", "clock", "due", name=op.f("pk_case_breaches")),
    )
    op.create_table(
        "case_events",
        sa.Column("case_id", sa.String(length=36), nullable=False),
        sa.Column("seq", sa.Integer(), nullable=False),
        sa.Column("action", sa.String(length=40), nullable=False),
        sa.Column("names", _document(), nullable=False),
        sa.Column("at", sa.String(length=27), nullable=False),
        sa.Column("from_state", sa.String(length=40), nullable=True),
        sa.Column("to_state", sa.String(length=40), nullable=False),
        sa.Column("actor", sa.String(length=80), nullable=False),
        sa.Column("actor_department", sa.String(length=80), nullable=False),
        sa.Column("role", sa.String(length=40), nullable=False),
        sa.Column("fields", _document(), nullable=False),
        sa.Column("record_id", sa.String(length=36), nullable=False),
        sa.ForeignKeyConstraint(["case_id"], ["cases.id"], name=op.f("fk_case_events_case_id_cases")),
        sa.PrimaryKeyConstraint("case_id", "seq", name=op.f("pk_case_events")),
    )
    op.create_table(
        "case_parties",
        sa.Column("case_id", sa.String(length=36), nullable=False),
        sa.Column("role", sa.String(length=40), nullable=False),
        sa.Column("department", sa.String(length=80), nullable=False),
        sa.ForeignKeyConstraint(["case_id"], ["cases.id"], name=op.f("fk_case_parties_case_id_cases")),
        sa.PrimaryKeyConstraint("case_id", "role", name=op.f("pk_case_parties")),
    )
    op.create_index("ix_case_parties_department_role", "case_parties", ["department", "role"], unique=False)
    op.create_table(
        "client_credentials",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("client_id", sa.String(length=40), nullable=False),
        sa.Column("kind", sa.String(length=40), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("created_at", sa.String(length=27), nullable=False),
        sa.Column("created_by", sa.String(length=80), nullable=False),
        sa.Column("not_after", sa.String(length=27), nullable=True),
        sa.Column("revoked_at", sa.String(length=27), nullable=True),
        sa.ForeignKeyConstraint(
            ["client_id"], ["clients.id"], name=op.f("fk_client_credentials_client_id_clients")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_client_credentials")),
    )
    op.create_index(
        op.f("ix_client_credentials_client_id"), "client_credentials", ["client_id"], unique=False
    )
    op.create_table(
        "datasets",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("code", sa.String(length=60), nullable=False),
        sa.Column("manifest", sa.String(length=120), nullable=True),
        sa.Column("title", sa.String(length=200), nullable=False),
        sa.Column("provider", sa.String(length=80), nullable=False),
        sa.Column("share_class", sa.String(length=20), nullable=False),
        sa.Column("controlled_params", sa.Boolean(), nullable=False),
        sa.Column("theme", sa.String(length=60), nullable=True),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("document", _document(), nullable=False),
        sa.Column("created_at", sa.String(length=27), nullable=False),
        sa.Column("updated_at", sa.String(length=27), nullable=False),
        sa.Column("published_at", sa.String(length=27), nullable=True),
        sa.ForeignKeyConstraint(["id"], ["cases.id"], name=op.f("fk_datasets_id_cases")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_datasets")),
        sa.UniqueConstraint("code", name=op.f("uq_datasets_code")),
        sa.UniqueConstraint("manifest", name=op.f("uq_datasets_manifest")),
    )
    op.create_index(op.f("ix_datasets_provider"), "datasets", ["provider"], unique=False)
    op.create_index(op.f("ix_datasets_share_class"), "datasets", ["share_class"], unique=False)
    op.create_index(op.f("ix_datasets_theme"), "datasets", ["theme"], unique=False)
    op.create_index(op.f("ix_datasets_updated_at"), "datasets", ["updated_at"], unique=False)
    op.create_table(
        "person_tokens",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("login", sa.String(length=80), nullable=False),
        sa.Column("created_at", sa.String(length=27), nullable=False),
        sa.Column("expires_at", sa.String(length=27), nullable=False),
        sa.Column("ended_at", sa.String(length=27), nullable=True),
        sa.ForeignKeyConstraint(["login"], ["accounts.login"], name=op.f("fk_person_tokens_login_accounts")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_person_tokens")),
        sa.UniqueConstraint("digest", name=op.f("uq_person_tokens_digest")),
    )
    op.create_index(op.f("ix_person_tokens_login"), "person_tokens", ["login"], unique=False)
    op.create_table(
        "sessions",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("login", sa.String(length=80), nullable=False),
        sa.Column("created_at", sa.String(length=27), nullable=False),
        sa.Column("last_seen_at", sa.String(length=27), nullable=False),
        sa.Column("ended_at", sa.String(length=27), nullable=True),
        sa.ForeignKeyConstraint(["login"], ["accounts.login"], name=op.f("fk_sessions_login_accounts")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_sessions")),
        sa.UniqueConstraint("digest", name=op.f("uq_sessions_digest")),
    )
    op.create_index(op.f("ix_sessions_login"), "sessions", ["login"], unique=False)
    op.create_table(
        "applications",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("number", sa.String(length=40), nullable=False),
        sa.Column("dataset_id", sa.String(length=36), nullable=False),
        sa.Column("client_id", sa.String(length=40), nullable=False),
        sa.Column("consumer", sa.String(length=80), nullable=False),
        sa.Column("provider", sa.String(length=80), nullable=False),
        sa.Column("document", _document(), nullable=False),
        sa.Column("previous_grant", sa.String(length=36), nullable=True),
        sa.Column("created_at", sa.String(length=27), nullable=False),
        sa.ForeignKeyConstraint(
            ["client_id"], ["clients.id"], name=op.f("fk_applications_client_id_clients")
        ),
        sa.ForeignKeyConstraint(
            ["dataset_id"], ["datasets.id"], name=op.f("fk_applications_dataset_id_datasets")
        ),
        sa.ForeignKeyConstraint(["id"], ["cases.id"], name=op.f("fk_applications_id_cases")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_applications")),
        sa.UniqueConstraint("number", name=op.f("uq_applications_number")),
    )
    op.create_index(op.f("ix_applications_consumer"), "applications", ["consumer"], unique=False)
    op.create_index(op.f("ix_applications_dataset_id"), "applications", ["dataset_id"], unique=False)
    op.create_index(op.f("ix_applications_provider"), "applications", ["provider"], unique=False)
    op.create_table(
        "dataset_revisions",
        sa.Column("dataset_id", sa.String(length=36), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("document", _document(), nullable=False),
        sa.Column("cause", sa.String(length=2000), nullable=False),
        sa.Column("at", sa.String(length=27), nullable=False),
        sa.Column("by", sa.String(length=80), nullable=False),
        sa.ForeignKeyConstraint(
            ["dataset_id"], ["datasets.id"], name=op.f("fk_dataset_revisions_dataset_id_datasets")
        ),
        sa.PrimaryKeyConstraint("dataset_id", "revision", name=op.f("pk_dataset_revisions")),
    )
    op.create_table(
        "distributions",
        sa.Column("dataset_id", sa.String(length=36), nullable=False),
        sa.Column("kind", sa.String(length=10), nullable=False),
        sa.Column("connection", sa.String(length=80), nullable=False),
        sa.Column("detail", _document(), nullable=False),
        sa.Column("check_passed", sa.Boolean(), nullable=False),
        sa.Column("check_report", _document(), nullable=False),
        sa.Column("checked_at", sa.String(length=27), nullable=False),
        sa.Column("attached_at", sa.String(length=27), nullable=False),
        sa.Column("attached_by", sa.String(length=80), nullable=False),
        sa.ForeignKeyConstraint(
            ["dataset_id"], ["datasets.id"], name=op.f("fk_distributions_dataset_id_datasets")
        ),
        sa.PrimaryKeyConstraint("dataset_id", "kind", name=op.f("pk_distributions")),
    )
    op.create_table(
        "search_documents",
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("dataset_id", sa.String(length=36), nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("summary", sa.Text(), nullable=False),
        sa.Column("attributes", sa.Text(), nullable=False),
        sa.Column("tokens_version", sa.Integer(), nullable=False),
        sa.Column("vector", sa.Text().with_variant(postgresql.TSVECTOR(), "postgresql"), nullable=True),
        sa.ForeignKeyConstraint(
            ["dataset_id"], ["datasets.id"], name=op.f("fk_search_documents_dataset_id_datasets")
        ),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_search_documents")),
        sa.UniqueConstraint("dataset_id", name=op.f("uq_search_documents_dataset_id")),
    )
    op.create_table(
        "grants",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("number", sa.String(length=40), nullable=False),
        sa.Column("application_id", sa.String(length=36), nullable=True),
        sa.Column("dataset_id", sa.String(length=36), nullable=False),
        sa.Column("client_id", sa.String(length=40), nullable=False),
        sa.Column("consumer", sa.String(length=80), nullable=False),
        sa.Column("provider", sa.String(length=80), nullable=False),
        sa.Column("terms", _document(), nullable=False),
        sa.Column("granted_at", sa.String(length=27), nullable=False),
        sa.Column("valid_until", sa.String(length=27), nullable=True),
        sa.ForeignKeyConstraint(
            ["application_id"], ["applications.id"], name=op.f("fk_grants_application_id_applications")
        ),
        sa.ForeignKeyConstraint(["client_id"], ["clients.id"], name=op.f("fk_grants_client_id_clients")),
        sa.ForeignKeyConstraint(["dataset_id"], ["datasets.id"], name=op.f("fk_grants_dataset_id_datasets")),
        sa.ForeignKeyConstraint(["id"], ["cases.id"], name=op.f("fk_grants_id_cases")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_grants")),
        sa.UniqueConstraint("number", name=op.f("uq_grants_number")),
    )
    op.create_index(op.f("ix_grants_client_id"), "grants", ["client_id"], unique=False)
    op.create_index(op.f("ix_grants_consumer"), "grants", ["consumer"], unique=False)
    op.create_index(op.f("ix_grants_dataset_id"), "grants", ["dataset_id"], unique=False)
    op.create_index(op.f("ix_grants_provider"), "grants", ["provider"], unique=False)
    op.create_table(
        "access_tokens",
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("grant_id", sa.String(length=36), nullable=False),
        sa.Column("client_id", sa.String(length=40), nullable=False),
        sa.Column("issued_at", sa.String(length=27), nullable=False),
        sa.Column("expires_at", sa.String(length=27), nullable=False),
        sa.Column("revoked", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(
            ["client_id"], ["clients.id"], name=op.f("fk_access_tokens_client_id_clients")
        ),
        sa.ForeignKeyConstraint(["grant_id"], ["grants.id"], name=op.f("fk_access_tokens_grant_id_grants")),
        sa.PrimaryKeyConstraint("digest", name=op.f("pk_access_tokens")),
    )
    op.create_index("ix_access_tokens_expires_at", "access_tokens", ["expires_at"], unique=False)
    op.create_index(op.f("ix_access_tokens_grant_id"), "access_tokens", ["grant_id"], unique=False)
    # ### end Alembic commands ###
    for statement in SEARCH[op.get_context().dialect.name]:
        op.execute(statement)


def downgrade() -> None:
    if op.get_context().dialect.name == "sqlite":
        op.execute("DROP TABLE dataset_search")
    op.drop_table("access_tokens")
    op.drop_table("grants")
    op.drop_table("search_documents")
    op.drop_table("distributions")
    op.drop_table("dataset_revisions")
    op.drop_table("applications")
    op.drop_table("sessions")
    op.drop_table("person_tokens")
    op.drop_table("datasets")
    op.drop_table("client_credentials")
    op.drop_table("case_parties")
    op.drop_table("case_events")
    op.drop_table("case_breaches")
    op.drop_table("attachments")
    op.drop_table("token_failures")
    op.drop_table("rulebook_versions")
    op.drop_table("policy")
    op.drop_table("kept_answers")
    op.drop_table("code_sequences")
    op.drop_table("clients")
    op.drop_table("cases")
    op.drop_table("audit_outbox")
    op.drop_table("audit_anchor")
    op.drop_table("accounts")
