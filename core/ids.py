"""Identifiers: time-ordered ids, random secrets and their digests, and the unified social credit code."""

from __future__ import annotations

import hashlib
import os
import secrets
import time

USCC_ALPHABET = "0123456789ABCDEFGHJKLMNPQRTUWXY"
USCC_WEIGHTS = (1, 3, 9, 27, 19, 26, 16, 17, 20, 29, 25, 13, 8, 24, 10, 30, 28)


def new_id(at_ms: int | None = None) -> str:
    """Return a UUID version 7 (RFC 9562 section 5.7): ordered by milliseconds, 74 random bits."""
    ms = int(time.time() * 1000) if at_ms is None else at_ms
    value = (ms & 0xFFFF_FFFF_FFFF) << 80 | int.from_bytes(os.urandom(10), "big")
    value = (value & ~(0xF << 76)) | (0x7 << 76)
    value = (value & ~(0x3 << 62)) | (0x2 << 62)
    h = f"{value:032x}"
    return f"{h[:8]}-{h[8:12]}-{h[12:16]}-{h[16:20]}-{h[20:]}"


def new_secret() -> str:
    """Return 256 random bits in base64url, for a secret that a machine keeps."""
    return secrets.token_urlsafe(32)


def digest(secret: str) -> str:
    """Return the SHA-256 of a random secret, in hex: what is stored in place of the secret."""
    return hashlib.sha256(secret.encode()).hexdigest()


def uscc_check_digit(first_17: str) -> str:
    """Return the check character of a unified social credit code (GB 32100-2015, mod 31).

    Raises ValueError when a character is not of the code's alphabet.
    """
    total = sum(USCC_ALPHABET.index(c) * w for c, w in zip(first_17, USCC_WEIGHTS, strict=True))
    return USCC_ALPHABET[-total % 31]


def is_uscc(code: str) -> bool:
    """Tell whether `code` is a well-formed unified social credit code (GB 32100-2015)."""
    if len(code) != 18 or any(c not in USCC_ALPHABET for c in code):
        return False
    return uscc_check_digit(code[:17]) == code[17]
