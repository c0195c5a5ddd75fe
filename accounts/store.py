"""The tables of people, sessions and tokens, and every statement on them."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import (
    Boolean,
    CheckConstraint,
    Column,
    Connection,
    ForeignKey,
    Integer,
    Row,
    String,
    Table,
    case,
    delete,
    literal,
    select,
)
from sqlalchemy.dialects import postgresql, sqlite

from accounts.model import ACTIVE, Account, PersonToken, Session, Tries
from core.administrators import ADMINISTRATORS
from core.db import Document, Instant, Page, metadata, page

accounts = Table(
    "accounts",
    metadata,
    Column("login", String(80), primary_key=True),
    Column("name", String(120), nullable=False),
    Column("department", String(80), nullable=False, index=True),
    Column("roles", Document, nullable=False),
    Column("pseudonym", String(32), nullable=False, unique=True),
    Column("password_hash", String(200)),
    Column("state", String(20), nullable=False),
    Column("must_change", Boolean, nullable=False),
    Column("failed_count", Integer, nullable=False),
    Column("failed_since", Instant),
    Column("locked_until", Instant),
    Column("created_at", Instant, nullable=False),
    Column("changed_at", Instant, nullable=False),
    Column("last_seen_at", Instant),
    Column("valid_until", Instant),
    Column("password_set_at", Instant),
    Column("signed_in_at", Instant),
    Column("opened_by", String(80)),
    Column("admin_role", String(20)),
    CheckConstraint(
        "(admin_role IS NULL AND CAST(roles AS TEXT) NOT LIKE '%\"administrator\"%'"
        " AND CAST(roles AS TEXT) NOT LIKE '%\"security_admin\"%'"
        " AND CAST(roles AS TEXT) NOT LIKE '%\"auditor\"%')"
        " OR (admin_role IN ('administrator', 'security_admin', 'auditor') AND CAST(roles AS TEXT) = '[]')",
        name="one_admin_role",
    ),
)
"""`roles` holds all but the three administrators' roles: those stand in `admin_role`, and so alone."""

sessions = Table(
    "sessions",
    metadata,
    Column("id", String(36), primary_key=True),
    Column("digest", String(64), nullable=False, unique=True),
    Column("login", ForeignKey("accounts.login"), nullable=False, index=True),
    Column("created_at", Instant, nullable=False),
    Column("last_seen_at", Instant, nullable=False),
    Column("ended_at", Instant),
    Column("amr", String(60), nullable=False),
    Column("confirmed_at", Instant),
)

person_tokens = Table(
    "person_tokens",
    metadata,
    Column("id", String(36), primary_key=True),
    Column("digest", String(64), nullable=False, unique=True),
    Column("login", ForeignKey("accounts.login"), nullable=False, index=True),
    Column("created_at", Instant, nullable=False),
    Column("expires_at", Instant, nullable=False),
    Column("ended_at", Instant),
    Column("confirmed", Boolean, nullable=False),
)

old_passwords = Table(
    "old_passwords",
    metadata,
    Column("id", String(36), primary_key=True),
    Column("login", ForeignKey("accounts.login"), nullable=False, index=True),
    Column("password_hash", String(200), nullable=False),
)
"""The hashes of passwords that a person had before, so that none of the last ones comes back."""

failed_tries = Table(
    "failed_tries",
    metadata,
    Column("key", String(80), primary_key=True),
    Column("count", Integer, nullable=False),
    Column("since", Instant, nullable=False, index=True),
    Column("until", Instant),
)
"""Failures that are counted by browser, within sessions, and by address (`accounts.guessing`)."""

_ACCOUNT = [c.label(f"account_{c.name}") for c in accounts.c]


def _account(row: Row[Any]) -> Account:
    values = {c.name: row._mapping[f"account_{c.name}"] for c in accounts.c}
    admin_role = values.pop("admin_role")
    business = frozenset(values["roles"]) - ADMINISTRATORS
    return Account(**{**values, "roles": frozenset({admin_role}) if admin_role else business})


def _columns_of(roles: Collection[str]) -> dict[str, Any]:
    """Return the columns that hold roles. Two of the three administrators' roles fit into none."""
    admin_role = next(iter(sorted(ADMINISTRATORS.intersection(roles))), None)
    return {"roles": sorted(set(roles) - {admin_role}), "admin_role": admin_role}


