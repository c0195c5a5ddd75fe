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
    _vouching()
    _systems()


def downgrade() -> None:
    """Drop in the opposite order."""
    _without_systems()
    op.drop_column("account_identities", "vouched_by")
    op.drop_column("accounts", "opened_by")
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


def _vouching() -> None:
    """Know which ways into an account somebody else opened; those that serve already go on serving."""
    op.add_column("accounts", sa.Column("opened_by", sa.String(80), nullable=True))
    op.add_column("account_identities", sa.Column("vouched_by", sa.String(80), nullable=True))
    op.execute("UPDATE account_identities SET vouched_by = 'system' WHERE linked_by <> login")


# --- systems: approved by somebody else, each with keys of its own ------------------------------------

_BY_ANOTHER = """
(approved_by IS NULL OR approved_by <> created_by)
AND (method_approved_by IS NULL OR asked_by IS NULL OR method_approved_by <> asked_by)
"""


def _systems() -> None:
    """Let the database hold who may not approve a system, and that no two have one key; count requests."""
    # The condition comes with the column: SQLite would add it by making the table anew.
    op.execute(
        "ALTER TABLE clients ADD COLUMN asked_by VARCHAR(80)"
        f" CONSTRAINT ck_clients_by_another CHECK ({_BY_ANOTHER})"
    )
    op.execute("UPDATE clients SET asked_by = created_by WHERE state = 'pending'")
    _must_differ()
    op.create_index(
        "uq_client_credentials_digest",
        "client_credentials",
        ["digest"],
        unique=True,
        sqlite_where=sa.text("revoked_at IS NULL"),
        postgresql_where=sa.text("revoked_at IS NULL"),
    )
    op.create_table(
        "oauth_counts",
        sa.Column("key", sa.String(80), nullable=False),
        sa.Column("since", sa.String(27), nullable=False),
        sa.Column("count", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_oauth_counts")),
    )
    op.create_index(op.f("ix_oauth_counts_since"), "oauth_counts", ["since"])


def _must_differ() -> None:
    """Raise RuntimeError where two systems have one key: with it each could pass for the other."""
    rows = op.get_bind().execute(
        sa.text(
            "SELECT client_id FROM client_credentials WHERE revoked_at IS NULL AND digest IN (SELECT digest"
            " FROM client_credentials WHERE revoked_at IS NULL GROUP BY digest HAVING COUNT(*) > 1)"
        )
    )
    systems = sorted({row.client_id for row in rows})
    if systems:
        raise RuntimeError(
            f"这些系统登记了相同的密钥，请先以上一版本吊销：{'、'.join(systems)}"
            " / these systems have the same key; revoke it with the version before this one, all but once:"
            f" {', '.join(systems)}"
        )


def _without_systems() -> None:
    op.drop_table("oauth_counts")
    op.drop_index("uq_client_credentials_digest", "client_credentials")
    op.drop_column("clients", "asked_by")
