"""Recovery codes: ten of 80 random bits, shown once, each good for one proof."""

from __future__ import annotations

import base64
import hashlib
import secrets
import unicodedata

from sqlalchemy import Connection

from accounts.factors import store

CODES = 10
_BYTES = 10


def make_codes(tx: Connection, login: str) -> list[str]:
    """Give a person fresh codes, in place of those before, and return them; only their digests are kept."""
    codes = [_written(secrets.token_bytes(_BYTES)) for _ in range(CODES)]
    store.replace_codes(tx, login, [digest_of(login, code) for code in codes])
    return codes


def digest_of(login: str, typed: str) -> str:
    """Return the digest of a code, however it was typed. A code of 80 random bits needs no slow hash."""
    plain = unicodedata.normalize("NFKC", typed[:100]).casefold()
    letters = "".join(c for c in plain if c.isalnum())
    return hashlib.sha256(f"recovery\n{login}\n{letters}".encode()).hexdigest()


def _written(raw: bytes) -> str:
    """Return 80 bits in sixteen letters and digits, without 0, 1, 8 and 9 (RFC 4648, base32)."""
    letters = base64.b32encode(raw).decode().lower()
    return "-".join(letters[i : i + 4] for i in range(0, 16, 4))
