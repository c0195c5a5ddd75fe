"""The data plane: worker processes between the callers and the providers, each on its own.

A worker imports nothing of the control plane; the two meet in the database and in the policy version.
`run_worker` is the whole life of one: it listens on `gateway_listen` together with its siblings
(SO_REUSEPORT), and for /metrics on `private_listen`, its port raised by the worker's index.
"""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import signal
import time
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

import orjson
import uvloop

from audit.beat import lag_of
from audit.frames import KEY_FILE
from audit.journal import Journal, JournalFailed
from audit.note import NoteSigner
from audit.place import check_name, log_folder
from audit.questions.subject import subject_key
from audit.receipt import make_receipts
from core.db import Database
from core.handed import listeners, tell
from core.settings import Settings
from core.times import utc_now
from core.work import no_tickets
from gateway import objections as no
from gateway.delivery import Delivery
from gateway.exchange import Desk, Exchange, of_fault
from gateway.http1 import Server, ServerConnection
from gateway.leaving import TICK_SECONDS, see_off
from gateway.limits import Limits
from gateway.messages import Request
from gateway.metrics import Metrics, Standing
from gateway.policy import PolicyCounter, policy_file
from gateway.possession import possession_of
from gateway.quotas.together import Together
from gateway.records import Recorder, request_key
from gateway.reply import Reply
from gateway.shortcuts import Keys, Shortcuts
from gateway.snapshot import Permits, TicketCheck
from gateway.sources import Sources
from gateway.tls import HANDSHAKE_SECONDS, SETTLE_SECONDS, TlsServer, listener_context
from gateway.views import Views

log = logging.getLogger("shuxiang.plane")


def run_worker(settings: Settings, index: int, ticket_open: TicketCheck = no_tickets) -> None:
    """Serve calls until SIGTERM or SIGINT, then finish those under way and end.

    `ticket_open` says whether a ticket that a call names is open with the consumer.
    Raises ConfigError when a key or a provider's credential is missing, or another log lies there.
    """
    uvloop.run(_serve(settings, index, ticket_open))


async def _serve(settings: Settings, index: int, ticket_open: TicketCheck) -> None:
    worker = Worker(settings, index, ticket_open)
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    await worker.start()
    await worker.ready(stop)
    await stop.wait()
    await worker.stop()


