"""The JSON face: one decorator that turns a use case into a route.

A route states who may call it, the schemas of what comes in and goes out, and a summary; from that come
the checks, the transaction, the problem documents, /openapi.json and the tests that walk the route map.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, urlencode

import orjson
from flask import Flask, Response, request

from core.envelope import open_sealed, seal
from core.errors import Conflict, NotFound, invalid
from core.text import Text
from core.whole import whole
from core.work import Work
from schemas import validate
from web.auth import bearer_actor, enter
from web.bodies import bytes_body, json_body
from web.kit import Kit, kit
from web.store import Kept, keep_answer, kept_answer
from web.streams import body_of

PAGE_DEFAULT, PAGE_MOST = 50, 200


@dataclass(frozen=True, slots=True)
class Call:
    """What a request brought besides its path: body, query and the version it was written against."""

    body: dict[str, Any]
    query: Mapping[str, str]
    if_match: int | None
    content: bytes = b""
    """The body as it came, on a route that takes bytes."""

    @property
    def limit(self) -> int:
        """How many entries a page should have (1 to 200)."""
        limit = whole(self.query.get("limit", str(PAGE_DEFAULT)), 1, PAGE_MOST)
        if limit is None:
            raise invalid(
                "/limit", f"应为 1 到 {PAGE_MOST} 的整数", f"must be a whole number from 1 to {PAGE_MOST}"
            )
        return limit

    @property
    def cursor(self) -> str | None:
        """The cursor of the page asked for, as an earlier page gave it."""
        return self.query.get("cursor") or None

    def must_be_empty(self) -> None:
        """Refuse fields of an action that has none. Raises Invalid."""
        if self.body:
            raise invalid(
                f"/{next(iter(self.body))}", "此操作没有字段", "this action has no fields", code="unknown"
            )


@dataclass(frozen=True, slots=True)
class Reply:
    """What goes back: a JSON document, or bytes or a file of another media type, and the headers it needs."""

    body: Any
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    version: int | None = None
    """Becomes the ETag, to be sent back in If-Match."""
    media_type: str = "application/json"


def listing(items: list[Any], next_cursor: str | None, extra: Mapping[str, Any] | None = None) -> Reply:
    """Return one page of a list: `items`, `next` (an address or null), and a Link header (RFC 8288)."""
    url = None
    if next_cursor:
        query = {**request.args.to_dict(), "cursor": next_cursor}
        url = f"{request.path}?{urlencode(query)}"
    headers = {"Link": f'<{url}>; rel="next"'} if url else {}
    return Reply({"items": items, "next": url, **(extra or {})}, headers=headers)


StepUp = bool | frozenset[str]
"""Whether a route wants a proof, not older than five minutes, of who asks; or for which of its actions."""


@dataclass(frozen=True, slots=True)
class Route:
    """One route as it states itself; `query` names the parameters that it understands."""

    method: str
    rule: str
    who: frozenset[str]
    summary: Text
    handler: Callable[..., Any]
    request: str | None = None
    response: str | None = None
    status: int = 200
    query: Mapping[str, Text] = field(default_factory=dict)
    writes: bool = False
    takes_bytes: int | None = None
    """The most bytes of a body that is no JSON, such as an uploaded file."""
    step_up: StepUp = False

    def wants_step_up(self, params: Mapping[str, str]) -> bool:
        """Tell whether a request with these path parameters wants a fresh proof of who asks."""
        return self.step_up if isinstance(self.step_up, bool) else params.get("action") in self.step_up


class Routes:
    """The routes of one package, collected by decorator and registered by app.py."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.routes: list[Route] = []

    def add(
        self,
        method: str,
        rule: str,
        *,
        who: frozenset[str] | set[str],
        summary: Text,
        request: str | None = None,
        response: str | None = None,
        status: int = 200,
        query: Mapping[str, Text] | None = None,
        paged: bool = False,
        takes_bytes: int | None = None,
        step_up: StepUp = False,
    ) -> Callable[[Callable[..., Reply]], Callable[..., Reply]]:
        """Declare a route; the handler is called with (work, call, **path parameters) and returns a Reply.

        Everything but GET runs in a writing transaction; what a GET must leave behind is written by
        `kit.before_answering`.
        """
        known = dict(query or {})
        if paged:
            known |= {
                "limit": Text("每页条数", "entries per page"),
                "cursor": Text("游标", "cursor of the page"),
            }

        def declare(handler: Callable[..., Reply]) -> Callable[..., Reply]:
            self.routes.append(
                Route(
                    method,
                    rule,
                    frozenset(who),
                    summary,
                    handler,
                    request,
                    response,
                    status,
                    known,
                    method != "GET",
                    takes_bytes,
                    step_up,
                )
            )
            return handler

        return declare

    def register(self, app: Flask) -> None:
        """Give the routes to a Flask application."""
        for route in self.routes:
            endpoint = f"{self.name}.{route.handler.__name__}"
            app.add_url_rule(route.rule, endpoint, _view(route), methods=[route.method])
            app.extensions.setdefault("shuxiang_routes", {})[endpoint] = route


