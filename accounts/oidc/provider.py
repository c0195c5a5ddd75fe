"""One identity provider: what it says of itself, the way there and back, and whether its word is good.

Code flow with PKCE (RFC 7636), state, nonce and the issuer in the response (RFC 9207). What comes back is
good for the browser and the provider that it was begun with, once.
"""

from __future__ import annotations

import hmac
import math
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlencode, urlsplit

from authlib.oauth2.base import OAuth2Error
from authlib.oauth2.client import OAuth2Client
from authlib.oauth2.rfc7636 import create_s256_code_challenge
from cryptography.hazmat.primitives import serialization
from joserfc import jwk, jwt
from joserfc.errors import JoseError

from accounts.oidc.fetch import Road, Unreachable
from core.ids import new_secret
from core.settings_oidc import IdentityProvider

KEPT = timedelta(hours=1)
"""How long what a provider says of itself is believed before it is asked again."""
AGAIN = timedelta(minutes=1)
"""How soon its keys are fetched again for a token of a key that is not known."""
NOT_YET = timedelta(seconds=10)
"""How long nobody asks a provider that has just failed to answer."""
WAITING_MOST, WAIT_SECONDS = 4, 2.0
"""So many threads wait for an answer that another one has asked for, and how long."""
LONG_AGO = timedelta(days=30)
"""Where the deployment does not say how old a sign-in may be: so far back, so that its time is told."""
LEEWAY, OLDEST = timedelta(seconds=60), timedelta(minutes=10)
"""How far its clock may differ, and how old an ID token may be."""
TIME_TO_SIGN_IN = timedelta(minutes=10)
_KEYS_MOST, _SUBJECT_MOST = 50, 255

_DENIED = frozenset({"access_denied", "login_required", "interaction_required", "consent_required"})
"""What a provider answers where the person, or it, did not want to."""


class NotGood(Exception):
    """What came back proves nothing. `denied`: the provider says that the person was not signed in."""

    def __init__(self, why: str, *, denied: bool = False) -> None:
        super().__init__(why)
        self.denied = denied


@dataclass(frozen=True, slots=True)
class Begun:
    """A way that a browser was sent on; it carries this until it comes back."""

    provider: str
    state: str
    nonce: str
    verifier: str
    begun_at: str
    next: str
    link: str | None = None
    """The login whose account the identity is to be linked to; None for a sign-in."""
    confirm: str | None = None
    """The login of who is signed in and proves once more who they are; None for a sign-in."""


@dataclass(frozen=True, slots=True)
class Proven:
    """Who somebody is at a provider: issuer and subject, never an e-mail address."""

    issuer: str
    subject: str
    two_factors: bool
    at: datetime | None
    """When the provider last saw a proof of it (`auth_time`); None where it does not say."""


@dataclass(frozen=True, slots=True)
class _Described:
    document: Mapping[str, Any]
    keys: jwk.KeySet
    at: datetime


