"""Every address states who may use it, and nobody else gets past the door: every route, every role."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest

from core.errors import NotPermitted, Unauthenticated
from core.work import Actor
from tests.conftest import World
from web.auth import NOBODY, PUBLIC, SIGNED_IN, UNFINISHED, admit, admits
from web.http import Route
from web.roles import ROLES as NAMED

PARTS = {"system", "member", "co_handler"}
"""Roles that are parts in a case, or the platform itself: no account holds them."""
ROLES = sorted(set(NAMED) - PARTS)
ANY = PUBLIC | SIGNED_IN | set(UNFINISHED)
"""What admits whoever has an account, or everybody."""

OPEN = {
    "static",
    "bootstrap.static",
    "livez",
    "readyz",
    "openapi",
    "misdirected",
}
"""Addresses for everybody that no use case stands behind."""


def routes(world: World) -> dict[str, Route]:
    return {**world.app.extensions["shuxiang_routes"], **world.app.extensions["shuxiang_pages"]}


def person(*roles: str) -> Actor:
    return Actor(f"p-{'-'.join(roles)}"[:40].replace("_", "-"), "P", "civil_affairs", frozenset(roles), "p")


def address(route: Route) -> str:
    """The address of a route, with something in place of each parameter."""
    return re.sub(r"<[^>]+>", "307001-000001", route.rule)


def test_every_address_states_who_may_use_it(world: World) -> None:
    stated = {route.rule for route in routes(world).values()}
    served = {
        r.rule.removesuffix(".<form>") for r in world.app.url_map.iter_rules() if r.endpoint not in OPEN
    }
    assert served - stated == set()


def test_every_route_names_roles_that_exist(world: World) -> None:
    for endpoint, route in routes(world).items():
        assert route.who, endpoint
        assert route.who <= set(ROLES) | ANY, f"{endpoint}: {set(route.who)}"
        assert route.summary.zh, endpoint
        assert route.summary.en, endpoint


def test_every_role_that_an_account_may_hold_is_walked() -> None:
    from schemas import schema

    known = schema("request/account_roles")["properties"]["roles"]["items"]["enum"]
    assert set(known) == set(ROLES)


def walked(world: World) -> Iterator[tuple[Route, str]]:
    for route in routes(world).values():
        for role in ROLES:
            yield route, role


def test_every_route_admits_the_roles_that_it_names_and_no_other(world: World) -> None:
    """Every route times every role, at the one door that `web.http` and `web.pages` both have."""
    seen = 0
    for route, role in walked(world):
        named = role in route.who or bool(route.who & (PUBLIC | SIGNED_IN))
        assert admits(route.who, person(role)) == named, f"{route.method} {route.rule} as {role}"
        seen += 1
    assert seen == len(routes(world)) * len(ROLES)


@pytest.mark.parametrize("step", UNFINISHED)
def test_a_sign_in_that_is_not_complete_opens_what_completes_it_alone(world: World, step: str) -> None:
    for route in routes(world).values():
        named = step in route.who or bool(route.who & PUBLIC)
        assert admits(route.who, person(step)) == named, f"{route.method} {route.rule}"


def test_nobody_is_admitted_where_not_everybody_is(world: World) -> None:
    for route in routes(world).values():
        if not route.who & PUBLIC:
            with pytest.raises(Unauthenticated):
                admit(NOBODY, route.who)


def test_nobody_without_a_token_gets_past_a_json_route(world: World) -> None:
    client = world.app.test_client()
    for endpoint, route in world.app.extensions["shuxiang_routes"].items():
        if route.who != PUBLIC:
            answer = client.open(
                address(route), method=route.method, json={} if route.method != "GET" else None
            )
            assert answer.status_code == 401, f"{endpoint}: {answer.status_code}"
            assert answer.headers["WWW-Authenticate"].startswith("Bearer")


def refused(client: Any, route: Route, status: int) -> None:
    answer = client.open(address(route), method=route.method, json={} if route.method != "GET" else None)
    assert answer.status_code == status, f"{route.method} {route.rule}: {answer.status_code}"


def closed(found: dict[str, Route], role: str) -> list[Route]:
    """The routes that do not name a role."""
    return [r for r in found.values() if not r.who & (ANY | {role})]


@pytest.mark.parametrize("role", ["provider", "auditor", "administrator", "security_admin"])
def test_no_role_gets_past_a_route_that_does_not_name_it(world: World, role: str) -> None:
    client = world.client(person(role))
    shut = closed(world.app.extensions["shuxiang_routes"], role)
    assert shut
    for route in shut:
        refused(client, route, 403)


@pytest.mark.parametrize("role", ["consumer", "platform_manager"])
def test_no_role_gets_past_a_page_that_does_not_name_it(world: World, role: str) -> None:
    browser = world.browser(person(role))
    for route in closed(world.app.extensions["shuxiang_pages"], role):
        if route.method == "GET":
            refused(browser, route, 403)


@pytest.mark.long
def test_every_address_refuses_over_http_whom_it_does_not_name(world: World) -> None:
    """Each address meets three of the roles that it does not name, in turn: all meet all of its package."""
    people = {role: (world.client(person(role)), world.browser(person(role))) for role in ROLES}
    tokens = {role: _form_token(browser) for role, (_, browser) in people.items()}
    for place, route in enumerate(closed(routes(world), "")):
        others = [role for role in ROLES if role not in route.who]
        for role in {others[(3 * place + i) % len(others)] for i in range(3)}:
            client, browser = people[role]
            if route in world.app.extensions["shuxiang_routes"].values():
                refused(client, route, 403)
                continue
            form = {"csrf_token": tokens[role]} if route.method == "POST" else None
            answer = browser.open(address(route), method=route.method, data=form)
            assert answer.status_code == 403, f"{role}: {route.method} {route.rule}: {answer.status_code}"


def _form_token(browser: Any) -> str:
    found = re.search(r'name="csrf_token" value="([^"]+)"', browser.get("/account").text)
    assert found
    return found[1]


@pytest.mark.parametrize(
    "actor", [Actor("a", "A", "audit", frozenset({"auditor"}), "a"), person("administrator")]
)
def test_of_the_three_administrators_none_does_the_work_of_another(world: World, actor: Actor) -> None:
    """An administrator reads no records, an auditor decides nothing but what belongs to the log."""
    (role,) = actor.roles
    named = [r for r in routes(world).values() if role in r.who]
    own = {
        "auditor": ("/audit/", "/records", "/open311"),
        "administrator": ("/accounts", "/role-proposals", "/deliveries"),
    }[role]
    for route in named:
        path = route.rule.removeprefix("/api")
        assert route.method == "GET" or path.startswith(own), f"{role}: {route.method} {route.rule}"
        if role == "administrator":
            assert path.startswith(own), f"{role}: {route.rule}"
    with pytest.raises(NotPermitted):
        admit(actor, frozenset({"security_admin"}))


def test_every_route_with_a_body_names_its_schema_or_checks_the_rulebook(world: World) -> None:
    for endpoint, route in world.app.extensions["shuxiang_routes"].items():
        forms = "/actions/" in route.rule or route.rule.startswith(("/oauth/", "/open311/"))
        if route.method in ("POST", "PATCH", "PUT") and not forms:
            assert route.request or route.takes_bytes, endpoint
