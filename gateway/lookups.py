"""Permits are read together: what is asked for while the database answers shares the next question.

After a change of the policy every token of a worker must be read again: one by one, thousands take seconds.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping, Sequence
from concurrent.futures import Executor
from typing import NamedTuple

from core.db import Database
from gateway import store
from gateway.model import Permit
from gateway.objections import DATABASE_UNAVAILABLE, Refused

MOST = 256
"""Read by one question."""

log = logging.getLogger("shuxiang.plane")


class _Waiting(NamedTuple):
    digest: str
    done: asyncio.Future[Permit | None]


class Lookups:
    """One worker's way to the permits in the database."""

    def __init__(self, database: Database, threads: Executor, console: str) -> None:
        """`console` is the address of the pages that an answer's notice refers to."""
        self._database = database
        self._threads = threads
        self._console = console
        self._waiting: list[_Waiting] = []
        self._running: asyncio.Task[None] | None = None

    async def permit(self, digest: str) -> Permit | None:
        """Return the permit behind a token as it stands now or later; None for an unknown token.

        Raises Refused when the database cannot be read.
        """
        loop = asyncio.get_running_loop()
        done: asyncio.Future[Permit | None] = loop.create_future()
        self._waiting.append(_Waiting(digest, done))
        if self._running is None:
            self._running = loop.create_task(self._run())
        return await done

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        while self._waiting:
            batch, self._waiting = self._waiting[:MOST], self._waiting[MOST:]
            digests = sorted({waiting.digest for waiting in batch})
            found: Mapping[str, Permit] | None = None
            try:
                found = await loop.run_in_executor(self._threads, self._read, digests)
            except Exception as wrong:  # whatever it is, those who wait get an answer and the next a turn
                log.error("permits could not be read: %s", type(wrong).__name__)
            for waiting in batch:
                if waiting.done.done():  # whoever waited has gone
                    continue
                if found is None:
                    waiting.done.set_exception(Refused(DATABASE_UNAVAILABLE))
                else:
                    waiting.done.set_result(found.get(waiting.digest))
        self._running = None

    def _read(self, digests: Sequence[str]) -> Mapping[str, Permit]:
        with self._database.read() as tx:
            return store.permits(tx, digests, self._console)