class Provider:
    """An identity provider, and what it last said of itself."""

    def __init__(
        self, settings: IdentityProvider, redirect_uri: str, secret: str | None, key: str | None
    ) -> None:
        """`secret` or `key` (PEM) is what the platform authenticates with."""
        host = urlsplit(settings.issuer).hostname or ""
        self.settings = settings
        self._road = Road(frozenset({host, *settings.hosts}), settings.ca_file)
        self._redirect_uri = redirect_uri
        self._secret = secret
        self._key = _own_key(key) if key is not None else None
        self._described: _Described | None = None
        self._failed_at: datetime | None = None
        self._lock = threading.Lock()
        """Guards what is known; nobody waits for the network with it."""
        self._asking: threading.Event | None = None
        self._patient = threading.BoundedSemaphore(WAITING_MOST)

    # --- there ------------------------------------------------------------------------------------

    def begin(
        self, now: datetime, next_page: str, link: str | None = None, confirm: str | None = None
    ) -> tuple[str, Begun]:
        """Return the address to send a browser to, and what it has to bring back. Raises Unreachable."""
        document = self._describe(now).document
        secrets = new_secret(), new_secret(), new_secret()
        begun = Begun(self.settings.id, *secrets, now.isoformat(), next_page, link, confirm)
        asked = {
            "response_type": "code",
            "client_id": self.settings.client_id,
            "redirect_uri": self._redirect_uri,
            "scope": " ".join(self.settings.scopes),
            "state": begun.state,
            "nonce": begun.nonce,
            "code_challenge": create_s256_code_challenge(begun.verifier),
            "code_challenge_method": "S256",
        }
        if self.settings.acr_values:
            asked["acr_values"] = " ".join(self.settings.acr_values)
        return _with_query(document["authorization_endpoint"], asked | self._how_fresh(begun)), begun

    def _how_fresh(self, begun: Begun) -> dict[str, str]:
        """Ask when the person signed in there, which `max_age` has the provider say (section 3.1.2.1)."""
        if begun.confirm is not None:
            return {"prompt": "login", "max_age": "0"}
        oldest = self.settings.max_age
        asked = {"max_age": str(int(LONG_AGO.total_seconds()) if oldest is None else oldest)}
        return asked | ({"prompt": "login"} if begun.link is not None else {})

    def way_out(self, now: datetime, back_to: str) -> str | None:
        """Return where a browser signs out at the provider (RP-Initiated Logout 1.0), None where nowhere."""
        end = self._describe(now).document.get("end_session_endpoint") if self.settings.logout else None
        if not isinstance(end, str) or not end.startswith("https://"):
            return None
        return _with_query(end, {"client_id": self.settings.client_id, "post_logout_redirect_uri": back_to})

    # --- and back ---------------------------------------------------------------------------------

    def finish(self, begun: Begun, query: Mapping[str, str], now: datetime) -> Proven:
        """Return whom the provider vouches for. Raises NotGood, Unreachable."""
        if now - datetime.fromisoformat(begun.begun_at) > TIME_TO_SIGN_IN:
            raise NotGood("begun too long ago")
        if not hmac.compare_digest(begun.state.encode(), query.get("state", "").encode()):
            raise NotGood("not the state that was sent")
        described = self._describe(now)
        self._check_issuer(described.document, query)
        if "error" in query:
            raise NotGood("the provider refused", denied=query["error"] in _DENIED)
        return self._claims(self._id_token(described, query, begun, now), begun, now)

    def _check_issuer(self, document: Mapping[str, Any], query: Mapping[str, str]) -> None:
        """Refuse an answer of another provider (mix-up, RFC 9207 section 2.4)."""
        said = query.get("iss")
        required = document.get("authorization_response_iss_parameter_supported") is True
        if (said is None and required) or (said is not None and said != self.settings.issuer):
            raise NotGood("an answer of another issuer")

    def _id_token(self, described: _Described, query: Mapping[str, str], begun: Begun, now: datetime) -> str:
        if not 1 <= len(query.get("code", "")) <= 4096:
            raise NotGood("no code")
        try:
            told = self._client(now).fetch_token(
                described.document["token_endpoint"],
                grant_type="authorization_code",
                code=query["code"],
                code_verifier=begun.verifier,
            )
        except OAuth2Error as wrong:
            raise NotGood(f"no token: {type(wrong).__name__}") from wrong
        except (ValueError, TypeError) as wrong:
            raise Unreachable("no token answer") from wrong
        token = told.get("id_token")
        if not isinstance(token, str):
            raise NotGood("no ID token")
        return token

    def _client(self, now: datetime) -> OAuth2Client:
        method = "private_key_jwt" if self._key is not None else "client_secret_basic"
        client = OAuth2Client(
            self._road,
            self.settings.client_id,
            self._secret,
            token_endpoint_auth_method=method,
            redirect_uri=self._redirect_uri,
        )
        client.register_client_auth_method(("private_key_jwt", self._sign_in_at(now)))
        return client

    def _sign_in_at(self, now: datetime) -> Any:
        """Return what adds an assertion of ours to a request, made anew each time (RFC 7523 section 2.2)."""

        def add(auth: Any, method: str, uri: str, headers: Any, body: str) -> tuple[str, Any, str]:
            name = self.settings.client_id
            seconds = int(now.timestamp())
            claims = {"iss": name, "sub": name, "aud": self.settings.issuer, "jti": new_secret()}
            claims |= {"iat": seconds, "exp": seconds + 60}  # type: ignore[dict-item]
            assert self._key is not None
            algorithm = {"EC": "ES256", "OKP": "Ed25519"}.get(self._key.key_type, "PS256")
            signed = jwt.encode({"alg": algorithm}, claims, self._key, algorithms=[algorithm])
            kind = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
            more = urlencode({"client_assertion_type": kind, "client_assertion": signed})
            return uri, headers, f"{body}&{more}"

        return add

    def _claims(self, token: str, begun: Begun, now: datetime) -> Proven:
        """Check an ID token (OpenID Connect Core 1.0 section 3.1.3.7)."""
        claims = self._verified(token, now)
        subject, audience = claims.get("sub"), claims.get("aud")
        if claims.get("iss") != self.settings.issuer:
            raise NotGood("another issuer")
        if audience not in (self.settings.client_id, [self.settings.client_id]):
            raise NotGood("for another audience")
        if claims.get("azp", self.settings.client_id) != self.settings.client_id:
            raise NotGood("for another party")
        if not hmac.compare_digest(begun.nonce.encode(), str(claims.get("nonce")).encode()):
            raise NotGood("not the nonce that was sent")
        _check_times(claims, now)
        at = _signed_in_at(claims, now)
        self._check_age(at, begun, now)
        if not isinstance(subject, str) or not 1 <= len(subject) <= _SUBJECT_MOST:
            raise NotGood("no subject")
        return Proven(self.settings.issuer, subject, self._two_factors(claims), at)

    def _check_age(self, at: datetime | None, begun: Begun, now: datetime) -> None:
        """Refuse a sign-in there that is older than what was asked for; a proof anew is one of after that."""
        oldest = None if self.settings.max_age is None else now - timedelta(seconds=self.settings.max_age)
        if begun.confirm is not None:
            oldest = datetime.fromisoformat(begun.begun_at)
        if oldest is not None and (at is None or at < oldest - LEEWAY):
            raise NotGood("signed in there too long ago")

    def _verified(self, token: str, now: datetime) -> Mapping[str, Any]:
        if len(token) > 16 * 1024:
            raise NotGood("a token without end")
        try:
            return self._decoded(token, self._describe(now).keys)
        except (JoseError, ValueError):
            keys = self._describe(now, AGAIN).keys  # it may sign with a new key
        try:
            return self._decoded(token, keys)
        except (JoseError, ValueError) as wrong:
            raise NotGood(f"no good signature: {type(wrong).__name__}") from wrong

    def _decoded(self, token: str, keys: jwk.KeySet) -> Mapping[str, Any]:
        return jwt.decode(token, keys, algorithms=list(self.settings.algorithms)).claims

    def _two_factors(self, claims: Mapping[str, Any]) -> bool:
        """Tell whether the provider says, in words that the deployment takes, that it asked for two."""
        amr = claims.get("amr")
        said = {claims.get("acr"), *(amr if isinstance(amr, list) else ())}
        return not said.isdisjoint(self.settings.second_factor)

    # --- what it says of itself -------------------------------------------------------------------

    def _describe(self, now: datetime, most: timedelta = KEPT) -> _Described:
        """Return what it says of itself, no older than `most`. One thread asks it, a few wait for that."""
        with self._lock:
            known, asking = self._described, self._asking
            if known is not None and now - known.at < most:
                return known
            if self._failed_at is not None and timedelta(0) <= now - self._failed_at < NOT_YET:
                raise Unreachable("it did not answer a moment ago")
            if asking is None:
                self._asking = threading.Event()
        return self._ask(now) if asking is None else self._told(asking, now, most)

    def _ask(self, now: datetime) -> _Described:
        found = None
        try:
            found = self._discovered(now)
            return found
        finally:
            with self._lock:
                self._failed_at = now if found is None else None
                self._described = found or self._described
                asking, self._asking = self._asking, None
            if asking is not None:
                asking.set()

    def _told(self, asking: threading.Event, now: datetime, most: timedelta) -> _Described:
        """Wait for what another thread asks. Raises Unreachable where that takes too long, or many wait."""
        if not self._patient.acquire(blocking=False):
            raise Unreachable("others are waiting for it")
        try:
            asking.wait(WAIT_SECONDS)
        finally:
            self._patient.release()
        known = self._described
        if known is None or now - known.at >= most:
            raise Unreachable("it has not answered yet")
        return known

    def _discovered(self, now: datetime) -> _Described:
        """Read the discovery document and the keys (OpenID Connect Discovery 1.0 section 4)."""
        url = f"{self.settings.issuer.rstrip('/')}/.well-known/openid-configuration"
        document = self._road.get_json(url)
        if document.get("issuer") != self.settings.issuer:
            raise Unreachable("another issuer")
        for name in ("authorization_endpoint", "token_endpoint", "jwks_uri"):
            if not str(document.get(name)).startswith("https://"):
                raise Unreachable(f"no {name}")
        if "S256" not in document.get("code_challenge_methods_supported", ["S256"]):
            raise Unreachable("no PKCE")
        return _Described(document, _keys(self._road.get_json(document["jwks_uri"])), now)


