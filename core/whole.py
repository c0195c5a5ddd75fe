"""Whole numbers as people and scripts write them into an address."""

from __future__ import annotations


def whole(text: str, least: int, most: int) -> int | None:
    """Return plain digits as a number from `least` to `most`, None for anything else, however long it is."""
    if not (text.isascii() and text.isdigit() and len(text) <= len(str(most))):
        return None
    return int(text) if least <= int(text) <= most else None
