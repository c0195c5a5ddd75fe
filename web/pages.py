"""The HTML face: pages and forms over the same use cases, in the reader's language."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from flask import Flask, Response, make_response, redirect, render_template, request, session
from werkzeug.datastructures import MultiDict
from werkzeug.exceptions import HTTPException
from werkzeug.wrappers import Response as WerkzeugResponse

from core.errors import Conflict, FieldError, Invalid, Refusal, Unauthenticated
from core.text import Text
from core.times import SHANGHAI, parse_instant
from core.work import Work
from web.auth import admit, session_actor
from web.http import Route
from web.kit import kit
from web.problems import status_of, words_of_http

LANGUAGES = ("zh", "en")


@dataclass(frozen=True, slots=True)
class Seen:
    """What a page request brought: query, form fields, and the errors of a form shown again."""

    query: Mapping[str, str]
    form: MultiDict[str, str]
    errors: tuple[FieldError, ...] = ()
    files: Any = None

    def error_at(self, pointer: str) -> FieldError | None:
        """Return the error of one form field, for the line beside it."""
        return next((e for e in self.errors if e.pointer == pointer), None)


@dataclass(frozen=True, slots=True)
class Page:
    """A template and what it shows."""

    template: str
    context: Mapping[str, Any] = field(default_factory=dict)
    status: int = 200


@dataclass(frozen=True, slots=True)
class Go:
    """Go to another page (303), with an optional word on what was done; `cookies` as (name, value, age)."""

    to: str
    notice: Text | None = None
    cookies: tuple[tuple[str, str, int], ...] = ()


class Pages:
    """The pages of one package, collected by decorator and registered by app.py."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.routes: list[Route] = []
        self._again: dict[str, Callable[..., Page]] = {}

    def show(
        self, rule: str, *, who: frozenset[str] | set[str], summary: Text, writes: bool = False
    ) -> Callable[[Callable[..., Page | Go]], Callable[..., Page | Go]]:
        """Declare a GET page; the handler is called with (work, seen, **path parameters)."""

        def declare(handler: Callable[..., Page | Go]) -> Callable[..., Page | Go]:
            self.routes.append(Route("GET", rule, frozenset(who), summary, handler, writes=writes))
            return handler

        return declare

    def form(
        self,
        rule: str,
        *,
        who: frozenset[str] | set[str],
        summary: Text,
        again: Callable[..., Page | Go] | None = None,
    ) -> Callable[[Callable[..., Page | Go]], Callable[..., Page | Go]]:
        """Declare a POST form. On Invalid nothing is kept and `again` (the page's handler) shows the form
        once more, with what was typed in `seen.form` and the reasons in `seen.errors`."""

        def declare(handler: Callable[..., Page | Go]) -> Callable[..., Page | Go]:
            self.routes.append(Route("POST", rule, frozenset(who), summary, handler, writes=True))
            if again is not None:
                self._again[f"{self.name}.{handler.__name__}"] = again  # type: ignore[assignment]
            return handler

        return declare

    def register(self, app: Flask) -> None:
        """Give the pages to a Flask application."""
        for route in self.routes:
            endpoint = f"{self.name}.{route.handler.__name__}"
            view = _page_view(route, self._again.get(endpoint))
            app.add_url_rule(route.rule, endpoint, view, methods=[route.method])
            app.extensions.setdefault("shuxiang_pages", {})[endpoint] = route


def language() -> str:
    """Return the reader's language: ``?lang=``, else the one chosen before, else Chinese."""
    asked = request.args.get("lang")
    if asked in LANGUAGES:
        session["lang"] = asked
    chosen = session.get("lang", "zh")
    return chosen if chosen in LANGUAGES else "zh"


def say(zh: str, en: str) -> str:
    """Return the words in the reader's language (templates call it `t`)."""
    return Text(zh, en).in_language(language())


