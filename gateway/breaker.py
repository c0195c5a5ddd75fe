"""When a provider that cannot be reached is left alone for a while. No I/O, the clock is an argument.

Only connecting counts: it fails alike for everybody. Were late or wrong answers to count as well, one caller
with a query that takes too long could shut everybody else out.
"""

from __future__ import annotations

MISSES = 5
"""Connections that fail one after the other, until the provider is left alone."""
REST_SECONDS = 5.0
"""How long it is left alone; then one call tries, and while it does the others go on waiting."""


class Breaker:
    """What is known of reaching one provider."""

    def __init__(self) -> None:
        self._missed = 0
        self._rests_until = 0.0

    def rests(self, now: float) -> bool:
        """Tell whether the provider is left alone at present."""
        return self._missed >= MISSES and now < self._rests_until

    def may_try(self, now: float) -> bool:
        """Tell whether a connection may be tried; `now` is of a clock that only grows, in seconds."""
        if self._missed < MISSES:
            return True
        if self.rests(now):
            return False
        self._rests_until = now + REST_SECONDS
        return True

    def reached(self) -> None:
        """Note that a connection was made."""
        self._missed = 0

    def missed(self, now: float) -> None:
        """Note that no connection could be made."""
        self._missed += 1
        self._rests_until = now + REST_SECONDS
