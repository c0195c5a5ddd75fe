"""Client assertions (RFC 7523 as draft-ietf-oauth-rfc7523bis restates it): a system signs that it is the one.

Pure: no I/O, the clock is an argument. That an assertion counts once only is for the store to say, which
keeps `Assertion.digest` until `Assertion.expires_at`.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, NoReturn

from core.ids import digest
from gateway.signatures import ALGORITHMS, Statement, holds, key_of, public_part, read_statement, signs_with

TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
MOST_SECONDS = 300
"""How far ahead an assertion may end: so long its `jti` is kept."""
_LEEWAY = 10
"""Seconds that the client's clock may be ahead (FAPI 2.0 Security Profile, section 5.3.2.1)."""
_MOST_CHARACTERS = 8192
_MOST_JTI = 256
_HEADER = frozenset({"alg", "typ", "kid"})
"""What a header may say. Keys, and addresses of keys, come from the registration and from nowhere else."""
_TYPES = frozenset({"jwt", "client-authentication+jwt"})


class AssertionRefused(Exception):
    """An assertion that does not count; the reason is for the record only."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Assertion:
    """An assertion as it was read; nothing in it counts before `check_assertion` returns."""

    client_id: str
    algorithm: str
    kid: str | None
    statement: Statement

    @property
    def claims(self) -> Mapping[str, Any]:
        """What it says."""
        return self.statement.claims

    @property
    def digest(self) -> str:
        """Return what tells this assertion from every other, in hex, for `store.see_proof`."""
        return digest(f"assertion\n{self.client_id}\n{self.claims['jti']}")

    @property
    def expires_at(self) -> datetime:
        """Return when the assertion is too old to be presented again."""
        return datetime.fromtimestamp(self.claims["exp"], UTC) + timedelta(seconds=1)


def read_assertion(text: str) -> Assertion:
    """Return what an assertion says, unverified: whom it is about, so that their keys can be looked up.

    Raises AssertionRefused for a form or an algorithm that nobody may use.
    """
    try:
        statement = read_statement(text, _MOST_CHARACTERS)
    except ValueError:
        _refuse("assertion_malformed")
    header, claims = statement.header, statement.claims
    algorithm, kid, kind = header.get("alg"), header.get("kid"), header.get("typ", "JWT")
    if not header.keys() <= _HEADER:
        _refuse("assertion_header")
    if not isinstance(kind, str) or kind.lower().removeprefix("application/") not in _TYPES:
        _refuse("assertion_type")
    if algorithm not in ALGORITHMS:
        _refuse("assertion_algorithm")
    subject = claims.get("sub")
    if not (isinstance(subject, str) and isinstance(kid, str | None) and claims.get("iss") == subject):
        _refuse("assertion_subject")
    return Assertion(subject, algorithm, kid, statement)


def check_assertion(
    assertion: Assertion, keys: Sequence[Mapping[str, Any]], audiences: Collection[str], now: datetime
) -> None:
    """Check an assertion against the keys of its system. `audiences` are the names that are ours.

    Raises AssertionRefused.
    """
    named = [k for k in keys if assertion.kid in (None, k["kid"]) and signs_with(k, assertion.algorithm)]
    if not any(_holds(assertion, key) for key in named):
        _refuse("assertion_signature" if named else "assertion_key")
    audience = assertion.claims.get("aud")
    if not isinstance(audience, str) or audience not in audiences:
        _refuse("assertion_audience")
    _check_times(assertion.claims, now.timestamp())
    jti = assertion.claims.get("jti")
    if not isinstance(jti, str) or not 0 < len(jti) <= _MOST_JTI:
        _refuse("assertion_jti")


def _check_times(claims: Mapping[str, Any], now: float) -> None:
    if not now < _number(claims.get("exp")) <= now + MOST_SECONDS + _LEEWAY:
        _refuse("assertion_expiry")
    for name in ("iat", "nbf"):
        if not _number(claims.get(name, now)) <= now + _LEEWAY:
            _refuse("assertion_time")


def _holds(assertion: Assertion, key: Mapping[str, Any]) -> bool:
    return holds(assertion.statement, assertion.algorithm, key_of(public_part(key)))


def _number(value: object) -> float:
    """Return a number of the claims; anything else is one that compares with none."""
    return value if isinstance(value, int | float) and not isinstance(value, bool) else math.nan


def _refuse(reason: str) -> NoReturn:
    raise AssertionRefused(reason)
