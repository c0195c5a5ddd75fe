"""The authorization server: Authlib's protocol over our own reading, authentication and store.

docs/divergences.md lists what we do differently from the library's stock behaviour, and why.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from authlib.oauth2 import OAuth2Error
from authlib.oauth2.rfc6749 import AuthorizationServer, ClientMixin, OAuth2Request, TokenMixin
from authlib.oauth2.rfc6749.grants import ClientCredentialsGrant
from authlib.oauth2.rfc6749.requests import BasicOAuth2Payload
from authlib.oauth2.rfc7009 import RevocationEndpoint
from authlib.oauth2.rfc7662 import IntrospectionEndpoint

from core.settings import Settings
from core.work import Work
from gateway.authenticating import Door, authenticate, client_actor, proves_itself
from gateway.bounds.requests import FLOOD, count_refusal, over, source_of, too_many
from gateway.confirming import bound_to, confirmation_of, proof_in, token_type_of
from gateway.dpop import INVALID, USE_NONCE
from gateway.issuing import (
    Issued,
    choose_grant,
    find_token,
    is_active,
    keep_token,
    new_token,
    note_refusal,
    withdraw_token,
)
from gateway.metadata import GRANT_TYPE, addresses_of, audiences_of
from gateway.methods import CLIENT_SECRET, methods_of
from gateway.model import Client, Token
from gateway.present import share_url
from gateway.strict import Asked, Refused
from gateway.wanted import DETAILS_TYPE, Unclear, error_of, read_wanted

_DESCRIPTIONS = {
    "invalid_request": "The request is malformed; send each parameter once, in a form-encoded POST body.",
    "invalid_client": "Client authentication failed.",
    "invalid_grant": "The token was issued to another client.",
    "unsupported_grant_type": "Only client_credentials is supported.",
    "invalid_scope": "scope must be dataset:<code> of exactly one live grant.",
    "invalid_target": "resource must name the dataset of exactly one live grant.",
    "invalid_authorization_details": "authorization_details must name exactly one live grant.",
    "insecure_transport": "OAuth needs https.",
    "temporarily_unavailable": "Too many attempts; try again later.",
    INVALID: "The token must be bound to a key: send one good DPoP proof for this address.",
    USE_NONCE: "Use the nonce of the DPoP-Nonce header in the proof.",
}
_AUTHENTICATION = ["client"]
"""The name under which Authlib asks for authentication: which way counts is not the library's to choose."""


class TurnedAway(NamedTuple):
    """A request that came past bounds: which, and what is answered."""

    keys: tuple[str, ...]
    answer: Answer


class Answer(NamedTuple):
    """What goes back: a JSON document and the headers it needs."""

    status: int
    document: Any
    headers: Mapping[str, str]


# --- our objects as Authlib wants to see them -------------------------------------------------------


class Caller(ClientMixin):  # type: ignore[misc]
    """A system as Authlib wants to see it."""

    def __init__(self, client: Client) -> None:
        self.client = client

    def check_grant_type(self, grant_type: str) -> bool:
        """Tell whether the system may use this flow."""
        return grant_type == GRANT_TYPE


class KnownToken(TokenMixin):  # type: ignore[misc]
    """A token as Authlib wants to see it."""

    def __init__(self, token: Token) -> None:
        self.token = token

    def check_client(self, client: Caller) -> bool:
        """Tell whether the token was issued to this system."""
        return self.token.client_id == client.client.id


class Message(OAuth2Request):  # type: ignore[misc]
    """A request as Authlib wants to see it; its address is the configured one, never the Host header's."""

    def __init__(self, address: str, asked: Asked) -> None:
        super().__init__("POST", address, headers={})
        self.asked = asked
        self.payload = BasicOAuth2Payload(dict(asked.form))

    @property
    def form(self) -> Mapping[str, str]:
        """The parameters of the body."""
        return self.asked.form


class Server(AuthorizationServer):  # type: ignore[misc]
    """Authlib's server for one request: over one unit of work, asked from one address."""

    def __init__(self, work: Work, peer: str, endpoint: str) -> None:
        super().__init__()
        self.work = work
        self.peer = peer
        self.endpoint = endpoint
        self.client: Client | None = None
        self.register_grant(DataGrant)
        self.register_endpoint(Introspection)
        self.register_endpoint(Revocation)

    def create_oauth2_request(self, request: Asked) -> Message:
        """Return the request in Authlib's shape. Raises InsecureTransportError when reached by plain http."""
        return Message(addresses_of(self.work.settings, self.endpoint)[0], request)

    def authenticate_client(self, request: Message, methods: object, endpoint: str = "token") -> Caller:
        """Return the system that authenticated itself. Raises Refused, in the same words for every reason."""
        self.client = authenticate(self.work, request.asked, _door(self.work, self.endpoint, self.peer))
        self.work = self.work.acting_as(client_actor(self.client))
        return Caller(self.client)

    def handle_response(self, status: int, payload: Any, headers: object) -> Answer:
        """Return an answer (RFC 6749 section 5.1)."""
        return Answer(status, payload, {})

    def handle_error_response(self, request: object, error: OAuth2Error) -> Answer:
        """Return a refusal (RFC 6749 section 5.2), and put it on record as long as there are not too many."""
        reason = getattr(error, "reason", error.error)
        client = self.client.id if self.client else None
        if reason != FLOOD and (client is not None or count_refusal(self.work, source_of(self.peer))):
            note_refusal(self.work, self.endpoint, error.error, reason, client)
        return refusal(self.work.settings, error)

    def send_signal(self, name: str, *args: Any, **kwargs: Any) -> None:
        """Tell nobody: what happens is on record."""


