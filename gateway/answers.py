"""What a provider gave: a complete answer, or a stream of pieces. Tables, files and apis all end in these."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

Headers = Sequence[tuple[str, str]]


class Answer(NamedTuple):
    """An answer whose whole body is at hand."""

    status: int
    headers: Headers
    body: bytes
    rows: int | None = None
    """Records in the body, where there are such."""
    length: int | None = None
    """The length that a HEAD names, where it is not the body's."""


class Pieces(Protocol):
    """A body that comes piece by piece, each only when it is asked for."""

    rows: int | None

    async def next(self) -> bytes | None:
        """Return the next piece, never an empty one; None at the end. Raises Refused."""

    async def close(self) -> None:
        """Let go of the source, whether it was read to its end or not."""


@dataclass(frozen=True, slots=True)
class FileSpan:
    """Bytes of an open plain file whose digest is known already, so that nobody has to see them pass."""

    fd: int
    offset: int
    length: int
    digest: str
    """SHA-256 of exactly these bytes, in hex."""


class Hashed(ABC):
    """Pieces that know what they hash to: whoever reads them has hashed them as well."""

    span: FileSpan | None
    """The whole body, where it can go out without being read; `next` gives the same bytes."""

    @abstractmethod
    def check(self) -> None:
        """Tell by Refused that the file is no longer what it was."""

    @abstractmethod
    async def digest(self, length: int) -> str:
        """Return the SHA-256 of the first `length` bytes of the body, in hex. Raises Refused."""


@dataclass(frozen=True, slots=True)
class Stream:
    """An answer whose body is read while it is sent."""

    status: int
    headers: Headers
    length: int | None
    pieces: Pieces
    file: str | None = None
    """The name of the file, where it is one."""


class Memory:
    """Pieces of a body that is at hand, so that a large one is sent, and can be cut off, like any stream."""

    PIECE = 64 * 1024

    def __init__(self, body: bytes, rows: int | None) -> None:
        self._body = memoryview(body)
        self._at = 0
        self.rows = rows

    async def next(self) -> bytes | None:
        """Return the next piece."""
        piece = bytes(self._body[self._at : self._at + self.PIECE])
        self._at += len(piece)
        return piece or None

    async def close(self) -> None:
        """Nothing is held."""
