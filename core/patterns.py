"""The patterns that departments write for the values of their data, matched in linear time.

A pattern comes from a provider and a value from a consumer; with a backtracking engine the two of them can
hold a worker for years. RE2 never backtracks: it has no back-references and no look-around, and the memory
of a pattern is bounded, so what it takes is also bounded in the pattern's own size.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import re2

LONGEST = 4000
"""Characters of a value beyond which it fits no pattern."""

_MEMORY = 256 * 1024
"""Bytes for one compiled pattern: some 200 Chinese characters counted out, not `.{1000}` times twenty."""


@lru_cache(maxsize=1024)
def _compiled(pattern: str) -> Any:
    """Return the matcher of `pattern`, or the reason (str) why there is none."""
    options = re2.Options()
    options.log_errors = False
    options.max_mem = _MEMORY
    try:
        return re2.compile(pattern, options)
    except re2.error as wrong:
        return _reason(wrong)
    except UnicodeEncodeError:  # half of a surrogate pair, which JSON can spell
        return "not valid Unicode"


def _reason(wrong: Exception) -> str:
    said = wrong.args[0] if wrong.args else ""
    return said.decode("utf-8", "replace") if isinstance(said, bytes) else str(said)


def fault(pattern: str) -> str | None:
    """Return why `pattern` cannot be used, in the engine's words, or None."""
    found = _compiled(pattern)
    return found if isinstance(found, str) else None


def matches_whole(pattern: str, value: str) -> bool:
    """Tell whether the whole of `value` fits `pattern`; nothing fits a pattern that cannot be used."""
    matcher = _compiled(pattern)
    if isinstance(matcher, str) or len(value) > LONGEST:
        return False
    try:
        return matcher.fullmatch(value) is not None
    except UnicodeEncodeError:
        return False
