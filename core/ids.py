"""Identifiers: time-ordered ids, random secrets and their digests, and the unified social credit code."""

from __future__ import annotations

import hashlib
import os
import secrets
import threading
import time
from collections.abc import Iterator
from itertools import count

USCC_ALPHABET = "0123456789ABCDEFGHJKLMNPQRTUWXY"
USCC_WEIGHTS = (1, 3, 9, 27, 19, 26, 16, 17, 20, 29, 25, 13, 8, 24, 10, 30, 28)

NOISE_BYTES = 6
"""Of randomness in a new id, beside where its counter began."""
_COUNTER_BITS = 26
_LOW_BITS = 14
_LOW = (1 << _LOW_BITS) - 1
"""The bits of the counter behind the variant; the others stand before it, behind the version."""
_MARKS = 0x7000_8000
"""Version and variant, where they stand in the 32 bits with the counter."""
_MILLISECONDS_KEPT = 256
_counters: dict[int, tuple[str, Iterator[int]]] = {}
"""Of each of the last milliseconds: its digits, and the counter of its ids."""
_older: dict[int, tuple[str, Iterator[int]]] = {}
"""As many that were begun before; one that is still used comes back from here and keeps its order."""
_newest_clock = 0
_lock = threading.Lock()


def new_id(at_ms: int | None = None, noise: bytes | None = None) -> str:
    """Return a UUID version 7 (RFC 9562 section 5.7) of the millisecond `at_ms`, or of the system's clock.

    `noise` are `NOISE_BYTES` fresh random bytes, for a caller who needs others as well.

    Ids that one process makes in one millisecond stand in the order in which they were made: after the time
    comes a counter of 26 bits, which begins somewhere in the lower half (section 6.2, method 1), and then 48
    random bits. A clock set back leaves the ids in the millisecond that they had reached. Ids of different
    processes are in order by millisecond.
    """
    ms = _clock() if at_ms is None else at_ms
    digits, counter = _counters.get(ms) or _begin(ms)
    number = next(counter)  # one step of the interpreter: no two threads get the same
    h = (_MARKS | number >> _LOW_BITS << 16 | number & _LOW).to_bytes(4).hex()
    return f"{digits}-{h[:4]}-{h[4:]}-{(noise or os.urandom(NOISE_BYTES)).hex()}"


def _clock() -> int:
    global _newest_clock
    with _lock:
        _newest_clock = max(_newest_clock, int(time.time() * 1000))
        return _newest_clock


def _begin(ms: int) -> tuple[str, Iterator[int]]:
    h = (ms & 0xFFFF_FFFF_FFFF).to_bytes(6).hex()
    with _lock:
        if len(_counters) >= _MILLISECONDS_KEPT:
            _older.clear()
            _older.update(_counters)
            _counters.clear()
        fresh = f"{h[:8]}-{h[8:]}", count(secrets.randbits(_COUNTER_BITS - 1))
        return _counters.setdefault(ms, _older.get(ms, fresh))


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
