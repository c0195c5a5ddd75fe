"""The only outgoing HTTP client: calls to the providers' apis, bounded in every direction.

A connection's name is resolved once per TCP connection, every address that comes back must lie in the
networks that the deployment names, and the connection is made to the address that was checked, so a name
that changes its mind (rebinding) changes nothing. Special addresses (loopback, link-local, metadata) need a
network that names them explicitly. Redirects are not followed; time and size are bounded; a compressed
answer is refused, since none was asked for. A provider that cannot be reached is left alone for a while
(`breaker`). No text of a provider's error goes any further than here.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections import deque
from collections.abc import Callable, Mapping
from functools import cached_property
from urllib.parse import urlsplit

from core.networks import Address, address_of, allowed
from core.settings import Connection, Settings
from gateway import objections as no
from gateway.breaker import Breaker
from gateway.objections import Objection, Refused
from gateway.tls import provider_context
from gateway.wire import Head, Heads, Wire

IDLE_SECONDS = 15.0


class Provider:
    """One connection of the deployment: its address, its credentials, its idle wires."""

    def __init__(self, connection: Connection, settings: Settings) -> None:
        """Read the credentials. Raises ConfigError when one is missing."""
        parts = urlsplit(connection.base_url or "")
        self._connection = connection
        self._host = parts.hostname or ""
        self._port = parts.port or (443 if parts.scheme == "https" else 80)
        self._tls = provider_context(connection.tls) if parts.scheme == "https" else None
        self._prefix = parts.path.rstrip("/")
        self._idle: deque[Wire] = deque()
        self._heads = Heads()
        self._open = 0
        self._calls: dict[str, int] = {}
        # However slow the calls of one department are, others still get through.
        self._calls_of_one = max(1, connection.calls_at_once // 2)
        self._asked: dict[Wire, float] = {}  # until when the answer must have come
        self._alarm: asyncio.TimerHandle | None = None
        self._breaker = Breaker()
        own = {name: settings.secret(ref) for name, ref in (connection.headers or {}).items()}
        self._fixed = f"Host: {parts.netloc}\r\nUser-Agent: shuxiang\r\n" + "".join(
            f"{name}: {value}\r\n" for name, value in own.items()
        )

    @cached_property
    def _loop(self) -> asyncio.AbstractEventLoop:
        return asyncio.get_running_loop()

    @property
    def total_seconds(self) -> float:
        """Return the bound on a whole call."""
        return self._connection.total_seconds

    @property
    def max_bytes(self) -> int:
        """Return the bound on an answer's body."""
        return self._connection.max_bytes

    def figures(self, now: float) -> tuple[bool, int, int]:
        """Return whether the provider is left alone, and how many connections and calls of it are open.

        `now` is the loop's clock.
        """
        return self._breaker.rests(now), self._open, sum(self._calls.values())

    async def call(
        self, method: str, path: str, headers: Mapping[str, str], body: bytes, caller: str
    ) -> tuple[Head, Wire]:
        """Ask the provider and return the head of the answer and the wire to read its body from.

        `path` is encoded already, `caller` the department that asks. The wire must be handed back with
        `done`. Raises Refused.
        """
        under_way = self._calls.get(caller, 0)
        if under_way >= self._calls_of_one:
            raise Refused(no.BUSY)
        self._calls[caller] = under_way + 1
        try:
            head, wire = await self._ask(method, path, headers, body)
        except BaseException:
            self._end(caller)
            raise
        wire.caller = caller
        return head, wire

    def send(self, request: bytes, caller: str, then: Callable[[Wire], None]) -> Wire | None:
        """Send a `spell`ed GET on an idle wire, and return that; None where there is none to be had at once.

        `then` is called when a head has come or will not come. The wire must be handed back with `done`, or
        waited for with `head_on`.
        """
        under_way = self._calls.get(caller, 0)
        now = self._loop.time()
        wire = self._reuse(now) if under_way < self._calls_of_one else None
        if wire is None:
            return None
        self._calls[caller] = under_way + 1
        wire.caller = caller
        self._watch(wire, now + self._connection.total_seconds)
        wire.send(request, then)
        return wire

    async def head_on(self, wire: Wire) -> Head:
        """Return the head of the answer to what was sent. Raises Refused, and then the wire is given up."""
        try:
            return await wire.head()
        except BaseException:
            self._end(wire.caller)
            self._discard(wire)
            raise

    async def _ask(
        self, method: str, path: str, headers: Mapping[str, str], body: bytes
    ) -> tuple[Head, Wire]:
        now = self._loop.time()
        deadline = now + self._connection.total_seconds
        request = self.spell(method, path, headers, body)
        wire = self._reuse(now) if method == "GET" else None
        if wire is not None:
            try:
                return await self._put(wire, request, deadline), wire
            except Refused:
                if not wire.untouched:  # a wire that had gone stale: the provider saw nothing of the call
                    raise
        wire = await self._connect()
        return await self._put(wire, request, deadline), wire

    async def _put(self, wire: Wire, request: bytes, deadline: float) -> Head:
        """Ask on a wire."""
        self._watch(wire, deadline)
        try:
            return await wire.ask(request)
        except BaseException:
            self._discard(wire)
            raise

    def _watch(self, wire: Wire, deadline: float) -> None:
        """See to it that an answer comes whole in time."""
        self._asked[wire] = deadline
        if self._alarm is None or deadline < self._alarm.when():
            self._sound_at(deadline)

    def _look(self) -> None:
        """Break off the calls that have taken too long; one timer does for all of them."""
        now = self._loop.time()
        for wire in [wire for wire, deadline in self._asked.items() if deadline <= now]:
            del self._asked[wire]
            wire.late()
        self._alarm = None
        if self._asked:
            self._sound_at(min(self._asked.values()))

    def _sound_at(self, deadline: float) -> None:
        if self._alarm is not None:
            self._alarm.cancel()
        self._alarm = self._loop.call_at(deadline, self._look)

    def done(self, wire: Wire) -> None:
        """Take a wire back: it is kept for the next call if the answer was read to its end."""
        self._end(wire.caller)
        self._asked.pop(wire, None)
        if wire.reusable:
            wire.release()
            self._idle.append(wire)
        else:
            self._discard(wire)

    def _end(self, caller: str) -> None:
        self._calls[caller] -= 1
        if not self._calls[caller]:  # forget whoever has none
            del self._calls[caller]

    def _discard(self, wire: Wire) -> None:
        self._asked.pop(wire, None)
        wire.close()
        self._open -= 1

    def sweep(self, now: float) -> None:
        """Close the wires that have lain idle for long; `now` is the loop's clock. Call it now and then."""
        while self._idle and not self._is_fresh(self._idle[0], now):  # the longest idle is the first
            self._discard(self._idle.popleft())

    def close(self) -> None:
        """Close the idle wires."""
        if self._alarm is not None:
            self._alarm.cancel()
            self._alarm = None
        while self._idle:
            self._discard(self._idle.pop())

    def _reuse(self, now: float) -> Wire | None:
        while self._idle:
            wire = self._idle.pop()
            if self._is_fresh(wire, now):
                return wire
            self._discard(wire)
        return None

    def _is_fresh(self, wire: Wire, now: float) -> bool:
        return wire.open and now - wire.idle_since < IDLE_SECONDS

    def spell(self, method: str, path: str, headers: Mapping[str, str], body: bytes) -> bytes:
        """Return a request as it goes out, with the provider's own address and credentials."""
        lines = [f"{method} {self._prefix}{path} HTTP/1.1\r\n{self._fixed}"]
        lines += [f"{name}: {value}\r\n" for name, value in headers.items()]
        if body or method in ("POST", "PUT", "PATCH"):
            lines.append(f"Content-Length: {len(body)}\r\n")
        lines.append("\r\n")
        return "".join(lines).encode("latin-1") + body

    async def _connect(self) -> Wire:
        loop = asyncio.get_running_loop()
        while self._idle and self._open >= self._connection.calls_at_once:
            self._discard(self._idle.popleft())
        if self._open >= self._connection.calls_at_once:
            raise Refused(no.BUSY)
        if not self._breaker.may_try(loop.time()):
            raise Refused(no.PROVIDER_RESTS)
        self._open += 1
        try:
            wire = await self._dial_in_time()
        except BaseException as failed:
            self._open -= 1
            if isinstance(failed, Refused):
                self._breaker.missed(loop.time())
            raise
        self._breaker.reached()
        return wire

    async def _dial_in_time(self) -> Wire:
        try:
            return await asyncio.wait_for(self._dial(), self._connection.connect_seconds)
        except TimeoutError as late:
            raise Refused(no.CONNECT_TIMEOUT) from late

    async def _dial(self) -> Wire:
        loop = asyncio.get_running_loop()
        failure: Objection = no.PROVIDER_DOWN
        for address in await self._resolve():
            try:
                _, wire = await loop.create_connection(
                    lambda: Wire(self._connection.max_bytes, self._heads),
                    str(address),
                    self._port,
                    ssl=self._tls,
                    server_hostname=self._host if self._tls else None,
                )
                return wire
            except ssl.SSLError:
                failure = no.PROVIDER_TLS
            except OSError:
                failure = no.PROVIDER_DOWN
        raise Refused(failure)

    async def _resolve(self) -> list[Address]:
        literal = address_of(self._host)
        addresses: list[Address | None] = [literal]
        if literal is None:
            try:
                found = await asyncio.get_running_loop().getaddrinfo(
                    self._host, self._port, type=socket.SOCK_STREAM
                )
            except OSError as wrong:
                raise Refused(no.PROVIDER_UNRESOLVED) from wrong
            addresses = [address_of(str(info[4][0])) for info in found]
        checked = [a for a in addresses if a is not None and allowed(a, self._connection.networks)]
        if not addresses or len(checked) < len(addresses):
            raise Refused(no.PROVIDER_PROHIBITED)
        return checked
