"""Proofs of possession as a client makes them (RFC 9449 section 4.2), from nothing of ours."""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature


def b64(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def number(value: int, size: int | None = None) -> str:
    return b64(value.to_bytes(size or (value.bit_length() + 7) // 8, "big"))


@dataclass(frozen=True)
class Prover:
    """A key pair that makes proofs."""

    private: Any
    alg: str
    jwk: Mapping[str, str]

    @property
    def thumbprint(self) -> str:
        """RFC 7638 section 3."""
        return b64(
            hashlib.sha256(json.dumps(self.jwk, sort_keys=True, separators=(",", ":")).encode()).digest()
        )

    def sign(self, message: bytes) -> bytes:
        if isinstance(self.private, ec.EllipticCurvePrivateKey):
            size = (self.private.curve.key_size + 7) // 8
            pair = decode_dss_signature(self.private.sign(message, ec.ECDSA(hashes.SHA256())))
            return b"".join(part.to_bytes(size, "big") for part in pair)
        if isinstance(self.private, rsa.RSAPrivateKey):
            salted = padding.PSS(padding.MGF1(hashes.SHA256()), padding.PSS.DIGEST_LENGTH)
            return self.private.sign(message, salted, hashes.SHA256())
        return bytes(self.private.sign(message))

    def proof(self, method: str, url: str, now: datetime, *, nonce: str | None = None, **changed: Any) -> str:
        """Return a proof; `header` and `claims` among the changes are put over what is right, None drops."""
        header = {"typ": "dpop+jwt", "alg": self.alg, "jwk": self.jwk, **changed.get("header", {})}
        claims = {
            "jti": secrets.token_urlsafe(16),
            "htm": method,
            "htu": url,
            "iat": int(now.timestamp()),
            "nonce": nonce,
            "ath": ath(changed["token"]) if "token" in changed else None,
            **changed.get("claims", {}),
        }
        return self.signed(header, claims)

    def signed(self, header: Mapping[str, Any], claims: Mapping[str, Any]) -> str:
        parts = [b64(json.dumps(_given(part)).encode()) for part in (header, claims)]
        signed = ".".join(parts)
        return f"{signed}.{b64(self.sign(signed.encode()))}"


def _given(part: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in part.items() if value is not None}


def ath(token: str) -> str:
    return b64(hashlib.sha256(token.encode()).digest())


def ec_prover(curve: ec.EllipticCurve | None = None) -> Prover:
    private = ec.generate_private_key(curve or ec.SECP256R1())
    point, size = private.public_key().public_numbers(), (private.curve.key_size + 7) // 8
    jwk = {"kty": "EC", "crv": "P-256", "x": number(point.x, size), "y": number(point.y, size)}
    return Prover(private, "ES256", jwk)


def rsa_prover(bits: int = 2048) -> Prover:
    private = rsa.generate_private_key(65537, bits)
    public = private.public_key().public_numbers()
    return Prover(private, "PS256", {"kty": "RSA", "n": number(public.n), "e": number(public.e)})


def ed_prover(alg: str = "Ed25519") -> Prover:
    private = ed25519.Ed25519PrivateKey.generate()
    raw = private.public_key().public_bytes_raw()
    return Prover(private, alg, {"kty": "OKP", "crv": "Ed25519", "x": b64(raw)})
