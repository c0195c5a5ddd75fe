"""How much of what is still arriving is kept in memory: of all peers together, and of one."""

from __future__ import annotations

from collections import Counter

ALL_BYTES = 256 * 1024 * 1024
PEER_BYTES = 64 * 1024 * 1024
"""A front holds bodies back until they are whole, so that its many callers do not fill its part."""


class Room:
    """Counts the bytes of bodies; no one peer can take the room of the others."""

    def __init__(self, of_all: int = ALL_BYTES, of_peer: int = PEER_BYTES) -> None:
        self._of_all = of_all
        self._of_peer = of_peer
        self._taken: Counter[str] = Counter()
        self.taken = 0

    def take(self, peer: str, size: int) -> bool:
        """Take room for so many bytes of a peer, and tell whether there was as much."""
        if self.taken + size > self._of_all or self._taken[peer] + size > self._of_peer:
            return False
        self.taken += size
        self._taken[peer] += size
        return True

    def give(self, peer: str, size: int) -> None:
        """Give room back that was taken."""
        self.taken -= size
        self._taken[peer] -= size
        if not self._taken[peer]:
            del self._taken[peer]