def _view(route: Route) -> Callable[..., Response]:
    def view(**params: str) -> Response:
        k = kit()
        refuse_odd_paths(params)
        if route.method in ("POST", "PATCH", "PUT", "DELETE"):
            bytes_body(route.takes_bytes or k.settings.platform.max_body_bytes)  # before anything is locked
        begin = k.database.begin if route.writes else k.database.read
        with begin() as tx:
            work = k.work(tx, bearer_actor(k, tx, k.clock()))
            enter(work, route.who, step_up=route.wants_step_up(params))
            call = _call(route, k)
            return _once(route, work, lambda: _reply(route, route.handler(work, call, **params)))

    view.__doc__ = route.handler.__doc__
    return view


def refuse_odd_paths(params: Mapping[str, str]) -> None:
    """Raise NotFound for what no id or code here holds: control characters and endless names."""
    if any(len(value) > 300 or not value.isprintable() for value in params.values()):
        raise NotFound("没有找到", "not found")


def _call(route: Route, k: Kit) -> Call:
    if route.takes_bytes is not None:
        return Call({}, _query(route), _if_match(), bytes_body(route.takes_bytes))
    has_body = route.method in ("POST", "PATCH", "PUT", "DELETE")
    body = json_body(route.request, k.settings.platform.max_body_bytes) if has_body else {}
    return Call(body, _query(route), _if_match())


def _query(route: Route) -> dict[str, str]:
    for name in request.args:
        if name not in route.query:
            raise invalid(
                f"/{name}", "没有这个查询参数", "is not a query parameter of this address", code="unknown"
            )
        if len(request.args.getlist(name)) > 1:
            raise invalid(f"/{name}", "查询参数重复", "is given more than once", code="repeated")
        if "\0" in request.args[name] or len(request.args[name]) > 1000:
            raise invalid(f"/{name}", "查询参数无效", "is not a valid value")
    return request.args.to_dict()


def _if_match() -> int | None:
    raw = request.headers.get("If-Match")
    if raw is None or raw == "*":
        return None
    tag = raw.strip().strip('"')
    if not tag.isascii() or not tag.isdigit() or len(tag) > 12:
        raise Conflict(
            "If-Match 与当前版本不符", "If-Match is not the current version", code="changed_meanwhile"
        )
    return int(tag)


def _reply(route: Route, reply: Reply) -> Response:
    if reply.media_type == "application/json":
        raw: bytes | Iterator[bytes] = orjson.dumps(reply.body, option=orjson.OPT_NON_STR_KEYS)
    else:
        raw = str(reply.body).encode() if isinstance(reply.body, str) else body_of(reply.body)
    status = reply.status if reply.status != 200 else route.status
    response = Response(raw, status, content_type=reply.media_type)
    response.headers.update(dict(reply.headers))
    response.headers.setdefault("Cache-Control", "no-store")
    if reply.version is not None:
        response.headers["ETag"] = f'"{reply.version}"'
    return response


def _once(route: Route, work: Work, act: Callable[[], Response]) -> Response:
    """Answer a repeated POST with the answer of the first: same key, same person, same request.

    The answer is kept in the transaction of the act, so it exists exactly when the act happened; it is kept
    sealed, for it may show what only the parties of a case see.
    """
    key = request.headers.get("Idempotency-Key")
    if route.method != "POST" or key is None or not work.actor.login:
        return act()
    if not 1 <= len(key) <= 200:
        raise invalid("/Idempotency-Key", "应为 1 到 200 个字符", "must have 1 to 200 characters")
    place = hashlib.sha256("\n".join((work.actor.login, request.path, key)).encode()).hexdigest()
    asked = hashlib.sha256(request.get_data()).hexdigest()
    kept = kept_answer(work.tx, place)
    if kept is None:
        response = act()
        headers = {k: v for k, v in response.headers.items() if k in ("Location", "ETag", "Content-Type")}
        body = seal(work.settings, response.get_data(as_text=True), place)
        answer = Kept(asked, response.status_code, headers, body)
        _keep(work, place, answer)
        return response
    if kept.request_digest != asked:
        raise Conflict(
            "同一 Idempotency-Key 已用于不同的请求",
            "this Idempotency-Key was used for another request",
            code="idempotency_key_reused",
        )
    body = open_sealed(work.settings, kept.body, place)
    return Response(body, kept.status, {**kept.headers, "Idempotency-Replayed": "true"})


def _keep(work: Work, place: str, answer: Kept) -> None:
    """Keep an answer; where slow work had to let go of the act's transaction, in one of its own."""
    if work.tx.in_transaction():
        keep_answer(work.tx, place, answer, work.now)
        return
    with kit().database.begin() as tx:
        if kept_answer(tx, place) is None:
            keep_answer(tx, place, answer, work.now)


def download_headers(name: str) -> dict[str, str]:
    """Return the headers that make a browser save a file under its own name (RFC 6266, RFC 8187)."""
    return {
        "Content-Disposition": f"attachment; filename*=UTF-8''{quote(name, safe='')}",
        "X-Content-Type-Options": "nosniff",
        "Content-Security-Policy": "sandbox",
    }


def check_response(route: Route, document: Any) -> None:
    """Raise Invalid unless an answer fits the schema that its route declares; the tests call it on all."""
    if route.response:
        validate(route.response, document)
