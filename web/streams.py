"""Answers too large for memory: a file on its way to a reader, piece by piece, gone afterwards."""

from __future__ import annotations

from collections.abc import Iterator
from typing import IO

PIECE = 64 * 1024
Content = bytes | IO[bytes]


def body_of(content: Content) -> bytes | Iterator[bytes]:
    """Return what an answer is made of: bytes as they are, an open file piece by piece, closed at its end."""
    return content if isinstance(content, bytes) else _pieces(content)


def _pieces(file: IO[bytes]) -> Iterator[bytes]:
    with file:
        file.seek(0)
        while piece := file.read(PIECE):
            yield piece
