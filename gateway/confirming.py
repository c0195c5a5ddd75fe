"""What a token is bound to: a key that its system holds (RFC 9449), a certificate (RFC 8705), or nothing.

What the system was approved for is demanded; a proof that comes unasked binds all the same.
"""

from __future__ import annotations

from typing import Any

from core.certificates import thumbprint
from core.settings_security import FAPI2
from core.work import Work
from gateway import store
from gateway.dpop import INVALID, Nonces, Proof, ProofRefused, read_proof
from gateway.issuing import KEY
from gateway.metadata import addresses_of
from gateway.methods import CERTIFICATE_BOUND, DPOP
from gateway.model import Client
from gateway.strict import Asked, Refused

_NAMES = {"jkt": "jkt", "x5t": "x5t#S256"}
"""The members of `cnf` (RFC 7800), as RFC 9449 section 6 and RFC 8705 section 3.1 call them."""


def proof_in(work: Work, asked: Asked) -> Proof | None:
    """Return the proof of possession that a token request brings (RFC 9449 section 5), None without one.

    Raises Refused, with the nonce to use where that is what is wrong.
    """
    if not asked.proofs:
        return None
    addresses, nonces = addresses_of(work.settings, "token"), Nonces(work.settings.key(KEY))
    for url in addresses:
        try:
            return read_proof(asked.proofs, method="POST", url=url, now=work.now, nonces=nonces)
        except ProofRefused as refused:
            if url == addresses[-1] or refused.reason != "proof_url":
                raise Refused(refused.error, refused.reason, nonce=refused.nonce) from refused
    return None


def bound_to(work: Work, client: Client, asked: Asked, proof: Proof | None) -> str | None:
    """Return what the token of a request is bound to: "jkt:" or "x5t:" and a thumbprint, or None.

    Raises Refused when it must be bound and is not, or the proof was seen before.
    """
    by_certificate = client.authentication.binding == CERTIFICATE_BOUND
    if proof is None:
        return _without_proof(work, client, asked)
    if by_certificate:
        raise Refused("invalid_request", "wrong_binding")
    if not store.see_proof(work.tx, proof.digest, proof.expires_at):
        raise Refused(INVALID, "proof_replayed")
    return f"jkt:{proof.thumbprint}"


def _without_proof(work: Work, client: Client, asked: Asked) -> str | None:
    binding = client.authentication.binding
    fapi2 = work.settings.security.security_profile == FAPI2
    if binding == DPOP or (fapi2 and binding != CERTIFICATE_BOUND and asked.shown is None):
        raise Refused(INVALID, "proof_missing")
    if binding != CERTIFICATE_BOUND and not fapi2:
        return None
    if asked.shown is None:
        raise Refused("invalid_request", "certificate_missing")
    return f"x5t:{thumbprint(asked.shown.certificate)}"


def token_type_of(cnf: str | None) -> str:
    """Return the token type of RFC 6749 section 7.1; one that is bound to a certificate is a bearer token."""
    return "DPoP" if cnf is not None and cnf.startswith("jkt:") else "Bearer"


def confirmation_of(cnf: str | None) -> dict[str, Any]:
    """Return the `cnf` member that introspection shows (RFC 7662); nothing for a bearer token."""
    if cnf is None:
        return {}
    kind, _, value = cnf.partition(":")
    return {"cnf": {_NAMES[kind]: value}}
