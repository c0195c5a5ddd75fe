"""How a server stops without failing callers who make calls without pause (RFC 9112 section 9.6)."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from gateway.http1 import Server

TICK_SECONDS = 0.05
SILENT_SECONDS = 1.0
"""How long a connection without a call under way is waited for."""


async def see_off(
    server: Server, listening: Sequence[asyncio.AbstractServer], seconds: float, settle: float = TICK_SECONDS
) -> None:
    """Take no more connections, serve what was accepted, and cut off what goes on after `seconds`.

    A connection that is kept alive gets its next answer with ``Connection: close``, so its caller knows; only
    one that stays silent for a while is closed without a word. `settle` is how long what the kernel handed
    over may take to become a connection of ours: under TLS, a handshake.
    """
    loop = asyncio.get_running_loop()
    for each in listening:
        each.close()
    await asyncio.sleep(settle)
    server.draining = True
    silent_at = loop.time() + min(SILENT_SECONDS, seconds)
    while server.connections and loop.time() < silent_at:
        await asyncio.sleep(TICK_SECONDS)
    await server.drain(max(seconds - SILENT_SECONDS, 0.0))
