"""One connection to a provider (HTTP/1.1), one call at a time, every answer bounded in time and size."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import httptools

from gateway import objections as no
from gateway.objections import Objection, Refused

HEAD_BYTES = 64 * 1024
HEAD_LINES = 100
TRAILER_BYTES = 8 * 1024
"""What may come between two bytes of a chunked body and after the last: sizes, extensions, trailers."""
INTERIM = 8
"""Interim (1xx) answers that a provider may send before the final one."""
BUFFER_BYTES = 256 * 1024
"""Unread bytes of an answer at which reading from the provider pauses."""
LARGE_BYTES = 32 * 1024
"""A piece of a body that is handed on as it came; smaller ones are put together."""
KNOWN_BYTES = 1024
"""Longer heads are parsed each time."""
KNOWN_MOST = 256
"""Heads that are remembered of a provider."""


@dataclass(slots=True)
class Head:
    """The head of a provider's answer."""

    status: int
    headers: list[tuple[bytes, bytes]]
    """Names in lower case."""
    _single: dict[bytes, bytes | None] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self._single = dict(self.headers)
        if len(self._single) < len(self.headers):
            seen: set[bytes] = set()
            for name, _ in self.headers:
                if name in seen:
                    self._single[name] = None
                seen.add(name)

    def one(self, name: bytes) -> bytes | None:
        """Return the field of this name when there is exactly one."""
        return self._single.get(name)


class Heads:
    """Heads of a provider's answers that were parsed before, by their bytes.

    One is kept when all of its answer came in one piece, of a length that it names, on a connection that goes
    on. What the parser made of these bytes then it would make of them again.
    """

    def __init__(self) -> None:
        self._known: dict[bytes, tuple[Head, int]] = {}

    def find(self, data: bytes) -> tuple[Head, bytes] | None:
        """Return head and body when `data` is one whole answer under a head that is known."""
        end = data.find(b"\r\n\r\n", 0, KNOWN_BYTES) + 4
        known = self._known.get(data[:end])
        return (known[0], data[end:]) if known is not None and known[1] == len(data) - end else None

    def keep(self, data: bytes, head: Head, length: int) -> None:
        """Remember the head of one whole answer; `length` is that of its body."""
        end = data.find(b"\r\n\r\n", 0, KNOWN_BYTES) + 4
        if end == 3 or end + length != len(data):
            return
        if len(self._known) >= KNOWN_MOST:
            self._known.clear()
        self._known[data[:end]] = head, length


