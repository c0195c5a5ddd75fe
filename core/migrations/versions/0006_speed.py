"""Several gateway hosts on one database; each part of the issue adds a function of its own."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Each part adds a function of its own here."""
    _leases()


def downgrade() -> None:
    """Drop in the opposite order."""
    op.drop_table("gateway_leases")


def _leases() -> None:
    """Keep which workers a change of the policy waits for."""
    op.create_table(
        "gateway_leases",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("host", sa.String(length=255), nullable=False),
        sa.Column("pid", sa.Integer(), nullable=False),
        sa.Column("confirmed", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_gateway_leases")),
    )
