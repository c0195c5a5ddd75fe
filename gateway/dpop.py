"""Proofs of possession (DPoP, RFC 9449): the caller shows that it holds the key that its token is bound to.

Pure: no I/O, the clock is an argument. That a proof counts once only is for the store to say
(`store.see_proof`), which keeps `Proof.digest` until `Proof.expires_at`.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import SplitResult, urlsplit

from joserfc.jwk import Key

from core.ids import digest
from gateway.signatures import (
    ALGORITHMS,
    SECRET,
    Statement,
    holds,
    key_of,
    public_part,
    read_statement,
    signs_with,
)

PROOF_TYPE = "dpop+jwt"
INVALID, USE_NONCE = "invalid_dpop_proof", "use_dpop_nonce"

_PAST, _FUTURE = 60, 10
"""Seconds that `iat` may lie from now (FAPI 2.0 Security Profile, section 5.3.2.1)."""
_MOST_CHARACTERS, _HEADER_CHARACTERS = 6144, 2048
_JTI_CHARACTERS = 256


class ProofRefused(Exception):
    """A proof that does not count: the error code for the caller, the reason for the record.

    `nonce` is the one to use instead where `error` is use_dpop_nonce (RFC 9449 section 8).
    """

    def __init__(self, error: str, reason: str, nonce: str | None = None) -> None:
        super().__init__(reason)
        self.error = error
        self.reason = reason
        self.nonce = nonce


@dataclass(frozen=True, slots=True)
class Proof:
    """A proof that holds, but for having been seen before."""

    thumbprint: str
    """Of the key, base64url SHA-256 (RFC 7638): what `jkt:` is followed by in a token's `cnf`."""
    jti: str
    issued_at: datetime
    nonce: str

    @property
    def digest(self) -> str:
        """Return what tells this proof from every other, in hex, for `store.see_proof`."""
        return digest(f"dpop\n{self.thumbprint}\n{self.jti}")

    @property
    def expires_at(self) -> datetime:
        """Return when the proof is too old to be presented again, to a host whose clock is behind as well."""
        return self.issued_at + timedelta(seconds=2 * _PAST)


class Nonces:
    """Nonces without a memory: each is the number of a stretch of time under a key.

    One is good during its own stretch and the next, 150 to 300 seconds, in every process with the key.
    """

    SECONDS = 150

    def __init__(self, key: bytes) -> None:
        """`key` is the platform's token key, of which the nonces' own is made."""
        self._key = hmac.digest(key, b"dpop-nonce", "sha256")

    def current(self, now: datetime) -> str:
        """Return the nonce to give out at `now`."""
        return self._make(self._stretch(now))

    def is_good(self, nonce: str, now: datetime) -> bool:
        """Tell whether a proof may name this nonce at `now`."""
        stretch = self._stretch(now)
        given = nonce.encode(errors="replace")
        good = [hmac.compare_digest(given, self._make(s).encode()) for s in (stretch, stretch - 1)]
        return any(good)

    def _stretch(self, now: datetime) -> int:
        return int(now.timestamp()) // self.SECONDS

    def _make(self, stretch: int) -> str:
        return _base64url(hmac.digest(self._key, stretch.to_bytes(8, "big"), "sha256")[:18])


def read_proof(
    values: Sequence[str], *, method: str, url: str, now: datetime, nonces: Nonces, token: str | None = None
) -> Proof:
    """Return the proof that the DPoP fields hold for a request to `url` (RFC 9449 section 4.3).

    With `token` the proof must be for that access token. Raises ProofRefused.
    """
    if len(values) != 1:
        raise _wrong("proof_missing" if not values else "several_proofs")
    if len(values[0].partition(".")[0]) > _HEADER_CHARACTERS:
        raise _wrong("proof_malformed")
    try:
        statement = read_statement(values[0], _MOST_CHARACTERS)
    except ValueError as wrong:
        raise _wrong("proof_malformed") from wrong
    key, claims = _verified(statement), statement.claims
    _check_claims(claims, method, url, token)
    issued = _issued(claims.get("iat"), now)
    nonce = claims.get("nonce")
    if not isinstance(nonce, str) or not nonces.is_good(nonce, now):
        raise ProofRefused(USE_NONCE, "proof_nonce", nonces.current(now))
    return Proof(key.thumbprint(), claims["jti"], issued, nonce)


