"""The tables of second factors and recovery codes, and every statement on them."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from sqlalchemy import (
    BigInteger,
    Column,
    Connection,
    ForeignKey,
    Row,
    String,
    Table,
    Text,
    and_,
    delete,
    func,
    select,
)

from accounts.factors.model import Factor
from accounts.model import TOTP
from core.db import Instant, metadata

factors = Table(
    "factors",
    metadata,
    Column("id", String(36), primary_key=True),
    Column("login", ForeignKey("accounts.login"), nullable=False, index=True),
    Column("kind", String(10), nullable=False),
    Column("name", String(60), nullable=False),
    Column("secret", Text, nullable=False),
    Column("credential", Text),
    Column("credential_digest", String(64), unique=True),
    Column("counter", BigInteger, nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("proven_at", Instant),
    Column("used_at", Instant),
)

recovery_codes = Table(
    "recovery_codes",
    metadata,
    Column("digest", String(64), primary_key=True),
    Column("login", ForeignKey("accounts.login"), nullable=False, index=True),
    Column("used_at", Instant),
)


def factors_of(tx: Connection, login: str) -> list[Factor]:
    """Return the factors of a person that work, the oldest first."""
    c = factors.c
    query = select(factors).where(c.login == login, c.proven_at.is_not(None)).order_by(c.created_at, c.id)
    return [_factor(row) for row in tx.execute(query)]


def has_factor(tx: Connection, login: str) -> bool:
    """Tell whether a person has a factor that works."""
    query = select(factors.c.id).where(factors.c.login == login, factors.c.proven_at.is_not(None))
    return tx.execute(query.limit(1)).first() is not None


def waiting_factor(tx: Connection, login: str) -> Factor | None:
    """Return the factor that a person is setting up and has not shown to work."""
    query = select(factors).where(factors.c.login == login, factors.c.proven_at.is_(None))
    row = tx.execute(query).one_or_none()
    return _factor(row) if row else None


def insert_factor(tx: Connection, new: Factor, credential_digest: str | None) -> None:
    """Add a factor; a passkey under the digest of its id."""
    values = {name: getattr(new, name) for name in Factor.__slots__}
    tx.execute(factors.insert().values(**values, credential_digest=credential_digest))


def is_known_credential(tx: Connection, credential_digest: str) -> bool:
    """Tell whether somebody registered the passkey with this digest."""
    query = select(factors.c.id).where(factors.c.credential_digest == credential_digest)
    return tx.execute(query).first() is not None


def prove_factor(tx: Connection, factor: Factor, now: datetime) -> None:
    """Let a factor count from now on."""
    tx.execute(factors.update().where(factors.c.id == factor.id).values(proven_at=now))


def advance(tx: Connection, factor: Factor, counter: int, now: datetime) -> bool:
    """Raise a factor's counter in one statement; False when somebody else got there first.

    A passkey that does not count says 0 for ever (WebAuthn section 6.1.1).
    """
    c = factors.c
    later = c.counter < counter if counter else and_(c.credential.is_not(None), c.counter == 0)
    query = factors.update().where(c.id == factor.id, later).values(counter=counter, used_at=now)
    return tx.execute(query).rowcount == 1


def delete_factor(tx: Connection, factor_id: str) -> None:
    """Drop a factor."""
    tx.execute(delete(factors).where(factors.c.id == factor_id))


def delete_all(tx: Connection, login: str) -> int:
    """Drop every factor and recovery code of a person; return how many factors."""
    tx.execute(delete(recovery_codes).where(recovery_codes.c.login == login))
    return tx.execute(delete(factors).where(factors.c.login == login)).rowcount


def _factor(row: Row[Any]) -> Factor:
    return Factor(**{name: row._mapping[name] for name in Factor.__slots__})


# --- recovery codes -------------------------------------------------------------------------------


def replace_codes(tx: Connection, login: str, digests: Iterable[str]) -> None:
    """Give a person other recovery codes; those before are worth nothing."""
    tx.execute(delete(recovery_codes).where(recovery_codes.c.login == login))
    tx.execute(recovery_codes.insert(), [{"digest": d, "login": login} for d in digests])


def use_code(tx: Connection, login: str, digest: str, now: datetime) -> bool:
    """Use up a recovery code in one statement; False when there is none, or it was used."""
    c = recovery_codes.c
    query = recovery_codes.update().where(c.login == login, c.digest == digest, c.used_at.is_(None))
    return tx.execute(query.values(used_at=now)).rowcount == 1


def count_codes(tx: Connection, login: str) -> int:
    """Return how many recovery codes a person has left."""
    c = recovery_codes.c
    query = select(func.count()).select_from(recovery_codes).where(c.login == login, c.used_at.is_(None))
    return int(tx.execute(query).scalar_one())


def secrets_after(tx: Connection, after: str, limit: int) -> list[tuple[str, str]]:
    """Return id and sealed secret of the authenticator apps behind `after`, by id; a passkey has none."""
    c = factors.c
    query = select(c.id, c.secret).where(c.id > after, c.kind == TOTP).order_by(c.id).limit(limit)
    return [(row.id, row.secret) for row in tx.execute(query)]


def set_secret(tx: Connection, factor_id: str, sealed: str) -> None:
    """Put a secret sealed anew in the place of the one before."""
    tx.execute(factors.update().where(factors.c.id == factor_id).values(secret=sealed))