# --- accounts -------------------------------------------------------------------------------------


def account(tx: Connection, login: str, *, lock: bool = False) -> Account | None:
    """Return an account, or None. `lock` keeps other writers away from it (PostgreSQL)."""
    query = select(*_ACCOUNT).where(accounts.c.login == login)
    row = tx.execute(query.with_for_update() if lock else query).one_or_none()
    return _account(row) if row else None


def all_accounts(tx: Connection) -> list[Account]:
    """Return every account, by department and login."""
    query = select(*_ACCOUNT).order_by(accounts.c.department, accounts.c.login)
    return [_account(row) for row in tx.execute(query)]


def accounts_page(
    tx: Connection, department: str | None, state: str | None, limit: int, cursor: str | None
) -> Page:
    """Return one page of accounts, by department and login; of one department or state if it is named."""
    query = select(*_ACCOUNT)
    if department is not None:
        query = query.where(accounts.c.department == department)
    if state is not None:
        query = query.where(accounts.c.state == state)
    keys = [c for c in _ACCOUNT if c.name in ("account_department", "account_login")]
    keys.sort(key=lambda c: c.name)
    found = page(tx, query, keys, limit=limit, cursor=cursor, descending=False)
    return Page([_account(row) for row in found.rows], found.next_cursor)


def departments_of_admins(tx: Connection, admin_role: str) -> list[str]:
    """Return the departments of the active accounts that are this one of the three administrators."""
    wanted = (accounts.c.admin_role == admin_role) & (accounts.c.state == ACTIVE)
    query = select(accounts.c.department).where(wanted).distinct().order_by(accounts.c.department)
    return list(tx.execute(query).scalars())


def insert_account(tx: Connection, new: Account) -> None:
    """Add an account."""
    values = {c.name: getattr(new, c.name) for c in accounts.c}
    tx.execute(accounts.insert().values({**values, **_columns_of(new.roles)}))


def update_account(tx: Connection, login: str, **columns: Any) -> None:
    """Change columns of an account; `roles` may name all its roles."""
    if "roles" in columns:
        columns |= _columns_of(columns["roles"])
    tx.execute(accounts.update().where(accounts.c.login == login).values(**columns))


def keep_old_password(tx: Connection, id: str, login: str, password_hash: str) -> None:
    """Keep the hash of a password that a person had until now; ids grow with time."""
    tx.execute(old_passwords.insert().values(id=id, login=login, password_hash=password_hash))


def last_passwords(tx: Connection, login: str, most: int) -> list[str]:
    """Return the hashes of the last passwords that a person had before the present one, the newest first."""
    query = select(old_passwords.c.password_hash).where(old_passwords.c.login == login)
    return list(tx.execute(query.order_by(old_passwords.c.id.desc()).limit(most)).scalars())


# --- failures counted beside the account ------------------------------------------------------------


def tries(tx: Connection, key: str) -> Tries:
    """Return how the tries went that are counted under `key`."""
    c = failed_tries.c
    row = tx.execute(select(c.count, c.since, c.until).where(c.key == key)).one_or_none()
    return Tries(*row) if row else Tries()


def keep_tries(tx: Connection, key: str, now_are: Tries) -> None:
    """Keep how the tries under `key` went."""
    values = {"count": now_are.count, "since": now_are.since, "until": now_are.until}
    kept = _insert(tx)(failed_tries).values(key=key, **values)
    tx.execute(kept.on_conflict_do_update(index_elements=[failed_tries.c.key], set_=values))


def count_try(tx: Connection, key: str, stale: datetime, now: datetime) -> None:
    """Count one more failure under `key` in one statement; what began by `stale` begins anew."""
    c = failed_tries.c
    again = {
        "count": case((c.since <= stale, 1), else_=c.count + 1),
        "since": case((c.since <= stale, literal(now, Instant)), else_=c.since),
    }
    first = _insert(tx)(failed_tries).values(key=key, count=1, since=now)
    tx.execute(first.on_conflict_do_update(index_elements=[c.key], set_=again))


def _insert(tx: Connection) -> Any:
    return {"sqlite": sqlite.insert, "postgresql": postgresql.insert}[tx.dialect.name]


def forget_tries(tx: Connection, key: str) -> None:
    """Forget the tries under `key`: one of them was right."""
    tx.execute(delete(failed_tries).where(failed_tries.c.key == key))


