"""One stream on its way to a client, and the permit that it stands on."""

from __future__ import annotations

import asyncio
import hashlib
import os
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from gateway import objections as no
from gateway.answers import FileSpan, Hashed, Headers, Pieces
from gateway.calls import lasting
from gateway.http1 import ClientGone
from gateway.model import Permit
from gateway.objections import Objection, Refused
from gateway.reply import Reply
from gateway.snapshot import Permits

STREAM_SECONDS = 3600.0
SPAN_BYTES = 1024 * 1024
"""What the kernel is told to send of a file, until its permit is looked at again."""
LAST_BYTES = 64 * 1024
"""What of a file waits for the record of its end."""


@dataclass(slots=True)
class Admitted:
    """A call that nothing speaks against, and by what it was judged."""

    permit: Permit
    digest: str
    version: int
    """The policy version that the permit was read under."""
    fields: dict[str, Any]
    """What every record of the call says."""
    began: float
    """Of the monotonic clock."""
    nonce: str | None = None
    """What the caller's next proof must name; None where the one that it used is still good."""

    @property
    def headers(self) -> Headers:
        """Return what every answer to this call carries besides its own headers."""
        notice = self.permit.notice.header
        return notice if self.nonce is None else (*notice, ("DPoP-Nonce", self.nonce))


async def read_again(permits: Permits, admitted: Admitted) -> Objection | None:
    """Read the permit anew under a changed policy; return an objection when it allows something else now.

    Raises Refused when the database cannot be read.
    """
    version = permits.version()
    permit = await permits.find(admitted.digest)
    if permit is None:
        return no.TOKEN_UNKNOWN
    before = admitted.permit
    if (permit.terms, permit.connection, permit.detail) != (before.terms, before.connection, before.detail):
        return no.GRANT_CHANGED
    admitted.permit, admitted.version = permit, version
    return None


class Flow:
    """One stream on its way to a client."""

    def __init__(self, permits: Permits, reply: Reply, admitted: Admitted, pieces: Pieces) -> None:
        self._permits = permits
        self._objection: Objection | None = None
        self._pieces = pieces
        self._digest = None if isinstance(pieces, Hashed) else hashlib.sha256()
        self.reply = reply
        self.admitted = admitted
        self.bytes = 0

    async def pump(
        self, span: FileSpan | None, held: bytes, end: Callable[[], Awaitable[None]]
    ) -> str | None:
        """Send `span`, or else `held` and the pieces after it, the last of them after `end()`.

        Returns why the stream was cut off, or None.
        """
        try:
            if span is None:
                await self._send_pieces(held, end)
            else:
                await self._send_span(span, end)
        except Refused as refused:
            return refused.objection.code
        except ClientGone:
            return self._objection.code if self._objection else "client_gone"
        return None

    async def _send_pieces(self, held: bytes, end: Callable[[], Awaitable[None]]) -> None:
        while (piece := await self._pieces.next()) is not None:
            await self._look(time.time())
            self._count(held)
            await self.reply.write(held)
            held = piece
        await self._look(time.time())
        self._count(held)
        await end()
        self._finish(held)

    async def _send_span(self, span: FileSpan, end: Callable[[], Awaitable[None]]) -> None:
        """Let the kernel send a file that has not changed since it was hashed."""
        before_last = max(0, span.length - LAST_BYTES)
        while self.bytes < before_last:
            await self._look_at_file()
            at, size = self.bytes, min(SPAN_BYTES, before_last - self.bytes)
            self.bytes += size  # before it goes: what may have been sent is on record
            try:
                await self.reply.write_span(span.fd, span.offset + at, size)
            except OSError as wrong:
                raise Refused(no.SOURCE_FAILED) from wrong
            await asyncio.sleep(0)  # a client that is quicker than the disk must not keep the others waiting
        await self.reply.taken()  # what still waits in the kernel is the file's own memory
        await self._look_at_file()
        last = self._last_of(span, before_last)
        self.bytes = span.length
        await end()
        self._finish(last)

    def _last_of(self, span: FileSpan, before_last: int) -> bytes:
        try:
            last = os.pread(span.fd, span.length - before_last, span.offset + before_last)
        except OSError as wrong:
            raise Refused(no.SOURCE_FAILED) from wrong
        if len(last) < span.length - before_last:
            raise Refused(no.SOURCE_CHANGED)
        return last

    def _finish(self, last: bytes) -> None:
        with suppress(ClientGone):  # what was sent is on record; who reads it is not for us to know
            self.reply.finish(last)

    async def _look_at_file(self) -> None:
        await self._look(time.time())
        if isinstance(self._pieces, Hashed):
            self._pieces.check()

    async def digest(self) -> str | None:
        """Return the SHA-256 of what was sent, in hex; None where a file cannot be read again to know it."""
        if self._digest is not None:
            return self._digest.hexdigest()
        with suppress(Refused):
            if isinstance(self._pieces, Hashed):
                return await self._pieces.digest(self.bytes)
        return None

    def _count(self, piece: bytes) -> None:
        self.bytes += len(piece)
        if self._digest is not None:
            self._digest.update(piece)

    async def _look(self, now: float) -> None:
        objection = self._objection or await self._judge(now)
        if objection is not None:
            raise Refused(objection)

    async def _judge(self, now: float) -> Objection | None:
        if time.monotonic() - self.admitted.began > STREAM_SECONDS:
            return no.TOO_LONG
        if self._permits.version() != self.admitted.version:
            changed = await read_again(self._permits, self.admitted)
            if changed is not None:
                return changed
        return self._permits.stale() or lasting(self.admitted.permit, now)

    async def recheck(self, now: float) -> None:
        """Cut the client off when the permit has fallen, even while nothing moves."""
        try:
            await self._look(now)
        except Refused as refused:
            self._objection = refused.objection
            self.reply.abort()
