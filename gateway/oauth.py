"""The OAuth face (RFC 6749): tokens for systems, introspection, revocation, and both metadata documents.

Authlib speaks the protocol. In front of it stands a strict reading of the request, behind it our own store:
docs/divergences.md lists what each of them does differently from the library's stock behaviour, and why.
A client authenticates in one of the ways of `strict.METHODS`; a stronger one is one more entry there.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import Any

import orjson
from authlib.oauth2 import OAuth2Error
from authlib.oauth2.rfc6749 import AuthorizationServer, ClientMixin, OAuth2Request, TokenMixin
from authlib.oauth2.rfc6749.grants import ClientCredentialsGrant
from authlib.oauth2.rfc6749.requests import BasicOAuth2Payload
from authlib.oauth2.rfc7009 import RevocationEndpoint
from authlib.oauth2.rfc7662 import IntrospectionEndpoint
from flask import Flask, Response, request

from core.text import Text
from core.work import Work
from gateway.issuing import (
    Issued,
    choose_grant,
    client_actor,
    find_token,
    is_active,
    keep_token,
    new_token,
    note_failure,
    note_refusal,
    seconds_to_wait,
    withdraw_token,
)
from gateway.model import Client, Token
from gateway.present import share_url
from gateway.strict import METHODS, MOST_BYTES, Asked, Raw, Refused, read_request
from gateway.wanted import DETAILS_TYPE, Unclear, error_of, read_wanted
from web.auth import NOBODY, PUBLIC
from web.http import Route
from web.kit import kit

GRANT_TYPE = "client_credentials"
_DESCRIPTIONS = {
    "invalid_request": "The request is malformed; send each parameter once, in a form-encoded POST body.",
    "invalid_client": "Client authentication failed.",
    "invalid_grant": "The token was issued to another client.",
    "unsupported_grant_type": "Only client_credentials is supported.",
    "invalid_scope": "scope must be dataset:<code> of exactly one live grant.",
    "invalid_target": "resource must name the dataset of exactly one live grant.",
    "invalid_authorization_details": "authorization_details must name exactly one live grant.",
    "insecure_transport": "OAuth needs https.",
    "temporarily_unavailable": "Too many failed attempts; try again later.",
}


# --- authenticating the client --------------------------------------------------------------------


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
    """Authlib's server for one request: over one unit of work, asked by one source."""

    def __init__(self, work: Work, source: str, endpoint: str) -> None:
        super().__init__()
        self.work = work
        self.source = source
        self.endpoint = endpoint
        self.client: Client | None = None
        self.register_grant(DataGrant)
        self.register_endpoint(Introspection)
        self.register_endpoint(Revocation)

    def create_oauth2_request(self, request: Asked) -> Message:
        """Return the request in Authlib's shape. Raises InsecureTransportError when reached by plain http."""
        return Message(f"{self.work.settings.platform.control_url}/oauth/{self.endpoint}", request)

    def authenticate_client(self, request: Message, methods: object, endpoint: str = "token") -> Caller:
        """Return the system that authenticated itself. Raises Refused, in the same words for every reason."""
        presented = next((p for read in METHODS.values() if (p := read(request.asked))), None)
        if presented is None:
            raise Refused("invalid_client", "no_credentials", status=401)
        wait = seconds_to_wait(self.work, presented.client_id, self.source)
        if wait:
            raise Refused("temporarily_unavailable", "throttled", status=429, retry_after=wait)
        checked = presented.check(self.work)
        if checked.client is None:
            note_failure(self.work, presented.client_id, self.source)
            raise Refused("invalid_client", checked.reason, status=401)
        self.client = checked.client
        self.work = self.work.acting_as(client_actor(checked.client))
        return Caller(checked.client)

    def handle_response(self, status: int, payload: Any, headers: object) -> Response:
        """Return an answer that nobody keeps (RFC 6749 section 5.1)."""
        return _json(payload, status)

    def handle_error_response(self, request: object, error: OAuth2Error) -> Response:
        """Return a refusal (RFC 6749 section 5.2) and put it on record."""
        reason = getattr(error, "reason", error.error)
        note_refusal(self.work, self.endpoint, error.error, reason, self.client.id if self.client else None)
        body = {"error": error.error, "error_description": _DESCRIPTIONS[error.error]}
        response = _json(body, error.status_code)
        if error.status_code == 401:
            response.headers["WWW-Authenticate"] = 'Basic realm="shuxiang", charset="UTF-8"'
        if getattr(error, "retry_after", 0):
            response.headers["Retry-After"] = str(error.retry_after)
        return response

    def send_signal(self, name: str, *args: Any, **kwargs: Any) -> None:
        """Tell nobody: what happens is on record."""