def drop_tries(tx: Connection, before: datetime) -> int:
    """Drop what was counted since an instant before `before`; return how many rows."""
    return tx.execute(delete(failed_tries).where(failed_tries.c.since < before)).rowcount


# --- sessions -------------------------------------------------------------------------------------


def insert_session(tx: Connection, new: Session, digest: str) -> None:
    """Add a session under the digest of its cookie."""
    tx.execute(
        sessions.insert().values(
            id=new.id,
            digest=digest,
            login=new.login,
            created_at=new.created_at,
            last_seen_at=new.last_seen_at,
            ended_at=new.ended_at,
            amr=" ".join(sorted(new.amr)),
            confirmed_at=new.confirmed_at,
        )
    )


def session_and_account(tx: Connection, digest: str) -> tuple[Session, Account] | None:
    """Return a session and whose it is, or None."""
    query = select(sessions, *_ACCOUNT).join(accounts).where(sessions.c.digest == digest)
    row = tx.execute(query).one_or_none()
    return (_session(row), _account(row)) if row else None


def open_sessions(tx: Connection, login: str) -> list[Session]:
    """Return the sessions of a person that nobody ended (they may have run out), the newest first."""
    query = select(sessions).where(sessions.c.login == login, sessions.c.ended_at.is_(None))
    return [_session(row) for row in tx.execute(query.order_by(sessions.c.created_at.desc()))]


def _session(row: Row[Any]) -> Session:
    proofs = frozenset(row.amr.split())
    times = (row.created_at, row.last_seen_at, row.ended_at)
    return Session(row.id, row.login, *times, proofs, row.confirmed_at)


def touch_session(tx: Connection, session: Session, now: datetime) -> None:
    """Note that a session and its person were seen."""
    tx.execute(sessions.update().where(sessions.c.id == session.id).values(last_seen_at=now))
    tx.execute(accounts.update().where(accounts.c.login == session.login).values(last_seen_at=now))


def end_session(tx: Connection, session_id: str, now: datetime) -> None:
    """End one session."""
    tx.execute(sessions.update().where(sessions.c.id == session_id).values(ended_at=now))


def end_sessions(tx: Connection, login: str, now: datetime, *, keep: str | None = None) -> int:
    """End the sessions of a person but the one with the id `keep`; return how many."""
    query = sessions.update().where(sessions.c.login == login, sessions.c.ended_at.is_(None))
    if keep is not None:
        query = query.where(sessions.c.id != keep)
    return tx.execute(query.values(ended_at=now)).rowcount


# --- API tokens -----------------------------------------------------------------------------------


def insert_token(tx: Connection, new: PersonToken, digest: str) -> None:
    """Add a token under its digest."""
    tx.execute(
        person_tokens.insert().values(
            id=new.id,
            digest=digest,
            login=new.login,
            created_at=new.created_at,
            expires_at=new.expires_at,
            ended_at=new.ended_at,
            confirmed=new.confirmed,
        )
    )


def token_and_account(tx: Connection, digest: str) -> tuple[PersonToken, Account] | None:
    """Return a token and whom it stands for, or None."""
    query = select(person_tokens, *_ACCOUNT).join(accounts).where(person_tokens.c.digest == digest)
    row = tx.execute(query).one_or_none()
    return (_token(row), _account(row)) if row else None


def open_tokens(tx: Connection, login: str) -> Sequence[PersonToken]:
    """Return the tokens of a person that nobody ended (they may have expired), the newest first."""
    query = select(person_tokens).where(person_tokens.c.login == login, person_tokens.c.ended_at.is_(None))
    return [_token(row) for row in tx.execute(query.order_by(person_tokens.c.created_at.desc()))]


def _token(row: Row[Any]) -> PersonToken:
    return PersonToken(row.id, row.login, row.created_at, row.expires_at, row.ended_at, row.confirmed)


def end_token(tx: Connection, token_id: str, now: datetime) -> None:
    """End one token."""
    tx.execute(person_tokens.update().where(person_tokens.c.id == token_id).values(ended_at=now))


def end_tokens(tx: Connection, login: str, now: datetime) -> int:
    """End the tokens of a person; return how many."""
    query = person_tokens.update().where(person_tokens.c.login == login, person_tokens.c.ended_at.is_(None))
    return tx.execute(query.values(ended_at=now)).rowcount
