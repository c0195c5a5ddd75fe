"""Reading a statement piece by piece, in a thread: what every kind of database has in common."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple, Protocol

from gateway.formats import Encoder, Row
from gateway.statements import Wanted

PIECE_BYTES = 128 * 1024
"""About what is handed to the loop at a time."""
FIRST_ROWS, MOST_ROWS = 250, 1000
"""Rows fetched at a time: at first, and at most; wide rows are fetched fewer at a time."""


class Piece(NamedTuple):
    """Some rows as they are sent."""

    data: bytes
    rows: int
    last: bool


class Reading(Protocol):
    """One statement under way; everything but `interrupt` is called in threads, one call at a time.

    `deadline` is of the monotonic clock. Errors of the database come out as the driver raises them.
    """

    def count(self, deadline: float) -> int:
        """Return how many rows all pages have together, as of the same moment as the rows read afterwards."""

    def read(self, deadline: float) -> Piece:
        """Return the next piece, which is empty only when it is the last. Raises Refused."""

    def interrupt(self) -> None:
        """Make a call that is under way fail soon; callable at any time, and may block for a moment."""

    def close(self) -> None:
        """Let go of the database, whether everything was read or not."""


class Database(Protocol):
    """A provider's database, opened for reading only."""

    def reading(self, wanted: Wanted, media: str) -> Reading:
        """Return a reading of the rows in a format; nothing happens before it is asked for a piece."""

    def close(self) -> None:
        """Close the idle connections."""


class Encoded:
    """Rows on their way through an encoder."""

    def __init__(self, encoder: Encoder) -> None:
        self._encoder = encoder
        self._started = False
        self._rows = FIRST_ROWS

    def piece(self, fetch: Callable[[int], Sequence[Row]]) -> Piece:
        """Return the next piece of what `fetch(most)` gives; fewer rows than `most` are the last."""
        parts = [] if self._started else [self._encoder.start()]
        self._started = True
        count = size = 0
        while size < PIECE_BYTES:
            rows = fetch(self._rows)
            part = self._encoder.rows(rows)
            parts.append(part)
            count, size = count + len(rows), size + len(part)
            if len(rows) < self._rows:
                parts.append(self._encoder.end())
                return Piece(b"".join(parts), count, True)
            self._suit(len(part))
        return Piece(b"".join(parts), count, False)

    def _suit(self, size: int) -> None:
        """Fetch as many rows at a time as make a little more than a piece, so that it need not be joined."""
        wanted = self._rows * PIECE_BYTES * 9 // (8 * max(1, size))
        self._rows = max(1, min(MOST_ROWS, 2 * self._rows, wanted))
