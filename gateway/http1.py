"""The server's side of HTTP/1.1 (RFC 9112): strict parsing, bounds, one response at a time.

llhttp (httptools) reads the wire in its strict mode: it refuses conflicting lengths, folded lines, bare
LF and CR, NUL, and bytes after `Connection: close`; `messages.read_head` refuses what that leaves open.
A request is handed over when its head is complete; its body is read when the handler asks for it. After
any fault the connection is closed, so nothing that follows on it is ever taken for a request.
"""

from __future__ import annotations

import asyncio
import errno
import fcntl
import logging
import os
import socket
import struct
import termios
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Protocol

import httptools

from gateway.messages import (
    BODY_TOO_LARGE,
    BUSY,
    HEAD_BYTES,
    HEAD_LINES,
    HEAD_TOO_LARGE,
    KNOWN_BYTES,
    MALFORMED,
    TARGET_BYTES,
    TIMED_OUT,
    TRAILER_BYTES,
    TRAILER_TOO_LARGE,
    BodyRefused,
    Fault,
    Request,
    read_head,
)
from gateway.reply import Reply
from gateway.room import Room

PIPELINED = 32
"""Requests that may wait on one connection."""

_NEVER = float("inf")
_OF_SOCKET = frozenset({errno.EPIPE, errno.ECONNRESET, errno.ETIMEDOUT, errno.ENOTCONN, errno.ESHUTDOWN})
log = logging.getLogger("shuxiang.plane")


@dataclass(frozen=True, slots=True)
class Patience:
    """How many seconds a client is waited for."""

    head: float = 10.0
    body: float = 30.0
    idle: float = 75.0
    stall: float = 30.0
    """How long it may leave an answer unread."""
    linger: float = 2.0
    """How long what it still sends is swallowed after the last answer, so that it gets to read that."""


class ClientGone(Exception):
    """The client has closed the connection, or has been cut off."""


_PATIENCE = Patience()
Handler = Callable[[Request, Reply, "ServerConnection"], Awaitable[None]]


class Shortcut(Protocol):
    """Takes requests that are like others before. Where it has, `answered` or `go_on` is called later."""

    def take(self, data: bytes, line: ServerConnection) -> bool:
        """Take bytes that were a whole request before, and tell whether they were."""

    def take_like(self, request: Request, line: ServerConnection) -> bool:
        """Take a whole request without a body that is like one before, and tell whether it is."""


class Server:
    """What the connections of one listener share: handler, bounds, and the set of those that are open."""

    def __init__(
        self,
        handler: Handler,
        *,
        max_body: int,
        max_connections: int = 4096,
        patience: Patience = _PATIENCE,
        shortcut: Shortcut | None = None,
    ) -> None:
        self.handler = handler
        self.shortcut = shortcut
        self.max_body = max_body
        self.max_connections = max_connections
        self.patience = patience
        self.room = Room()
        self.connections: set[ServerConnection] = set()
        self.draining = False

    def __call__(self) -> ServerConnection:
        """Return the protocol of a new connection (asyncio's factory)."""
        return ServerConnection(self)

    def sweep(self, now: float) -> None:
        """Cut off whoever is late; `now` is the loop's clock. Call it about once a second."""
        for connection in tuple(self.connections):
            connection.check(now)

    async def drain(self, seconds: float) -> None:
        """Close idle connections, and each other one after its present answer; abort what is left then."""
        self.draining = True
        loop = asyncio.get_running_loop()
        deadline = loop.time() + seconds
        while self.connections and loop.time() < deadline:
            for connection in tuple(self.connections):
                connection.close_if_idle()
            await asyncio.sleep(0.02)
        for connection in tuple(self.connections):
            connection.abort()


