"""Qianjiang's catalog (QJ art. 3, 6-8, 11, 14, 16, 17): what an entry says and when data come."""

from __future__ import annotations

from typing import Any

import pytest

from catalog.datasets import act_on_dataset, find_dataset, register_dataset, revise_dataset
from catalog.guards import warnings
from catalog.present import dataset_view
from core.errors import Conflict, Invalid, NotPermitted
from core.work import Actor
from matters.acting import act_on_matter
from tests.cast import alice, ann, bob, carol, chen, mallory, olga
from tests.catalog.entries import allowed, entry, objections, pointers
from tests.sharing.telling import acted, all_clocks, at, clock, due, inbox, lateness, opened, records, swept
from tests.stories import active_grant, offered, submitted_application, taken_offline

BASIS = {"level": "law", "title": "中华人民共和国数据安全法", "article": "第二十一条"}
WITHHELD: dict[str, Any] = {"share_class": "none", "class_reason": "涉及未公开的执法线索", "basis": BASIS}
ELEMENTS = ("category", "format", "attributes", "update_limit", "share_method", "use_terms")


def stepped(world: Any, code: str, action: str, actor: Actor = alice, **fields: Any) -> Any:
    with world.work(actor) as work:
        return act_on_dataset(work, code, action, fields)


def refused(world: Any, code: str, action: str, actor: Actor = alice, **fields: Any) -> Any:
    with pytest.raises((Conflict, Invalid, NotPermitted)) as found:
        stepped(world, code, action, actor, **fields)
    return found.value


def book(world: Any) -> Any:
    return world.rulebooks.current("sharing")


# --- QJ-S-01: the provider registers, publishes and attaches ------------------------------------------


@pytest.mark.parametrize("element", ELEMENTS)
def test_an_entry_without_one_of_the_eight_elements_is_not_registered(world: Any, element: str) -> None:
    with pytest.raises(Invalid) as found, world.work(alice) as work:
        register_dataset(work, entry(**{element: None}))
    assert pointers(found.value) == [f"/{element}"]


def test_the_share_class_and_the_provider_are_filled_in_by_the_platform(world: Any) -> None:
    with world.work(alice) as work:
        dataset = register_dataset(work, entry(share_class=None))
    assert (dataset.share_class, dataset.provider) == ("unconditional", "civil_affairs")


def test_the_provider_publishes_by_itself_and_nobody_reviews(world: Any) -> None:
    """QJ art. 11 (D10): no step lies between the provider and the public."""
    code = offered(world, "divisions")
    with world.read(mallory) as work:
        steps = [e.action for e in find_dataset(work, code).case.events]
    assert steps == ["open", "publish"]
    step = book(world).workflow("dataset").find("draft", "publish", {})
    assert (step.roles, step.cite.article, step.cite.kind) == ({"provider"}, "11", "text")


@pytest.mark.parametrize("actor", [bob, carol, chen], ids=lambda a: a.login)
def test_nobody_but_the_provider_publishes_or_revises(world: Any, actor: Actor) -> None:
    code = offered(world, "divisions")
    with pytest.raises(NotPermitted), world.work(actor) as work:
        revise_dataset(work, code, {"title": "区划"}, "更正")


def test_publishing_leaves_a_record_under_the_article(world: Any) -> None:
    code = offered(world, "divisions")
    with world.read(bob) as work:
        dataset = find_dataset(work, code)
    published = next(r for r in records(world, dataset) if r.get("action") == "publish")
    assert "第11条" in published["cite"]
    assert published["department"] == "civil_affairs"


# --- QJ-S-02: the catalog is updated after a change of law or duties, without a number of days ---------


def test_a_change_starts_a_clock_without_a_day_and_the_update_stops_it(world: Any) -> None:
    """QJ art. 6 says promptly and no more (D9): nothing is ever late, and nothing can be extended."""
    code = offered(world, "divisions")
    changed = stepped(
        world, code, "report_change", cause="机构改革，职能划转", changed_on="2026-02-01T09:00:00+08:00"
    )
    running = clock(world, changed, "update")
    assert (running.due, running.running, running.extendable_to) == (None, True, None)
    world.now = at("2029-01-01T00:00")
    assert not clock(world, changed, "update").breached
    assert not any(rule.extension for rule in book(world).clocks)
    updated = stepped(world, code, "revise", cause="机构改革，职能划转", title="行政区划代码")
    assert not clock(world, updated, "update").running


