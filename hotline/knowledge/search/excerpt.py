"""The passage of a text that has the words of a question, in pieces that hit and pieces that do not. Pure."""

from __future__ import annotations

import re
from typing import NamedTuple

from catalog.search.tokens import Term, loosened

LENGTH = 120
"""Characters of a passage."""
_BEFORE = 24
"""Characters shown in front of the first hit."""


class Piece(NamedTuple):
    """Some characters, and whether the question asked for them."""

    text: str
    hit: bool


def excerpt(text: str, terms: tuple[Term, ...]) -> tuple[Piece, ...]:
    """Return the passage around the first place where `text` has the words, else its beginning."""
    flat = " ".join(text.split())
    found = _places(flat, terms) or _places(flat, loosened(terms))
    begin = max(0, found[0][0] - _BEFORE) if found else 0
    end = begin + LENGTH
    inside = [(max(a, begin), min(b, end)) for a, b in found if a < end]
    pieces = [Piece("…", False)] if begin else []
    at = begin
    for start, stop in inside:
        pieces += [Piece(flat[at:start], False), Piece(flat[start:stop], True)]
        at = stop
    pieces.append(Piece(flat[at:end] + ("…" if len(flat) > end else ""), False))
    return tuple(piece for piece in pieces if piece.text)


def _places(text: str, terms: tuple[Term, ...]) -> list[tuple[int, int]]:
    """Return where the words stand, in order and without overlaps."""
    words = sorted({_surface(term) for term in terms}, key=len, reverse=True)
    if not words:
        return []
    pattern = re.compile("|".join(re.escape(word) for word in words), re.IGNORECASE)
    return [match.span() for match in pattern.finditer(text)]


def _surface(term: Term) -> str:
    """Return the characters that a term stands for: its pairs overlap by one."""
    first, *rest = term.tokens
    return first + "".join(token[-1] for token in rest)
