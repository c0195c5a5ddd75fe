"""Whose record a call asked for, as a keyed digest: the value itself is never kept.

Under the platform's key for pseudonyms nobody who reads records can find a value by trying them all, and who
knows name and value can ask the platform which calls were about them.
"""

from __future__ import annotations

import hmac
from collections.abc import Iterable

DIGEST_CHARS = 32
"""128 bits in hexadecimal."""


def subject_key(pseudonym_key: bytes) -> bytes:
    """Return the key of the digests, derived from the platform's key for pseudonyms."""
    return hmac.digest(pseudonym_key, b"subject", "sha256")


def subject_digest(key: bytes, name: str, value: str) -> str:
    """Return the digest of a column's or parameter's name and the value that it was asked for by.

    Blanks around a value and the case of its letters are left aside: ``...01x`` and ``...01X`` are one.
    """
    message = f"{name}\0{value.strip().casefold()}".encode()
    return hmac.digest(key, message, "sha256").hex()[:DIGEST_CHARS]


def joined(digests: Iterable[str]) -> str | None:
    """Return digests as one field of a record: each once, sorted, with commas; None where there are none."""
    return ",".join(sorted(set(digests))) or None
