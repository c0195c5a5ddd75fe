"""Whether a call comes from whom its token was issued to: the key or the certificate that it is bound to.

`Permit.cnf` says what that is: a key that the call proves to hold (DPoP, RFC 9449), a certificate that the
trusted front hands over (RFC 8705 section 3), or nothing: then holding the token is enough (RFC 6750), but
where the deployment demands more.
"""

from __future__ import annotations

import hmac
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import NamedTuple

from core.certificates import certificate_of, thumbprint
from core.networks import address_of
from core.settings import Settings
from core.settings_security import FAPI2
from gateway import objections as no
from gateway.dpop import Nonces, Proof, ProofRefused, read_proof
from gateway.messages import Request
from gateway.model import Network, Permit
from gateway.objections import BEARER, DPOP, Objection, Refused

_AUTHORIZATION = re.compile(rb"(?i:(bearer)|dpop) +([A-Za-z0-9._~+/-]+=*)")


class Presented(NamedTuple):
    """The access token of a call, and the scheme that it came under."""

    scheme: str
    token: str


def presented_token(fields: list[bytes]) -> Presented:
    """Return the token of the Authorization fields (RFC 6750 section 2.1, RFC 9449 section 7.1).

    Raises Refused.
    """
    if not fields:
        raise Refused(no.TOKEN_MISSING)
    found = _AUTHORIZATION.fullmatch(fields[0]) if len(fields) == 1 else None
    if found is None:
        raise Refused(no.AUTHORIZATION_MALFORMED)
    return Presented(BEARER if found[1] else DPOP, found[2].decode("ascii"))


@dataclass(frozen=True, slots=True)
class Possession:
    """What one deployment asks of the holders of its tokens."""

    address: str
    """Of the data plane, as callers write it."""
    nonces: Nonces
    only_bound: bool
    """Whether a token that is bound to nothing opens nothing."""
    header: bytes | None
    """The field in which the trusted front hands over a certificate."""
    trusted: tuple[Network, ...]

    def check(
        self, permit: Permit, presented: Presented, request: Request, now: float, shown: str | None = None
    ) -> Proof | None:
        """Return the proof that a call came with, which must not have been seen before. Raises Refused.

        `now` in seconds since the epoch; `shown` is the thumbprint of the certificate in the handshake, which
        is a front's own where a front is the caller.
        """
        bound = permit.cnf
        certificate = None if self.header is None else self._certificate(request, self.header)
        if certificate is None and shown is not None and not self._is_front(request):
            certificate = shown
        if bound is None and presented.scheme is BEARER:
            if self.only_bound:
                raise Refused(no.TOKEN_UNBOUND)
            return None
        if bound is None or bound.startswith("jkt:") or presented.scheme is DPOP:
            return self._prove(bound, presented, request, now)
        if certificate is None or not hmac.compare_digest(bound, f"x5t:{certificate}"):
            raise Refused(no.CERTIFICATE_MISSING if certificate is None else no.CERTIFICATE_OTHER)
        return None

    def fresh_nonce(self, proof: Proof, now: float) -> str | None:
        """Return the nonce to use from now on where the proof used an older one (RFC 9449 section 8.2)."""
        current = self.nonces.current(datetime.fromtimestamp(now, UTC))
        return None if proof.nonce == current else current

    def _prove(self, bound: str | None, presented: Presented, request: Request, now: float) -> Proof:
        if bound is None or not bound.startswith("jkt:") or presented.scheme is not DPOP:
            raise Refused(no.TOKEN_SCHEME.under(DPOP))
        target = request.target.partition(b"?")[0].decode("latin-1")
        try:
            proof = read_proof(
                [value.decode("latin-1") for value in request.all(b"dpop")],
                method=request.method,
                url=self.address + target,
                now=datetime.fromtimestamp(now, UTC),
                nonces=self.nonces,
                token=presented.token,
            )
        except ProofRefused as refused:
            raise Refused(_objection(refused)) from refused
        if not hmac.compare_digest(bound, f"jkt:{proof.thumbprint}"):
            raise Refused(no.PROOF_OTHER_KEY)
        return proof

    def _is_front(self, request: Request) -> bool:
        peer = address_of(request.peer)
        return peer is not None and any(peer in network for network in self.trusted)

    def _certificate(self, request: Request, header: bytes) -> str | None:
        """Return the thumbprint of the certificate that the front handed over; an empty field is none."""
        values = request.all(header)
        if not values:
            return None
        if len(values) > 1 or not self._is_front(request):
            raise Refused(no.CERTIFICATE_FIELD)
        if not values[0]:
            return None
        try:
            return thumbprint(certificate_of(values[0]))
        except ValueError as wrong:
            raise Refused(no.CERTIFICATE_FIELD) from wrong


def possession_of(settings: Settings) -> Possession:
    """Return what a deployment asks of the holders of its tokens. Raises ConfigError without a key."""
    security = settings.security
    header = security.client_certificate_header
    return Possession(
        address=settings.platform.gateway_url,
        nonces=Nonces(settings.key("token.key")),
        only_bound=security.security_profile == FAPI2,
        header=header.lower().encode() if header else None,
        trusted=settings.platform.trusted_proxies,
    )


def _objection(refused: ProofRefused) -> Objection:
    found = no.PROOFS[refused.reason]
    return found if refused.nonce is None else found.having("DPoP-Nonce", refused.nonce)
