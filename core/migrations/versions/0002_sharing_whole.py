"""Data sharing as the regulations have it: several departments in one role, notices, matters, quality, statistics."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def _document() -> sa.JSON:
    return sa.JSON().with_variant(postgresql.JSONB(), "postgresql")


def upgrade() -> None:
    with op.batch_alter_table("case_parties") as batch:
        batch.drop_constraint("pk_case_parties", type_="primary")
        batch.create_primary_key("pk_case_parties", ["case_id", "role", "department"])
    op.create_table(
        "case_turns",
        sa.Column("case_id", sa.String(length=36), nullable=False),
        sa.Column("role", sa.String(length=40), nullable=False),
        sa.Column("department", sa.String(length=80), nullable=False),
        sa.ForeignKeyConstraint(["case_id"], ["cases.id"], name=op.f("fk_case_turns_case_id_cases")),
        sa.PrimaryKeyConstraint("case_id", "role", "department", name=op.f("pk_case_turns")),
    )
    op.create_index("ix_case_turns_department_role", "case_turns", ["department", "role"], unique=False)
    op.create_table(
        "case_signals",
        sa.Column("case_id", sa.String(length=36), nullable=False),
        sa.Column("clock", sa.String(length=40), nullable=False),
        sa.Column("due", sa.String(length=27), nullable=False),
        sa.Column("signal", sa.String(length=10), nullable=False),
        sa.Column("at", sa.String(length=27), nullable=False),
        sa.ForeignKeyConstraint(["case_id"], ["cases.id"], name=op.f("fk_case_signals_case_id_cases")),
        sa.PrimaryKeyConstraint("case_id", "clock", "due", "signal", name=op.f("pk_case_signals")),
    )
    for name, span in (("call_days", "day"), ("call_months", "month")):
        op.create_table(
            name,
            sa.Column(span, sa.String(length=10), nullable=False),
            sa.Column("dataset", sa.String(length=60), nullable=False),
            sa.Column("provider", sa.String(length=80), nullable=False),
            sa.Column("consumer", sa.String(length=80), nullable=False),
            sa.Column("client", sa.String(length=40), nullable=False),
            sa.Column("grant_number", sa.String(length=40), nullable=False),
            sa.Column("decision", sa.String(length=20), nullable=False),
            sa.Column("calls", sa.BigInteger(), nullable=False),
            sa.Column("row_count", sa.BigInteger(), nullable=False),
            sa.Column("byte_count", sa.BigInteger(), nullable=False),
            sa.Column("milliseconds", sa.BigInteger(), nullable=False),
            sa.PrimaryKeyConstraint(
                *(span, "dataset", "provider", "consumer", "client", "grant_number", "decision"),
                name=op.f(f"pk_{name}"),
            ),
        )
    op.create_table(
        "last_calls",
        sa.Column("grant_number", sa.String(length=40), nullable=False),
        sa.Column("at", sa.String(length=27), nullable=False),
        sa.PrimaryKeyConstraint("grant_number", name=op.f("pk_last_calls")),
    )
    op.create_table(
        "call_positions",
        sa.Column("origin", sa.String(length=200), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("origin", name=op.f("pk_call_positions")),
    )
    op.create_table(
        "handled_applications",
        sa.Column("case_id", sa.String(length=36), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("basis", sa.String(length=16), nullable=False),
        sa.Column("dataset", sa.String(length=60), nullable=False),
        sa.Column("decider", sa.String(length=80), nullable=False),
        sa.Column("checked", sa.Boolean(), nullable=False),
        sa.Column("submitted_at", sa.String(length=27), nullable=True),
        sa.Column("accepted_at", sa.String(length=27), nullable=True),
        sa.Column("concluded_at", sa.String(length=27), nullable=True),
        sa.Column("outcome", sa.String(length=20), nullable=True),
        sa.Column("workdays", sa.Integer(), nullable=True),
        sa.Column("late", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(
            ["case_id"], ["cases.id"], name=op.f("fk_handled_applications_case_id_cases")
        ),
        sa.PrimaryKeyConstraint("case_id", name=op.f("pk_handled_applications")),
    )
    op.create_index(
        op.f("ix_handled_applications_concluded_at"), "handled_applications", ["concluded_at"], unique=False
    )
    op.create_table(
        "handled_limits",
        sa.Column("case_id", sa.String(length=36), nullable=False),
        sa.Column("clock", sa.String(length=40), nullable=False),
        sa.Column("due", sa.String(length=27), nullable=False),
        sa.Column("until", sa.String(length=27), nullable=True),
        sa.Column("department", sa.String(length=80), nullable=False),
        sa.ForeignKeyConstraint(["case_id"], ["cases.id"], name=op.f("fk_handled_limits_case_id_cases")),
        sa.PrimaryKeyConstraint("case_id", "clock", "due", name=op.f("pk_handled_limits")),
    )
    op.create_index("ix_handled_limits_due", "handled_limits", ["due"], unique=False)
    op.create_table(
        "probes",
        sa.Column("dataset", sa.String(length=60), nullable=False),
        sa.Column("kind", sa.String(length=10), nullable=False),
        sa.Column("at", sa.String(length=27), nullable=False),
        sa.Column("ok", sa.Boolean(), nullable=False),
        sa.Column("milliseconds", sa.Integer(), nullable=False),
        sa.Column("reason", sa.String(length=40), nullable=True),
        sa.Column("excused", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("dataset", "kind", "at", name=op.f("pk_probes")),
    )
    op.create_index("ix_probes_at", "probes", ["at"], unique=False)
    op.create_table(
        "probe_days",
        sa.Column("day", sa.String(length=10), nullable=False),
        sa.Column("dataset", sa.String(length=60), nullable=False),
        sa.Column("kind", sa.String(length=10), nullable=False),
        sa.Column("looks", sa.Integer(), nullable=False),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("milliseconds", sa.BigInteger(), nullable=False),
        sa.Column("excused", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("day", "dataset", "kind", name=op.f("pk_probe_days")),
    )
    _notices()
    _quality()


def _quality() -> None:
    op.create_table(
        "quality_runs",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("dataset_id", sa.String(length=36), nullable=False),
        sa.Column("kind", sa.String(length=10), nullable=False),
        sa.Column("at", sa.String(length=27), nullable=False),
        sa.Column("by", sa.String(length=80), nullable=False),
        sa.Column("rows", sa.BigInteger(), nullable=False),
        sa.Column("failed_rules", sa.Integer(), nullable=False),
        sa.Column("duration_ms", sa.Integer(), nullable=False),
        sa.Column("document", _document(), nullable=False),
        sa.ForeignKeyConstraint(
            ["dataset_id"], ["datasets.id"], name=op.f("fk_quality_runs_dataset_id_datasets")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_quality_runs")),
    )
    op.create_index("ix_quality_runs_dataset_id_at", "quality_runs", ["dataset_id", "at"], unique=False)


def _notices() -> None:
    op.create_table(
        "notices",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("key", sa.String(length=120), nullable=False),
        sa.Column("posted_at", sa.String(length=27), nullable=False),
        sa.Column("about", sa.String(length=36), nullable=False),
        sa.Column("link", sa.String(length=500), nullable=False),
        sa.Column("department", sa.String(length=80), nullable=False),
        sa.Column("role", sa.String(length=40), nullable=False),
        sa.Column("kind", sa.String(length=40), nullable=False),
        sa.Column("subject", _document(), nullable=False),
        sa.Column("body", _document(), nullable=False),
        sa.Column("due", sa.String(length=27), nullable=True),
        sa.Column("cite", sa.String(length=300), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_notices")),
        sa.UniqueConstraint("key", name=op.f("uq_notices_key")),
    )
    op.create_index(op.f("ix_notices_posted_at"), "notices", ["posted_at"], unique=False)
    op.create_index(
        "ix_notices_inbox", "notices", ["department", "role", "posted_at", "id", "kind"], unique=False
    )
    op.create_index("ix_notices_about", "notices", ["about", "posted_at"], unique=False)
    op.create_table(
        "notice_reads",
        sa.Column("login", sa.String(length=80), nullable=False),
        sa.Column("notice_id", sa.String(length=36), nullable=False),
        sa.Column("at", sa.String(length=27), nullable=False),
        sa.ForeignKeyConstraint(
            ["notice_id"], ["notices.id"], name=op.f("fk_notice_reads_notice_id_notices")
        ),
        sa.PrimaryKeyConstraint("login", "notice_id", name=op.f("pk_notice_reads")),
    )
    op.create_index(op.f("ix_notice_reads_notice_id"), "notice_reads", ["notice_id"], unique=False)
    op.create_table(
        "notice_marks",
        sa.Column("login", sa.String(length=80), nullable=False),
        sa.Column("before", sa.String(length=27), nullable=False),
        sa.PrimaryKeyConstraint("login", name=op.f("pk_notice_marks")),
    )
    op.create_table(
        "notice_deliveries",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("notice_id", sa.String(length=36), nullable=False),
        sa.Column("department", sa.String(length=80), nullable=False),
        sa.Column("channel", sa.String(length=20), nullable=False),
        sa.Column("target", sa.String(length=254), nullable=False),
        sa.Column("state", sa.String(length=20), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("due_at", sa.String(length=27), nullable=True),
        sa.Column("attempt_id", sa.String(length=36), nullable=True),
        sa.Column("reason", sa.String(length=200), nullable=True),
        sa.Column("settled_at", sa.String(length=27), nullable=True),
        sa.ForeignKeyConstraint(
            ["notice_id"], ["notices.id"], name=op.f("fk_notice_deliveries_notice_id_notices")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_notice_deliveries")),
    )
    op.create_index(op.f("ix_notice_deliveries_notice_id"), "notice_deliveries", ["notice_id"], unique=False)
    op.create_index("ix_notice_deliveries_due", "notice_deliveries", ["state", "due_at"], unique=False)
    op.create_table(
        "matters",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("number", sa.String(length=20), nullable=False),
        sa.Column("workflow", sa.String(length=40), nullable=False),
        sa.Column("datasets", _document(), nullable=False),
        sa.Column("grant", sa.String(length=20), nullable=True),
        sa.Column("application", sa.String(length=20), nullable=True),
        sa.Column("client", sa.String(length=36), nullable=True),
        sa.Column("origin", sa.String(length=36), nullable=True),
        sa.Column("opened_by", sa.String(length=80), nullable=False),
        sa.Column("created_at", sa.String(length=27), nullable=False),
        sa.ForeignKeyConstraint(["id"], ["cases.id"], name=op.f("fk_matters_id_cases")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_matters")),
        sa.UniqueConstraint("number", name=op.f("uq_matters_number")),
    )
    op.create_index("ix_matters_origin", "matters", ["origin"], unique=False)
    op.create_index("ix_matters_workflow", "matters", ["workflow", "created_at"], unique=False)
    op.create_index("ix_matters_grant", "matters", ["grant"], unique=False)
    op.create_index("ix_matters_application", "matters", ["application"], unique=False)
    op.create_table(
        "matter_datasets",
        sa.Column("matter_id", sa.String(length=36), nullable=False),
        sa.Column("dataset", sa.String(length=40), nullable=False),
        sa.ForeignKeyConstraint(
            ["matter_id"], ["matters.id"], name=op.f("fk_matter_datasets_matter_id_matters")
        ),
        sa.PrimaryKeyConstraint("matter_id", "dataset", name=op.f("pk_matter_datasets")),
    )
    op.create_index("ix_matter_datasets_dataset", "matter_datasets", ["dataset"], unique=False)
    op.create_table(
        "disputes",
        sa.Column("number", sa.String(length=40), nullable=False),
        sa.Column("dataset_id", sa.String(length=36), nullable=False),
        sa.Column("since", sa.String(length=27), nullable=False),
        sa.Column("items", _document(), nullable=False),
        sa.Column("record_key", _document(), nullable=False),
        sa.Column("record_digest", sa.String(length=64), nullable=True),
        sa.Column("served_as_usual", sa.Boolean(), nullable=False),
        sa.Column("cite", _document(), nullable=False),
        sa.Column("link", sa.String(length=200), nullable=False),
        sa.ForeignKeyConstraint(
            ["dataset_id"], ["datasets.id"], name=op.f("fk_disputes_dataset_id_datasets")
        ),
        sa.PrimaryKeyConstraint("number", "dataset_id", name=op.f("pk_disputes")),
    )
    op.create_index("ix_disputes_dataset_id_since", "disputes", ["dataset_id", "since"], unique=False)
    op.create_table(
        "dataset_items",
        sa.Column("dataset_id", sa.String(length=36), nullable=False),
        sa.Column("kind", sa.String(length=10), nullable=False),
        sa.Column("key", sa.String(length=32), nullable=False),
        sa.ForeignKeyConstraint(
            ["dataset_id"], ["datasets.id"], name=op.f("fk_dataset_items_dataset_id_datasets")
        ),
        sa.PrimaryKeyConstraint("dataset_id", "kind", "key", name=op.f("pk_dataset_items")),
    )
    op.create_index(op.f("ix_dataset_items_key"), "dataset_items", ["key"], unique=False)
    op.create_index(op.f("ix_applications_previous_grant"), "applications", ["previous_grant"], unique=False)
    op.add_column("datasets", sa.Column("published_revision", sa.Integer(), nullable=True))
    op.execute("UPDATE datasets SET published_revision = revision WHERE published_at IS NOT NULL")


def downgrade() -> None:
    with op.batch_alter_table("datasets") as batch:
        batch.drop_column("published_revision")
    op.drop_index("ix_applications_previous_grant", table_name="applications")
    op.drop_table("dataset_items")
    op.drop_table("disputes")
    op.drop_table("matter_datasets")
    op.drop_table("matters")
    op.drop_table("quality_runs")
    for name in ("notice_deliveries", "notice_marks", "notice_reads", "notices"):
        op.drop_table(name)
    for name in ("probe_days", "probes", "handled_limits", "handled_applications"):
        op.drop_table(name)
    for name in ("call_positions", "last_calls", "call_months", "call_days"):
        op.drop_table(name)
    op.drop_table("case_signals")
    op.drop_table("case_turns")
    with op.batch_alter_table("case_parties") as batch:
        batch.drop_constraint("pk_case_parties", type_="primary")
        batch.create_primary_key("pk_case_parties", ["case_id", "role"])
