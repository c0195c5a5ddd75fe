"""The control plane: puts the packages together. With cli.py the only module that knows them all."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from functools import cache

import orjson
from flask import Flask, Response, request
from flask_bootstrap import Bootstrap5
from flask_wtf import CSRFProtect
from flask_wtf.csrf import CSRFError
from sqlalchemy.exc import DataError, InterfaceError, OperationalError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from werkzeug.exceptions import HTTPException

import accounts.api
import accounts.console
import accounts.factors.console
import accounts.oidc.console
import accounts.oidc.known
import accounts.roles.api
import accounts.roles.console
import accounts.tokens
import audit.api
import audit.console
import audit.keeping.api
import audit.keeping.closed
import audit.keeping.console
import audit.overview.console
import audit.public
import audit.questions.api
import audit.questions.console
import audit.usage.api
import audit.usage.console
import audit.wording
import cases.console
import catalog.api
import catalog.console
import catalog.quality.api
import catalog.quality.console
import catalog.titles
import gateway.api
import gateway.console
import gateway.oauth
import gateway.objections
import gateway.systems.console
import hotline.api
import hotline.citizen.api
import hotline.citizen.console
import hotline.console
import hotline.desk.console
import hotline.imports.api
import hotline.imports.console
import hotline.inquiries.api
import hotline.knowledge.api
import hotline.knowledge.console
import hotline.open311.api
import hotline.reports.api
import hotline.reports.console
import hotline.supervising.api
import hotline.supervising.console
import matters.api
import matters.console
import notices.api
import notices.console
import notices.inbox
import supervision.api
import supervision.console
import web.confirming
import web.pages
from accounts.keyring.checking import refuse_wrong_keys
from accounts.sessions import actor_of_session
from audit.alarms import alarms
from audit.questions.exports import forget_answers
from cases.books import open_rulebooks
from core.db import Database
from core.errors import ConfigError, Finding, Refusal, Unavailable, invalid
from core.migrate import at_head
from core.settings import Settings
from core.text import Text
from core.times import utc_now
from core.work import Work
from gateway.policy import PolicyCounter, change_policy
from gateway.store import client
from hotline.callers import INDEX_KEY
from hotline.model import DOMAIN
from hotline.reports.export import forget_exports
from ties import TIES
from web.health import readiness
from web.kit import Kit
from web.metrics import measure
from web.openapi import openapi
from web.problems import http_problem, problem_response
from web.proxy import TrustedProxies
from web.security import protect

ROUTES = (
    accounts.api.routes,
    accounts.roles.api.routes,
    catalog.api.routes,
    catalog.quality.api.routes,
    gateway.api.routes,
    matters.api.routes,
    notices.api.routes,
    audit.api.routes,
    audit.keeping.api.routes,
    audit.keeping.closed.routes,
    audit.public.routes,
    audit.questions.api.routes,
    audit.usage.api.routes,
    supervision.api.routes,
    hotline.api.routes,
    hotline.citizen.api.routes,
    hotline.knowledge.api.routes,
    hotline.imports.api.routes,
    hotline.inquiries.api.routes,
    hotline.supervising.api.routes,
    hotline.reports.api.routes,
)
PAGES = (
    accounts.console.pages,
    accounts.factors.console.pages,
    accounts.roles.console.pages,
    accounts.oidc.console.pages,
    notices.console.pages,
    cases.console.pages,
    catalog.console.pages,
    catalog.quality.console.pages,
    gateway.systems.console.pages,
    gateway.console.pages,
    matters.console.pages,
    audit.console.pages,
    audit.overview.console.pages,
    audit.keeping.console.pages,
    audit.questions.console.pages,
    audit.usage.console.pages,
    supervision.console.pages,
    hotline.desk.console.pages,
    hotline.console.pages,
    hotline.citizen.console.pages,
    hotline.knowledge.console.pages,
    hotline.imports.console.pages,
    hotline.supervising.console.pages,
    hotline.reports.console.pages,
)
VERSION = "0.1.0"
FOR_SCRIPTS = (
    "/api/",
    "/oauth/",
    "/audit/",
    "/.well-known/",
    "/share/",
    "/open311/",
    "/livez",
    "/readyz",
    "/openapi.json",
)
"""Addresses whose errors are problem documents; people get a page."""


def create_app(
    settings: Settings, database: Database | None = None, clock: Callable[[], datetime] = utc_now
) -> Flask:
    """Return the control plane of a deployment. Raises ConfigError rather than start unsafe."""
    database = database or Database(settings.database_url)
    if not at_head(database):
        raise ConfigError(
            [
                Finding(
                    database.name,
                    "",
                    Text("数据库结构不是最新，请先运行 shuxiang init", "run shuxiang init"),
                )
            ]
        )
    with database.read() as tx:
        refuse_wrong_keys(settings, tx)
    if DOMAIN in settings.platform.rulebooks:
        settings.key(INDEX_KEY)  # without it no call can be taken in
        forget_exports(settings)
    forget_answers(settings)
    keys = settings.keys("session.key")
    app = Flask("web", template_folder="templates", static_folder="static")
    app.config.update(
        SECRET_KEY=keys[0],
        SECRET_KEY_FALLBACKS=list(keys[1:]),
        WTF_CSRF_SECRET_KEY=list(reversed(keys)),
        MAX_CONTENT_LENGTH=16 * 1024 * 1024,
        MAX_FORM_MEMORY_SIZE=2 * 1024 * 1024,
        MAX_FORM_PARTS=2000,
        SESSION_COOKIE_NAME="__Host-web" if settings.secure_cookies else "web",
        SESSION_COOKIE_SECURE=settings.secure_cookies,
        SESSION_COOKIE_SAMESITE="Lax",
        WTF_CSRF_CHECK_DEFAULT=False,
        BOOTSTRAP_SERVE_LOCAL=True,
    )
    counter = PolicyCounter(settings.data / "run" / "policy")
    app.extensions["shuxiang"] = Kit(
        settings=settings,
        database=database,
        rulebooks=open_rulebooks(settings, database, clock()),
        clock=clock,
        actor_of_token=accounts.tokens.actor_of_token,
        actor_of_session=actor_of_session(settings),
        policy_changed=lambda tx: change_policy(tx, counter),
        ties=TIES,
    )
    app.extensions[web.confirming.CONFIRMING] = accounts.factors.console.CONFIRMATION
    app.extensions[cases.console.TITLES] = catalog.titles.titles_of
    app.extensions[audit.wording.REASONS] = _reasons()
    app.extensions[audit.wording.NAMES] = {"dataset": catalog.titles.titles_of, "client": _systems}
    app.extensions[web.pages.RELATED] = matters.console.related
    app.extensions[web.pages.COUNTS] = {"/inbox": notices.inbox.count_unread}
    app.extensions[accounts.oidc.known.EXTENSION] = accounts.oidc.known.providers_of(settings)
    app.jinja_env.globals["elsewhere"] = {p.id: p for p in settings.security.oidc}
    Bootstrap5(app)
    _faces(app, settings)
    _errors(app)
    measure(app)
    _health(app, settings, database)
    if settings.platform.trusted_proxies:
        app.wsgi_app = TrustedProxies(app.wsgi_app, settings.platform.trusted_proxies)  # type: ignore[method-assign]
    return app


def _reasons() -> dict[str, Text]:
    """Return what the reasons of refused and failed calls are called, by code."""
    known = vars(gateway.objections).values()
    return {o.code: o.text for o in known if isinstance(o, gateway.objections.Objection)}


def _systems(work: Work, ids: Sequence[str]) -> dict[str, str]:
    """Return what the systems with these ids are called."""
    found = (client(work.tx, system) for system in ids)
    return {system.id: system.name for system in found if system is not None}


def _faces(app: Flask, settings: Settings) -> None:
    csrf = CSRFProtect(app)
    web.pages.install(app)
    app.jinja_env.filters["plain"] = audit.wording.plain
    for routes in ROUTES:
        routes.register(app)
    for pages in PAGES:
        pages.register(app)
    gateway.oauth.register(app)
    hotline.open311.api.register(app)
    protect(app, csrf, settings)
    app.add_url_rule("/openapi.json", "openapi", _described(settings))
    app.add_url_rule(
        "/share/<path:_rest>", "misdirected", _misdirected(settings), methods=["GET", "POST", "HEAD"]
    )


def _described(settings: Settings) -> Callable[[], Response]:
    """Answer with the description of the JSON face, put together when it is first asked for."""

    @cache
    def document() -> bytes:
        described = [route for routes in ROUTES for route in routes.routes]
        platform = settings.platform
        return orjson.dumps(openapi(described, str(platform.title), VERSION, platform.control_url))

    return lambda: Response(document(), content_type="application/json")


def _misdirected(settings: Settings) -> Callable[..., Response]:
    """Answer a data-plane address that was asked of the control plane: 421 (RFC 9110 section 15.5.20)."""

    def view(_rest: str) -> Response:
        address = f"{settings.platform.gateway_url}/share/{_rest}"
        document = {
            "type": "urn:shuxiang:problem:misdirected",
            "title": "请求发错了服务",
            "title_en": "Misdirected request",
            "status": 421,
            "detail": f"数据调用请发往 {address}",
            "detail_en": f"call the data plane at {address}",
            "code": "misdirected",
        }
        response = Response(orjson.dumps(document), 421, content_type="application/problem+json")
        response.headers["Content-Location"] = address
        return response

    return view


def _errors(app: Flask) -> None:
    def wants_page() -> bool:
        return not request.path.startswith(FOR_SCRIPTS)

    @app.errorhandler(Refusal)
    def _refused(refusal: Refusal) -> Response:
        return web.pages.refusal_page(refusal) if wants_page() else problem_response(refusal)

    @app.errorhandler(CSRFError)
    def _forged(error: CSRFError) -> Response:
        return web.pages.refusal_page(web.pages.stale_form())

    @app.errorhandler(HTTPException)
    def _http(error: HTTPException) -> Response:
        return web.pages.http_page(error) if wants_page() else http_problem(error)

    @app.errorhandler(OperationalError)
    @app.errorhandler(InterfaceError)
    @app.errorhandler(PoolTimeout)
    def _gone(error: SQLAlchemyError) -> Response:
        app.logger.error("the database cannot be used on %s: %s", request.endpoint, type(error).__name__)
        refusal = Unavailable("数据库暂不可用，请稍后再试", "the database cannot be used now; try again soon")
        return web.pages.refusal_page(refusal) if wants_page() else problem_response(refusal)

    @app.errorhandler(DataError)
    def _unkept(error: DataError) -> Response:
        app.logger.error("what %s was sent cannot be kept: %s", request.endpoint, type(error.orig).__name__)
        refusal = invalid("", "内容含有无法保存的字符，或过长", "it is too long or has unfit characters")
        return web.pages.refusal_page(refusal) if wants_page() else problem_response(refusal)

    @app.errorhandler(Exception)
    def _fault(error: Exception) -> Response:
        app.logger.exception("unhandled error on %s", request.endpoint)
        fault = web.problems.internal_fault()
        return web.pages.refusal_page(fault) if wants_page() else problem_response(fault)


def _health(app: Flask, settings: Settings, database: Database) -> None:
    app.add_url_rule(
        "/livez", "livez", lambda: Response('{"status":"pass"}', content_type="application/health+json")
    )
    kit = app.extensions["shuxiang"]

    def readyz() -> Response:
        return readiness(settings, database, kit, lambda: alarms(settings, kit.clock()))

    app.add_url_rule("/readyz", "readyz", readyz)
