"""One worker's lease: it lets calls through only while it can show that it knows the present policy.

The walk, of which docs/scaling.md tells more (docs/decisions/0040):

    worker   notes the time, reads the version, raises the counter of its host, and confirms the version by
             a statement that fails where a newer one is committed; only then it may serve, for
             SERVE_SECONDS from the time that it noted first
    change   is committed with a NOTIFY; then waits until every lease on the list has confirmed its version,
             or until LEASE_SECONDS are over; only then the answer leaves
    cut off  a worker that cannot confirm stops serving SERVE_SECONDS after it last began to; whoever waited
             for it takes it off the list, and it enters again, and confirms, before it serves

No clock is compared with that of another machine: each side measures a span of its own. Whatever a worker
confirmed as the present version it began to confirm before the change was committed, so its span ends before
that of whoever changed it.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable
from contextlib import suppress

from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from core.db import Database
from core.ids import new_id
from core.postgresql import Turn
from gateway.hosts import store
from gateway.store import policy_version

SERVE_SECONDS = 4.0
"""How long a worker serves after it began to confirm the policy."""
LEASE_SECONDS = 5.0
"""How long a change waits for those that do not confirm it: longer, for no two clocks run alike."""
_TRIES = 5
_HEAR_SECONDS = 1.0
_LOOK_SECONDS = 0.004

log = logging.getLogger("shuxiang.plane")

Clock = Callable[[], float]


def running_time() -> float:
    """Return seconds of a clock that nobody sets and that goes on while the machine sleeps."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


class Lease:
    """The lease of one worker."""

    def __init__(
        self, database: Database, raise_to: Callable[[int], object], clock: Clock = running_time
    ) -> None:
        """`raise_to` makes the policy known to this host, at once and for every call."""
        self.id = new_id()
        self._database = database
        self._raise_to = raise_to
        self._clock = clock
        self._until = float("-inf")
        self._renewing = threading.Lock()
        self._closed = threading.Event()
        self._listener: threading.Thread | None = None

    def is_good(self) -> bool:
        """Tell whether calls may be let through."""
        return self._clock() < self._until

    def age(self) -> float:
        """Return the seconds since the present policy was last confirmed; infinite before the first time."""
        return self._clock() - self._until + SERVE_SECONDS

    def renew(self) -> None:
        """Confirm the present policy. Raises SQLAlchemyError where the database does not answer."""
        with self._renewing:
            if not self._closed.is_set():
                self._renew()

    def _renew(self) -> None:
        for _ in range(_TRIES):
            began = self._clock()
            with self._database.read() as tx:
                version = policy_version(tx)
            self._raise_to(version)
            with self._database.begin(Turn.ANY) as tx:
                if store.confirm(tx, self.id, version):
                    break
                # Entered first and confirmed after that: what is committed between the two is not missed.
                store.enter(tx, self.id, os.uname().nodename, os.getpid())
        else:
            return  # the policy changes faster than this: the next turn comes soon
        self._until = began + SERVE_SECONDS

    def listen(self) -> None:
        """Begin to renew the lease at every change that is announced."""
        if self._listener is None:
            self._listener = threading.Thread(target=self._hear, name="policy", daemon=True)
            self._listener.start()

    def _hear(self) -> None:
        while not self._closed.is_set():
            try:
                ear = store.Ear(self._database.engine)
            except Exception as wrong:
                log.warning("changes of the policy cannot be heard: %s", type(wrong).__name__)
                self._closed.wait(_HEAR_SECONDS)
                continue
            try:
                while not self._closed.is_set():
                    if ear.heard(_HEAR_SECONDS):
                        self.renew()
            except Exception as wrong:
                log.warning("changes of the policy are not heard any more: %s", type(wrong).__name__)
                self._closed.wait(_HEAR_SECONDS)
            finally:
                ear.close()

    def close(self) -> None:
        """Serve no more, and let nobody wait for it."""
        self._until = float("-inf")
        self._closed.set()
        if self._listener is not None:
            self._listener.join(2 * _HEAR_SECONDS)
        with suppress(SQLAlchemyError), self._database.begin(Turn.ANY) as tx:
            store.leave(tx, [self.id])


def wait_for_all(
    engine: Engine, version: int, clock: Clock = running_time, sleep: Callable[[float], object] = time.sleep
) -> None:
    """Return once no worker of any host lets a call through by an older policy version.

    That is when all have confirmed this one, or when the leases of those that have not are over. A database
    that does not answer meanwhile confirms nothing to anybody: then it is the time alone that tells.
    """
    began, pause = clock(), _LOOK_SECONDS
    while clock() - began < LEASE_SECONDS:
        try:
            if not store.behind(engine, version):
                return
        except SQLAlchemyError as wrong:
            log.warning("the leases cannot be read: %s", type(wrong).__name__)
        sleep(pause)
        pause = min(pause * 1.5, 0.1)
    _forget(engine, version)


def _forget(engine: Engine, version: int) -> None:
    """Take those off the list that let nothing through any more, so that the next change needs not wait."""
    with suppress(SQLAlchemyError):
        gone = store.behind(engine, version)
        log.error(
            "%d workers did not confirm policy version %d in time and serve no more", len(gone), version
        )
        store.drop(engine, gone, version)