class ServerConnection(asyncio.Protocol):
    """One client's connection."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._patience = server.patience
        self._loop = asyncio.get_running_loop()
        self._parser = httptools.HttpRequestParser(self)
        self._transport: asyncio.Transport | None = None
        self._peer = ""
        self._queue: deque[Request] = deque()
        self._incoming: Request | None = None  # its body is still arriving
        self._target = b""
        self._headers: list[tuple[bytes, bytes]] = []
        self._in_head = False
        self._head_begun = False
        self._head_bytes = 0
        self._moved = False  # a head ended or a body went on in the bytes that are being parsed
        self._idle_bytes = 0  # since the head's or the body's last byte
        self._deaf = False  # a fault or a last request was seen: nothing that follows counts
        self._ended = False  # the client sends no more
        self._reading = True
        self._busy = False  # an answer is under way
        self._holding = False  # what is parsed waits until all that has come is parsed
        self._task: asyncio.Task[None] | None = None
        self._body_waiter: asyncio.Future[None] | None = None
        self._drain_waiter: asyncio.Future[None] | None = None
        self._blocked_since: float | None = None
        self._deadline = self._loop.time() + self._patience.head
        self.lost = False

    # --- the wire ---------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take the connection, or close it at once when too many are open."""
        self._transport = transport  # type: ignore[assignment]
        peer = transport.get_extra_info("peername")
        self._peer = peer[0] if peer else ""
        if len(self._server.connections) >= self._server.max_connections or self._server.draining:
            self._deaf = True
            self.abort()
        else:
            self._server.connections.add(self)

    def connection_lost(self, error: Exception | None) -> None:
        """Wake whoever waits for this client; the handler goes on and finds the client gone."""
        self.lost = True
        self._server.connections.discard(self)
        _wake(self._body_waiter)
        _wake(self._drain_waiter)

    def data_received(self, data: bytes) -> None:
        """Feed the parser; a fault is answered in its turn and closes the connection."""
        shortcut = self._server.shortcut
        if shortcut is not None and len(data) <= KNOWN_BYTES and self._is_at_rest():
            self._take(data, shortcut)
        elif len(data) <= TRAILER_BYTES:
            if not self._deaf:
                self._feed(data)
        else:
            for at in range(0, len(data), TRAILER_BYTES):
                if not self._deaf:
                    self._feed(data[at : at + TRAILER_BYTES])
        if len(self._queue) > 1 and self._incoming is None:
            self._pause_reading()

    def _is_at_rest(self) -> bool:
        """Tell whether the next byte begins a request, and no answer is due before its own."""
        return not (self._busy or self._in_head or self._deaf or self._server.draining or self._blocked_since)

    def _take(self, data: bytes, shortcut: Shortcut) -> None:
        """Take what may be a whole request, like one before or not.

        One that was seen before is not parsed again: from rest the parser makes the same of the same bytes.
        """
        if shortcut.take(data, self):
            self._busy = True
            self._deadline = _NEVER
            return
        self._holding = True
        self._feed(data)
        self._holding = False
        if not self._queue:
            return
        request = self._queue[0]
        is_all = len(self._queue) == 1 and not (self._in_head or self._deaf)
        if is_all and request.complete and request.keep_alive and not request.has_body:
            request.raw = data
            if shortcut.take_like(request, self):
                self._queue.clear()
                self._busy = True
                self._deadline = _NEVER
                return
        self._begin()

    def _feed(self, data: bytes) -> None:
        self._head_begun = self._moved = False
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            self._deaf = True  # the request itself is answered; another protocol is not spoken
        except httptools.HttpParserError:
            self._refuse(MALFORMED)
        if self._in_head and not self._deaf:
            self._bound_head(len(data))
        elif self._incoming is not None and not self._moved:
            self._bound_trailer(len(data))

    def eof_received(self) -> bool:
        """Close unless an answer is under way, which the client still gets."""
        self._deaf = self._ended = True
        if self._incoming is not None:
            self._spoil_body(MALFORMED)
        return self._busy

    def pause_writing(self) -> None:
        """Note that the client reads more slowly than we write."""
        self._blocked_since = self._loop.time()

    def resume_writing(self) -> None:
        """Go on writing."""
        self._blocked_since = None
        _wake(self._drain_waiter)

    # --- the parser -------------------------------------------------------------------------------

    def on_message_begin(self) -> None:
        """Start a head."""
        self._target = b""
        self._headers = []
        self._in_head = self._head_begun = True
        if not self._busy:
            self._deadline = self._loop.time() + self._patience.head

    def on_url(self, part: bytes) -> None:
        """Collect the request's target, which may come in parts."""
        if len(self._target) <= TARGET_BYTES:
            self._target += part

    def on_header(self, name: bytes, value: bytes) -> None:
        """Collect one field; a trailer is dropped."""
        if self._in_head:
            if len(self._headers) <= HEAD_LINES:
                self._headers.append((name.lower(), value.rstrip(b" \t")))
        elif self._moved:
            self._bound_trailer(len(name) + len(value) + 4)

    def on_headers_complete(self) -> None:
        """Hand the request over; its body may still be on the way."""
        self._in_head = False
        self._moved, self._idle_bytes = True, 0
        if self._deaf:
            return
        request = self._request()
        if request.fault is not None:
            self._deaf = True
        else:
            self._incoming = request
        self._enqueue(request)

    def on_body(self, part: bytes) -> None:
        """Collect the body, within the bound."""
        self._moved, self._idle_bytes = True, 0
        request = self._incoming
        if request is None:
            return
        if len(request.body) + len(part) > self._server.max_body:
            self._deaf = True
            self._spoil_body(BODY_TOO_LARGE)
        elif not self._server.room.take(self._peer, len(part)):
            self._deaf = True
            self._spoil_body(BUSY)
        else:
            request.body += part

    def on_message_complete(self) -> None:
        """Note that the request has arrived whole."""
        if self._incoming is None:
            return
        self._incoming.complete = True
        if not self._incoming.keep_alive:
            self._deaf = True
        self._incoming = None
        _wake(self._body_waiter)

    def _request(self) -> Request:
        parser = self._parser
        last = parser.should_upgrade() or len(self._queue) >= PIPELINED
        request = Request(
            parser.get_method().decode("ascii"),
            self._target,
            self._headers,
            parser.get_http_version(),
            parser.should_keep_alive() and not last,
            self._peer,
        )
        request.fault = read_head(request)
        if request.fault is not None:
            request.keep_alive = False
        return request

    def _bound_head(self, size: int) -> None:
        """Bound a head that is not complete yet; a complete one is measured exactly by `read_head`."""
        self._head_bytes = 0 if self._head_begun else self._head_bytes + size
        if self._head_bytes > HEAD_BYTES:
            self._refuse(HEAD_TOO_LARGE)

    def _bound_trailer(self, size: int) -> None:
        """Bound what comes with a body and is none of it; in its last bytes, by the fields that are seen."""
        self._idle_bytes += size
        if self._idle_bytes > TRAILER_BYTES:
            self._refuse(TRAILER_TOO_LARGE)

    def _refuse(self, fault: Fault) -> None:
        """Answer what cannot be taken, after the answers that are due before it; then close."""
        if self._deaf:
            return
        self._deaf = True
        if self._incoming is not None:
            self._spoil_body(fault)
        else:
            self._enqueue(Request("", b"", [], "1.1", False, self._peer, fault=fault))

    def _spoil_body(self, fault: Fault) -> None:
        if self._incoming is not None:
            self._incoming.body_fault = fault
            self._incoming = None
        _wake(self._body_waiter)

    # --- serving ----------------------------------------------------------------------------------

    def _enqueue(self, request: Request) -> None:
        self._queue.append(request)
        if not (self._busy or self._holding):
            self._begin()

    def _begin(self) -> None:
        self._busy = True
        self._deadline = _NEVER
        self._task = self._loop.create_task(self._serve())

    async def _serve(self, whole: bool = True) -> None:
        while self._queue and whole and await self._is_drained():
            whole = await self._handle(self._queue.popleft(), self._server.handler)
        self._task = None
        while self._queue:
            self._forget(self._queue.popleft())
        self._rest(whole)

    def _rest(self, whole: bool) -> None:
        """Wait for the next request, or close after the last."""
        self._busy = False
        if not whole or self._deaf or self.draining:
            self._hang_up()
        else:
            self._deadline = self._loop.time() + (
                self._patience.head if self._in_head else self._patience.idle
            )
            self._resume_reading()

    def answered(self, whole: bool) -> None:
        """Go on after the answer to a request that the shortcut took, or close where it was the last."""
        if self._queue:
            self._task = self._loop.create_task(self._serve(whole))
        else:
            self._rest(whole)

    def go_on(self, request: Request, handler: Handler) -> None:
        """Let a handler answer a request that the shortcut took."""
        self._task = self._loop.create_task(self._go_on(request, handler))

    async def _go_on(self, request: Request, handler: Handler) -> None:
        await self._serve(await self._handle(request, handler))

    def _forget(self, request: Request) -> None:
        """Give the room of a body back; what still comes of it is not kept."""
        if self._incoming is request:
            self._incoming = None
        if request.body:
            self._server.room.give(self._peer, len(request.body))

    async def _handle(self, request: Request, handler: Handler) -> bool:
        """Answer a request, and tell whether the connection goes on."""
        reply = Reply(self, request)
        try:
            await handler(request, reply, self)
            if not reply.finished:
                raise RuntimeError("the handler left its answer unfinished")
        except ClientGone:
            reply.abort()
        except Exception:
            log.exception("a call failed inside the gateway")
            reply.abort()
        self._forget(request)
        return reply.keep_alive

    async def body(self, request: Request, bound: int) -> bytes:
        """Return the request's whole body. Raises BodyRefused and ClientGone."""
        if request.length is not None and request.length > bound:
            raise BodyRefused(BODY_TOO_LARGE)
        if request.expects and not request.complete and not request.body:
            self.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        deadline = self._loop.time() + self._patience.body
        while not request.complete:
            if self.lost:
                raise ClientGone
            if request.body_fault is not None:
                raise BodyRefused(request.body_fault)
            if self._loop.time() >= deadline:
                raise BodyRefused(TIMED_OUT)
            self._deadline = deadline
            self._body_waiter = self._loop.create_future()
            await self._body_waiter
        self._deadline = _NEVER
        if len(request.body) > bound:
            raise BodyRefused(BODY_TOO_LARGE)
        return bytes(request.body)

    # --- writing ----------------------------------------------------------------------------------

    @property
    def peer(self) -> str:
        """The address of whoever opened the connection."""
        return self._peer

    @property
    def draining(self) -> bool:
        """Whether the connection is to be closed after the present answer."""
        return self._server.draining

    def write(self, data: bytes) -> None:
        """Hand bytes to the socket. Raises ClientGone."""
        if self.lost or self._transport is None:
            raise ClientGone
        self._transport.write(data)

    async def drained(self) -> None:
        """Wait until the client has read enough for us to go on. Raises ClientGone."""
        while self._blocked_since is not None and not self.lost:
            self._drain_waiter = self._loop.create_future()
            await self._drain_waiter
        if self.lost:
            raise ClientGone

    async def _is_drained(self) -> bool:
        """Wait as `drained` does, before anything more is answered; False when the client has gone."""
        try:
            await self.drained()
        except ClientGone:
            return False
        return True

    @property
    def takes_spans(self) -> bool:
        """Whether the kernel can put a file's bytes on the wire as they are; not under TLS."""
        return self._transport is not None and self._transport.get_extra_info("ssl_object") is None

    async def write_span(self, fd: int, offset: int, length: int) -> None:
        """Let the kernel send bytes of a file (sendfile(2)) behind what was written.

        Raises ClientGone, and OSError where the file cannot be read.
        """
        if self._transport is None or self._transport.is_closing():
            raise ClientGone
        self._transport.set_write_buffer_limits(high=0)
        await self.drained()
        own = os.dup(self._transport.get_extra_info("socket").fileno())  # the loop watches only its own twice
        try:
            while length:
                try:
                    sent = os.sendfile(own, fd, offset, length)
                except BlockingIOError:
                    await self._writable(own)
                    continue
                except OSError as wrong:
                    if wrong.errno in _OF_SOCKET:
                        raise ClientGone from wrong
                    raise
                if not sent:
                    raise OSError(errno.EIO, "the file ends before it should")
                offset, length = offset + sent, length - sent
        finally:
            os.close(own)
            if not self._transport.is_closing():
                self._transport.set_write_buffer_limits()

    async def taken(self) -> None:
        """Wait until the client's system has all that was sent. Raises ClientGone.

        What sendfile(2) sends is not copied: until then, whoever writes into the file changes it on its way.
        """
        left, pause = self._unsent(), 0.001
        self._blocked_since = self._loop.time()
        while left and not self.lost:
            await asyncio.sleep(pause)
            pause = min(2 * pause, 0.05)
            before, left = left, self._unsent()
            if left < before:
                self._blocked_since = self._loop.time()
        self._blocked_since = None
        if self.lost:
            raise ClientGone

    def _unsent(self) -> int:
        """Return the bytes that the client's system has not acknowledged yet (SIOCOUTQ, tcp(7))."""
        if self._transport is None or self._transport.is_closing():
            raise ClientGone
        fd = self._transport.get_extra_info("socket").fileno()
        left: int = struct.unpack("i", fcntl.ioctl(fd, termios.TIOCOUTQ, bytes(4)))[0]
        return left

    async def _writable(self, fd: int) -> None:
        """Wait until the socket takes more; whoever takes none for too long is cut off. Raises ClientGone."""
        self._blocked_since = self._loop.time()
        self._drain_waiter = waiter = self._loop.create_future()
        self._loop.add_writer(fd, _wake, waiter)
        try:
            await waiter
        finally:
            self._loop.remove_writer(fd)
            self._blocked_since = None
        if self.lost:
            raise ClientGone

    def abort(self) -> None:
        """Cut the connection off with a reset, so that nobody takes half an answer for a whole one."""
        if self._transport is None or self.lost:
            return
        raw: Any = self._transport.get_extra_info("socket")
        if raw is not None:
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._transport.abort()

    def close_if_idle(self) -> None:
        """Close unless an answer is under way."""
        if not self._busy and self._transport is not None:
            self._transport.close()

    def check(self, now: float) -> None:
        """Cut off a client that is late with its head or body, or that does not read its answer."""
        if self._blocked_since is not None and now - self._blocked_since > self._patience.stall:
            self.abort()
        elif now >= self._deadline:
            self._deadline = _NEVER
            if self._busy:
                _wake(self._body_waiter)
            elif self._in_head and not self._deaf:
                self._refuse(TIMED_OUT)
            elif self._transport is not None:
                self._transport.close()

    def _hang_up(self) -> None:
        """Close after the last answer; what the client still sends is swallowed, not answered by a reset."""
        if self._transport is None or self.lost:
            return
        if self._ended:
            self._transport.close()
            return
        self._deaf = True
        self._resume_reading()
        self._deadline = self._loop.time() + self._patience.linger
        self._transport.write_eof()

    def _pause_reading(self) -> None:
        if self._reading and self._transport is not None and not self.lost:
            self._reading = False
            self._transport.pause_reading()

    def _resume_reading(self) -> None:
        if not self._reading and self._transport is not None and not self.lost:
            self._reading = True
            self._transport.resume_reading()


def _wake(waiter: asyncio.Future[None] | None) -> None:
    if waiter is not None and not waiter.done():
        waiter.set_result(None)
