"""The other side of a proof (RFC 9449 section 4.2): a key of our own for calls that the platform makes."""

from __future__ import annotations

from datetime import datetime

import orjson
from joserfc.jwk import OKPKey
from joserfc.jws import serialize_compact

from core.ids import new_id
from gateway.dpop import PROOF_TYPE, token_hash


class Prover:
    """A key that lives as long as this object, and proofs that whoever has it makes a request."""

    def __init__(self) -> None:
        self._key = OKPKey.generate_key("Ed25519")

    @property
    def cnf(self) -> str:
        """Return what a token is bound to this key by."""
        return f"jkt:{self._key.thumbprint()}"

    def proof(self, method: str, url: str, now: datetime, *, nonce: str, token: str) -> str:
        """Return a proof for one request with an access token."""
        header = {"typ": PROOF_TYPE, "alg": "Ed25519", "jwk": self._key.as_dict(private=False)}
        claims = {
            "jti": new_id(),
            "htm": method,
            "htu": url.partition("?")[0],
            "iat": int(now.timestamp()),
            "nonce": nonce,
            "ath": token_hash(token),
        }
        return serialize_compact(header, orjson.dumps(claims), self._key, algorithms=["Ed25519"])
