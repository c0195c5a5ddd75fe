"""The page of permissions says what the code does: it is written from it, and nothing is left out."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner

import cli
import permissions
from cases.model import roles_in
from core.administrators import ADMINISTRATORS
from core.work import Actor
from tests.cast import carol
from tests.conftest import World
from tests.stories import submitted_application
from tests.whole.test_routes import OPEN
from web.auth import PUBLIC
from web.roles import ROLES

PAGE = Path(__file__).parents[2] / "docs" / "permissions.md"


def test_the_page_is_what_the_code_states() -> None:
    printed = CliRunner().invoke(cli.main, ["permissions", "--markdown"])
    assert printed.output == PAGE.read_text(encoding="utf-8"), "run: shuxiang permissions --markdown"


def test_the_page_names_every_address_of_the_control_plane(world: World) -> None:
    named = {(a.method, a.rule) for a in permissions.addresses()}
    served = {
        (method, rule.rule.removesuffix(".<form>"))
        for rule in world.app.url_map.iter_rules()
        if rule.endpoint not in OPEN and rule.rule != "/open311/<path:rest>"
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}
    }
    assert served - named == set()
    assert {rule for _, rule in named} - {rule for _, rule in served} == {"/open311/<path:rest>"}


def test_every_role_of_the_rulebooks_has_a_name() -> None:
    for step in permissions.steps():
        assert set(step.roles) <= set(ROLES), step


def test_an_address_that_names_an_object_says_whose_it_must_be() -> None:
    with pytest.raises(KeyError):
        permissions.whose("/api/secrets/<id>")
    used = {permissions.whose(a.rule) for a in permissions.addresses()}
    assert set(permissions.OBJECTS.values()) <= used


def test_who_manages_decides_or_exports_proves_who_it_is_first() -> None:
    stated = {(a.method, a.rule): a for a in permissions.addresses()}
    for method, rule in (
        ("POST", "/api/accounts"),
        ("PUT", "/api/accounts/<login>/roles"),
        ("POST", "/api/role-proposals/<proposal_id>/actions/<action>"),
        ("POST", "/accounts/<login>/identities"),
        ("POST", "/api/clients/<client_id>/credentials"),
        ("POST", "/api/tickets/<ticket_id>/caller"),
        ("POST", "/api/audit/erasures/<erasure_id>/decision"),
        ("GET", "/api/audit/export"),
    ):
        assert stated[method, rule].fresh, f"{method} {rule}"
    assert not any(a.fresh for a in permissions.addresses() if set(a.roles) <= PUBLIC)


def test_the_command_prints_it_for_programs() -> None:
    printed = CliRunner().invoke(cli.main, ["permissions", "--json"])
    facts = json.loads(printed.output)
    assert {"GET", "POST", "PUT", "PATCH", "DELETE"} == {a["method"] for a in facts["addresses"]}
    grants = [s for s in facts["steps"] if (s["workflow"], s["action"]) == ("application", "grant")]
    assert {s["rulebook"] for s in grants} == {"sharing/qianjiang", "sharing/ganzhou"}
    assert "platform_manager" in grants[0]["roles"]
    assert "permissions" in CliRunner().invoke(cli.main, ["permissions"]).output


def test_no_rulebook_lets_one_of_the_three_administrators_act() -> None:
    for step in permissions.steps():
        assert ADMINISTRATORS.isdisjoint(step.roles), step


@pytest.mark.parametrize("role", sorted(ADMINISTRATORS))
def test_the_three_administrators_act_for_no_department(world: World, role: str) -> None:
    filed = submitted_application(world)
    known = roles_in(filed.case, carol)
    assert "consumer" in known
    inside = Actor("x", "X", carol.department, frozenset({role}), "x")
    assert roles_in(filed.case, inside) == frozenset()
    member = replace(filed.case, parties={**filed.case.parties, "member": carol.department})
    assert roles_in(member, inside) == frozenset()
    assert "member" in roles_in(member, carol)
