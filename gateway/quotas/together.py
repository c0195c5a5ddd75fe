"""What the workers of every host write down together: proofs that were seen, calls that were counted."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

from sqlalchemy import Connection

from core.db import Database
from core.postgresql import Turn
from gateway.objections import DATABASE_UNAVAILABLE, Refused

Step = Callable[[Connection], bool]


class _Waiting(NamedTuple):
    row: str
    step: Step
    done: asyncio.Future[bool]


log = logging.getLogger("shuxiang.plane")


class Together:
    """One worker's way to the shared database: what comes during a transaction shares the next."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="together")
        self._waiting: list[_Waiting] = []
        self._running: asyncio.Task[None] | None = None

    async def write(self, row: str, step: Step) -> bool:
        """Return what a step returned, once its transaction is durable. Raises Refused.

        `row` names the one row that the step writes: workers write them in one order, so that none waits
        for another that waits for it.
        """
        loop = asyncio.get_running_loop()
        done: asyncio.Future[bool] = loop.create_future()
        self._waiting.append(_Waiting(row, step, done))
        if self._running is None:
            self._running = loop.create_task(self._run())
        return await done

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        while self._waiting:
            batch, self._waiting = sorted(self._waiting, key=lambda waiting: waiting.row), []
            steps = [waiting.step for waiting in batch]
            try:
                results = await loop.run_in_executor(self._thread, self._transact, steps)
            except Exception as wrong:  # whatever it is, those who wait get an answer and the next a turn
                log.error("the database could not be written: %s", type(wrong).__name__)
                for waiting in batch:
                    _settle(waiting.done, None)
            else:
                for waiting, result in zip(batch, results, strict=True):
                    _settle(waiting.done, result)
        self._running = None

    def _transact(self, steps: Sequence[Step]) -> list[bool]:
        with self._database.begin(Turn.ANY) as tx:
            return [step(tx) for step in steps]

    def close(self) -> None:
        """Let go of the thread; the database is its owner's to close."""
        self._thread.shutdown(cancel_futures=True)


def _settle(done: asyncio.Future[bool], result: bool | None) -> None:
    if done.done():  # whoever waited has gone
        return
    if result is None:
        done.set_exception(Refused(DATABASE_UNAVAILABLE))
    else:
        done.set_result(result)
