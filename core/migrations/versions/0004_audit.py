"""The access log that anyone can verify: erasures by decision."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def _document() -> sa.JSON:
    return sa.JSON().with_variant(postgresql.JSONB(), "postgresql")


def upgrade() -> None:
    _erasures()


def _erasures() -> None:
    op.create_table(
        "audit_erasures",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("state", sa.String(length=20), nullable=False),
        sa.Column("basis", sa.Text(), nullable=False),
        sa.Column("document", sa.String(length=200), nullable=False),
        sa.Column("asked_by", sa.String(length=80), nullable=False),
        sa.Column("asked_department", sa.String(length=80), nullable=False),
        sa.Column("asked_at", sa.String(length=27), nullable=False),
        sa.Column("decided_by", sa.String(length=80), nullable=True),
        sa.Column("decided_at", sa.String(length=27), nullable=True),
        sa.Column("remark", sa.Text(), nullable=True),
        sa.Column("done_at", sa.String(length=27), nullable=True),
        sa.Column("outcome", _document(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_audit_erasures")),
    )
    op.create_index(op.f("ix_audit_erasures_state"), "audit_erasures", ["state"])
    op.create_table(
        "audit_erasure_records",
        sa.Column("erasure_id", sa.String(length=36), nullable=False),
        sa.Column("record_id", sa.String(length=36), nullable=False),
        sa.Column("log", sa.String(length=200), nullable=False),
        sa.Column("log_index", sa.BigInteger(), nullable=True),
        sa.Column("statement", sa.String(length=36), nullable=True),
        sa.ForeignKeyConstraint(
            ["erasure_id"],
            ["audit_erasures.id"],
            name=op.f("fk_audit_erasure_records_erasure_id_audit_erasures"),
        ),
        sa.PrimaryKeyConstraint("erasure_id", "record_id", name=op.f("pk_audit_erasure_records")),
    )
    op.create_index(op.f("ix_audit_erasure_records_record_id"), "audit_erasure_records", ["record_id"])


def downgrade() -> None:
    for name in ("audit_erasure_records", "audit_erasures"):
        op.drop_table(name)