class Worker:
    """One process of the data plane."""

    def __init__(self, settings: Settings, index: int, ticket_open: TicketCheck = no_tickets) -> None:
        """Open everything but the sockets and the journal. Raises ConfigError."""
        check_name(settings)
        platform = settings.platform
        self._settings = settings
        self._index = index
        self._counter = PolicyCounter(policy_file(settings.data))
        self._metrics = Metrics()
        self._lag = lag_of(log_folder(settings))
        database = Database(settings.database_url)
        self._permits = Permits(database, self._counter, platform.control_url, ticket_open)
        self._together = Together(database)
        signer = NoteSigner.parse(settings.key("receipt.key").decode())
        self._promise = partial(make_receipts, signer, platform.log_origin)
        self._journal_secret = settings.key(KEY_FILE)
        self._recorder = Recorder(utc_now)
        metadata = f"{platform.control_url}/.well-known/oauth-protected-resource"
        self._delivery = Delivery(self._recorder, self._permits, self._metrics, metadata)
        self._sources = Sources(settings)
        self._limits = Limits(settings.data / "run" / "limits")
        digests = Keys(request_key(settings.key("pseudonym.key")), subject_key(settings.key("pseudonym.key")))
        self._shortcuts = Shortcuts(digests, self._permits, self._recorder, self._delivery, self._metrics)
        self._desk = Desk(
            settings,
            settings.key("token.key"),
            digests,
            possession_of(settings),
            self._permits,
            Views(digests.request, platform.trusted_proxies),
            self._together,
            self._recorder,
            self._delivery,
            self._shortcuts,
            self._sources,
            self._limits,
        )
        self._tls = None if platform.gateway_tls is None else listener_context(platform.gateway_tls)
        server = Server if self._tls is None else TlsServer
        self._public = server(self.answer, max_body=platform.max_body_bytes, shortcut=self._shortcuts)
        self._private = Server(self.answer_privately, max_body=0)
        self._listening: list[asyncio.Server] = []
        self._chores: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        """Make the first journal and the first look at the policy, then listen."""
        await self._open_journal()
        await self._permits.poll()
        self._chores = [
            asyncio.create_task(_every(1.0, self._permits.poll)),
            asyncio.create_task(_every(0.5, self._tend)),
            asyncio.create_task(_every(1.0, self._open_journal)),
        ]
        loop = asyncio.get_running_loop()
        host, port = self._settings.platform.gateway_listen
        private_host, private_port = self._settings.platform.private_listen
        secured: dict[str, Any] = {}
        if self._tls is not None:
            secured = {"ssl": self._tls, "ssl_handshake_timeout": HANDSHAKE_SECONDS}
        public, private = listeners("gateway"), listeners("private")
        self._listening = [
            *[await loop.create_server(self._public, sock=given, **secured) for given in public],
            *[await loop.create_server(self._private, sock=given) for given in private],
        ]
        if not public:
            self._listening.append(
                await loop.create_server(self._public, host, port, reuse_port=True, backlog=1024, **secured)
            )
        if not private:
            self._listening.append(
                await loop.create_server(self._private, private_host, private_port + self._index)
            )
        gc.collect()
        gc.freeze()  # what was imported and opened lives as long as the process
        gc.set_threshold(50_000)
        log.info("worker %d serves on %s:%d", self._index, host, port)

    async def ready(self, stop: asyncio.Event) -> None:
        """Tell whoever started this process once calls are let through, unless it is to end before."""
        while self.troubles() and not stop.is_set():
            await asyncio.sleep(0.02)
        tell("READY=1")

    async def stop(self) -> None:
        """Take no more calls, finish those under way, and close."""
        settle = TICK_SECONDS if self._tls is None else SETTLE_SECONDS
        await see_off(self._public, self._listening, self._settings.platform.drain_seconds, settle)
        await self._private.drain(0.5)
        for chore in self._chores:
            chore.cancel()
        if self._recorder.journal is not None:
            await self._recorder.journal.close()
        self._sources.close()
        self._together.close()
        self._limits.close()
        self._permits.close()
        self._counter.close()

    # --- chores -----------------------------------------------------------------------------------

    async def _open_journal(self) -> None:
        """Open the journal, or another in place of one that a failed write has poisoned.

        A journal that somebody removed is not replaced: what happened there is for people to look at.
        """
        poisoned = self._recorder.journal
        if poisoned is not None and not poisoned.is_poisoned():
            return
        platform = self._settings.platform
        folder = log_folder(self._settings)
        try:
            opened = await Journal.open(
                folder / "journal",
                f"gw{self._index}-{os.getpid()}",
                secret=self._journal_secret,
                segment_bytes=platform.journal_segment_bytes,
                reserve_bytes=platform.disk_reserve_bytes,
                lag=self._lag,
                promise=self._promise,
            )
        except JournalFailed as failed:
            if self._recorder.failure != failed.reason:
                log.error("the journal cannot be opened: %s", failed.reason)
            self._recorder.failure = failed.reason
        else:
            self._recorder.journal = opened
            if poisoned is not None:
                log.error("journal %s is poisoned; %s takes its place", poisoned.name, opened.name)
                await poisoned.close()

    async def _tend(self) -> None:
        now = asyncio.get_running_loop().time()
        self._public.sweep(now)
        self._private.sweep(now)
        self._sources.sweep(now)
        await self._delivery.recheck(time.time())

    # --- requests ---------------------------------------------------------------------------------

    async def answer(self, request: Request, reply: Reply, line: ServerConnection) -> None:
        """Answer one request of the public port."""
        path = request.target.partition(b"?")[0]
        if path.startswith(b"/share/") or path == b"/share":
            await Exchange(self._desk, request, reply, line).run()
        elif request.fault is not None:
            self._delivery.plain(reply, of_fault(request.fault))
        elif path in (b"/livez", b"/readyz") and request.method in ("GET", "HEAD"):
            self._health(reply, self.troubles() if path == b"/readyz" else [])
        else:
            self._delivery.plain(reply, no.NO_SUCH_PATH)

    async def answer_privately(self, request: Request, reply: Reply, line: ServerConnection) -> None:
        """Answer one request of the private port."""
        if request.fault is not None:
            self._delivery.plain(reply, of_fault(request.fault))
        elif request.target == b"/metrics" and request.method in ("GET", "HEAD"):
            page = self._metrics.page(self._standing())
            reply.send(200, [("Content-Type", "text/plain; version=0.0.4; charset=utf-8")], page)
        else:
            self._delivery.plain(reply, no.NO_SUCH_PATH)

    def _standing(self) -> Standing:
        return Standing(
            len(self._public.connections),
            not self.troubles(),
            self._lag(),
            self._permits.version(),
            self._permits.age(),
            self._sources.providers(asyncio.get_running_loop().time()),
        )

    def troubles(self) -> list[str]:
        """Return why calls are not let through at present; empty when they are."""
        journal, stale = self._recorder.trouble(), self._permits.stale()
        found = [f"journal: {journal}"] if journal is not None else []
        return found + ([f"policy: {stale.text.en}"] if stale is not None else [])

    @staticmethod
    def _health(reply: Reply, troubles: list[str]) -> None:
        body = orjson.dumps({"status": "unavailable" if troubles else "ok", "reasons": troubles})
        headers = [("Content-Type", "application/json"), ("Cache-Control", "no-store")]
        reply.send(503 if troubles else 200, headers, body)


async def _every(seconds: float, chore: Callable[[], Awaitable[None]]) -> None:
    while True:
        await asyncio.sleep(seconds)
        try:
            await chore()
        except Exception:
            log.exception("a chore failed")
