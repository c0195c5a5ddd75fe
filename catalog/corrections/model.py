"""An open correction as the data show it: what is doubted, since when, and which record. No I/O."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import quote


@dataclass(frozen=True, slots=True)
class Dispute:
    """Data of one dataset that somebody doubts and that the provider has not answered for yet."""

    number: str
    """Of the correction: ``C-2026-000001``."""
    dataset_id: str
    since: datetime
    items: tuple[str, ...]
    """Names of the attributes in doubt; empty where it may be any of them."""
    record_key: tuple[str, ...]
    """Names of the attributes that tell which record it is; empty where the whole dataset is meant."""
    record_digest: str | None
    """`record_digest` of that record, in hex."""
    served_as_usual: bool
    """Whether the rulebook has people with valid proof served as usual meanwhile (QJ art. 23)."""
    cite: Mapping[str, Any]
    """The provision that says so, as `Citation.as_json` gives it; empty where none does."""
    link: str
    """The page of the correction, from the console's root; empty where there is none."""

    def concerns(self, fields: Collection[str]) -> bool:
        """Tell whether one of the attributes called `fields` is in doubt."""
        return not self.items or any(name in fields for name in self.items)


def record_digest(number: str, record: Mapping[str, str]) -> str:
    """Return the SHA-256, in hex, by which whoever holds a record can tell that it is the one in doubt.

    Of ``number|attribute=value&attribute=value``: UTF-8, the attributes in the order of their code points,
    names and values percent-encoded but for the unreserved characters of RFC 3986 section 2.3. The number
    makes the digests of one record in two corrections differ.
    """
    pairs = "&".join(f"{quote(name, safe='')}={quote(record[name], safe='')}" for name in sorted(record))
    return hashlib.sha256(f"{number}|{pairs}".encode()).hexdigest()
