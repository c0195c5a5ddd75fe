"""What systems sign, and the keys that they may sign with: one list for assertions and for proofs. Pure.

A signed statement is a JSON Web Signature in compact form (RFC 7515 section 7.1) of a JSON object.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping
from typing import Any, NamedTuple

import orjson
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, Key, OKPKey, RSAKey
from joserfc.jws import JWSRegistry

ALGORITHMS = ("ES256", "PS256", "Ed25519", "EdDSA")
"""What may be signed with; EdDSA is the old name of Ed25519 (RFC 9864)."""
SECRET = frozenset({"d", "p", "q", "dp", "dq", "qi", "oth", "k", "priv"})
"""Members of a JSON Web Key that nobody but its owner has."""
_RSA_BITS = range(2048, 4097)
_EXPONENTS = range(65537, 2**32)
_COMPACT = re.compile(rb"([\w-]+)\.([\w-]+)\.([\w-]+)")
_MEMBER = re.compile(r"[\w-]{1,1400}", re.ASCII)


class WeakKey(ValueError):
    """A key that nobody may sign with here: of another kind, too short to be safe, too long to be cheap."""


# --- keys -----------------------------------------------------------------------------------------


class Kind(NamedTuple):
    """A kind of key: how it is read, what of it counts, what it signs with."""

    key: type[Any]
    members: tuple[str, ...]
    """With `kty` those of the thumbprint (RFC 7638 section 3.2): nothing else is looked at or kept."""
    algorithms: tuple[str, ...]
    curve: str | None


KINDS: Mapping[str, Kind] = {
    "EC": Kind(ECKey, ("crv", "x", "y"), ("ES256",), "P-256"),
    "RSA": Kind(RSAKey, ("e", "n"), ("PS256",), None),
    "OKP": Kind(OKPKey, ("crv", "x"), ("Ed25519", "EdDSA"), "Ed25519"),
}


def public_part(jwk: Mapping[str, Any]) -> dict[str, str]:
    """Return what counts of a public key (RFC 7517). Raises WeakKey for another kind, else ValueError."""
    kind = KINDS.get(jwk["kty"]) if isinstance(jwk.get("kty"), str) else None
    if kind is None:
        raise WeakKey("kty")
    part = {name: jwk.get(name) for name in kind.members}
    if not all(isinstance(value, str) and _MEMBER.fullmatch(value) for value in part.values()):
        raise ValueError("not a whole key")
    return {"kty": jwk["kty"], **{name: str(value) for name, value in part.items()}}


def key_of(part: Mapping[str, Any]) -> Key:
    """Return the key whose `public_part` is given. Raises WeakKey, and ValueError for what is no key."""
    kind = KINDS[part["kty"]]
    if kind.key is RSAKey:
        _check_size(part)
    try:
        key: Key = kind.key.import_key(dict(part))
    except (JoseError, KeyError, TypeError) as wrong:
        raise ValueError("no key") from wrong
    if isinstance(key, ECKey | OKPKey) and key.curve_name != kind.curve:
        raise WeakKey("crv")
    return key


def signs_with(part: Mapping[str, Any], algorithm: object) -> bool:
    """Tell whether a key signs with an algorithm: each key has its own, whatever a header says."""
    return algorithm in KINDS[part["kty"]].algorithms


def _check_size(part: Mapping[str, Any]) -> None:
    """Raise WeakKey unless an RSA key is long enough to be safe, and neither part of it takes long."""
    n, e = (int.from_bytes(decoded(part[name].encode())) for name in ("n", "e"))
    if n.bit_length() not in _RSA_BITS or e not in _EXPONENTS:
        raise WeakKey("size")


# --- signed statements ----------------------------------------------------------------------------


class Statement(NamedTuple):
    """A statement as it was read; nothing in it counts before its signature holds."""

    header: Mapping[str, Any]
    claims: Mapping[str, Any]
    signed: bytes
    signature: bytes


def read_statement(text: str, most: int) -> Statement:
    """Return what a statement of at most so many characters says, unverified. Raises ValueError."""
    if len(text) > most:
        raise ValueError("too long")
    found = _COMPACT.fullmatch(text.encode(errors="replace"))
    if found is None:
        raise ValueError("not in compact form")
    header, claims = (orjson.loads(decoded(segment)) for segment in found.group(1, 2))
    if not (isinstance(header, dict) and isinstance(claims, dict)):
        raise ValueError("no objects")
    return Statement(header, claims, found[1] + b"." + found[2], decoded(found[3]))


def holds(statement: Statement, algorithm: str, key: Key) -> bool:
    """Tell whether the signature of a statement was made with a key."""
    name = "Ed25519" if algorithm == "EdDSA" else algorithm
    try:
        return bool(JWSRegistry.algorithms[name].verify(statement.signed, statement.signature, key))
    except (JoseError, ValueError):
        return False


def decoded(segment: bytes) -> bytes:
    """Return the bytes of a base64url segment (RFC 7515 section 2). Raises ValueError."""
    return base64.urlsafe_b64decode(segment + b"=" * (-len(segment) % 4))