def _wrong(reason: str) -> ProofRefused:
    return ProofRefused(INVALID, reason)


# --- the signature --------------------------------------------------------------------------------


def _verified(statement: Statement) -> Key:
    """Return the key of the header once the signature holds under it."""
    header = statement.header
    if header.get("typ") != PROOF_TYPE or "crit" in header:
        raise _wrong("proof_type")
    algorithm, jwk = header.get("alg"), header.get("jwk")
    if algorithm not in ALGORITHMS:
        raise _wrong("proof_algorithm")
    if not isinstance(jwk, dict) or not SECRET.isdisjoint(jwk):
        raise _wrong("proof_key")
    try:
        part = public_part(jwk)
        key = key_of(part)
    except ValueError as wrong:
        raise _wrong("proof_key") from wrong
    if not signs_with(part, algorithm):
        raise _wrong("proof_key")
    if not holds(statement, algorithm, key):
        raise _wrong("proof_signature")
    return key


# --- the claims -----------------------------------------------------------------------------------


def _check_claims(claims: Mapping[str, Any], method: str, url: str, token: str | None) -> None:
    jti = claims.get("jti")
    if not isinstance(jti, str) or not 0 < len(jti) <= _JTI_CHARACTERS:
        raise _wrong("proof_jti")
    if claims.get("htm") != method:
        raise _wrong("proof_method")
    target = claims.get("htu")
    meant = normal_url(target) if isinstance(target, str) else None
    if meant is None or meant != normal_url(url):
        raise _wrong("proof_url")
    if token is not None and claims.get("ath") != token_hash(token):
        raise _wrong("proof_token")


def _issued(iat: Any, now: datetime) -> datetime:
    if isinstance(iat, bool) or not isinstance(iat, int | float):
        raise _wrong("proof_time")
    if not -_PAST <= iat - now.timestamp() <= _FUTURE:
        raise _wrong("proof_time")
    return datetime.fromtimestamp(iat, UTC)


def token_hash(token: str) -> str:
    """Return the `ath` of an access token (RFC 9449 section 4.2)."""
    return _base64url(hashlib.sha256(token.encode(errors="replace")).digest())


def _base64url(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


# --- comparing addresses --------------------------------------------------------------------------

_PORTS = {"http": 80, "https": 443}
_ESCAPED = re.compile(r"%([0-9A-Fa-f]{2})")
_UNRESERVED = re.compile(r"[0-9A-Za-z._~-]")


def normal_url(url: str) -> str | None:
    """Return an address without query and fragment in its normal form (RFC 3986 sections 6.2.2, 6.2.3).

    None when it is no http address: that equals no address of ours.
    """
    try:
        parts = urlsplit(url)
        port = _PORTS.get(parts.scheme) if parts.port is None else parts.port
    except ValueError:
        return None
    if parts.scheme not in _PORTS or not parts.hostname or "@" in parts.netloc:
        return None
    return f"{parts.scheme}://{parts.hostname}:{port}{_normal_path(parts)}"


def _normal_path(parts: SplitResult) -> str:
    kept: list[str] = []
    segments = _ESCAPED.sub(_unescaped, parts.path).split("/")[1:]
    for segment in segments:
        if segment == "..":
            del kept[-1:]
        elif segment != ".":
            kept.append(segment)
    if segments and segments[-1] in (".", ".."):
        kept.append("")
    return "/" + "/".join(kept)


def _unescaped(found: re.Match[str]) -> str:
    character = chr(int(found[1], 16))
    return character if _UNRESERVED.fullmatch(character) else found[0].upper()
