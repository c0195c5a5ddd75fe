"""One stream on its way to a client, and the permit that it stands on."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from gateway import objections as no
from gateway.answers import Headers, Stream
from gateway.calls import lasting
from gateway.http1 import ClientGone
from gateway.model import Permit
from gateway.objections import Objection, Refused
from gateway.reply import Reply
from gateway.snapshot import Permits

STREAM_SECONDS = 3600.0


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

    def __init__(self, permits: Permits, reply: Reply, admitted: Admitted) -> None:
        self._permits = permits
        self._objection: Objection | None = None
        self.reply = reply
        self.admitted = admitted
        self.bytes = 0
        self.digest = hashlib.sha256()

    async def pump(self, stream: Stream, held: bytes, end: Callable[[], Awaitable[None]]) -> str | None:
        """Send the pieces, the last of them after `end()`; return why the stream was cut off, or None."""
        try:
            while (piece := await stream.pieces.next()) is not None:
                await self._look(time.time())
                self._count(held)
                await self.reply.write(held)
                held = piece
            await self._look(time.time())
            self._count(held)
            await end()
        except Refused as refused:
            return refused.objection.code
        except ClientGone:
            return self._objection.code if self._objection else "client_gone"
        self.reply.finish(held)
        return None

    def _count(self, piece: bytes) -> None:
        self.bytes += len(piece)
        self.digest.update(piece)

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