def words(text: Text | Mapping[str, str] | None) -> str:
    """Return a label in the reader's language (templates call it `w`)."""
    if text is None:
        return ""
    label = text if isinstance(text, Text) else Text(text["zh"], text["en"])
    return label.in_language(language())


def _page_view(route: Route, again: Callable[..., Page] | None) -> Callable[..., WerkzeugResponse]:
    def view(**params: str) -> WerkzeugResponse:
        try:
            return _act(route.handler, route, params, ())
        except Invalid as wrong:
            if again is None or route.method != "POST":
                return refusal_page(wrong)
            return _act(again, route, params, wrong.errors, writes=False)
        except Unauthenticated:
            if route.method == "GET":
                return redirect(f"/sign-in?next={request.path}", 303)
            return redirect("/sign-in", 303)
        except Refusal as refusal:
            return refusal_page(refusal)

    view.__doc__ = route.handler.__doc__
    return view


def _act(
    handler: Callable[..., Page | Go],
    route: Route,
    params: Mapping[str, str],
    errors: tuple[FieldError, ...],
    writes: bool | None = None,
) -> WerkzeugResponse:
    k = kit()
    begin = k.database.begin if (route.writes if writes is None else writes) else k.database.read
    with begin() as tx:
        work = k.work(tx, session_actor(k, tx, k.clock()))
        admit(work.actor, route.who)
        seen = Seen(request.args.to_dict(), request.form, errors, request.files)
        answer = handler(work, seen, **params)
        if isinstance(answer, Page):
            status = 422 if errors else answer.status
            return _render(answer, work, seen, status)
    return _go(answer)


def _go(answer: Go) -> WerkzeugResponse:
    response = redirect(answer.to, 303)
    if answer.notice is not None:
        session["notice"] = list(answer.notice)
    secure = kit().settings.secure_cookies
    for name, value, age in answer.cookies:
        response.set_cookie(name, value, max_age=age, httponly=True, secure=secure, samesite="Lax", path="/")
    return response


def _render(answer: Page, work: Work, seen: Seen, status: int) -> Response:
    notice = session.pop("notice", None)
    html = render_template(
        answer.template,
        actor=work.actor,
        now=work.now,
        seen=seen,
        notice=Text(*notice) if notice else None,
        **answer.context,
    )
    return make_response(html, status)


def refusal_page(refusal: Refusal) -> Response:
    """Return a refusal as a page that says what happened and where to go on."""
    html = render_template(
        "refusal.html",
        title=refusal.title,
        message=refusal.message,
        cite=refusal.cite,
        actor=None,
        errors=refusal.errors if isinstance(refusal, Invalid) else (),
        notice=None,
        seen=None,
    )
    return make_response(html, status_of(refusal))


def stale_form() -> Refusal:
    """Return the refusal of a form whose token is missing, old or not ours."""
    return Conflict(
        "表单已失效,请返回重新提交", "the form has expired; go back and send it again", code="stale_form"
    )


def http_page(error: HTTPException) -> Response:
    """Return an error of the framework (404, 405, 413...) as a page."""
    title = words_of_http(error)
    html = render_template(
        "refusal.html", title=title, message=title, cite=None, errors=(), actor=None, notice=None, seen=None
    )
    return make_response(html, error.code or 500)


def install(app: Flask) -> None:
    """Give the templates their words: `t(zh, en)`, `w(label)`, `lang()`, and the filters `when` and `day`."""
    app.jinja_env.globals.update(t=say, w=words, lang=language)
    app.jinja_env.filters.update(when=when, day=day)


def when(instant: datetime | str | None) -> str:
    """Return an instant as people read it, in Shanghai time: ``2026-02-13 23:59``."""
    if instant is None:
        return "—"
    value = parse_instant(instant) if isinstance(instant, str) else instant
    return value.astimezone(SHANGHAI).strftime("%Y-%m-%d %H:%M")


def day(instant: datetime | str | None) -> str:
    """Return the day of an instant in Shanghai time: ``2026-02-13``."""
    return when(instant)[:10] if instant is not None else "—"