# --- the token endpoint ---------------------------------------------------------------------------


class DataGrant(ClientCredentialsGrant):  # type: ignore[misc]
    """The client credentials flow (RFC 6749 section 4.4) that ends in a token for exactly one data grant."""

    TOKEN_ENDPOINT_AUTH_METHODS = list(METHODS)
    server: Server
    request: Message
    issued: Issued

    def validate_token_request(self) -> None:
        """Authenticate the system and find the grant that it means. Raises Refused."""
        super().validate_token_request()
        work, form = self.server.work, self.request.form
        try:
            wanted = read_wanted(work.settings.platform.gateway_url, form)
        except Unclear as wrong:
            raise Refused(wrong.error, wrong.reason) from wrong
        grant = choose_grant(work, self.request.client.client, wanted)
        if grant is None:
            raise Refused(error_of(form), "no_single_live_grant")
        self.issued = new_token(work, grant)

    def generate_token(self, **_: object) -> dict[str, Any]:
        """Return the answer of RFC 6749 section 5.1, with the grant that it is for (RFC 9396 section 7)."""
        grant = self.issued.grant
        return {
            "access_token": self.issued.token,
            "token_type": "Bearer",
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

    CLIENT_AUTH_METHODS = list(METHODS)
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
            "token_type": "Bearer",
            "scope": f"dataset:{known.dataset_code}",
            "exp": int(known.expires_at.timestamp()),
            "iat": int(known.issued_at.timestamp()),
            "iss": work.settings.platform.control_url,
            "aud": share_url(work, known.dataset_code),
            "authorization_details": _details(work, known.grant_number, known.dataset_code),
        }


class Revocation(RevocationEndpoint):  # type: ignore[misc]
    """Token revocation (RFC 7009): a system may end its own tokens; an unknown token is ended already."""

    CLIENT_AUTH_METHODS = list(METHODS)
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


# --- views ----------------------------------------------------------------------------------------


def token() -> Response:
    """Issue an access token for one grant (RFC 6749 section 3.2)."""
    return _serve("token", lambda server, asked: server.create_token_response(asked))


def introspect() -> Response:
    """Say what a token of one's own is good for (RFC 7662)."""
    return _serve("introspect", lambda server, asked: server.create_endpoint_response("introspection", asked))


def revoke() -> Response:
    """End a token of one's own (RFC 7009)."""
    return _serve("revoke", lambda server, asked: server.create_endpoint_response("revocation", asked))


def _serve(endpoint: str, answer: Callable[[Server, Asked], Response]) -> Response:
    """Answer one request in one transaction, which is kept for refusals too: they are on record.

    The transaction begins once the body is here: a client that sends slowly holds up nobody but itself.
    """
    asked = _read(endpoint)
    k = kit()
    with k.database.begin() as tx:
        server = Server(k.work(tx, NOBODY), request.remote_addr or "", endpoint)
        try:
            if isinstance(asked, OAuth2Error):
                raise asked
            return answer(server, asked)
        except OAuth2Error as error:
            return server.handle_error_response(None, error)


