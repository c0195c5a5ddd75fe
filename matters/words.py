"""Names that a person wrote in one line."""

from __future__ import annotations


def names_in(text: str) -> list[str]:
    """Return the names in a line, parted by blanks, commas or semicolons of either script."""
    for mark in "，、；;,\n":
        text = text.replace(mark, " ")
    return list(dict.fromkeys(text.split()))
