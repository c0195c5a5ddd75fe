"""Reads a request at an OAuth endpoint, strictly, before any library sees it.

What RFC 6749 leaves to the server's mercy is refused here: parameters in the address, repeated ones, two ways
of authentication at once, any other media type, encodings that do not hold.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from typing import NamedTuple
from urllib.parse import parse_qsl, unquote_plus

from authlib.oauth2 import OAuth2Error
from cryptography.x509 import Certificate

from core.certificates import certificate_of
from gateway.assertions import TYPE

MOST_BYTES, MOST_FIELDS = 128 * 1024, 50
FORM = "application/x-www-form-urlencoded"
VOUCHED = "SUCCESS"
"""What a front says of a certificate that an authority vouches for (nginx, `$ssl_client_verify`)."""


class Refused(OAuth2Error):  # type: ignore[misc]
    """A refusal of ours: an error code for the caller, and the reason that only the record gets."""

    def __init__(
        self,
        error: str,
        reason: str,
        *,
        status: int = 400,
        retry_after: int = 0,
        nonce: str | None = None,
    ) -> None:
        """`nonce` is the one that a DPoP proof must name instead (RFC 9449 section 8)."""
        super().__init__(error=error, status_code=status)
        self.reason = reason
        self.retry_after = retry_after
        self.nonce = nonce


class Front(NamedTuple):
    """What stands in the fields in which the front in front of us hands a client certificate over."""

    is_trusted: bool
    """Whether it was a trusted front that sent the request."""
    certificate: str
    """URL-encoded PEM; empty where the caller showed none."""
    verdict: str


class Raw(NamedTuple):
    """A request as it came, as far as it matters here."""

    query: bytes
    media_type: str
    encoded: bool
    """Whether the body is compressed or otherwise encoded."""
    authorization: tuple[str, ...]
    body: bytes
    front: Front | None = None
    """None where neither field came, or the deployment reads none."""
    proofs: tuple[str, ...] = ()
    """The DPoP fields."""


class Shown(NamedTuple):
    """A client certificate, of which the caller holds the key."""

    certificate: Certificate
    is_vouched_for: bool
    """Whether an authority vouches for it, by the word of the front."""


class Asked(NamedTuple):
    """A request as it was read: its form, every field once, and what came beside it."""

    form: Mapping[str, str]
    basic: tuple[str, str] | None
    shown: Shown | None = None
    proofs: tuple[str, ...] = ()


def read_request(raw: Raw) -> Asked:
    """Return what a request asks. Raises Refused for anything ambiguous or malformed."""
    if raw.query:
        raise Refused("invalid_request", "query_parameters")
    if raw.media_type != FORM or raw.encoded:
        raise Refused("invalid_request", "media_type")
    form = _read_form(raw.body)
    basic = _read_basic(raw.authorization)
    _check_one_way(form, basic)
    return Asked(form, basic, _read_front(raw.front), raw.proofs)


def _read_form(body: bytes) -> dict[str, str]:
    if len(body) > MOST_BYTES:
        raise Refused("invalid_request", "too_large", status=413)
    try:
        pairs = parse_qsl(
            body.decode("ascii"), strict_parsing=True, errors="strict", max_num_fields=MOST_FIELDS
        )
    except ValueError as wrong:
        raise Refused("invalid_request", "malformed_form") from wrong
    form = dict(pairs)
    if len(form) < len(pairs):
        twice = [name for name, _ in pairs].count("resource") > 1
        raise Refused("invalid_target" if twice else "invalid_request", "repeated_parameter")
    return form


def _check_one_way(form: Mapping[str, str], basic: tuple[str, str] | None) -> None:
    """Refuse two ways of authentication, and half of one (RFC 6749 section 2.3, RFC 7521 section 4.2)."""
    ways = [basic is not None, "client_secret" in form, "client_assertion" in form]
    if sum(ways) > 1 or (basic and form.get("client_id", basic[0]) != basic[0]):
        raise Refused("invalid_request", "two_authentications")
    if ("client_assertion" in form) != ("client_assertion_type" in form):
        raise Refused("invalid_request", "half_an_assertion")
    if form.get("client_assertion_type", TYPE) != TYPE:
        raise Refused("invalid_client", "assertion_type", status=401)


def _read_basic(headers: Sequence[str]) -> tuple[str, str] | None:
    """Return the Basic credentials (RFC 7617, form-encoded inside as RFC 6749 section 2.3.1 says)."""
    if not headers:
        return None
    scheme, _, encoded = headers[0].strip().partition(" ")
    try:
        if len(headers) > 1 or scheme.lower() != "basic":
            raise ValueError(scheme)
        text = base64.b64decode(encoded.strip(), validate=True).decode("utf-8")
        name, colon, secret = text.partition(":")
        if not (name and colon):
            raise ValueError("no colon")
        return unquote_plus(name, errors="strict"), unquote_plus(secret, errors="strict")
    except ValueError as wrong:
        raise Refused("invalid_client", "malformed_basic", status=401) from wrong


def _read_front(front: Front | None) -> Shown | None:
    """Return the certificate that the caller showed to the front. Raises Refused for one from elsewhere."""
    if front is None:
        return None
    if not front.is_trusted:
        raise Refused("invalid_request", "certificate_not_from_front")
    if not front.certificate:
        return None
    try:
        certificate = certificate_of(front.certificate.encode("latin-1"))
    except ValueError as wrong:
        raise Refused("invalid_request", "certificate_malformed") from wrong
    return Shown(certificate, front.verdict == VOUCHED)
