"""What an entry holds, in a form that does not depend on how it was typed. Pure.

An item is known by its title and type, and by the standard data element that it names, if any; an entry as a
whole by its title. Width, case, blanks and punctuation do not count.
"""

from __future__ import annotations

import hashlib
import unicodedata
from collections.abc import Mapping
from typing import Any, NamedTuple

TITLE, ELEMENT, ITEM = "title", "element", "item"
WIDTH = 32


class Key(NamedTuple):
    """One thing that an entry holds: what kind of thing, and its digest, of fixed width."""

    kind: str
    digest: str


def keys_of(document: Mapping[str, Any]) -> frozenset[Key]:
    """Return everything by which an entry is compared with others."""
    keys = {key for attribute in document["attributes"] for key in keys_of_item(attribute)}
    return frozenset({*keys, *_keys(TITLE, document["title"])})


def keys_of_item(attribute: Mapping[str, Any]) -> frozenset[Key]:
    """Return the keys of one item: title with type, and the data element that it names."""
    own = _keys(ITEM, attribute["title"], attribute["type"])
    return own | _keys(ELEMENT, attribute.get("element", ""))


def tidy(text: str) -> str:
    """Return the letters and digits of a text in one width and case (NFKC)."""
    return "".join(c for c in unicodedata.normalize("NFKC", text).casefold() if c.isalnum())


def _keys(kind: str, text: str, more: str = "") -> frozenset[Key]:
    plain = tidy(text)
    if not plain:
        return frozenset()
    return frozenset({Key(kind, hashlib.sha256(f"{kind}\n{plain}\n{more}".encode()).hexdigest()[:WIDTH])})
