"""The addresses of Open311 GeoReport v2, in XML and JSON; errors are its documents, not RFC 9457's."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple
from urllib.parse import parse_qs, urlsplit

from flask import Flask, Response, request
from werkzeug.exceptions import HTTPException

from core.errors import Invalid, NotFound, Refusal, TooMany, invalid
from core.text import Text
from core.work import Work
from hotline.book import hotline_book
from hotline.open311.asking import Form, check_jurisdiction, read_filters, read_submission
from hotline.open311.bounds import Bound
from hotline.open311.documents import FORMATS, Document, error_document, media_type, render
from hotline.open311.keys import key_of
from hotline.open311.requests import (
    accepted_document,
    discovery_document,
    request_document,
    requests_document,
    submit,
    token_document,
)
from hotline.open311.services import service_definition, service_list
from hotline.papers import Sent
from web.auth import NOBODY, PUBLIC
from web.bodies import bytes_body
from web.http import Route
from web.kit import kit
from web.problems import status_of

BASE = "/open311/v2"
MOST_READS, MOST_REQUESTS = 240, 60
"""Requests of one source in a minute: that read, that hand in."""
MOST_ARGUMENTS = 200
_KEPT_STATUS = frozenset({403, 404, 413, 429, 503})
"""Statuses that are told as they are; the specification has 400 for everything else."""
_NAMES = {
    "/summary": "description",
    "/caller/name": "first_name",
    "/caller/phone": "phone",
    "/caller/contact": "email",
    "/caller/address": "address_string",
    "/location": "address_string",
    "/place": "address_id",
    "/category": "service_code",
}
"""Where what the intake refuses came from."""


class Asked(NamedTuple):
    """One request: its unit of work, its query, the last part of its address, and its form."""

    work: Work
    query: Form
    name: str
    form: Form
    files: Sequence[Sent]


Act = Callable[[Asked], Document]


# --- what each address answers ----------------------------------------------------------------------


def discovery(asked: Asked) -> Document:
    """Describe the endpoint (Open311 Service Discovery)."""
    return discovery_document(asked.work)


def services(asked: Asked) -> Document:
    """List what can be asked for."""
    return service_list(hotline_book(asked.work))


def definition(asked: Asked) -> Document:
    """Tell the attributes of one service."""
    return service_definition(hotline_book(asked.work), asked.name)


def requests(asked: Asked) -> Document:
    """List requests, at most 90 days and 1,000 of them."""
    return requests_document(asked.work, read_filters(asked.query, asked.work.now))


def one_request(asked: Asked) -> Document:
    """Show one request."""
    return request_document(asked.work, asked.name)


def token(asked: Asked) -> Document:
    """Bring the number that a token stands for."""
    return token_document(asked.work, asked.name)


def new_request(asked: Asked) -> Document:
    """Take in a request; who asks is known by the api_key in the form, never in the address."""
    key = key_of(asked.work, next(iter(asked.form.get("api_key", ())), None))
    _check_jurisdiction(asked.work, asked.form)
    book = hotline_book(asked.work)
    submission = read_submission(book, asked.form, request.headers.get("Idempotency-Key"))
    return accepted_document(submit(asked.work, key, submission, asked.files))


# --- serving ----------------------------------------------------------------------------------------


def _view(act: Act, writes: bool, bound: Bound) -> Callable[..., Response]:
    def view(form: str = "xml", name: str = "") -> Response:
        if name:
            name, form = _parted(name, form)
        try:
            _check_format(form)
            _within(bound)
            return _answer(act, writes, form, name)
        except Refusal as refusal:
            return _refused(refusal, form)
        except HTTPException as error:
            return _told([(error.code or 400, error.description or error.name)], error.code or 400, form)

    view.__doc__ = act.__doc__
    return view


def _parted(name: str, form: str) -> tuple[str, str]:
    """Part the last segment of an address into what it names and the format; XML where none is given."""
    head, dot, ending = name.rpartition(".")
    return (head, ending) if dot and ending in FORMATS else (name, form)


def _check_format(form: str) -> None:
    if form not in FORMATS:
        raise NotFound("格式应为 xml 或 json", "the format must be xml or json")


def _within(bound: Bound) -> None:
    wait = bound.count(request.remote_addr or "", kit().clock())
    if wait:
        raise TooMany("请求过于频繁，请稍后再试", "too many requests; try again later", retry_after=wait)


def _answer(act: Act, writes: bool, form: str, name: str) -> Response:
    """Answer one request; its body is here before a transaction begins, so a slow sender holds up nobody."""
    k = kit()
    query = {key: request.args.getlist(key) for key in request.args}
    fields, files = _body(k.settings.platform.max_body_bytes) if writes else ({}, [])
    begin = k.database.begin if writes else k.database.read
    with begin() as tx:
        work = k.work(tx, NOBODY)
        hotline_book(work)
        _check_jurisdiction(work, query)
        document = act(Asked(work, query, name, fields, files))
    return _sent(document, 200, form)


def _body(most: int) -> tuple[dict[str, list[str]], list[Sent]]:
    """Return the form of a request and the files that came with it. Raises Invalid unless it is UTF-8."""
    if request.mimetype == "multipart/form-data":
        fields = {name: request.form.getlist(name) for name in request.form}
        if any("\ufffd" in part for name, values in fields.items() for part in (name, *values)):
            raise _not_utf8()
        files = [one for name in request.files for one in request.files.getlist(name) if one.filename]
        return fields, [(one.filename or "", one.read()) for one in files]
    if request.mimetype != "application/x-www-form-urlencoded":
        raise invalid(
            "",
            "请求体应为 application/x-www-form-urlencoded 或 multipart/form-data",
            "the body must be application/x-www-form-urlencoded or multipart/form-data",
        )
    return _read_form(bytes_body(most)), []


def _read_form(raw: bytes) -> dict[str, list[str]]:
    try:
        text = raw.decode("ascii")
        return parse_qs(text, keep_blank_values=True, errors="strict", max_num_fields=MOST_ARGUMENTS)
    except UnicodeDecodeError as wrong:
        raise _not_utf8() from wrong
    except ValueError as wrong:
        most = MOST_ARGUMENTS
        raise invalid("", f"参数最多 {most} 个", f"at most {most} arguments") from wrong


def _not_utf8() -> Invalid:
    return invalid("", "请求体应为 UTF-8 编码的表单", "the body must be a form in UTF-8")


def _check_jurisdiction(work: Work, given: Form) -> None:
    platform = work.settings.platform
    known = (platform.id.lower(), (urlsplit(platform.control_url).hostname or "").lower())
    for value in given.get("jurisdiction_id", ()):
        check_jurisdiction(known, value)


def _sent(document: Document, status: int, form: str) -> Response:
    response = Response(render(document, form), status, content_type=media_type(form))
    response.headers["Cache-Control"] = "no-store"
    return response


def _refused(refusal: Refusal, form: str) -> Response:
    status = status_of(refusal)
    status = status if status in _KEPT_STATUS else 400
    response = _told([(status, words) for words in _reasons(refusal)], status, form)
    if isinstance(refusal, TooMany):
        response.headers["Retry-After"] = str(refusal.retry_after)
    return response


def _reasons(refusal: Refusal) -> list[str]:
    """Return one sentence per fault, each with the argument that it is about."""
    if not isinstance(refusal, Invalid) or not refusal.errors:
        return [_both(refusal.message)]
    return [f"{_argument(e.pointer)}{_both(e.message)}" for e in refusal.errors]


def _both(words: Text) -> str:
    return f"{words.zh} / {words.en}"


def _argument(pointer: str) -> str:
    """Return which argument a pointer stands for, in the specification's words."""
    if pointer.startswith("/facts/"):
        return f"attribute[{pointer.removeprefix('/facts/')}]: "
    name = _NAMES.get(pointer) or pointer.removeprefix("/").replace("/", ".")
    return f"{name}: " if name else ""


