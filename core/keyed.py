"""HMAC-SHA-256 (RFC 2104) under a key that is used again and again: what depends on the key is done once."""

from __future__ import annotations

from functools import lru_cache

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.hmac import HMAC


@lru_cache(maxsize=64)
def _begun(key: bytes) -> HMAC:
    return HMAC(key, SHA256())


def keyed_digest(key: bytes, message: bytes) -> bytes:
    """Return the 32 bytes of HMAC-SHA-256."""
    begun = _begun(key).copy()
    begun.update(message)
    return begun.finalize()
