"""The leases of the workers, and every statement on them and on the channel by which they hear of changes.

Only PostgreSQL has them: on SQLite all workers share one host, and one counter in its memory.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from typing import Any, cast

from sqlalchemy import Column, Connection, Engine, Integer, String, Table, delete, func, select, update
from sqlalchemy.dialects.postgresql import insert

from core.db import metadata
from core.postgresql import Turn
from gateway.store import POLICY_ROW, policy

CHANNEL = "shuxiang_policy"

gateway_leases = Table(
    "gateway_leases",
    metadata,
    Column("id", String(36), primary_key=True),
    Column("host", String(255), nullable=False),
    Column("pid", Integer, nullable=False),
    Column("confirmed", Integer, nullable=False),  # the policy version that the worker goes by
)


def spans_hosts(tx: Connection) -> bool:
    """Tell whether workers of other hosts may share this database."""
    return tx.dialect.name == "postgresql"


# --- a worker's side ------------------------------------------------------------------------------


def confirm(tx: Connection, lease: str, version: int) -> bool:
    """Renew a lease under a policy version; return False when it is not the present one or the lease is gone.

    The version is compared by the same statement: none is confirmed that had been passed when it began.
    """
    present = select(policy.c.version).where(policy.c.id == POLICY_ROW).scalar_subquery()
    c = gateway_leases.c
    renewed = update(gateway_leases).where(c.id == lease, func.coalesce(present, 0) == version)
    return tx.execute(renewed.values(confirmed=version)).rowcount == 1


def enter(tx: Connection, lease: str, host: str, pid: int) -> None:
    """Put a lease on the list of those that a change waits for, unless it stands there."""
    values = {"id": lease, "host": host, "pid": pid, "confirmed": -1}
    tx.execute(insert(gateway_leases).values(**values).on_conflict_do_nothing())


def leave(tx: Connection, leases: Sequence[str]) -> None:
    """Take leases off the list."""
    tx.execute(delete(gateway_leases).where(gateway_leases.c.id.in_(leases)))


class Ear:
    """A connection of its own that hears of each change as it is committed."""

    def __init__(self, engine: Engine) -> None:
        """Raises what the driver raises where the database does not answer."""
        raw = engine.raw_connection()
        self._connection = cast(Any, raw.driver_connection)
        raw.detach()  # it is no pool's: it waits for as long as the worker lives
        self._connection.autocommit = True
        self._connection.execute(f"LISTEN {CHANNEL}")

    def heard(self, seconds: float) -> bool:
        """Wait for a change, so long at most; tell whether there was one."""
        return any(True for _ in self._connection.notifies(timeout=seconds, stop_after=1))

    def close(self) -> None:
        """Hang up."""
        with suppress(Exception):
            self._connection.close()


# --- the side of who changes something --------------------------------------------------------------


def announce(tx: Connection) -> None:
    """Tell every worker, once this transaction is durable, that the policy has changed."""
    tx.execute(select(func.pg_notify(CHANNEL, "")))


def behind(engine: Engine, version: int) -> Sequence[str]:
    """Return the leases of workers that have not confirmed a policy version yet."""
    c = gateway_leases.c
    with engine.connect() as connection:
        tx = connection.execution_options(shuxiang_turn=Turn.ANY)
        return tx.execute(select(c.id).where(c.confirmed < version)).scalars().all()


def drop(engine: Engine, leases: Sequence[str], version: int) -> None:
    """Take those of `leases` off the list that have not confirmed `version` yet; a transaction of its own.

    One that has confirmed it since it was looked for serves on, so the next change must wait for it.
    """
    c = gateway_leases.c
    with engine.connect() as connection, connection.execution_options(shuxiang_turn=Turn.ANY).begin():
        connection.execute(delete(gateway_leases).where(c.id.in_(leases), c.confirmed < version))
