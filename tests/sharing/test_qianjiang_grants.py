"""Grants in Qianjiang (QJ art. 14, 24, 27): without an end of their own, bound to what was granted."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from cases.present import case_view
from core.errors import Conflict, Invalid, NotFound, NotPermitted
from gateway.grants import find_grant, grant_state
from gateway.issuing import choose_grant
from tests.cast import alice, ann, bob, carol, chen, mallory, rita
from tests.sharing.telling import all_clocks, at, dealt, inbox, opened, records, swept
from tests.stories import active_client, active_grant, offered

RECTIFY = {
    "department": "health",
    "breach": "misuse",
    "demand": "停止用于授权之外的系统",
    "deadline": "2026-03-10T18:00:00+08:00",
}


def state(world: Any, held: Any) -> str:
    with world.read(carol) as work:
        return grant_state(work, find_grant(work, held.grant.id).case)


def policy(world: Any, name: str) -> Any:
    return world.rulebooks.current("sharing").policy(name)


# --- D12: no term, no expiry, no disuse rule ------------------------------------------------------------


@pytest.mark.parametrize(
    "name", ["max_term", "term_unit", "term_counts_from", "on_expiry", "renewal", "idle"]
)
def test_the_text_sets_no_rule_on_the_life_of_a_grant_and_the_book_holds_null(world: Any, name: str) -> None:
    leaf = policy(world, f"grant.{name}")
    assert (leaf.value, leaf.cite.kind) == (None, "silent")


def test_a_grant_outlives_years_of_disuse(world: Any) -> None:
    """No clock runs on it, no sweep ends it, and nobody may take it back for want of use."""
    held = active_grant(world, offered(world, "workdays"), fields=["date"], operations=["day"])
    assert held.grant.valid_until is None
    assert all_clocks(world, held) == ()
    swept(world, "2040-01-01T00:00")
    assert state(world, held) == "active"
    assert "idle" not in world.rulebooks.current("sharing").dimensions


def test_a_term_that_the_applicant_itself_names_is_kept_and_is_not_the_texts(world: Any) -> None:
    held = active_grant(world, term_days=30)
    assert held.grant.valid_until is not None
    assert held.grant.valid_until.replace(microsecond=0) == at("2026-03-12T23:59:59")
    world.now = at("2026-03-13T00:00")
    assert state(world, held) == "expired"
    step = world.rulebooks.current("sharing").workflow("grant").find("active", "expire", {})
    assert step.cite.kind == "product_default"


# --- I-S-14: a block is a measure of security ------------------------------------------------------------


@pytest.mark.parametrize("actor", [alice, carol], ids=lambda a: a.login)
def test_nobody_but_the_platform_manager_blocks(world: Any, actor: Any) -> None:
    held = active_grant(world)
    with pytest.raises(NotPermitted):
        dealt(world, actor, held, "suspend", reason="异常")


def test_a_block_says_why_reaches_both_sides_and_is_lifted(world: Any) -> None:
    held = active_grant(world)
    with pytest.raises(Invalid):
        dealt(world, bob, held, "suspend")
    blocked = dealt(world, bob, held, "suspend", reason="调用来源异常")
    assert state(world, held) == "suspended"
    for actor in (alice, carol):
        assert "Grant G-2026-000001: Suspend" in inbox(world, actor, blocked)
    dealt(world, bob, held, "resume")
    assert state(world, held) == "active"
    step = world.rulebooks.current("sharing").workflow("grant").find("active", "suspend", {})
    assert (step.cite.article, step.cite.kind, step.cite.reading) == ("27", "interpretation", "I-S-14")
    assert policy(world, "grant.suspension").value == "security_only"


def test_a_block_that_stays_is_turned_into_a_rectification(city: Any) -> None:
    held = active_grant(city)
    with pytest.raises(Conflict):
        dealt(city, bob, held, "order_rectification", **RECTIFY)
    dealt(city, bob, held, "suspend", reason="用于授权之外的系统")
    dealt(city, bob, held, "order_rectification", **RECTIFY)
    [matter] = city.client(carol).get("/api/matters?kind=rectification").get_json()["items"]
    assert (matter["grant"], matter["state"]) == (held.grant.number, "noticed")
    assert [c["due"] for c in matter["clocks"]] == ["2026-03-10T18:00:00+08:00"]
    assert "rectification R-2026-000001: Order rectification" in inbox(city, rita)


def test_misuse_is_put_on_record_and_changes_nothing_by_itself(world: Any) -> None:
    """QJ art. 24, 31 (四), I-Q-04: the regulation has no measure for it but rectification."""
    held = active_grant(world)
    with pytest.raises(Invalid):
        dealt(world, alice, held, "report_misuse")
    with pytest.raises(NotPermitted):
        dealt(world, carol, held, "report_misuse", evidence="记录 17 条")
    reported = dealt(world, alice, held, "report_misuse", evidence="记录 17 条")
    assert state(world, held) == "active"
    assert "Grant G-2026-000001: Report misuse" in inbox(world, bob, reported)
    assert records(world, reported)[-1]["action"] == "report_misuse"
    assert "记录" not in str(records(world, reported)[-1])


def test_ending_and_taking_back_are_the_platforms_own_and_say_so(world: Any) -> None:
    flow = world.rulebooks.current("sharing").workflow("grant")
    ending = flow.find("suspended", "terminate", {})
    taking = flow.find("active", "reclaim", {"decider": "provider"})
    assert {ending.cite.kind, taking.cite.kind} == {"product_default"}
    assert flow.find("active", "reclaim", {"decider": "platform_manager"}) is None
    held = active_grant(world)
    dealt(world, bob, held, "terminate", reason="隐患无法消除")
    assert state(world, held) == "terminated"


# --- QJ art. 24: use stays within what was granted --------------------------------------------------------


def test_no_other_system_gets_at_the_data_of_a_grant(world: Any) -> None:
    """The grant belongs to one system; a second system of the same department has none."""
    code, first = offered(world, "divisions"), active_client(world)
    held = active_grant(world, code, first)
    second = active_client(world)
    with world.work(carol) as work:
        chosen = choose_grant(work, first.client, ())
        assert chosen is not None
        assert chosen.id == held.grant.id
        assert choose_grant(work, second.client, ()) is None
    assert policy(world, "grant.bound_to_system").cite.article == "24"


def test_no_step_of_a_grant_widens_it(world: Any) -> None:
    """Another system, purpose or network takes a new application."""
    held = active_grant(world)
    for actor in (alice, bob, carol):
        with world.read(actor) as work:
            view = case_view(work, find_grant(work, held.grant.id).case)
        named = {field["name"] for form in view["forms"].values() for field in form["fields"]}
        assert named.isdisjoint({"fields", "client", "purpose", "networks", "row_filter", "operations"})
    with pytest.raises(NotFound):
        dealt(world, carol, held, "change", networks=["10.0.0.0/8"])


@pytest.mark.parametrize("stranger", [mallory, chen, ann], ids=lambda a: a.login)
def test_nobody_else_learns_of_a_grant(world: Any, stranger: Any) -> None:
    held = active_grant(world)
    with world.read(stranger) as work, pytest.raises(NotFound):
        find_grant(work, held.grant.id)


# --- D13, D19: what the text does not know is not there ---------------------------------------------------


@pytest.mark.parametrize("kind", ["demand", "filing", "maintenance", "handover"])
def test_a_procedure_that_the_text_does_not_know_cannot_be_opened(world: Any, kind: str) -> None:
    with pytest.raises(NotFound):
        opened(world, carol, kind)
    listed = world.client(carol).get("/api/procedures").get_json()["items"]
    [shown] = [p for p in listed if p["kind"] == kind]
    assert (shown["may_open"], shown["cite"]["kind"]) == (False, "silent")


def test_accounts_and_maintenance_windows_have_no_rule(world: Any) -> None:
    assert policy(world, "accounts.allocated_by").value is None
    assert policy(world, "supervision.maintenance_window").value is None


def test_ten_years_of_sweeps_find_nothing_to_do_about_a_grant(world: Any) -> None:
    held = active_grant(world)
    before = len(records(world, held))
    for _ in range(10):
        world.now += timedelta(days=365)
        swept(world)
    assert len(records(world, held)) == before
