"""Identifiers: time-ordered ids, random secrets and their digests, and the unified social credit code."""

from __future__ import annotations

import hashlib
import os
import secrets
import threading
import time

USCC_ALPHABET = "0123456789ABCDEFGHJKLMNPQRTUWXY"
USCC_WEIGHTS = (1, 3, 9, 27, 19, 26, 16, 17, 20, 29, 25, 13, 8, 24, 10, 30, 28)

_GROWTH_BITS = 40
NOISE_BYTES = 15
"""Of randomness in a new id."""
_MILLISECONDS_KEPT = 256
_last: dict[int, int] = {}
"""The random part of the newest id of each of the last milliseconds, the oldest first."""
_newest_clock = 0
_lock = threading.Lock()


def new_id(at_ms: int | None = None, noise: bytes | None = None) -> str:
    """Return a UUID version 7 (RFC 9562 section 5.7) of the millisecond `at_ms`, or of the system's clock.

    `noise` are `NOISE_BYTES` fresh random bytes, for a caller who needs others as well.

    Ids that one process makes in one millisecond stand in the order in which they were made: the 74 random
    bits grow by a random amount from one to the next (section 6.2, method 2). A clock set back leaves the
    ids in the millisecond that they had reached. Ids of different processes are in order by millisecond.
    """
    ms, random = _next_random(at_ms, os.urandom(NOISE_BYTES) if noise is None else noise)
    random_a, random_b = random >> 62, random & (1 << 62) - 1
    value = (ms & 0xFFFF_FFFF_FFFF) << 80 | 0x7 << 76 | random_a << 64 | 0x2 << 62 | random_b
    h = f"{value:032x}"
    return f"{h[:8]}-{h[8:12]}-{h[12:16]}-{h[16:20]}-{h[20:]}"


def _next_random(at_ms: int | None, noise: bytes) -> tuple[int, int]:
    """Return the millisecond and the 74 random bits of the next id, and remember them."""
    global _newest_clock
    drawn = int.from_bytes(noise)  # of which 73 bits, one less than there are: room to grow
    first, growth = drawn >> 47, 1 + (drawn & (1 << _GROWTH_BITS) - 1)
    with _lock:
        if at_ms is None:
            at_ms = _newest_clock = max(_newest_clock, int(time.time() * 1000))
        last = _last.pop(at_ms, None)
        random = _last[at_ms] = first if last is None else last + growth
        if len(_last) > _MILLISECONDS_KEPT:
            del _last[next(iter(_last))]
    return at_ms, random


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
