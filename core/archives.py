"""Zip archives from outside: what is looked at before their list of parts is read."""

from __future__ import annotations

_LISTED = b"PK\x01\x02"
"""Begins each entry of the list (APPNOTE.TXT section 4.3.12); readers refuse one that begins otherwise."""


def lists_more_than(content: bytes, parts: int) -> bool:
    """Tell whether an archive may list more parts than so many: to read 10 MB of names takes seconds."""
    return content.count(_LISTED) > parts
