"""The providers of a deployment: who answers a call, and what is needed to ask them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple, TypeVar

from core.settings import Settings
from gateway import apis
from gateway import objections as no
from gateway.answers import Answer, Stream
from gateway.calls import Call
from gateway.files import FileSource
from gateway.http1 import ServerConnection
from gateway.messages import Request
from gateway.model import Permit
from gateway.objections import Refused
from gateway.tables import TableSource
from gateway.upstream import Provider

THREADS = 12
"""For table and file reads; everything else happens on the loop."""

T = TypeVar("T")
Ask = Callable[[], Awaitable[Answer | Stream]]


class Prepared(NamedTuple):
    """A call that only has to be made: `ask` goes to the provider and raises Refused when that fails."""

    ask: Ask
    changes: bool
    """Whether it changes something at the provider."""
    api: tuple[Call, Provider, apis.Asked] | None = None
    """Of a call to an api: what is called, who is asked, and what."""


class Sources:
    """Every connection of the deployment, opened."""

    def __init__(self, settings: Settings) -> None:
        """Read the credentials. Raises ConfigError when one is missing."""
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="sources")
        self._max_body = settings.platform.max_body_bytes
        self._share = f"{settings.platform.gateway_url}/share/"
        connections = settings.connections.values()
        self._apis = {c.id: Provider(c, settings) for c in connections if c.kind == "api"}
        self._tables = {c.id: TableSource(c, self._threads) for c in connections if c.kind == "table"}
        self._files = {c.id: FileSource(c, self._threads) for c in connections if c.kind == "file"}

    async def prepare(
        self, permit: Permit, call: Call, request: Request, line: ServerConnection, trace: str | None
    ) -> Prepared:
        """Check what the call brings along, before anybody is asked. Raises Refused."""
        if call.kind == "api":
            provider = _mounted(self._apis, permit)
            asked = await apis.prepare(permit, call, request, line, trace, self._max_body)
            return Prepared(lambda: apis.ask(provider, permit, asked), asked.changes, (call, provider, asked))
        if request.has_body:
            raise Refused(no.BODY_NOT_TAKEN)
        here = f"{self._share}{call.code.replace('/', '-')}/"
        if call.kind == "table":
            table = _mounted(self._tables, permit)
            return Prepared(table.prepare(permit, call, request, here + "rows"), False)
        folder = _mounted(self._files, permit)
        return Prepared(folder.prepare(permit, call, request, here + "files"), False)

    def providers(self, now: float) -> Mapping[str, tuple[bool, int, int]]:
        """Return how each provider of apis stands (`Provider.figures`); `now` is the loop's clock."""
        return {name: provider.figures(now) for name, provider in self._apis.items()}

    def sweep(self, now: float) -> None:
        """Close connections to providers that nobody has used for long; `now` is the loop's clock."""
        for provider in self._apis.values():
            provider.sweep(now)

    def close(self) -> None:
        """Let go of connections and threads."""
        for provider in self._apis.values():
            provider.close()
        self._threads.shutdown(cancel_futures=True)
        for table in self._tables.values():
            table.close()


def _mounted(sources: dict[str, T], permit: Permit) -> T:
    source = sources.get(permit.connection or "")
    if source is None:
        raise Refused(no.NOT_MOUNTED)
    return source