def test_a_change_is_recorded_with_its_cause(world: Any) -> None:
    code = offered(world, "divisions")
    assert pointers(refused(world, code, "report_change")) == ["/cause"]
    assert pointers(refused(world, code, "revise", title="区划")) == ["/cause"]


def test_a_change_that_the_manager_records_reaches_the_provider(world: Any) -> None:
    code = offered(world, "divisions")
    changed = stepped(world, code, "report_change", bob, cause="法规已修订")
    assert inbox(world, alice, changed) == [f"Dataset {code}: Record a change"]


# --- QJ-S-03: data are supplied within the update limit of the catalog ---------------------------------


@pytest.mark.parametrize(
    ("limit", "first"),
    [
        ("daily", "2026-01-31T23:59:59+08:00"),
        ("weekly", "2026-02-06T23:59:59+08:00"),
        ("ten_days", "2026-02-09T23:59:59+08:00"),
        ("monthly", "2026-02-28T23:59:59+08:00"),
        ("quarterly", "2026-04-30T23:59:59+08:00"),
        ("half_yearly", "2026-07-30T23:59:59+08:00"),
        ("yearly", "2027-01-30T23:59:59+08:00"),
        ("irregular", None),
    ],
)
def test_the_update_limit_of_the_entry_says_when_data_are_due(
    world: Any, limit: str, first: str | None
) -> None:
    """QJ art. 17, I-Q-05; a month that lacks the day ends with its last one (Civil Code art. 202)."""
    world.now = at("2026-01-30T10:00")
    code = offered(world, "divisions", update_limit=limit)
    with world.read(bob) as work:
        dataset = find_dataset(work, code)
    assert due(world, dataset, "supply") == first


def test_each_supply_starts_the_next_period(world: Any) -> None:
    world.now = at("2026-02-01T10:00")
    code = offered(world, "divisions", update_limit="weekly")
    world.now = at("2026-02-08T23:59:59")
    supplied = stepped(world, code, "supply")
    assert due(world, supplied, "supply") == "2026-02-15T23:59:59+08:00"
    assert lateness(world, supplied, "supply") == [False, False, True]


def test_a_supply_that_does_not_come_is_on_record_once_however_late_the_sweep(world: Any) -> None:
    world.now = at("2026-02-01T10:00")
    code = offered(world, "divisions", update_limit="weekly")
    with world.read(bob) as work:
        dataset = find_dataset(work, code)
    swept(world, "2026-02-20T10:00")
    swept(world, "2026-02-25T10:00")
    assert [r["clock"] for r in records(world, dataset) if r.get("action") == "breach"] == ["supply"]
    late = f"Dataset {code}: supply of data is overdue"
    assert inbox(world, alice, dataset).count(late) == 1
    assert inbox(world, bob, dataset).count(late) == 1


def test_data_off_line_are_not_due(world: Any) -> None:
    world.now = at("2026-02-01T10:00")
    code = offered(world, "divisions", update_limit="weekly")
    offline = stepped(world, code, "take_offline", reason="系统升级")
    assert not clock(world, offline, "supply").running


# --- QJ-S-04, QJ-S-05: checking what was received, and verifying what differs ---------------------------


def test_the_manager_sends_defects_back_to_the_provider_and_no_day_is_named(world: Any) -> None:
    """QJ art. 17: checked promptly; the defects are a correction that the provider answers."""
    policy = book(world).policy("catalog.quality_check")
    assert (policy.value["within"], policy.value["by"], policy.cite.article) == (
        None,
        ["platform_manager"],
        "17",
    )
    code = offered(world, "divisions")
    defects = opened(world, bob, "correction", dataset=code, doubt="12 行代码重复", items="code")
    assert inbox(world, alice, defects) == ["correction C-2026-000001: Report a doubt"]
    assert due(world, defects, "correct") is None
    assert acted(world, alice, defects, "correct", result="已去重").case.state == "corrected"


