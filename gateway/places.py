"""Who may have a statement under way on one provider's database, so that nobody holds it up for the others.

A page is read as fast as the database gives it. A stream goes at the pace of whoever reads it, an hour at
most: one department never has more than half of the places for its streams, and two are left for pages.
"""

from __future__ import annotations

import asyncio
from collections import Counter

from gateway.objections import BUSY, Refused

OPEN_MOST = 8
"""Statements that may run on one provider's database at a time, per worker."""
STREAMS_OF_ONE, STREAMS_OF_ALL = OPEN_MOST // 2, OPEN_MOST - 2


class Places:
    """The places of one provider's database."""

    def __init__(self) -> None:
        self._free = asyncio.Semaphore(OPEN_MOST)
        self._streams: Counter[str] = Counter()

    async def take(self, seconds: float, streaming: str | None) -> None:
        """Take a place, waiting for one up to `seconds`; `streaming` is the department that a stream is for.

        Raises Refused when none comes free, or no further stream is taken now.
        """
        if streaming is not None:
            if self._streams[streaming] >= STREAMS_OF_ONE or self._streams.total() >= STREAMS_OF_ALL:
                raise Refused(BUSY)
            self._streams[streaming] += 1
        try:
            async with asyncio.timeout(seconds):
                await self._free.acquire()
        except BaseException as failed:
            self._end(streaming)
            if isinstance(failed, TimeoutError):
                raise Refused(BUSY) from failed
            raise

    def leave(self, streaming: str | None) -> None:
        """Give a place back."""
        self._free.release()
        self._end(streaming)

    def _end(self, streaming: str | None) -> None:
        if streaming is not None:
            self._streams[streaming] -= 1
            self._streams += Counter()  # forget whoever has none
