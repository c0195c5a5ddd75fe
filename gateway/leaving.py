"""How a server stops without failing callers who make calls without pause (RFC 9112 section 9.6)."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from gateway.http1 import Server

_TICK_SECONDS = 0.05
SILENT_SECONDS = 1.0
"""How long a connection without a call under way is waited for."""


async def see_off(server: Server, listening: Sequence[asyncio.AbstractServer], seconds: float) -> None:
    """Take no more connections, serve what was accepted, and cut off what goes on after `seconds`.

    A connection that is kept alive gets its next answer with ``Connection: close``, so its caller knows; only
    one that stays silent for a while is closed without a word.
    """
    loop = asyncio.get_running_loop()
    for each in listening:
        each.close()
    await asyncio.sleep(_TICK_SECONDS)  # what the kernel handed over already becomes a connection of ours
    server.draining = True
    silent_at = loop.time() + min(SILENT_SECONDS, seconds)
    while server.connections and loop.time() < silent_at:
        await asyncio.sleep(_TICK_SECONDS)
    await server.drain(max(seconds - SILENT_SECONDS, 0.0))
