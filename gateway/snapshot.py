"""What a worker remembers of tokens: permits, good only while the policy version stands still.

The version is noted before a permit is read and compared on every use, so what a commit changed is never
judged by what was read before it. A worker that has not been able to ask the database for the version for
`STALE_SECONDS` trusts nothing it remembers; where other hosts share the database, one whose lease has run out
(`gateway/hosts/lease.py`).
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial

from sqlalchemy import Connection
from sqlalchemy.exc import SQLAlchemyError

from core.db import Database
from core.work import no_tickets
from gateway import store
from gateway.hosts.lease import Lease
from gateway.lookups import Lookups
from gateway.model import Permit
from gateway.objections import DATABASE_UNAVAILABLE, POLICY_STALE, Objection, Refused
from gateway.policy import PolicyCounter
from gateway.possession import Presented

REMEMBERED = 20_000
SHOWN_BYTES = 256
"""Of an Authorization field that is remembered; a token has fewer than 80."""
STALE_SECONDS = 5.0

TicketCheck = Callable[[Connection, str, str], bool]
"""Tells whether the ticket with a number is open with a department."""

Shown = tuple[Presented, str, Permit]
"""What a call presented, the token's digest, and its permit."""

log = logging.getLogger("shuxiang.plane")


class Permits:
    """The permits of one worker, by token digest."""

    def __init__(
        self, database: Database, counter: PolicyCounter, console: str, ticket_open: TicketCheck = no_tickets
    ) -> None:
        """`console` is the address of the pages that an answer's notice refers to."""
        self._ticket_open = ticket_open
        self._database = database
        self._counter = counter
        self._version = -1
        self._known: dict[str, Permit] = {}
        self._shown: dict[bytes, Shown] = {}
        self._polled = float("-inf")
        self._lease = Lease(database, counter.raise_to) if database.is_shared else None
        # Two threads: one permit being read must not keep the poll waiting.
        self._readers = ThreadPoolExecutor(2, thread_name_prefix="permits")
        self._lookups = Lookups(database, self._readers, console)

    def version(self) -> int:
        """Return the present policy version of this host."""
        return self._counter.read()

    def age(self) -> float:
        """Return how many seconds ago the database confirmed the policy version; infinite before it has."""
        return time.monotonic() - self._polled if self._lease is None else self._lease.age()

    def known(self, digest: str) -> Permit | None:
        """Return a permit that is remembered and still good; costs no I/O."""
        return self._known.get(digest) if self._is_current() else None

    def recall(self, fields: list[bytes]) -> Shown | None:
        """Return what Authorization fields came to before, while that is still good."""
        return self._shown.get(fields[0]) if len(fields) == 1 and self._is_current() else None

    def recall_next_time(self, fields: list[bytes], shown: Shown) -> None:
        """Remember what Authorization fields come to, as long as the permit is remembered."""
        if len(fields[0]) <= SHOWN_BYTES and self._known.get(shown[1]) is shown[2]:
            if len(self._shown) >= REMEMBERED:
                self._shown.clear()
            self._shown[fields[0]] = shown

    def _is_current(self) -> bool:
        """Tell whether what is remembered is of the present version; forget it when it is not."""
        version = self._counter.read()
        if version == self._version:
            return True
        self._forget(version)
        return False

    def _forget(self, version: int) -> None:
        self._known.clear()
        self._shown.clear()
        self._version = version

    async def find(self, digest: str) -> Permit | None:
        """Return the permit behind a token, from memory or from the database; None for an unknown token.

        Raises Refused when the database cannot be read.
        """
        permit = self.known(digest)
        while permit is None:
            version = self._counter.read()
            permit = await self._lookups.permit(digest)
            if version == self._counter.read():
                if permit is not None:
                    self._remember(digest, permit, version)
                return permit
            permit = None  # the policy changed while the row was read: read it again
        return permit

    async def ticket_open(self, number: str, department: str) -> bool:
        """Tell whether a ticket is open with a department, as it stands in the database now.

        Raises Refused when the database cannot be read.
        """
        ask = partial(self._ask_for_ticket, number, department)
        try:
            return await asyncio.get_running_loop().run_in_executor(self._readers, ask)
        except SQLAlchemyError as wrong:
            log.error("a ticket could not be read: %s", type(wrong).__name__)
            raise Refused(DATABASE_UNAVAILABLE) from wrong

    def _ask_for_ticket(self, number: str, department: str) -> bool:
        with self._database.read() as tx:
            return self._ticket_open(tx, number, department)

    def _remember(self, digest: str, permit: Permit, version: int) -> None:
        if version != self._version:
            self._forget(version)
        if len(self._known) >= REMEMBERED:
            del self._known[next(iter(self._known))]
        self._known[digest] = permit

    # --- staleness --------------------------------------------------------------------------------

    async def poll(self) -> None:
        """Ask the database for the version, and raise the counter when another host has raised the row."""
        try:
            await asyncio.get_running_loop().run_in_executor(self._readers, self._ascertain)
        except SQLAlchemyError as wrong:
            log.error("the policy version could not be read: %s", type(wrong).__name__)

    def _ascertain(self) -> None:
        if self._lease is not None:
            self._lease.listen()
            self._lease.renew()
            return
        began = time.monotonic()
        with self._database.read() as tx:
            version = store.policy_version(tx)
        self._counter.raise_to(version)
        self._polled = began

    def stale(self) -> Objection | None:
        """Return an objection when the policy version has not been ascertained lately."""
        if self._lease is not None:
            return None if self._lease.is_good() else POLICY_STALE
        return POLICY_STALE if time.monotonic() - self._polled > STALE_SECONDS else None

    def close(self) -> None:
        """Let go of the lease, the threads and the database."""
        if self._lease is not None:
            self._lease.close()
        self._readers.shutdown(cancel_futures=True)
        self._database.close()
