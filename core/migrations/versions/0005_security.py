"""Nobody gets in where they don't belong: keys of systems, second factors, identities from elsewhere."""

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Each part of the issue adds a function of its own here."""


def downgrade() -> None:
    """Drop in the opposite order."""