def _read(endpoint: str) -> Asked | OAuth2Error:
    """Return what the request asks, or why it cannot be read: a refusal that has yet to go on record."""
    try:
        return _checked(endpoint, read_request(_raw()))
    except OAuth2Error as refused:
        return refused


def _raw() -> Raw:
    if (request.content_length or 0) > MOST_BYTES:
        raise Refused("invalid_request", "too_large", status=413)
    return Raw(
        query=request.query_string,
        media_type=request.mimetype,
        encoded="Content-Encoding" in request.headers,
        authorization=tuple(request.headers.getlist("Authorization")),
        body=request.get_data(cache=True, parse_form_data=False),
    )


def _checked(endpoint: str, asked: Asked) -> Asked:
    if endpoint == "token" and "grant_type" not in asked.form:
        raise Refused("invalid_request", "no_grant_type")
    return asked


def server_metadata() -> Response:
    """Describe the authorization server (RFC 8414)."""
    platform = kit().settings.platform
    return _json(
        {
            "issuer": platform.control_url,
            "token_endpoint": f"{platform.control_url}/oauth/token",
            "token_endpoint_auth_methods_supported": list(METHODS),
            "introspection_endpoint": f"{platform.control_url}/oauth/introspect",
            "introspection_endpoint_auth_methods_supported": list(METHODS),
            "revocation_endpoint": f"{platform.control_url}/oauth/revoke",
            "revocation_endpoint_auth_methods_supported": list(METHODS),
            "grant_types_supported": [GRANT_TYPE],
            "response_types_supported": [],
            "authorization_details_types_supported": [DETAILS_TYPE],
            "service_documentation": f"{platform.control_url}/openapi.json",
            "ui_locales_supported": ["zh-CN", "en"],
        }
    )


def resource_metadata() -> Response:
    """Describe the data plane as a protected resource (RFC 9728)."""
    platform = kit().settings.platform
    return _json(
        {
            "resource": platform.gateway_url,
            "authorization_servers": [platform.control_url],
            "bearer_methods_supported": ["header"],
            "authorization_details_types_supported": [DETAILS_TYPE],
            "resource_name": str(platform.title),
        }
    )


ROUTES = (
    Route(
        "POST",
        "/oauth/token",
        PUBLIC,
        Text("领取访问令牌", "Issue an access token"),
        token,
        response="response/token",
        writes=True,
    ),
    Route(
        "POST",
        "/oauth/introspect",
        PUBLIC,
        Text("查询令牌", "Introspect a token"),
        introspect,
        response="response/token_introspection",
        writes=True,
    ),
    Route("POST", "/oauth/revoke", PUBLIC, Text("吊销令牌", "Revoke a token"), revoke, writes=True),
    Route(
        "GET",
        "/.well-known/oauth-authorization-server",
        PUBLIC,
        Text("授权服务器说明", "Authorization server metadata"),
        server_metadata,
        response="response/token_server",
    ),
    Route(
        "GET",
        "/.well-known/oauth-protected-resource",
        PUBLIC,
        Text("受保护资源说明", "Protected resource metadata"),
        resource_metadata,
        response="response/token_resource",
    ),
)


def register(app: Flask) -> None:
    """Give the OAuth endpoints to a Flask application."""
    # At DEBUG the library writes whole tokens to the log.
    logging.getLogger("authlib").setLevel(logging.INFO)
    for route in ROUTES:
        endpoint = f"oauth.{route.handler.__name__}"
        app.add_url_rule(
            route.rule, endpoint, route.handler, methods=[route.method], provide_automatic_options=False
        )
        app.extensions.setdefault("shuxiang_routes", {})[endpoint] = route


def _json(document: Any, status: int = 200) -> Response:
    response = Response(orjson.dumps(document), status, content_type="application/json")
    response.headers["Cache-Control"] = "no-store"
    response.headers["Pragma"] = "no-cache"
    return response