class Wire(asyncio.Protocol):
    """One connection to a provider, one call at a time."""

    def __init__(self, most: int, heads: Heads) -> None:
        """`most` bounds the body of an answer; `heads` are those that the provider has sent before."""
        self._loop = asyncio.get_running_loop()
        self._most = most
        self._heads = heads
        self._transport: Any = None
        self._pieces: deque[bytes] = deque()
        self._waiter: asyncio.Future[None] | None = None
        self._then: Callable[[Wire], None] | None = None
        self._feeding = False
        self._paused = False
        self.idle_since = 0.0
        self.caller = ""
        """Whose call is under way."""
        self.open = True
        self._begin()
        self._complete = True  # nothing has been asked yet, so nothing may come

    def _begin(self) -> None:
        self._pieces.clear()  # what nobody read of the answer before is no part of the next one
        self._head: Head | None = None
        self._received = 0
        self._buffered = 0
        self._complete = False
        self._until_close = False
        self._keeps = False
        self._fault: Objection | None = None
        self._touched = False

    def _begin_parsing(self) -> None:
        self._parser: Any = httptools.HttpResponseParser(self)
        self._headers: list[tuple[bytes, bytes]] = []
        self._head_bytes = 0
        self._moved = False  # the head ended or the body went on in the bytes that are being parsed
        self._idle_bytes = 0  # since the head's or the body's last byte
        self._interim = 0
        self._counted = False
        self._length = 0

    # --- one call ---------------------------------------------------------------------------------

    async def ask(self, request: bytes) -> Head:
        """Send a request and return the head of the answer. Raises Refused.

        How long the call may take is for the provider to watch, which calls `late`.
        """
        self._begin()
        if not self.open:
            self._fail(no.ANSWER_INCOMPLETE)
            raise Refused(no.ANSWER_INCOMPLETE)
        self._transport.write(request)
        return await self.head()

    def send(self, request: bytes, then: Callable[[Wire], None]) -> None:
        """Send a request on an open wire; `then` is called once, when a head has come or will not come.

        `answer` and `head` tell what there is.
        """
        self._begin()
        self._then = then
        self._transport.write(request)

    async def head(self) -> Head:
        """Return the head of the answer. Raises Refused."""
        while self._head is None:
            await self._more()
        return self._head

    def answer(self) -> tuple[Head, bytes] | None:
        """Return the whole answer when all of it has come, else None."""
        if not self._complete or self._head is None:
            return None
        return self._head, b"".join(self._pieces)

    async def piece(self) -> bytes | None:
        """Return what has come of the body since, None at its end. Raises Refused when it breaks off."""
        while not self._pieces:
            if self._complete:
                return None
            await self._more()
        if len(self._pieces[0]) >= LARGE_BYTES:
            piece = self._pieces.popleft()
        else:
            piece = b"".join(self._pieces)
            self._pieces.clear()
        self._buffered -= len(piece)
        if self._paused and self.open and self._buffered < BUFFER_BYTES:
            self._paused = False
            self._transport.resume_reading()
        return piece

    def whole(self) -> bytes | None:
        """Return what is left of the body when all of it has come already, else None."""
        if not self._complete:
            return None
        body = b"".join(self._pieces)
        self._pieces.clear()
        return body

    @property
    def reusable(self) -> bool:
        """Whether another call may be made on this connection."""
        return self.open and self._keeps and self._fault is None and not self._paused

    @property
    def untouched(self) -> bool:
        """Whether the provider closed the connection before a single byte of the answer came."""
        return not self._touched and self._fault is no.ANSWER_INCOMPLETE

    def release(self) -> None:
        """End the call; the connection stays open for another."""
        self.idle_since = self._loop.time()

    def close(self) -> None:
        """Close the connection."""
        self.open = False
        if self._transport is not None:
            self._transport.abort()

    async def _more(self) -> None:
        if self._fault is not None:
            raise Refused(self._fault)
        self._waiter = self._loop.create_future()
        await self._waiter
        if self._fault is not None and not self._pieces:
            raise Refused(self._fault)

    def _fail(self, objection: Objection) -> None:
        if self._fault is None and not self._complete:
            self._fault = objection
            self._pieces.clear()
            self.close()
        self._wake()

    def late(self) -> None:
        """Break off a call that takes too long; one whose answer came whole is none."""
        self._fail(no.ANSWER_TIMEOUT)

    def _wake(self) -> None:
        if self._then is not None:
            if not self._feeding:  # else when all that has come is parsed
                then, self._then = self._then, None
                then(self)
        elif self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    # --- the wire ---------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take the connection."""
        self._transport = transport

    def connection_lost(self, error: Exception | None) -> None:
        """Tell the end of a body that only the end of the connection ends from one that broke off."""
        self.open = False
        if self._until_close and error is None and self._fault is None:
            self._complete = True
            self._wake()
        else:
            self._fail(no.ANSWER_INCOMPLETE)

    def data_received(self, data: bytes) -> None:
        """Feed the parser."""
        if self._complete or self._fault is not None:
            self.close()  # bytes that nobody asked for
            return
        first, self._touched = not self._touched, True
        if first:
            known = self._heads.find(data)
            if known is not None:
                self._have(*known)
                return
            self._begin_parsing()
        self._feeding = True
        self._take(data)
        self._feeding = False
        if first and self._keeps and self._counted and self._head is not None and not self._interim:
            self._heads.keep(data, self._head, self._received)
        if self._then is not None and (self._head is not None or self._fault is not None):
            self._wake()
        if self._buffered > BUFFER_BYTES and not self._paused and self.open:
            self._paused = True
            self._transport.pause_reading()

    def _have(self, head: Head, body: bytes) -> None:
        """Take a whole answer that needs no parsing."""
        self._head = head
        if body:
            self._pieces.append(body)
        self._received = self._buffered = len(body)
        self._complete = self._keeps = True
        self._wake()

    def _take(self, data: bytes) -> None:
        """Feed the parser no more at a time than may come without being body."""
        for at in range(0, len(data), TRAILER_BYTES):
            if self._complete:
                self.close()  # more than was asked for: not to be used again
            if self._complete or self._fault is not None:
                break
            if self._counted:
                self._take_body(data[at:] if at else data)
                break
            self._feed(data[at : at + TRAILER_BYTES])

    def _take_body(self, data: bytes) -> None:
        """Take bytes of a body whose length the parser has read: what they are is known, and so its end."""
        left = self._length - self._received
        if len(data) > left:
            self.close()  # more than was asked for: not to be used again
            data = data[:left]
        self.on_body(data)
        if self._received == self._length:
            self.on_message_complete()

    def _feed(self, data: bytes) -> None:
        self._moved = False
        if self._head is None:
            self._head_bytes += len(data)
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade):
            self._fail(no.ANSWER_BROKEN)
        if self._head is None or not self._moved:
            self._bound(len(data))

    def _bound(self, size: int) -> None:
        """Bound what has come of a head, or of a chunked answer without being its body."""
        if self._head is None:
            if self._head_bytes > HEAD_BYTES:
                self._fail(no.ANSWER_HEAD_TOO_LARGE)
        elif not self._moved:
            self._bound_trailer(size)

    def _bound_trailer(self, size: int) -> None:
        self._idle_bytes += size
        if self._idle_bytes > TRAILER_BYTES:
            self._fail(no.ANSWER_BROKEN)

    # --- the parser -------------------------------------------------------------------------------

    def _is_surplus(self) -> bool:
        """Tell whether this belongs to an answer that nobody asked for; the line is not used again then."""
        if self._complete:
            self._keeps = False
        return self._complete

    def on_header(self, name: bytes, value: bytes) -> None:
        """Collect one field; a trailer is dropped."""
        if self._head is None and not self._complete:
            if len(self._headers) <= HEAD_LINES:
                self._headers.append((name.lower(), value.rstrip(b" \t")))
        elif not self._is_surplus() and self._moved:
            self._bound_trailer(len(name) + len(value) + 4)

    def on_headers_complete(self) -> None:
        """Judge the head."""
        if self._is_surplus():
            return
        status = self._parser.get_status_code()
        if status < 200:
            self._interim += 1
            self._headers = []
            if status == 101 or self._interim > INTERIM:
                self._fail(no.ANSWER_BROKEN)
            return
        head = Head(status, self._headers)
        fault = self._judge(head)
        if fault is not None:
            self._fail(fault)
            return
        self._head = head
        self._moved = True
        self._wake()

    def _judge(self, head: Head) -> Objection | None:
        if len(head.headers) > HEAD_LINES:
            return no.ANSWER_HEAD_TOO_LARGE
        framed = head.status in (204, 304)
        for name, value in head.headers:
            if name == b"content-encoding" and value.lower() != b"identity":
                return no.ANSWER_CODED
            if name == b"content-length":
                framed = self._counted = True
                self._length = int(value)
                if self._length > self._most:
                    return no.ANSWER_TOO_LARGE
            elif name == b"transfer-encoding":
                framed, self._counted = True, False
                if value.lower() != b"chunked":
                    return no.ANSWER_BROKEN
        self._until_close = not framed
        return None

    def on_body(self, part: bytes) -> None:
        """Collect a part of the body, within the bound."""
        if self._is_surplus():
            return
        self._moved, self._idle_bytes = True, 0
        self._received += len(part)
        if self._received > self._most:
            self._fail(no.ANSWER_TOO_LARGE)
        elif self._fault is None:
            self._buffered += len(part)
            self._pieces.append(part)
            self._wake()

    def on_message_complete(self) -> None:
        """Note the end of the answer (an interim one is none)."""
        if self._is_surplus():
            return
        if self._head is not None and self._fault is None:
            self._complete = True
            self._keeps = not self._until_close and self._parser.should_keep_alive()
            self._wake()