def _own_key(pem: str) -> jwk.Key:
    """Read our private key. Raises ValueError for what is none of EC, Ed25519 or RSA."""
    kind = type(serialization.load_pem_private_key(pem.encode(), None)).__name__
    types: dict[str, Any] = {"ECPrivateKey": "EC", "Ed25519PrivateKey": "OKP", "RSAPrivateKey": "RSA"}
    if kind not in types:
        raise ValueError(f"no private key for signatures: {kind}")
    key: jwk.Key = jwk.import_key(pem, types[kind])
    return key


def _keys(document: Mapping[str, Any]) -> jwk.KeySet:
    """Return the public keys for signatures; what is of another kind is left out."""
    listed = document.get("keys")
    entries = [k for k in listed if isinstance(k, dict)] if isinstance(listed, list) else []
    wanted = [k for k in entries if k.get("kty") in ("RSA", "EC", "OKP") and k.get("use", "sig") == "sig"]
    keys = []
    for entry in wanted[:_KEYS_MOST]:
        public = {k: v for k, v in entry.items() if k not in ("x5c", "x5t", "x5t#S256", "x5u")}
        try:
            keys.append(jwk.import_key(public))
        except (JoseError, ValueError, KeyError, TypeError):
            continue
    return jwk.KeySet(keys)


def _signed_in_at(claims: Mapping[str, Any], now: datetime) -> datetime | None:
    """Return when the provider says that it saw a proof of who somebody is; never in the future."""
    at = claims.get("auth_time")
    if not isinstance(at, int | float) or isinstance(at, bool) or not 0 <= at < math.inf:
        return None
    return datetime.fromtimestamp(min(at, now.timestamp()), UTC)


def _check_times(claims: Mapping[str, Any], now: datetime) -> None:
    times = [claims.get("exp"), claims.get("iat")]
    if not all(isinstance(t, int | float) and not isinstance(t, bool) for t in times):
        raise NotGood("no times")
    expires, issued = (float(t) for t in times if t is not None)
    at = now.timestamp()
    if expires <= at - LEEWAY.total_seconds():
        raise NotGood("expired")
    if not at - OLDEST.total_seconds() <= issued <= at + LEEWAY.total_seconds():
        raise NotGood("not issued now")


def _with_query(address: str, more: Mapping[str, str]) -> str:
    joint = "&" if urlsplit(address).query else "?"
    return f"{address}{joint}{urlencode(more)}"