def test_departments_whose_data_differ_verify_them_with_the_manager(world: Any) -> None:
    """QJ art. 17: the platform manager together with the providers; each says how its data stand."""
    one = offered(world, "divisions")
    other = offered(world, "workdays")
    verifying = opened(world, bob, "verification", datasets=[one, other], difference="同一街道名称不同")
    assert set(verifying.case.parties["provider"]) == {"civil_affairs", "hr_social"}
    for provider in (alice, ann):
        told = inbox(world, provider, verifying)
        assert "joint verification J-2026-000001: Open a joint verification" in told
        acted(world, provider, verifying, "state_position", position="以民政部门登记为准")
    with pytest.raises(NotPermitted):
        acted(world, alice, verifying, "conclude", result="以民政为准")
    done = acted(world, bob, verifying, "conclude", result="以民政为准")
    assert done.case.state == "verified"
    assert not clock(world, done, "verify").running
    assert clock(world, done, "verify").due is None


def test_a_provider_may_ask_for_the_verification_and_strangers_may_not(world: Any) -> None:
    datasets = [offered(world, "divisions"), offered(world, "workdays")]
    asked = opened(world, ann, "verification", datasets=datasets, difference="名称不同")
    assert inbox(world, bob, asked) == ["joint verification J-2026-000001: Open a joint verification"]
    with pytest.raises(NotPermitted):
        opened(world, carol, "verification", datasets=datasets, difference="名称不同")
    with pytest.raises(NotPermitted):
        opened(world, chen, "verification", datasets=datasets, difference="与本部门无关")


# --- QJ-S-06: one source, nothing passed on ------------------------------------------------------------


def test_what_comes_from_the_platform_is_not_provided_again(cities: Any) -> None:
    """QJ art. 14, I-S-23."""
    first, second = entry()["attributes"]
    refusal = objections(cities.qianjiang, attributes=[first, {**second, "obtained_from": "307001/000001"}])
    assert pointers(refusal) == ["/attributes/1/obtained_from"]
    assert "第14条" in str(refusal.cite)


def test_the_same_items_at_a_second_source_draw_a_warning_and_no_refusal(world: Any) -> None:
    first = offered(world, "divisions")
    with world.work(ann) as work:
        again = register_dataset(work, entry(title="行政区划"))
        view = dataset_view(work, again)
    assert [w["dataset"]["code"] for w in view["warnings"] if "dataset" in w] == [first]


# --- D7, D8, I-S-02, I-S-03, I-S-04, I-S-24: share classes ---------------------------------------------

LEVELS = {
    "law": True,
    "admin_regulation": True,
    "ministry_rule": True,
    "cpc_central_policy": True,
    "state_council_policy": True,
    "provincial_party_policy": True,
    "provincial_gov_policy": True,
    "local_regulation": False,
    "local_policy": False,
}


@pytest.mark.parametrize("level", LEVELS)
def test_seven_levels_of_basis_bear_withholding_and_no_others(cities: Any, level: str) -> None:
    """QJ art. 8 (一), I-S-24: no local regulation, no policy of city or county."""
    changes = {**WITHHELD, "basis": {**BASIS, "level": level}}
    if LEVELS[level]:
        assert allowed(cities.qianjiang, **changes)["share_class"] == "none"
    else:
        assert pointers(objections(cities.qianjiang, **changes)) == ["/basis/level"]


def test_withholding_takes_a_reason_and_a_basis_and_no_filing(cities: Any) -> None:
    bare = objections(cities.qianjiang, share_class="none")
    assert pointers(bare) == ["/class_reason", "/basis"]
    policy = cities.qianjiang.policy("catalog.no_share_basis")
    assert policy.value["filing"] is False
    assert cities.qianjiang.policy("procedures.filing").value is None


REGISTERS = (
    "人口信息",
    "法人单位信息",
    "自然资源和空间地理信息",
    "共享材料信息",
    "社会信用信息",
    "电子证照信息",
)


