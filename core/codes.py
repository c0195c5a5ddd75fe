"""Dataset codes, and how they are written where a slash would part a path: ``307001-000001``."""

from __future__ import annotations


def in_url(code: str) -> str:
    """Return a code as it is written in an address."""
    return code.replace("/", "-", 1)


def code_in(text: str) -> str:
    """Return the code that is meant by either way to write it."""
    return text if "/" in text else text.replace("-", "/", 1)
