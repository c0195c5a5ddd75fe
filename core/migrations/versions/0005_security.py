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
    _systems()
    _administrators()
    _identities()
    _calls()
    _people()
    _keys()


def downgrade() -> None:
    """Drop in the opposite order."""
    op.drop_table("key_checks")
    _without_people()
    _without_calls()
    op.drop_table("account_identities")
    _without_administrators()
    _without_systems()


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


def _identities() -> None:
    """Know whom identity providers mean: issuer and subject, of an account that is there."""
    op.create_table(
        "account_identities",
        sa.Column("id", sa.String(36), nullable=False),
        sa.Column("issuer", sa.String(255), nullable=False),
        sa.Column("subject", sa.String(255), nullable=False),
        sa.Column("login", sa.String(80), nullable=False),
        sa.Column("linked_at", sa.String(27), nullable=False),
        sa.Column("linked_by", sa.String(80), nullable=False),
        sa.Column("used_at", sa.String(27), nullable=True),
        sa.ForeignKeyConstraint(
            ["login"], ["accounts.login"], name=op.f("fk_account_identities_login_accounts")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_account_identities")),
        sa.UniqueConstraint("issuer", "subject", name=op.f("uq_account_identities_issuer")),
    )
    op.create_index(op.f("ix_account_identities_login"), "account_identities", ["login"])


def _without_administrators() -> None:
    op.drop_table("role_proposals")
    rows = op.get_bind().execute(
        sa.text("SELECT login, admin_role FROM accounts WHERE admin_role IS NOT NULL")
    )
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


# --- how systems authenticate ------------------------------------------------------------------------

_OF_SYSTEMS = (
    "auth_method",
    "token_binding",
    "tls_subject",
    "method_approved_at",
    "method_approved_by",
    "change",
)


def _systems() -> None:
    """Let each system have one way of authentication, approved, and its tokens something to be bound to."""
    # SQLite adds these in place; a table made anew would take the rows that refer to it along.
    for column in (
        sa.Column("auth_method", sa.String(40), nullable=False, server_default="client_secret"),
        sa.Column("token_binding", sa.String(20), nullable=False, server_default="none"),
        sa.Column("tls_subject", sa.String(500), nullable=True),
        sa.Column("method_approved_at", sa.String(27), nullable=True),
        sa.Column("method_approved_by", sa.String(80), nullable=True),
        sa.Column("change", _DOCUMENT, nullable=True),
    ):
        op.add_column("clients", column)
    op.execute("UPDATE clients SET method_approved_at = approved_at, method_approved_by = approved_by")
    op.add_column("client_credentials", sa.Column("public", _DOCUMENT, nullable=True))
    op.add_column("access_tokens", sa.Column("cnf", sa.String(60), nullable=True))


def _without_systems() -> None:
    op.drop_column("access_tokens", "cnf")
    op.drop_column("client_credentials", "public")
    for name in reversed(_OF_SYSTEMS):
        op.drop_column("clients", name)


# --- how people prove who they are --------------------------------------------------------------------


def _people() -> None:
    """Keep second factors, how a session was proven, old passwords, and when accounts end."""
    for name in ("valid_until", "password_set_at", "signed_in_at"):
        op.add_column("accounts", sa.Column(name, sa.String(27), nullable=True))
    op.execute("UPDATE accounts SET password_set_at = changed_at WHERE password_hash IS NOT NULL")
    op.add_column("sessions", sa.Column("amr", sa.String(60), nullable=False, server_default="pwd"))
    op.add_column("sessions", sa.Column("confirmed_at", sa.String(27), nullable=True))
    op.add_column(
        "person_tokens", sa.Column("confirmed", sa.Boolean(), nullable=False, server_default=sa.true())
    )
    op.create_table(
        "old_passwords",
        sa.Column("id", sa.String(36), nullable=False),
        sa.Column("login", sa.String(80), nullable=False),
        sa.Column("password_hash", sa.String(200), nullable=False),
        sa.ForeignKeyConstraint(["login"], ["accounts.login"], name=op.f("fk_old_passwords_login_accounts")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_old_passwords")),
    )
    op.create_index(op.f("ix_old_passwords_login"), "old_passwords", ["login"])
    op.create_table(
        "factors",
        sa.Column("id", sa.String(36), nullable=False),
        sa.Column("login", sa.String(80), nullable=False),
        sa.Column("kind", sa.String(10), nullable=False),
        sa.Column("name", sa.String(60), nullable=False),
        sa.Column("secret", sa.Text(), nullable=False),
        sa.Column("credential", sa.Text(), nullable=True),
        sa.Column("credential_digest", sa.String(64), nullable=True),
        sa.Column("counter", sa.BigInteger(), nullable=False),
        sa.Column("created_at", sa.String(27), nullable=False),
        sa.Column("proven_at", sa.String(27), nullable=True),
        sa.Column("used_at", sa.String(27), nullable=True),
        sa.ForeignKeyConstraint(["login"], ["accounts.login"], name=op.f("fk_factors_login_accounts")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_factors")),
        sa.UniqueConstraint("credential_digest", name=op.f("uq_factors_credential_digest")),
    )
    op.create_index(op.f("ix_factors_login"), "factors", ["login"])
    op.create_table(
        "recovery_codes",
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("login", sa.String(80), nullable=False),
        sa.Column("used_at", sa.String(27), nullable=True),
        sa.ForeignKeyConstraint(["login"], ["accounts.login"], name=op.f("fk_recovery_codes_login_accounts")),
        sa.PrimaryKeyConstraint("digest", name=op.f("pk_recovery_codes")),
    )
    op.create_index(op.f("ix_recovery_codes_login"), "recovery_codes", ["login"])

    op.create_table(
        "failed_tries",
        sa.Column("key", sa.String(80), nullable=False),
        sa.Column("count", sa.Integer(), nullable=False),
        sa.Column("since", sa.String(27), nullable=False),
        sa.Column("until", sa.String(27), nullable=True),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_failed_tries")),
    )
    op.create_index(op.f("ix_failed_tries_since"), "failed_tries", ["since"])


def _without_people() -> None:
    for table in ("failed_tries", "recovery_codes", "factors", "old_passwords"):
        op.drop_table(table)
    op.drop_column("person_tokens", "confirmed")
    for name in ("confirmed_at", "amr"):
        op.drop_column("sessions", name)
    for name in ("signed_in_at", "password_set_at", "valid_until"):
        op.drop_column("accounts", name)


# --- the platform's keys -------------------------------------------------------------------------------


def _keys() -> None:
    """Keep which keys this database was used with."""
    op.create_table(
        "key_checks",
        sa.Column("name", sa.String(60), nullable=False),
        sa.Column("value", sa.String(16), nullable=False),
        sa.Column("since", sa.String(27), nullable=False),
        sa.Column("retired_at", sa.String(27), nullable=True),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_key_checks")),
    )
