"""The HTML face: pages and forms over the same use cases, in the reader's language."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import quote, urlencode

from flask import Flask, Response, current_app, g, make_response, redirect, render_template, request, session
from flask_wtf.csrf import generate_csrf
from markupsafe import Markup
from werkzeug.datastructures import MultiDict
from werkzeug.exceptions import HTTPException
from werkzeug.wrappers import Response as WerkzeugResponse

from core.errors import Conflict, FieldError, Invalid, Refusal, Unauthenticated
from core.text import Text
from core.work import Actor, Work
from web import words as wording
from web.auth import (
    ENROLMENT,
    NOBODY,
    PASSWORD_CHANGE,
    SECOND_FACTOR,
    STEP_UP,
    admits,
    cookie_name,
    enter,
    session_actor,
    session_cookie,
)
from web.confirming import OF_PROOF, ask_first
from web.http import Route, StepUp, refuse_odd_paths
from web.kit import Kit, kit
from web.problems import retry_after, status_of, words_of_http
from web.security import OWN_SCRIPTS
from web.streams import Content, body_of
from web.words import say, words

__all__ = [
    "Data",
    "File",
    "Go",
    "Page",
    "Pages",
    "Seen",
    "http_page",
    "install",
    "refusal_page",
    "say",
    "stale_form",
]

Ahead = Callable[[Kit, Mapping[str, str]], Any]
"""Slow work that must not hold the database: hashing a password, for one, or asking another server."""

_NOT_FIELDS = frozenset({"csrf_token", "version"})

COUNTS = "shuxiang_counts"
"""Where app.py puts what stands beside a link of the navigation: path to `Count`; web knows no domain."""

Count = Callable[[Work], int]

RELATED = "shuxiang_related"
"""Where app.py puts what tells which other procedures concern what a page shows: `Relate`."""

Relate = Callable[[Work, str, Mapping[str, str]], Any]
"""What is related to something of a kind: ``related("grant", grant=NUMBER, dataset=CODE)`` in a template."""


@dataclass(frozen=True, slots=True)
class Seen:
    """What a page request brought: query, form fields, and the errors of a form shown again."""

    query: Mapping[str, str]
    form: MultiDict[str, str]
    errors: tuple[FieldError, ...] = ()
    files: Any = None
    ahead: Any = None
    """What the form's `ahead` brought back."""

    @property
    def given(self) -> dict[str, Any]:
        """The form's own fields as an action takes them: without blanks and without what the kit added."""
        own = (k for k in self.form if k not in _NOT_FIELDS and not k.startswith(OF_PROOF))
        return {k: self.form[k] for k in own if self.form[k].strip()}

    @property
    def version(self) -> int | None:
        """The version of the object that the form was shown for; None when the form carries none."""
        raw = self.form.get("version", "")
        return int(raw) if raw.isascii() and raw.isdigit() and len(raw) < 12 else None

    def error_at(self, pointer: str) -> FieldError | None:
        """Return the error of one form field, for the line beside it."""
        return next((e for e in self.errors if e.pointer == pointer), None)

    def at_fields(self) -> Seen:
        """Return it with each error, once, at the form field that it is about: ``/basis/2`` at ``/basis``."""
        placed = (FieldError("/".join(e.pointer.split("/")[:2]), e.message, e.code) for e in self.errors)
        return replace(self, errors=tuple(dict.fromkeys(placed)))


@dataclass(frozen=True, slots=True)
class Page:
    """A template and what it shows."""

    template: str
    context: Mapping[str, Any] = field(default_factory=dict)
    status: int = 200
    scripts: bool = False
    """Whether it may run the scripts of our own static folder; nothing but passkeys needs one to work."""


@dataclass(frozen=True, slots=True)
class Go:
    """Go to another page (303), with an optional word on what was done; `cookies` as (name, value, age)."""

    to: str
    notice: Text | None = None
    cookies: tuple[tuple[str, str, int], ...] = ()


@dataclass(frozen=True, slots=True)
class File:
    """A file to save: never shown in place, whatever it claims to be."""

    name: str
    media_type: str
    content: Content


@dataclass(frozen=True, slots=True)
class Data:
    """What a page answers a program that asks its address for JSON; a problem document from status 400 on."""

    document: Mapping[str, Any]
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)


Answer = Page | Go | File | Data
"""What the handler of a page may answer."""


