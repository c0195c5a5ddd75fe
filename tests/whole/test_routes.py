"""Every address states who may use it, and nobody else gets past the door."""

from __future__ import annotations

import re

import pytest

from tests.cast import alice, bob, carol, dave
from tests.conftest import World
from web.auth import PUBLIC, SIGNED_IN, UNFINISHED
from web.http import Route

HOTLINE = {"operator", "dispatcher", "handler", "supervisor", "leader", "superior", "discipline"}
HOTLINE |= {"business_environment", "emergency_office"}
ROLES = {"provider", "consumer", "platform_manager", "auditor", "administrator", "security_admin", *HOTLINE}
ANY = PUBLIC | SIGNED_IN | set(UNFINISHED)
"""What admits whoever has an account, or everybody."""
CAST = {"provider": alice, "consumer": carol, "platform_manager": bob, "auditor": dave}

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


def address(route: Route) -> str:
    """The address of a route, with something in place of each parameter."""
    return re.sub(r"<[^>]+>", "307001-000001", route.rule)


def test_every_address_states_who_may_use_it(world: World) -> None:
    stated = routes(world)
    silent = {
        rule.endpoint
        for rule in world.app.url_map.iter_rules()
        if rule.endpoint not in stated
        and rule.endpoint not in OPEN
        and not rule.rule.startswith(("/oauth/", "/.well-known/", "/audit/"))
    }
    assert silent == set()


def test_every_route_names_roles_that_exist(world: World) -> None:
    for endpoint, route in routes(world).items():
        assert route.who, endpoint
        assert route.who <= ROLES | ANY, f"{endpoint}: {set(route.who)}"
        assert route.summary.zh, endpoint
        assert route.summary.en, endpoint


def test_nobody_without_a_token_gets_past_a_json_route(world: World) -> None:
    client = world.app.test_client()
    for endpoint, route in world.app.extensions["shuxiang_routes"].items():
        if route.who != PUBLIC:
            answer = client.open(
                address(route), method=route.method, json={} if route.method != "GET" else None
            )
            assert answer.status_code == 401, f"{endpoint}: {answer.status_code}"
            assert answer.headers["WWW-Authenticate"].startswith("Bearer")


@pytest.mark.parametrize("role", sorted(CAST))
def test_no_role_gets_past_a_route_that_does_not_name_it(world: World, role: str) -> None:
    client = world.client(CAST[role])
    held = CAST[role].roles
    closed = [r for r in world.app.extensions["shuxiang_routes"].values() if r.who != PUBLIC]
    closed = [r for r in closed if not r.who & (held | ANY)]
    assert closed
    for route in closed:
        answer = client.open(address(route), method=route.method, json={} if route.method != "GET" else None)
        assert answer.status_code == 403, f"{route.method} {route.rule}: {answer.status_code}"


@pytest.mark.parametrize("role", sorted(CAST))
def test_no_role_gets_past_a_page_that_does_not_name_it(world: World, role: str) -> None:
    browser = world.browser(CAST[role])
    held = CAST[role].roles
    for endpoint, route in world.app.extensions["shuxiang_pages"].items():
        if route.method == "GET" and not route.who & (held | ANY):
            assert browser.get(address(route)).status_code == 403, endpoint


def test_every_route_with_a_body_names_its_schema_or_checks_the_rulebook(world: World) -> None:
    for endpoint, route in world.app.extensions["shuxiang_routes"].items():
        forms = "/actions/" in route.rule or route.rule.startswith(("/oauth/", "/open311/"))
        if route.method in ("POST", "PATCH", "PUT") and not forms:
            assert route.request or route.takes_bytes, endpoint