@pytest.mark.parametrize("register", REGISTERS)
def test_base_items_of_the_six_registers_are_shared_without_condition(cities: Any, register: str) -> None:
    """QJ art. 8 (二)."""
    base = {"category": "base", "register": register, "base_item": True}
    assert allowed(cities.qianjiang, **base)["share_class"] == "unconditional"
    held_back = {
        **base,
        "share_class": "conditional",
        "class_reason": "容量有限",
        "share_condition": "说明事项",
    }
    assert pointers(objections(cities.qianjiang, **held_back)) == ["/share_class"]
    assert pointers(objections(cities.qianjiang, **base | WITHHELD)) == ["/share_class"]


def test_what_is_no_base_item_of_a_register_may_have_its_condition(cities: Any) -> None:
    more = {"category": "base", "register": "人口信息", "base_item": False, "share_class": "conditional"}
    assert allowed(cities.qianjiang, **more, class_reason="含敏感项", share_condition="说明事项")


def test_a_seventh_register_is_not_known_until_the_book_lists_it(cities: Any) -> None:
    unknown = objections(cities.qianjiang, category="base", register="气象信息", base_item=True)
    assert pointers(unknown) == ["/register"]
    assert len(cities.qianjiang.policy("catalog.base_registers").value["names"]) == 6


def test_seventeen_themes_are_known_and_withholding_one_draws_a_warning(cities: Any) -> None:
    """QJ art. 8 (三), I-S-04."""
    themes = cities.qianjiang.policy("catalog.themes").value
    assert len(themes) == 17
    theme = {"category": "theme", "theme": "食品安全监管"}
    assert warnings(cities.qianjiang, allowed(cities.qianjiang, **theme)) == []
    [(words, cite)] = warnings(cities.qianjiang, allowed(cities.qianjiang, **theme, **WITHHELD))
    assert (cite.article, cite.item) == ("8", "(三)")
    assert "原则上应予共享" in words.zh


def test_whatever_is_not_unconditional_says_why_and_only_withholding_needs_law(cities: Any) -> None:
    """I-S-03: sharing is the rule."""
    assert pointers(objections(cities.qianjiang, share_class="conditional")) == [
        "/class_reason",
        "/share_condition",
    ]
    conditional = {"share_class": "conditional", "class_reason": "容量有限", "share_condition": "说明事项"}
    assert "basis" not in allowed(cities.qianjiang, **conditional)


def test_one_stricter_item_makes_the_dataset_stricter(cities: Any) -> None:
    """I-S-02: the entry is of the class of its strictest item."""
    first, second = entry()["attributes"]
    mixed = [{**first, "share_class": "unconditional"}, {**second, "share_class": "conditional"}]
    assert pointers(objections(cities.qianjiang, attributes=mixed)) == ["/attributes/1/share_class"]
    conditional = {"share_class": "conditional", "class_reason": "含敏感项", "share_condition": "说明事项"}
    assert allowed(cities.qianjiang, attributes=mixed, **conditional)


def test_an_entry_never_holds_a_state_secret_and_is_never_applied_for_when_withheld(world: Any) -> None:
    """QJ art. 3 (I-Q-08) and 7 (I-S-25)."""
    assert book(world).policy("catalog.state_secrets").value == "excluded"
    code = offered(world, "divisions", **WITHHELD)
    with pytest.raises(Conflict) as found:
        submitted_application(world, code)
    assert found.value.code == "not_shared"


# --- D11, I-S-08: withdrawal ---------------------------------------------------------------------------


def test_data_in_use_go_off_line_after_their_users_were_told(world: Any) -> None:
    code = offered(world, "divisions")
    active_grant(world, code)
    assert refused(world, code, "take_offline", reason="职能变动").code == "condition_not_met"
    announced = stepped(world, code, "announce_withdrawal", notice="职能划转，月底停供")
    assert inbox(world, carol, announced) == [f"Dataset {code}: Tell the users that it goes off line"]
    assert stepped(world, code, "take_offline", reason="职能变动").case.state == "offline"


