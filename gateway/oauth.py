"""The OAuth face (RFC 6749): tokens for systems, introspection, revocation, and both metadata documents.

Here a request is taken apart and an answer put together; gateway/server.py decides.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import Any

import orjson
from authlib.oauth2 import OAuth2Error
from flask import Flask, Response, current_app, request

from core.text import Text
from gateway import metadata
from gateway.bounds.requests import Tally, count_turned_away
from gateway.server import Answer, Server, TurnedAway, turned_away
from gateway.strict import MOST_BYTES, Asked, Front, Raw, Refused, read_request
from web.auth import NOBODY, PUBLIC
from web.http import Route
from web.kit import kit
from web.proxy import came_from_front


def token() -> Response:
    """Issue an access token for one grant (RFC 6749 section 3.2)."""
    return _serve("token", lambda server, asked: server.create_token_response(asked))


def introspect() -> Response:
    """Say what a token of one's own is good for (RFC 7662)."""
    return _serve("introspect", lambda server, asked: server.create_endpoint_response("introspection", asked))


def revoke() -> Response:
    """End a token of one's own (RFC 7009)."""
    return _serve("revoke", lambda server, asked: server.create_endpoint_response("revocation", asked))


def server_metadata() -> Response:
    """Describe the authorization server (RFC 8414)."""
    return _json(metadata.server_metadata(kit().settings))


def resource_metadata() -> Response:
    """Describe the data plane as a protected resource (RFC 9728)."""
    return _json(metadata.resource_metadata(kit().settings))


# --- a request and its answer -----------------------------------------------------------------------


def _serve(endpoint: str, answer: Callable[[Server, Asked], Answer]) -> Response:
    """Answer one request in one transaction, which is kept for refusals too: they are on record.

    The transaction begins once the body is here: a client that sends slowly holds up nobody but itself.
    """
    asked, peer = _read(endpoint), request.remote_addr or ""
    k, tally = kit(), _tally()
    with k.database.read() as tx:
        late = turned_away(k.work(tx, NOBODY), asked, endpoint, peer)
    if late is not None:
        return _turn_away(late, tally)
    with k.database.begin() as tx:
        work = k.work(tx, NOBODY)
        count_turned_away(work, tally.take(work.now))
        server = Server(work, peer, endpoint)
        try:
            if isinstance(asked, OAuth2Error):
                raise asked
            status, document, headers = answer(server, asked)
        except OAuth2Error as error:
            status, document, headers = server.handle_error_response(None, error)
    return _json(document, status, headers)


def _turn_away(late: TurnedAway, tally: Tally) -> Response:
    """Answer what came past a bound; of many such requests few are written down."""
    k = kit()
    tally.add(late.keys)
    if counts := tally.take(k.clock()):
        with k.database.begin() as tx:
            count_turned_away(k.work(tx, NOBODY), counts)
    return _json(late.answer.document, late.answer.status, late.answer.headers)


def _tally() -> Tally:
    found: Tally = current_app.extensions["shuxiang_oauth_tally"]
    return found


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
        front=_front(),
        proofs=tuple(request.headers.getlist("DPoP")),
    )


def _front() -> Front | None:
    """Return what the front in front of us says of the caller's certificate, None where it says nothing."""
    security = kit().settings.security
    names = (security.client_certificate_header, security.client_certificate_verdict_header)
    said = [request.headers.get(name) if name else None for name in names]
    if said == [None, None]:
        return None
    certificate, verdict = (text or "" for text in said)
    return Front(came_from_front(request.environ), certificate, verdict)


def _checked(endpoint: str, asked: Asked) -> Asked:
    if endpoint == "token" and "grant_type" not in asked.form:
        raise Refused("invalid_request", "no_grant_type")
    return asked


def _json(document: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """Return an answer that nobody keeps (RFC 6749 section 5.1)."""
    response = Response(orjson.dumps(document), status, content_type="application/json")
    response.headers["Cache-Control"] = "no-store"
    response.headers["Pragma"] = "no-cache"
    response.headers.update(headers or {})
    return response


# --- routes -----------------------------------------------------------------------------------------

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
    app.extensions["shuxiang_oauth_tally"] = Tally()
    # At DEBUG the library writes whole tokens to the log.
    logging.getLogger("authlib").setLevel(logging.INFO)
    for route in ROUTES:
        endpoint = f"oauth.{route.handler.__name__}"
        app.add_url_rule(
            route.rule, endpoint, route.handler, methods=[route.method], provide_automatic_options=False
        )
        app.extensions.setdefault("shuxiang_routes", {})[endpoint] = route
