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
        "case_signals",
        sa.Column("case_id", sa.String(length=36), nullable=False),
        sa.Column("clock", sa.String(length=40), nullable=False),
        sa.Column("due", sa.String(length=27), nullable=False),
        sa.Column("signal", sa.String(length=10), nullable=False),
        sa.Column("at", sa.String(length=27), nullable=False),
        sa.ForeignKeyConstraint(["case_id"], ["cases.id"], name=op.f("fk_case_signals_case_id_cases")),
        sa.PrimaryKeyConstraint("case_id", "clock", "due", "signal", name=op.f("pk_case_signals")),
    )


def downgrade() -> None:
    op.drop_table("case_signals")
    with op.batch_alter_table("case_parties") as batch:
        batch.drop_constraint("pk_case_parties", type_="primary")
        batch.create_primary_key("pk_case_parties", ["case_id", "role"])
