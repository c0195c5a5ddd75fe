"""An object of another department is like one that does not exist: every address that names an object."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from accounts.oidc.store import Identity, insert_identity
from catalog.datasets import register_dataset
from core.work import Actor
from notices.inbox import list_notices
from tests.cast import alice, carol, hans
from tests.conftest import World
from tests.hotline.conftest import make_city
from tests.hotline.kit import dispatched_ticket
from tests.hotline.knowledge.kit import written
from tests.hotline.supervision.people import opened, susan
from tests.stories import OFFERS, active_client, active_grant, offered, submitted_application
from web.http import Route

pytestmark = pytest.mark.long

STRANGER = Actor("stranger", "S", "education", frozenset({"provider", "consumer", "handler"}), "s")
"""Somebody with every role that a department as such has, in a department that has nothing to do with it."""
OVERSEERS = {"auditor", "platform_manager", "administrator", "security_admin"}
HOTLINE = {"operator", "dispatcher", "supervisor", "leader", "superior", "business_environment", "discipline"}
ABOVE = OVERSEERS | HOTLINE | {"emergency_office"}
"""Roles that see the objects of all departments: what a route for them alone shows is nobody else's."""

NO_DEPARTMENTS = (
    "/api/audit/past/",
    "/audit/",
    "/hotline/knowledge/",
    "/hotline/reports/",
    "/api/hotline/reports/",
    "/open311/",
    "/confirm/with/",
    "/sign-in/",
    "/sign-out/",
    "/account/identities/link/",
    "/api/tickets/batch/",
)
"""Addresses that name a form, a provider, a step or what is public: no object of a department."""
MADE_UP = "01999999-9999-7999-8999-999999999999"


class Owned(NamedTuple):
    """What belongs to other departments: for the beginning of an address the parameters, and whose it is."""

    of: dict[str, tuple[dict[str, str], Actor]]

    def fitting(self, rule: str) -> tuple[dict[str, str], Actor]:
        """Return the parameters of an address and who may see it; LookupError where nothing is known."""
        path = rule.removeprefix("/api")
        found = [start for start in self.of if path.startswith(start)]
        if not found:
            raise LookupError(f"no object of another department for {rule}")
        return self.of[max(found, key=len)]


@pytest.fixture(scope="module")
def city(tmp_path_factory: pytest.TempPathFactory, template_database: Path) -> Iterator[World]:
    """Qianjiang with its hotline."""
    made = make_city(tmp_path_factory.mktemp("city"), template_database, "qianjiang")
    yield made
    made.database.close()


@pytest.fixture(scope="module")
def owned(city: World) -> Owned:
    """One of each, of departments that are not the stranger's."""
    with city.work(alice) as work:
        draft = register_dataset(work, OFFERS["divisions"][1])
    system = active_client(city)
    code = offered(city, "divisions")
    filed = submitted_application(city, code, system)
    held = active_grant(city, code, system)
    asked = {"kind": "correction", "dataset": code, "fields": {"doubt": "两条重复"}}
    matter = city.client(carol).post("/api/matters", json=asked).get_json()
    ticket = dispatched_ticket(city)
    supervision = opened(city, susan, ticket, "supervision")
    article = written(city)
    with city.work(carol) as work:
        notice = list_notices(work, limit=5).lines[0].notice
        insert_identity(work.tx, Identity(MADE_UP[:-1] + "1", "https://i", "s", "carol", city.now, "adam"))
    parts = {
        "/datasets/": ({"code": draft.code.replace("/", "-"), "kind": "table"}, alice),
        "/clients/": ({"client_id": system.client.id, "credential_id": MADE_UP}, carol),
        "/systems/": ({"id": system.client.id, "credential": MADE_UP}, carol),
        "/applications/": (
            dict.fromkeys(("application_id", "id"), filed.application.id),
            carol,
        ),
        "/grants/": (dict.fromkeys(("grant_id", "id"), held.grant.id), carol),
        "/matters/": (dict.fromkeys(("matter_id", "id"), matter["id"]), carol),
        "/notices/": ({"notice_id": notice.id}, carol),
        "/inbox/": ({"notice_id": notice.id}, carol),
        "/tickets/": (dict.fromkeys(("ticket_id", "id"), ticket.ticket.id), hans),
        "/supervisions/": (dict.fromkeys(("supervision_id", "id"), supervision.supervision.id), susan),
        "/knowledge/": (
            {"code": article.code},
            Actor("hana", "H", article.unit, frozenset({"handler"}), "h"),
        ),
        "/account/": ({"id": MADE_UP[:-1] + "1"}, carol),
        "/audit/records/": ({"record_id": MADE_UP}, carol),
        "/usage/records/": ({"id": MADE_UP}, carol),
    }
    return Owned(parts)


def named(city: World) -> list[Route]:
    """Every route that names an object and that the stranger's roles open."""
    every = {**city.app.extensions["shuxiang_routes"], **city.app.extensions["shuxiang_pages"]}.values()
    return [
        r for r in every if "<" in r.rule and not r.rule.startswith(NO_DEPARTMENTS) and not r.who <= ABOVE
    ]


def address(rule: str, parameters: dict[str, str], *, made_up: bool = False) -> str:
    def value(found: re.Match[str]) -> str:
        name = found[1].rpartition(":")[2]
        if name in ("action", "kind"):
            return parameters.get(name, "revise")
        known = parameters.get(name, MADE_UP)
        return f"{known[:-4]}9999" if made_up else known

    return re.sub(r"<([^>]+)>", value, rule)


def test_what_belongs_to_another_department_is_like_what_does_not_exist(city: World, owned: Owned) -> None:
    client, browser = city.client(STRANGER), city.browser(STRANGER)
    token = re.search(r'name="csrf_token" value="([^"]+)"', browser.get("/account").text)
    assert token
    scripts = set(map(id, city.app.extensions["shuxiang_routes"].values()))
    for route in named(city):
        parameters, _ = owned.fitting(route.rule)
        seen = []
        for made_up in (False, True):
            place = address(route.rule, parameters, made_up=made_up)
            if id(route) in scripts:
                body = None if route.method == "GET" else {}
                answer = client.open(place, method=route.method, json=body)
            else:
                form = {"csrf_token": token[1]} if route.method == "POST" else None
                answer = browser.open(place, method=route.method, data=form)
            seen.append(answer.status_code)
        # A body that fits no schema is told so before anybody looks for the object.
        expected = (404, 400, 415) if route.request or route.takes_bytes else (404,)
        assert seen[0] in expected, f"{route.method} {route.rule}: {seen[0]}"
        assert seen[0] == seen[1], f"{route.method} {route.rule} tells that it exists: {seen}"


def test_those_whom_it_belongs_to_find_it(city: World, owned: Owned) -> None:
    """The other half: what the stranger does not find is there."""
    found = set()
    for route in named(city):
        parameters, owner = owned.fitting(route.rule)
        plain = route.method == "GET" and len(re.findall("<", route.rule)) == 1
        if plain and route.rule.startswith("/api/") and MADE_UP not in parameters.values():
            answer = city.client(owner).get(address(route.rule, parameters))
            assert answer.status_code == 200, f"{route.rule}: {answer.status_code}"
            found.add(route.rule.split("/")[2])
    assert {"datasets", "grants", "tickets", "knowledge", "supervisions"} <= found