def test_a_withdrawal_names_its_ground_and_basis_and_follows_its_order(world: Any) -> None:
    """I-S-08: only a change of law or duties; the steps are the platform's and say so."""
    code = offered(world, "divisions")
    assert refused(world, code, "request_withdrawal", ground="law_changed", basis="x").code == "wrong_state"
    stepped(world, code, "take_offline", reason="法规修订")
    assert pointers(refused(world, code, "request_withdrawal")) == ["/ground", "/basis"]
    assert pointers(refused(world, code, "request_withdrawal", ground="no_budget", basis="x")) == ["/ground"]
    asked = stepped(world, code, "request_withdrawal", ground="law_changed", basis="条例第三条")
    assert asked.case.state == "withdraw_requested"
    assert isinstance(refused(world, code, "approve_withdrawal"), NotPermitted)
    assert stepped(world, code, "approve_withdrawal", bob).case.state == "withdrawn"
    flow = book(world).workflow("dataset")
    asking = flow.find("offline", "request_withdrawal", {})
    assert (asking.cite.kind, asking.cite.reading) == ("product_default", "I-S-08")


def test_a_withdrawal_that_is_not_agreed_to_leaves_the_entry_off_line(world: Any) -> None:
    code = offered(world, "divisions")
    taken = stepped(world, code, "take_offline", reason="法规修订")
    stepped(world, code, "request_withdrawal", ground="duties_changed", basis="三定方案")
    assert pointers(refused(world, code, "refuse_withdrawal", bob)) == ["/reason"]
    back = stepped(world, code, "refuse_withdrawal", bob, reason="仍在职责内")
    assert back.case.state == "offline"
    assert f"Dataset {code}: Refuse the withdrawal" in inbox(world, alice, taken)
    assert stepped(world, code, "publish").is_public


# --- art. 16: exchange off line -------------------------------------------------------------------------


def test_files_change_hands_off_line_only_with_the_bureaus_approval(city: Any) -> None:
    """QJ art. 16, I-Q-07: asked for, approved by somebody else, handed over, received."""
    code = offered(city, "divisions")
    wish = {"reason": "专网不通", "purpose": "年度核对", "duty_basis": "统计法"}
    asked = opened(city, carol, "offline_exchange", dataset=code, **wish)
    assert inbox(city, olga, asked) == ["exchange off line O-2026-000001: Ask for exchange off line"]
    with pytest.raises(Conflict):
        acted(city, alice, asked, "hand_over", medium="光盘一张", digest="ab" * 32)
    for outsider in (bob, alice, carol):
        with pytest.raises(NotPermitted):
            acted(city, outsider, asked, "approve")
    acted(city, olga, asked, "approve")
    acted(city, alice, asked, "hand_over", medium="光盘一张", digest="ab" * 32)
    done = acted(city, carol, asked, "receive")
    assert done.case.state == "received"
    assert [r["role"] for r in records(city, done)] == [
        "consumer",
        "offline_approver",
        "provider",
        "consumer",
    ]


def test_the_bureau_says_why_it_does_not_approve(city: Any) -> None:
    wish = {"reason": "专网不通", "purpose": "年度核对", "duty_basis": "统计法"}
    asked = opened(city, carol, "offline_exchange", dataset=offered(city, "divisions"), **wish)
    with pytest.raises(Invalid) as found, city.work(olga) as work:
        act_on_matter(work, asked.matter.id, "refuse", {})
    assert pointers(found.value) == ["/reason"]
    assert acted(city, olga, asked, "refuse", reason="平台接口可用").case.state == "refused"
    assert inbox(city, carol, asked) == ["exchange off line O-2026-000001: Refuse"]


def test_many_files_is_the_platforms_own_number(world: Any) -> None:
    """I-S-05: the text has none."""
    leaf = book(world).policy("catalog.many_files")
    assert (leaf.value, leaf.cite.kind, leaf.cite.reading) == (100, "product_default", "I-S-05")


def test_the_deployment_is_a_platform_of_its_own(world: Any) -> None:
    """QJ art. 5 (D1)."""
    rules = book(world)
    assert rules.policy("deployment.platform").value == "own"
    assert rules.policy("deployment.standalone_platform").value == "allowed"


def test_taking_off_line_stops_the_clocks_of_the_entry(world: Any) -> None:
    code = offered(world, "divisions")
    active_grant(world, code)
    stepped(world, code, "report_change", cause="法规已修订")
    offline = taken_offline(world, code)
    assert [c.name for c in all_clocks(world, offline) if c.running] == []
