"""Nobody gets in where they don't belong: keys of systems, second factors, identities from elsewhere."""

import json

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

_DOCUMENT = sa.JSON().with_variant(postgresql.JSONB(), "postgresql")


def upgrade() -> None:
    """Each part of the issue adds a function of its own here."""
    _administrators()
    _calls()


def downgrade() -> None:
    """Drop in the opposite order."""
    _without_calls()
    _without_administrators()


# --- the three administrators ------------------------------------------------------------------------

_ADMINISTRATORS = ("administrator", "security_admin", "auditor")
_ONE_ADMIN_ROLE = """
(admin_role IS NULL AND CAST(roles AS TEXT) NOT LIKE '%"administrator"%'
 AND CAST(roles AS TEXT) NOT LIKE '%"security_admin"%' AND CAST(roles AS TEXT) NOT LIKE '%"auditor"%')
OR (admin_role IN ('administrator', 'security_admin', 'auditor') AND CAST(roles AS TEXT) = '[]')
"""


def _administrators() -> None:
    """Let what a person is of the three stand in a column of its own, which holds one."""
    held = _admin_roles()
    _set_roles({login: [] for login in held})
    # The condition comes with the column: SQLite would add it by making the table anew, below its sessions.
    op.execute(
        "ALTER TABLE accounts ADD COLUMN admin_role VARCHAR(20)"
        f" CONSTRAINT ck_accounts_one_admin_role CHECK ({_ONE_ADMIN_ROLE})"
    )
    change = sa.text("UPDATE accounts SET admin_role = :role WHERE login = :login")
    for login, role in held.items():
        op.get_bind().execute(change, {"login": login, "role": role})
    op.create_table(
        "role_proposals",
        sa.Column("id", sa.String(36), nullable=False),
        sa.Column("login", sa.String(80), nullable=False),
        sa.Column("gives", _DOCUMENT, nullable=False),
        sa.Column("takes", _DOCUMENT, nullable=False),
        sa.Column("reason", sa.String(20), nullable=False),
        sa.Column("state", sa.String(20), nullable=False),
        sa.Column("proposed_by", sa.String(80), nullable=False),
        sa.Column("proposed_at", sa.String(27), nullable=False),
        sa.Column("decided_by", sa.String(80), nullable=True),
        sa.Column("decided_at", sa.String(27), nullable=True),
        sa.CheckConstraint("proposed_by <> login", name=op.f("ck_role_proposals_not_for_oneself")),
        sa.CheckConstraint(
            "decided_by IS NULL OR (decided_by <> proposed_by AND decided_by <> login)",
            name=op.f("ck_role_proposals_by_another"),
        ),
        sa.ForeignKeyConstraint(["login"], ["accounts.login"], name=op.f("fk_role_proposals_login_accounts")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_role_proposals")),
    )
    op.create_index(op.f("ix_role_proposals_login"), "role_proposals", ["login"])
    op.create_index("ix_role_proposals_newest", "role_proposals", ["proposed_at", "id"])


def _without_administrators() -> None:
    op.drop_table("role_proposals")
    rows = op.get_bind().execute(sa.text("SELECT login, admin_role FROM accounts WHERE admin_role IS NOT NULL"))
    held = {row.login: [row.admin_role] for row in rows}
    op.execute("ALTER TABLE accounts DROP COLUMN admin_role")
    _set_roles(held)


def _admin_roles() -> dict[str, str]:
    """Return which of the three each account is. Raises RuntimeError for one that holds another role too."""
    rows = op.get_bind().execute(sa.text("SELECT login, roles FROM accounts"))
    every = {row.login: json.loads(row.roles) if isinstance(row.roles, str) else row.roles for row in rows}
    held = {login: roles for login, roles in every.items() if set(roles) & set(_ADMINISTRATORS)}
    mixed = sorted(login for login, roles in held.items() if len(roles) > 1)
    if mixed:
        raise RuntimeError(
            f"系统管理员、安全管理员和审计员须由专人担任，请先以上一版本调整这些账号的角色：{'、'.join(mixed)}"
            " / administrators, security administrators and auditors hold no other role; change the roles of"
            f" these accounts with the version before this one: {', '.join(mixed)}"
        )
    return {login: roles[0] for login, roles in held.items()}


def _set_roles(roles: dict[str, list[str]]) -> None:
    change = sa.text("UPDATE accounts SET roles = :roles WHERE login = :login")
    change = change.bindparams(sa.bindparam("roles", type_=_DOCUMENT))
    for login, held in roles.items():
        op.get_bind().execute(change, {"login": login, "roles": held})


# --- calls of systems: proofs, each of which counts once, and what is left of a grant ----------------


def _calls() -> None:
    op.create_table(
        "seen_proofs",
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("expires_at", sa.String(27), nullable=False),
        sa.PrimaryKeyConstraint("digest", name=op.f("pk_seen_proofs")),
    )
    op.create_index(op.f("ix_seen_proofs_expires_at"), "seen_proofs", ["expires_at"])
    op.create_table(
        "grant_calls",
        sa.Column("grant_id", sa.String(36), nullable=False),
        sa.Column("day", sa.String(10), nullable=False),
        sa.Column("calls", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("grant_id", "day", name=op.f("pk_grant_calls")),
    )


def _without_calls() -> None:
    op.drop_table("grant_calls")
    op.drop_table("seen_proofs")
