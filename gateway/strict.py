"""Reads a request at an OAuth endpoint, strictly, before any library sees it.

What RFC 6749 leaves to the server's mercy is refused here: parameters in the address, repeated ones, two ways
of authentication at once, any other media type, encodings that do not hold.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple
from urllib.parse import parse_qsl, unquote_plus

from authlib.oauth2 import OAuth2Error

from core.work import Work
from gateway.issuing import Checked, check_secret

MOST_BYTES, MOST_FIELDS = 128 * 1024, 50
FORM = "application/x-www-form-urlencoded"


class Refused(OAuth2Error):  # type: ignore[misc]
    """A refusal of ours: an error code for the caller, and the reason that only the record gets."""

    def __init__(self, error: str, reason: str, *, status: int = 400, retry_after: int = 0) -> None:
        super().__init__(error=error, status_code=status)
        self.reason = reason
        self.retry_after = retry_after


class Raw(NamedTuple):
    """A request as it came, as far as it matters here."""

    query: bytes
    media_type: str
    encoded: bool
    """Whether the body is compressed or otherwise encoded."""
    authorization: tuple[str, ...]
    body: bytes


class Asked(NamedTuple):
    """A request as it was read: its form, every field once, and the Basic credentials, if any."""

    form: Mapping[str, str]
    basic: tuple[str, str] | None


def read_request(raw: Raw) -> Asked:
    """Return what a request asks. Raises Refused for anything ambiguous or malformed."""
    if raw.query:
        raise Refused("invalid_request", "query_parameters")
    if raw.media_type != FORM or raw.encoded:
        raise Refused("invalid_request", "media_type")
    form = _read_form(raw.body)
    basic = _read_basic(raw.authorization)
    if basic and ("client_secret" in form or form.get("client_id", basic[0]) != basic[0]):
        raise Refused("invalid_request", "two_authentications")
    return Asked(form, basic)


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


# --- how a client authenticates --------------------------------------------------------------------


class Presented(NamedTuple):
    """A client_id, and the check of what was presented with it."""

    client_id: str
    check: Callable[[Work], Checked]


def _by_basic(asked: Asked) -> Presented | None:
    if asked.basic is None:
        return None
    name, secret = asked.basic
    return Presented(name, lambda work: check_secret(work, name, secret))


def _by_post(asked: Asked) -> Presented | None:
    name, secret = asked.form.get("client_id"), asked.form.get("client_secret")
    if asked.basic is not None or name is None or secret is None:
        return None
    return Presented(name, lambda work: check_secret(work, name, secret))


METHODS: Mapping[str, Callable[[Asked], Presented | None]] = {
    "client_secret_basic": _by_basic,
    "client_secret_post": _by_post,
}
"""The ways to authenticate, by their registered names (RFC 8414 section 2); the first that applies counts."""
