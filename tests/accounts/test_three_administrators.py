"""System, security and audit administrators are three people; roles that manage take two to give or take."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
from sqlalchemy import insert, update
from sqlalchemy.exc import IntegrityError

from accounts.managing import act_on_account, allocate_account, find_account, set_roles
from accounts.people import ensure_account
from accounts.roles.proposing import decide_proposal, find_proposal, list_proposals, proposal_actions
from accounts.roles.store import role_proposals
from accounts.store import accounts
from core.administrators import ADMINISTRATORS
from core.errors import Conflict, Invalid, NotPermitted
from core.work import SYSTEM, Actor
from tests.accounts.browser import PASSWORD, Browser, bodies
from tests.cast import adam, alice, bill, bob, carol, dave, sally

pytestmark = pytest.mark.long

SECOND = Actor("second", "Second", "bigdata", frozenset({"security_admin"}), "pseudonym-of-second")
EVE = {"login": "eve", "name": "Eve", "department": "audit"}


def allocated(world: Any, *roles: str, actor: Actor = adam, **changes: Any) -> str:
    with world.work(actor) as work:
        return allocate_account(work, **{**EVE, **changes}, roles=roles)


def open_one(world: Any, actor: Actor = sally) -> str:
    with world.read(actor) as work:
        return str(list_proposals(work, "open", 5, None).rows[0].id)


def decided(world: Any, decision: str = "approve", actor: Actor = sally) -> None:
    with world.work(actor) as work:
        decide_proposal(work, open_one(world), decision)


def roles_of(world: Any, login: str = "eve") -> set[str]:
    with world.read(adam) as work:
        return set(find_account(work, login).roles)


def taken_over(world: Any, password: str) -> Browser:
    """Eve at a browser, with a password of her own."""
    browser = Browser(world.app)
    browser.sign_in("eve", password)
    browser.send("/password", current=password, new=PASSWORD, again=PASSWORD)
    return browser


@pytest.fixture
def waiting(world: Any) -> str:
    """Eve is to be an auditor: adam proposed it. The number of the proposal."""
    world.client(sally)
    with world.work(SYSTEM) as work:
        ensure_account(work, **EVE, roles=["consumer"])
    with world.work(adam) as work:
        set_roles(work, "eve", ["auditor"])
    return open_one(world)


# --- one person, one of the three -----------------------------------------------------------------------


PAIRS = [*itertools.combinations(sorted(ADMINISTRATORS), 2), ("auditor", "provider")]


@pytest.mark.parametrize("pair", PAIRS)
def test_no_use_case_gives_two(world: Any, pair: tuple[str, str]) -> None:
    for department in ("audit", "bigdata"):
        with pytest.raises(Invalid) as refused:
            allocated(world, *pair, department=department)
        assert [(e.pointer, e.code) for e in refused.value.errors] == [("/roles", "not_together")]
    with pytest.raises(Invalid), world.work(SYSTEM) as work:
        ensure_account(work, "eve", "Eve", "audit", pair)


def test_the_database_holds_no_second_one_whoever_writes(world: Any) -> None:
    world.client(alice)
    one = update(accounts).where(accounts.c.login == alice.login)
    for roles in (*PAIRS, ("administrator",), ("auditor",)):
        beside = list(roles[1:]) or ["provider"]
        for values in ({"roles": list(roles)}, {"admin_role": roles[0], "roles": beside}):
            with pytest.raises(IntegrityError, match="one_admin_role"), world.database.begin() as tx:
                tx.execute(one.values(**values))


def test_the_database_knows_three_kinds(world: Any) -> None:
    world.client(alice)
    one = update(accounts).where(accounts.c.login == alice.login).values(roles=[])
    with pytest.raises(IntegrityError, match="one_admin_role"), world.database.begin() as tx:
        tx.execute(one.values(admin_role="root"))
    with world.database.begin() as tx:
        tx.execute(one.values(admin_role="auditor"))
    assert roles_of(world, "alice") == {"auditor"}


def test_a_deployment_that_gives_two_to_one_person_does_not_start(tmp_path: Any) -> None:
    import shutil

    import schemas
    from core.errors import ConfigError
    from core.settings import load_settings
    from tests.conftest import CONFIG

    shutil.copytree(CONFIG, tmp_path / "config")
    file = tmp_path / "config" / "accounts.yaml"
    text = file.read_text(encoding="utf-8")
    changed = text.replace("roles: [administrator]", "roles: [administrator, provider]")
    file.write_text(changed, encoding="utf-8")
    with pytest.raises(ConfigError) as refused:
        load_settings(tmp_path / "config", tmp_path / "data", schemas.errors)
    assert [(f.file, f.pointer) for f in refused.value.findings] == [(str(file), "/accounts/7/roles")]


# --- proposed by one, decided by another ----------------------------------------------------------------


def test_a_role_that_reviews_counts_once_a_security_administrator_agrees(world: Any) -> None:
    world.client(sally)
    eve = taken_over(world, allocated(world, "auditor"))
    assert roles_of(world) == set()
    assert eve.get("/records").status_code == 403
    decided(world)
    assert roles_of(world) == {"auditor"}
    assert eve.get("/records").status_code == 303  # she signs in anew as what she is now
    eve.sign_in("eve", PASSWORD)
    assert eve.get("/records").status_code == 200


def test_what_is_refused_or_withdrawn_is_not_given(world: Any, waiting: str) -> None:
    decided(world, "refuse")
    with world.work(adam) as work:
        set_roles(work, "eve", ["auditor"])
    decided(world, "withdraw", adam)
    assert roles_of(world) == {"consumer"}


@pytest.mark.parametrize("decider", [adam, dave, bob, alice, Actor("eve", "Eve", "audit", sally.roles, "p")])
def test_only_another_security_administrator_decides(world: Any, waiting: str, decider: Actor) -> None:
    with pytest.raises(NotPermitted), world.work(decider) as work:
        decide_proposal(work, waiting, "approve")
    assert roles_of(world) == {"consumer"}


def test_the_database_keeps_the_three_persons_of_a_proposal_apart(world: Any, waiting: str) -> None:
    decided_by = update(role_proposals).values(state="approved")
    for same in ("adam", "eve"):
        with pytest.raises(IntegrityError, match="by_another"), world.database.begin() as tx:
            tx.execute(decided_by.values(decided_by=same))
    with world.database.begin() as tx:
        (row,) = tx.execute(role_proposals.select()).mappings()
    with pytest.raises(IntegrityError, match="not_for_oneself"), world.database.begin() as tx:
        tx.execute(insert(role_proposals).values({**row, "id": "2", "proposed_by": "eve"}))


def test_a_role_is_not_given_to_whoever_still_has_a_password_that_others_know(world: Any) -> None:
    world.client(sally)
    allocated(world, "auditor")
    with pytest.raises(Conflict) as refused:
        decided(world)
    assert refused.value.code == "not_taken_over"
    assert roles_of(world) == set()


def test_a_proposal_is_decided_once_and_only_one_is_open(world: Any, waiting: str) -> None:
    with pytest.raises(Conflict) as refused, world.work(adam) as work:
        set_roles(work, "eve", ["auditor"])
    assert refused.value.code == "proposal_open"
    decided(world)
    with pytest.raises(Conflict), world.work(sally) as work:
        decide_proposal(work, waiting, "refuse")
    with world.read(sally) as work:
        assert proposal_actions(work, find_proposal(work, waiting)) == ()


def test_taking_such_a_role_takes_two_as_well(world: Any) -> None:
    world.client(sally)
    world.client(bob)
    with world.work(adam) as work:
        set_roles(work, "bob", ["provider"])
    assert roles_of(world, "bob") == {"platform_manager"}
    decided(world)
    assert roles_of(world, "bob") == {"provider"}


def test_a_reset_holds_back_what_commands_others_until_somebody_else_gives_it_again(world: Any) -> None:
    for person in (sally, bob, carol):
        world.client(person)
    with world.work(adam) as work:
        act_on_account(work, "carol", "reset")
        act_on_account(work, "bob", "reset")
    assert roles_of(world, "carol") == {"consumer"}
    assert roles_of(world, "bob") == set()
    with pytest.raises(Conflict, match="one-time"):
        decided(world)


def test_a_reset_in_between_goes_on_with_what_was_proposed(world: Any) -> None:
    for person in (sally, bob):
        world.client(person)
    with world.work(adam) as work:
        set_roles(work, "bob", ["platform_manager", "offline_approver"])
        act_on_account(work, "bob", "reset")
    with world.read(sally) as work:
        (waiting,) = list_proposals(work, "open", 5, None).rows
        assert waiting.gives == ("offline_approver", "platform_manager")
        assert len(list_proposals(work, "withdrawn", 5, None).rows) == 1


def test_who_is_to_manage_is_out_of_the_platform_managers_reach_already(ganzhou: Any) -> None:
    ganzhou.client(sally)
    allocated(ganzhou, "auditor")
    for action in ("reset", "disable"):
        with pytest.raises(NotPermitted), ganzhou.work(bill) as work:
            act_on_account(work, "eve", action)


def test_a_security_administrator_makes_no_people(world: Any) -> None:
    with pytest.raises(NotPermitted):
        allocated(world, "consumer", actor=sally, department="health")
    allocated(world, "consumer", department="health")
    with world.read(sally) as work:
        assert find_account(work, "eve").name == "Eve"
    for attempt in (lambda w: act_on_account(w, "eve", "reset"), lambda w: set_roles(w, "eve", ["provider"])):
        with pytest.raises(NotPermitted), world.work(sally) as work:
            attempt(work)


def test_every_step_is_on_record_under_a_pseudonym(world: Any, waiting: str) -> None:
    decided(world)
    for kind in ("account.roles_proposed", "account.roles_decided", "account.roles_changed"):
        (body,) = bodies(world, kind)
        assert "eve" not in str(body)
    assert bodies(world, "account.roles_decided")[0]["decision"] == "approved"


# --- pages and scripts --------------------------------------------------------------------------------------


def test_scripts_propose_and_decide(world: Any) -> None:
    proposer, decider = world.client(adam), world.client(sally)
    world.client(bob)
    asked = proposer.put("/api/accounts/bob/roles", json={"roles": ["provider"]})
    assert (asked.status_code, asked.json["roles"]) == (202, ["platform_manager"])
    place = asked.headers["Location"]
    assert asked.json["proposal"] == {"id": place[-36:], "href": place}
    assert [p["id"] for p in decider.get("/api/role-proposals?state=open").json["items"]] == [place[-36:]]
    assert proposer.get(place).json["actions"] == ["withdraw"]
    assert decider.get(place).json["actions"] == ["approve", "refuse"]
    assert proposer.post(f"{place}/actions/approve", json={}).status_code == 403
    assert decider.post(f"{place}/actions/approve", json={"x": 1}).status_code == 400
    assert decider.post(f"{place}/actions/take", json={}).status_code == 404
    assert decider.post(f"{place}/actions/approve", json={}).json["state"] == "approved"
    assert proposer.get("/api/accounts/bob").json["roles"] == ["provider"]
    assert world.client(carol).get("/api/role-proposals").status_code == 403
    assert decider.get("/api/role-proposals?state=gone").status_code == 400


def test_people_decide_on_pages(world: Any, waiting: str) -> None:
    desk = Browser(world.app)
    desk.client = world.browser(sally)
    assert f"/role-proposals/{waiting}" in desk.get("/role-proposals?state=open").text
    assert f"/role-proposals/{waiting}" in desk.get("/inbox").text
    assert f"/role-proposals/{waiting}" in desk.get("/accounts/eve").text
    page = desk.get(f"/role-proposals/{waiting}").text
    assert "审计部门" in page
    done = desk.send(f"/role-proposals/{waiting}", f"/role-proposals/{waiting}/actions/approve")
    assert done.status_code == 303
    assert "已同意" in desk.get(f"/role-proposals/{waiting}").text
    assert waiting not in desk.get("/role-proposals?state=open").text