def _told(errors: Sequence[tuple[int, str]], status: int, form: str) -> Response:
    return _sent(error_document(errors), status, form if form in FORMATS else "xml")


# --- routes -----------------------------------------------------------------------------------------


class Address(NamedTuple):
    """One address: its rule without the format, and what answers there; `named` has one more part."""

    method: str
    rule: str
    act: Act
    summary: Text
    named: bool = False


ADDRESSES = (
    Address("GET", "/open311/discovery", discovery, Text("Open311 服务发现", "Open311 discovery")),
    Address("GET", f"{BASE}/discovery", discovery, Text("Open311 服务发现", "Open311 discovery")),
    Address("GET", f"{BASE}/services", services, Text("Open311 服务清单", "Open311 services")),
    Address("GET", f"{BASE}/services", definition, Text("Open311 服务定义", "Open311 definition"), True),
    Address("GET", f"{BASE}/requests", requests, Text("Open311 请求列表", "Open311 requests")),
    Address("GET", f"{BASE}/requests", one_request, Text("Open311 请求", "Open311 request"), True),
    Address("POST", f"{BASE}/requests", new_request, Text("Open311 提交请求", "Open311 new request")),
    Address("GET", f"{BASE}/tokens", token, Text("Open311 token", "Open311 token"), True),
)


def register(app: Flask) -> None:
    """Give the addresses to a Flask application, with the bounds on how often one source may ask."""
    bounds = {"GET": Bound(MOST_READS), "POST": Bound(MOST_REQUESTS)}
    routes: dict[str, Any] = app.extensions.setdefault("shuxiang_routes", {})
    for place, (one, route) in enumerate(zip(ADDRESSES, stated(), strict=False)):
        endpoint = f"open311.{one.act.__name__}.{place}"
        view = _view(one.act, route.writes, bounds[one.method])
        for rule in _rules(one):
            app.add_url_rule(rule, endpoint, view, methods=[one.method])
        routes[endpoint] = route
    app.add_url_rule("/open311/<path:rest>", "open311.nothing", _nothing, methods=["GET", "POST"])
    routes["open311.nothing"] = stated()[-1]


def stated() -> list[Route]:
    """Return who may call each address, in the order of `ADDRESSES`; the last stands for any other."""
    own = [
        Route(one.method, _rules(one)[0], PUBLIC, one.summary, one.act, writes=one.method == "POST")
        for one in ADDRESSES
    ]
    summary = Text("Open311 的其他地址", "any other address of Open311")
    return [*own, Route("GET", "/open311/<path:rest>", PUBLIC, summary, _nothing)]


def _rules(one: Address) -> tuple[str, ...]:
    return (f"{one.rule}/<name>",) if one.named else (one.rule, f"{one.rule}.<form>")


def _nothing(rest: str) -> Response:
    """Answer an address that Open311 does not have."""
    return _refused(NotFound("没有这个地址", "there is nothing at this address"), _parted(rest, "xml")[1])