class Pages:
    """The pages of one package, collected by decorator and registered by app.py."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.routes: list[Route] = []
        self._forms: dict[str, _Form] = {}

    def show(
        self,
        rule: str,
        *,
        who: frozenset[str] | set[str],
        summary: Text,
        step_up: StepUp = False,
        ahead: Ahead | None = None,
        writes: bool = False,
    ) -> Callable[[Callable[..., Answer]], Callable[..., Answer]]:
        """Declare a GET page; the handler is called with (work, seen, **path parameters). `ahead` is given
        the query; `writes` is for where another site sends a browser back to, which it does by GET alone."""

        def declare(handler: Callable[..., Answer]) -> Callable[..., Answer]:
            self.routes.append(
                Route("GET", rule, frozenset(who), summary, handler, writes=writes, step_up=step_up)
            )
            self._forms[handler.__name__] = _Form(None, ahead)
            return handler

        return declare

    def form(
        self,
        rule: str,
        *,
        who: frozenset[str] | set[str],
        summary: Text,
        again: Callable[..., Answer] | None = None,
        ahead: Ahead | None = None,
        step_up: StepUp = False,
    ) -> Callable[[Callable[..., Answer]], Callable[..., Answer]]:
        """Declare a POST form. On Invalid nothing is kept and `again` (the page's handler) shows the form
        once more, with what was typed in `seen.form` and the reasons in `seen.errors`. `ahead` runs before
        the transaction begins; what it returns is `seen.ahead`."""

        def declare(handler: Callable[..., Answer]) -> Callable[..., Answer]:
            self.routes.append(
                Route("POST", rule, frozenset(who), summary, handler, writes=True, step_up=step_up)
            )
            self._forms[handler.__name__] = _Form(again, ahead)
            return handler

        return declare

    def register(self, app: Flask) -> None:
        """Give the pages to a Flask application."""
        for route in self.routes:
            endpoint = f"page.{self.name}.{route.handler.__name__}"
            view = _page_view(route, self._forms.get(route.handler.__name__, _Form()))
            app.add_url_rule(route.rule, endpoint, view, methods=[route.method])
            app.extensions.setdefault("shuxiang_pages", {})[endpoint] = route


@dataclass(frozen=True, slots=True)
class _Form:
    again: Callable[..., Answer] | None = None
    ahead: Ahead | None = None


def _page_view(route: Route, form: _Form) -> Callable[..., WerkzeugResponse]:
    def view(**params: str) -> WerkzeugResponse:
        before = session_cookie(kit())
        response = _answer(route, form, params)
        if session_cookie(kit()) != before:
            _set_cookie(response, *lasting_cookie(kit(), session_cookie(kit())))
        return response

    view.__doc__ = route.handler.__doc__
    return view


def _answer(route: Route, form: _Form, params: Mapping[str, str]) -> WerkzeugResponse:
    try:
        return _served(route, form, params)
    except Invalid as wrong:
        if form.again is None:
            return refusal_page(wrong)
        return _act(form.again, route, params, wrong.errors, writes=False)
    except Unauthenticated as unknown:
        return redirect(_address_to_go_on(unknown), 303)
    except Refusal as refusal:
        return refusal_page(refusal)


def _served(route: Route, form: _Form, params: Mapping[str, str]) -> WerkzeugResponse:
    g.sent_back = route.writes and route.method == "GET"
    refuse_odd_paths(params)
    if route.method == "POST":
        current_app.extensions["csrf"].protect()
        asked = ask_first(route, _rendered) if route.wants_step_up(params) else None
        if asked is not None:
            return asked
    brought = request.form if route.method == "POST" else request.args
    ahead = form.ahead(kit(), brought) if form.ahead else None
    return _act(route.handler, route, params, ahead=ahead)


_TO_GO_ON = {
    PASSWORD_CHANGE: "/password",
    SECOND_FACTOR: "/sign-in/second-factor",
    ENROLMENT: "/account/factors",
    STEP_UP: "/confirm",
}
"""Where somebody is sent who has something left to do; to sign in where nothing is named."""


def _address_to_go_on(unknown: Unauthenticated) -> str:
    """Return where somebody goes first, from where they come back to the page that they asked for."""
    page = _TO_GO_ON.get(unknown.code, "/sign-in")
    if request.method != "GET" or request.path == "/" or unknown.code in (PASSWORD_CHANGE, ENROLMENT):
        return page
    return f"{page}?" + urlencode({"next": wording.here(lang=None)})


def _act(
    handler: Callable[..., Answer],
    route: Route,
    params: Mapping[str, str],
    errors: tuple[FieldError, ...] = (),
    *,
    writes: bool | None = None,
    ahead: Any = None,
) -> WerkzeugResponse:
    k = kit()
    begin = k.database.begin if (route.writes if writes is None else writes) else k.database.read
    with begin() as tx:
        work = k.work(tx, session_actor(k, tx, k.clock()))
        g.reader = work.actor
        enter(work, route.who, step_up=route.wants_step_up(params) and not errors)
        seen = Seen(request.args.to_dict(), request.form, errors, request.files, ahead)
        answer = handler(work, seen, **params)
        if isinstance(answer, Page):
            return _render(answer, work, seen, 422 if errors else answer.status)
    if isinstance(answer, Data):
        return _data(answer)
    return _file(answer) if isinstance(answer, File) else _go(answer)


def _data(answer: Data) -> Response:
    kind = "application/json" if answer.status < 400 else "application/problem+json"
    response = Response(json.dumps(answer.document), answer.status, content_type=kind)
    response.headers.update({"Cache-Control": "no-store", **answer.headers})
    return response


def _file(answer: File) -> Response:
    response = Response(body_of(answer.content), content_type=answer.media_type)
    response.headers["Content-Disposition"] = f"attachment; filename*=UTF-8''{quote(answer.name, safe='')}"
    return response


def _go(answer: Go) -> WerkzeugResponse:
    response = redirect(answer.to, 303)
    if answer.notice is not None:
        session["notice"] = list(answer.notice)
    for cookie in answer.cookies:
        _set_cookie(response, *cookie)
    return response


def lasting_cookie(k: Kit, cookie: str) -> tuple[str, str, int]:
    """Return name, value and age of the cookie of a session, as `Go` takes them."""
    return cookie_name(k), cookie, k.settings.platform.session_hours * 3600


def _set_cookie(response: WerkzeugResponse, name: str, value: str, age: int) -> None:
    secure = kit().settings.secure_cookies
    response.set_cookie(name, value, max_age=age, httponly=True, secure=secure, samesite="Lax", path="/")


def _render(answer: Page, work: Work, seen: Seen, status: int) -> Response:
    notice = session.pop("notice", None)
    counts: Mapping[str, Count] = current_app.extensions.get(COUNTS, {})
    context = {
        "actor": work.actor,
        "now": work.now,
        "seen": seen,
        "notice": Text(*notice) if notice else None,
        "related": _related(work),
        "waiting": {path: count(work) for path, count in counts.items()} if work.actor.login else {},
        **answer.context,
    }
    response = make_response(render_template(answer.template, **context), status)
    if answer.scripts:
        response.headers["Content-Security-Policy"] = OWN_SCRIPTS
    return response


def _rendered(page: Page, work: Work) -> Response:
    return _render(page, work, Seen({}, MultiDict()), page.status)


def _related(work: Work) -> Callable[..., Any]:
    relate: Relate | None = current_app.extensions.get(RELATED)

    def of(kind: str, **named: str) -> Any:
        return relate(work, kind, named) if relate else None

    return of


# --- refusals -------------------------------------------------------------------------------------


def refusal_page(refusal: Refusal) -> Response:
    """Return a refusal as a page that says what happened and where to go on."""
    errors = refusal.errors if isinstance(refusal, Invalid) else ()
    response = _stop(refusal.title, refusal.message, status_of(refusal), refusal.cite, errors)
    response.headers.update(retry_after(refusal))
    return response


def http_page(error: HTTPException) -> Response:
    """Return the framework's own errors (no such address, wrong method) as the same kind of page."""
    if error.code == 404:
        _look_up_reader()
    title = words_of_http(error)
    response = _stop(title, _ADVICE, error.code or 500)
    if error.code == 405 and getattr(error, "valid_methods", None):
        response.headers["Allow"] = ", ".join(error.valid_methods)  # type: ignore[attr-defined]
    return response


_ADVICE = Text(
    "请检查网址是否输入正确，或从上方的导航进入。", "Check the address, or start from the links above."
)


def stale_form() -> Refusal:
    """Return the refusal of a form that does not come from a page which this browser was just shown."""
    return Conflict(
        "页面停留过久或已在别处退出，请返回上一页刷新后重新提交。",
        "The page was open for too long, or you signed out meanwhile. Go back, reload and send it again.",
        code="stale_form",
    )


def _stop(
    title: Text, message: Text, status: int, cite: str | None = None, errors: tuple[FieldError, ...] = ()
) -> Response:
    context = {"title": title, "message": message, "status": status, "cite": cite, "errors": errors}
    html = render_template("refusal.html", actor=g.get("reader", NOBODY), notice=None, seen=None, **context)
    return make_response(html, status)


def _look_up_reader() -> None:
    k = kit()
    with k.database.read() as tx:
        g.reader = session_actor(k, tx, k.clock())


# --- what templates know ---------------------------------------------------------------------------


def install(app: Flask) -> None:
    """Give the templates their words: `t`, `w`, `lang`, `csrf`, `here`, `may_open`; and their filters."""
    app.jinja_env.globals.update(
        t=say,
        w=words,
        csrf=_csrf_field,
        here=wording.here,
        lang=wording.language,
        may_open=may_open,
        platform=_platform,
        departments=wording.departments,
    )
    app.jinja_env.filters.update(
        w=words,
        when=wording.when,
        moment=wording.moment,
        day=wording.day,
        department=wording.department,
        role_name=wording.role_name,
    )
    app.jinja_env.trim_blocks = app.jinja_env.lstrip_blocks = True


def may_open(path: str, actor: Actor) -> bool:
    """Tell whether a page exists and admits the actor: the navigation offers nothing else."""
    pages: Mapping[str, Route] = current_app.extensions.get("shuxiang_pages", {})
    return any(r.method == "GET" and r.rule == path and admits(r.who, actor) for r in pages.values())


def _csrf_field() -> Markup:
    return Markup('<input type="hidden" name="csrf_token" value="{}">').format(generate_csrf())


def _platform() -> Any:
    return kit().settings.platform
