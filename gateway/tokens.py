"""Access tokens: opaque, random, and recognisable as ours without a look-up.

    sx_ base64url( 256 random bits || first 32 bits of HMAC-SHA256(key, random bits) )

The short keyed check is no protection by itself (the random bits are): it lets a worker refuse noise
without asking the database. What is stored is the digest of the whole token, never the token.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import os

from core.ids import digest
from core.keyring import ring

PREFIX = "sx_"
_RANDOM = 32
_CHECK = 4
_LENGTH = len(PREFIX) + (_RANDOM + _CHECK) * 4 // 3


def make_token(key: bytes) -> str:
    """Return a new access token; `key` is the content of the platform's key file, whose newest key counts."""
    random = os.urandom(_RANDOM)
    return PREFIX + base64.urlsafe_b64encode(random + _check(ring(key)[0], random)).decode()


def well_formed(key: bytes, token: str) -> bool:
    """Tell whether `token` was made with a key of the file `key`.

    A token that was may still be unknown, expired or revoked.
    """
    if len(token) != _LENGTH or not token.startswith(PREFIX):
        return False
    if "+" in token or "/" in token:  # the decoder would take them for - and _
        return False
    try:
        raw = base64.b64decode(token[len(PREFIX) :], altchars=b"-_", validate=True)
    except (ValueError, binascii.Error):
        return False
    return any(hmac.compare_digest(raw[_RANDOM:], _check(one, raw[:_RANDOM])) for one in ring(key))


def token_digest(token: str) -> str:
    """Return what the store keeps in place of the token: its SHA-256, in hex."""
    return digest(token)


def _check(key: bytes, random: bytes) -> bytes:
    return hmac.digest(key, random, hashlib.sha256)[:_CHECK]
