"""Cells of tables that people open in a spreadsheet: none of them is ever calculated."""

from __future__ import annotations

import re

MARK = "\N{ZERO WIDTH NO-BREAK SPACE}"
"""Tells a spreadsheet that the file is UTF-8; without it Chinese turns into garbage."""
_STARTS_FORMULA = ("=", "+", "-", "@", "|", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")
"""What makes a spreadsheet calculate or call, the full-width signs among it."""
_NEGATIVE = re.compile(r"-[0-9]+(\.[0-9]+)?")
Cell = str | int | float | None


def safe(cell: Cell) -> Cell:
    """Return a cell that no spreadsheet takes for a formula: such a text gets an apostrophe in front.

    A negative number is none.
    """
    if not isinstance(cell, str) or not cell.startswith(_STARTS_FORMULA) or _NEGATIVE.fullmatch(cell):
        return cell
    return f"'{cell}"
