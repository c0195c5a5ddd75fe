"""One answer on its way out: complete at once, or in pieces, or cut off."""

from __future__ import annotations

import time
from collections.abc import Sequence
from email.utils import formatdate
from http import HTTPStatus
from typing import Protocol

from gateway.messages import Request

Headers = Sequence[tuple[str, str]]

_PHRASES = {status.value: f"HTTP/1.1 {status.value} {status.phrase}\r\n" for status in HTTPStatus}
_NO_BODY = frozenset({204, 304})


class Line(Protocol):
    """What an answer needs of the connection."""

    def write(self, data: bytes) -> None:
        """Hand bytes to the socket. Raises ClientGone."""

    async def drained(self) -> None:
        """Wait until the client has read enough for us to go on. Raises ClientGone."""

    @property
    def takes_spans(self) -> bool:
        """Whether the kernel can put a file's bytes on the wire as they are."""

    async def write_span(self, fd: int, offset: int, length: int) -> None:
        """Let the kernel send bytes of a file. Raises ClientGone; OSError where the file cannot be read."""

    async def taken(self) -> None:
        """Wait until the client's side has all that was sent. Raises ClientGone."""

    def abort(self) -> None:
        """Cut the connection off."""

    @property
    def draining(self) -> bool:
        """Whether the connection is to be closed after this answer."""


class Reply:
    """The answer to one request."""

    def __init__(self, line: Line, request: Request) -> None:
        self._line = line
        self._request = request
        self._chunked = False
        self._bodiless = request.method == "HEAD"
        self.keep_alive = False
        self.started = False
        self.finished = False

    def send(self, status: int, headers: Headers, body: bytes = b"", length: int | None = None) -> None:
        """Send a complete answer; `length` is what a HEAD would have got. Raises ClientGone."""
        self.send_lines(status, lines_of(headers), body, length)

    def send_lines(self, status: int, lines: str, body: bytes, length: int | None = None) -> None:
        """Send a complete answer under fields that are spelled already (`lines_of`). Raises ClientGone."""
        if status not in _NO_BODY:
            lines = f"{lines}Content-Length: {len(body) if length is None else length}\r\n"
        head = self._head(status, lines)
        self.finished = True
        self._line.write(head if self._bodiless else head + body)

    def start(self, status: int, headers: Headers, length: int | None) -> None:
        """Send the head of an answer whose body follows in pieces; without a length it is chunked."""
        if length is not None:
            headers = (*headers, ("Content-Length", str(length)))
        elif self._request.version == "1.1":
            self._chunked = True
            headers = (*headers, ("Transfer-Encoding", "chunked"))
        else:
            self._request.keep_alive = False  # HTTP/1.0: the end of the connection ends the body
        self._line.write(self._head(status, lines_of(headers)))

    async def write(self, data: bytes) -> None:
        """Send a piece of the body and wait until the client takes more. Raises ClientGone."""
        if data:
            self._line.write(self._piece(data))
        await self._line.drained()

    @property
    def takes_spans(self) -> bool:
        """Whether the kernel can send bytes of a file by itself."""
        return self._line.takes_spans and not self._bodiless

    async def write_span(self, fd: int, offset: int, length: int) -> None:
        """Send bytes of a file as a piece of a body whose length was told. Raises ClientGone and OSError."""
        await self._line.write_span(fd, offset, length)

    async def taken(self) -> None:
        """Wait until the client's side has all that was sent. Raises ClientGone."""
        await self._line.taken()

    def finish(self, last: bytes = b"") -> None:
        """Send the last piece and the end of the body. Raises ClientGone."""
        self.finished = True
        piece = self._piece(last) if last else b""
        self._line.write(piece + b"0\r\n\r\n" if self._chunked else piece)

    def abort(self) -> None:
        """Cut the connection off in the middle of the answer."""
        self.finished = True
        self.keep_alive = False
        self._line.abort()

    def _piece(self, data: bytes) -> bytes:
        return b"%x\r\n%b\r\n" % (len(data), data) if self._chunked else data

    def _head(self, status: int, lines: str) -> bytes:
        self.started = True
        request = self._request
        self.keep_alive = request.keep_alive and request.complete and not self._line.draining
        end = "\r\n"
        if not self.keep_alive:
            end = "Connection: close\r\n\r\n"
        elif request.version == "1.0":
            end = "Connection: keep-alive\r\n\r\n"
        return f"{_PHRASES[status]}Date: {_date(int(time.time()))}\r\n{lines}{end}".encode("latin-1")


def lines_of(headers: Headers) -> str:
    """Return fields as they go out. Raises ValueError for one that holds a line end."""
    lines = "".join([f"{name}: {value}\r\n" for name, value in headers])
    if lines.count("\n") != len(headers) or lines.count("\r") != len(headers):
        raise ValueError("a field of the answer holds a line end")
    return lines


_dates: tuple[int, str] = (0, "")


def _date(second: int) -> str:
    global _dates
    if _dates[0] != second:
        _dates = (second, formatdate(second, usegmt=True))
    return _dates[1]