def turned_away(work: Work, asked: Asked | OAuth2Error, endpoint: str, peer: str) -> TurnedAway | None:
    """Return the refusal of a request that came past a bound and would be refused anyway, else None."""
    keys = over(work, source_of(peer))
    if not keys:
        return None
    if isinstance(asked, Asked) and proves_itself(work, asked, _door(work, endpoint, peer)):
        return None
    return TurnedAway(keys, refusal(work.settings, too_many(work, keys)))


def refusal(settings: Settings, error: OAuth2Error) -> Answer:
    """Return a refusal as it is answered (RFC 6749 section 5.2).

    Basic is named where secrets are taken; signatures and certificates have no scheme that could be.
    """
    headers = {}
    if error.status_code == 401 and CLIENT_SECRET in methods_of(settings):
        headers["WWW-Authenticate"] = 'Basic realm="shuxiang", charset="UTF-8"'
    if getattr(error, "retry_after", 0):
        headers["Retry-After"] = str(error.retry_after)
    if getattr(error, "nonce", None):
        headers["DPoP-Nonce"] = error.nonce
    body = {"error": error.error, "error_description": _DESCRIPTIONS[error.error]}
    return Answer(error.status_code, body, headers)


def _door(work: Work, endpoint: str, peer: str) -> Door:
    return Door(endpoint, audiences_of(work.settings, endpoint), peer)


# --- the token endpoint ---------------------------------------------------------------------------


class DataGrant(ClientCredentialsGrant):  # type: ignore[misc]
    """The client credentials flow (RFC 6749 section 4.4) that ends in a token for exactly one data grant."""

    TOKEN_ENDPOINT_AUTH_METHODS = _AUTHENTICATION
    server: Server
    request: Message
    issued: Issued

    def validate_token_request(self) -> None:
        """Authenticate the system and find the grant that it means. Raises Refused.

        The proof is read before anything counts as used: a client that is told a nonce asks again with the
        assertion that it has made already.
        """
        proof = proof_in(self.server.work, self.request.asked)
        super().validate_token_request()
        work, form = self.server.work, self.request.form
        client = self.request.client.client
        bound = bound_to(work, client, self.request.asked, proof)
        try:
            wanted = read_wanted(work.settings.platform.gateway_url, form)
        except Unclear as wrong:
            raise Refused(wrong.error, wrong.reason) from wrong
        grant = choose_grant(work, client, wanted)
        if grant is None:
            raise Refused(error_of(form), "no_single_live_grant")
        self.issued = new_token(work, grant, bound)

    def generate_token(self, **_: object) -> dict[str, Any]:
        """Return the answer of RFC 6749 section 5.1, with the grant that it is for (RFC 9396 section 7)."""
        grant = self.issued.grant
        return {
            "access_token": self.issued.token,
            "token_type": token_type_of(self.issued.cnf),
            "expires_in": self.issued.seconds,
            "scope": f"dataset:{grant.dataset_code}",
            "authorization_details": _details(self.server.work, grant.number, grant.dataset_code),
        }

    def save_token(self, token: object) -> None:
        """Keep the token's digest."""
        keep_token(self.server.work, self.issued)


def _details(work: Work, number: str, dataset: str) -> list[dict[str, Any]]:
    return [{"type": DETAILS_TYPE, "identifier": number, "locations": [share_url(work, dataset)]}]


# --- introspection and revocation -----------------------------------------------------------------


class Introspection(IntrospectionEndpoint):  # type: ignore[misc]
    """Token introspection (RFC 7662): a system may ask about its own tokens."""

    CLIENT_AUTH_METHODS = _AUTHENTICATION
    server: Server

    def check_params(self, request: Message, client: Caller) -> None:
        """Refuse a request without a token; hints are ignored, since there is one kind of token."""
        _check_token_given(request)

    def query_token(self, token_string: str, token_type_hint: str | None) -> KnownToken | None:
        """Return the token asked about."""
        return _known(self.server.work, token_string)

    def check_permission(self, token: KnownToken, client: Caller, request: Message) -> bool:
        """Tell whether the system may know about the token."""
        return token.check_client(client)

    def create_introspection_payload(self, token: KnownToken | None) -> dict[str, Any]:
        """Return what the token is good for; ``{"active": false}`` covers every other case alike."""
        work = self.server.work
        if token is None or not is_active(token.token, work.now):
            return {"active": False}
        known = token.token
        return {
            "active": True,
            "client_id": known.client_id,
            "token_type": token_type_of(known.cnf),
            "scope": f"dataset:{known.dataset_code}",
            "exp": int(known.expires_at.timestamp()),
            "iat": int(known.issued_at.timestamp()),
            "iss": work.settings.platform.control_url,
            "aud": share_url(work, known.dataset_code),
            "authorization_details": _details(work, known.grant_number, known.dataset_code),
            **confirmation_of(known.cnf),
        }


class Revocation(RevocationEndpoint):  # type: ignore[misc]
    """Token revocation (RFC 7009): a system may end its own tokens; an unknown token is ended already."""

    CLIENT_AUTH_METHODS = _AUTHENTICATION
    server: Server

    def check_params(self, request: Message, client: Caller) -> None:
        """Refuse a request without a token; hints are ignored, since there is one kind of token."""
        _check_token_given(request)

    def query_token(self, token_string: str, token_type_hint: str | None) -> KnownToken | None:
        """Return the token to revoke."""
        return _known(self.server.work, token_string)

    def revoke_token(self, token: KnownToken, request: Message) -> None:
        """End the token."""
        withdraw_token(self.server.work, token.token)


def _check_token_given(message: Message) -> None:
    if "token" not in message.form:
        raise Refused("invalid_request", "no_token")


def _known(work: Work, text: str) -> KnownToken | None:
    found = find_token(work, text)
    return KnownToken(found) if found else None
