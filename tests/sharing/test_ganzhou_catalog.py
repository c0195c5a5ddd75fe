"""Ganzhou's catalog (GZ art. 4, 6, 7): sorted, reviewed before anybody sees it, what is withheld on file."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from catalog.datasets import find_dataset, register_dataset
from catalog.details import check_distribution
from catalog.distributions import attach_distribution, plan_mount
from catalog.model import CheckItem, CheckReport
from core.errors import Conflict, Invalid, NotFound, NotPermitted
from core.text import Text
from matters.acting import list_matters
from matters.model import Wanted
from tests.cast import alice, ann, bob, carol, dave, mallory
from tests.catalog.entries import OPERATION, TABLE, allowed, entry, objections, pointers
from tests.sharing.beginnings import BASIS, CLOSED, WITHHELD, dataset, may, stepped, wrong
from tests.sharing.telling import acted, all_clocks, at, breaches, clock, inbox, records, swept
from tests.stories import offered

ELEMENTS = ("category", "update_limit", "share_method", "use_terms")


def registered(world: Any, **changes: Any) -> Any:
    with world.work(alice) as work:
        return register_dataset(work, entry(**changes))


def attached(world: Any, code: str, report: CheckReport) -> Any:
    with world.work(alice) as work:
        return attach_distribution(work, plan_mount(work, code, "table", TABLE), report)


def filings(world: Any, code: str) -> list[Any]:
    """The filings about a dataset, the newest first, as the manager finds them."""
    with world.read(bob) as work:
        return list(list_matters(work, Wanted("filing", dataset=code), 50, None).rows)


# --- GZ-S-01: classified, registered, reviewed, published ---------------------------------------------


@pytest.mark.parametrize("element", ELEMENTS)
def test_an_entry_states_what_the_duties_of_the_text_presuppose(cities: Any, element: str) -> None:
    """I-G-01: the text lists no elements."""
    assert f"/{element}" in pointers(objections(cities.ganzhou, **{element: None}))
    assert cities.ganzhou.policy("catalog.required").cite.kind == "interpretation"


def test_a_new_entry_is_drafted_as_unconditional(cities: Any) -> None:
    """I-G-02: a product default, the text names none."""
    assert allowed(cities.ganzhou, share_class=None)["share_class"] == "unconditional"
    assert cities.ganzhou.policy("catalog.default_share_class").cite.kind == "product_default"


def test_whatever_can_be_applied_for_lists_the_papers_that_it_takes(cities: Any) -> None:
    """GZ art. 4(一), D6: the list may be empty, but it is there; what is withheld needs none."""
    refused = objections(cities.ganzhou, required_materials=None)
    assert (pointers(refused), "第4条" in str(refused.cite)) == (["/required_materials"], True)
    assert allowed(cities.ganzhou, required_materials=[])
    assert allowed(cities.ganzhou, required_materials=None, **WITHHELD)


def test_a_condition_is_written_down(cities: Any) -> None:
    """I-G-03: who meets it must be given the data (GZ art. 4(二)), so everybody can read it."""
    refused = objections(cities.ganzhou, share_class="conditional")
    assert pointers(refused) == ["/share_condition"]
    assert allowed(cities.ganzhou, **CLOSED)["share_class"] == "conditional"


def test_no_reason_is_asked_for_a_condition(cities: Any) -> None:
    """The text asks for a reason only where data are not shared."""
    assert allowed(cities.ganzhou, share_class="conditional", share_condition="说明用途")


def test_base_registers_and_themes_have_no_rule_of_their_own(cities: Any) -> None:
    """D8: what Qianjiang forces open may have a condition here."""
    assert allowed(cities.ganzhou, category="base", base_item=True, **CLOSED)
    assert objections(cities.qianjiang, category="base", base_item=True, register="人口信息", **CLOSED)
    for name in ("base_registers", "themes", "state_secrets", "discrepancy", "supply_within"):
        leaf = cities.ganzhou.policy(f"catalog.{name}")
        assert leaf.value is None, name


def test_the_manager_reviews_before_anybody_sees_it(ganzhou: Any) -> None:
    """GZ art. 6, D10."""
    code = registered(ganzhou).code
    attached(ganzhou, code, CheckReport(()))
    assert "publish" not in may(ganzhou, alice, dataset(ganzhou, code))
    assert isinstance(wrong(stepped, ganzhou, alice, code, "publish"), Conflict)
    sent = stepped(ganzhou, alice, code, "submit")
    assert inbox(ganzhou, bob, sent) == [f"Dataset {code}: Submit for review"]
    for stranger in (carol, mallory, ann, dave):
        with pytest.raises(NotFound), ganzhou.read(stranger) as work:
            find_dataset(work, code)
    for not_them in (alice, dave):
        with pytest.raises((NotPermitted, NotFound)):
            stepped(ganzhou, not_them, code, "approve")
    assert stepped(ganzhou, bob, code, "approve").is_public
    assert inbox(ganzhou, alice, sent)[0] == f"Dataset {code}: Approve and publish"
    with ganzhou.read(mallory) as work:
        assert find_dataset(work, code).is_public


def test_what_is_sent_back_comes_with_a_reason(ganzhou: Any) -> None:
    code = registered(ganzhou).code
    attached(ganzhou, code, CheckReport(()))
    stepped(ganzhou, alice, code, "submit")
    assert pointers(wrong(stepped, ganzhou, bob, code, "return")) == ["/reason"]
    assert stepped(ganzhou, bob, code, "return", reason="更新时限不实").case.state == "draft"
    assert stepped(ganzhou, alice, code, "submit").case.state == "in_review"


def test_review_has_an_age_and_no_limit(ganzhou: Any) -> None:
    """I-S-06: nothing is late, however long it waits; nobody is reported or reminded."""
    code = registered(ganzhou).code
    attached(ganzhou, code, CheckReport(()))
    sent = stepped(ganzhou, alice, code, "submit")
    told = len(inbox(ganzhou, bob, sent))
    swept(ganzhou, "2029-01-01T00:00")
    running = clock(ganzhou, sent, "review")
    assert (running.due, running.running, running.breached) == (None, True, False)
    assert running.started_at == at("2026-02-10T10:00")
    assert (breaches(ganzhou, sent), len(inbox(ganzhou, bob, sent))) == ([], told)


def test_the_review_leaves_a_record_under_the_article(ganzhou: Any) -> None:
    approved = next(
        r
        for r in records(ganzhou, dataset(ganzhou, offered(ganzhou, "divisions")))
        if r["action"] == "approve"
    )
    assert (approved["department"], "第6条" in approved["cite"]) == ("bigdata", True)


# --- GZ-S-01: the kinds of distribution (art. 7) --------------------------------------------------------


def test_tables_interfaces_and_files_bring_what_article_7_asks_of_each(cities: Any) -> None:
    kinds = cities.ganzhou.policies
    assert kinds["catalog.kinds.table"].value["requires"] == ["update_frequency"]
    assert kinds["catalog.kinds.api"].value["requires"] == ["interface_description", "data_dictionary"]
    assert kinds["catalog.kinds.file"].value["when_many"] == ["file_server", "update_frequency"]
    assert {kinds[f"catalog.kinds.{k}"].cite.article for k in ("table", "api", "file")} == {"7"}


def test_an_interface_describes_each_of_its_operations(cities: Any) -> None:
    document = allowed(cities.ganzhou)
    detail = {"kind": "api", "connection": "workday_api", "operations": [{**OPERATION, "title": ""}]}
    with pytest.raises(Invalid) as found:
        check_distribution(cities.ganzhou, document, detail)
    assert (pointers(found.value), "第7条" in str(found.value.cite)) == (["/operations/0/title"], True)
    check_distribution(cities.ganzhou, document, {**detail, "operations": [OPERATION]})


def test_many_files_state_how_often_they_change(cities: Any) -> None:
    """I-S-05: how many are many is the platform's number, and a pattern may match any number."""
    unlimited = {k: v for k, v in allowed(cities.ganzhou).items() if k != "update_limit"}
    few = {"kind": "file", "connection": "calendar_files", "files": ["a.csv"]}
    check_distribution(cities.ganzhou, unlimited, few)
    for files in (["*.csv"], [f"{n}.csv" for n in range(100)]):
        with pytest.raises(Invalid) as found:
            check_distribution(cities.ganzhou, unlimited, {**few, "files": files})
        assert pointers(found.value) == ["/update_limit"]
    leaf = cities.ganzhou.policy("catalog.many_files")
    assert (leaf.value, leaf.cite.kind) == (100, "product_default")


def test_what_fails_its_own_check_is_not_sent_for_review(ganzhou: Any) -> None:
    """GZ art. 7."""
    code = registered(ganzhou).code
    failed = CheckReport((CheckItem("reachable", False, Text("连不上", "cannot be reached")),))
    attached(ganzhou, code, failed)
    assert wrong(stepped, ganzhou, alice, code, "submit").code == "not_attached"
    attached(ganzhou, code, CheckReport(()))
    assert stepped(ganzhou, alice, code, "submit").case.state == "in_review"


def test_exchange_off_line_is_no_way_of_sharing_here(ganzhou: Any) -> None:
    """GZ art. 7 names three ways."""
    code = registered(ganzhou, share_method=["media"]).code
    assert wrong(stepped, ganzhou, alice, code, "submit").code == "no_offline_exchange"


def test_what_came_from_the_platform_is_not_offered_again(cities: Any) -> None:
    """GZ art. 5(一): not to third parties in any form."""
    items = [{"name": "code", "title": "代码", "type": "string", "obtained_from": "307001/000001"}]
    refused = objections(cities.ganzhou, attributes=items)
    assert (pointers(refused), "第5条" in str(refused.cite)) == (["/attributes/0/obtained_from"], True)


# --- GZ-S-02: what is withheld is on file with the manager -----------------------------------------------


def test_withholding_takes_a_reason_and_a_basis(cities: Any) -> None:
    """GZ art. 4(一)."""
    assert set(pointers(objections(cities.ganzhou, share_class="none"))) >= {"/basis", "/class_reason"}
    assert pointers(objections(cities.ganzhou, share_class="none", basis=BASIS)) == ["/class_reason"]


@pytest.mark.parametrize("level", ["law", "ministry_rule", "local_regulation", "local_policy"])
def test_any_law_or_policy_will_do_for_a_basis(cities: Any, level: str) -> None:
    """D7: no list of levels in this text."""
    assert allowed(cities.ganzhou, **{**WITHHELD, "basis": {**BASIS, "level": level}})


def test_sending_it_for_review_files_its_basis(ganzhou: Any) -> None:
    code = registered(ganzhou, **WITHHELD).code
    assert filings(ganzhou, code) == []
    stepped(ganzhou, alice, code, "submit")
    [filed] = filings(ganzhou, code)
    said = filed.case.events[0].fields
    assert (filed.case.state, said["subject"]) == ("filed", "no_share_basis")
    assert said["basis"] == f"{BASIS['title']} {BASIS['article']}"
    assert len(inbox(ganzhou, bob, filed)) == 1


def test_the_manager_reads_it_asks_and_puts_it_on_file(ganzhou: Any) -> None:
    code = registered(ganzhou, **WITHHELD).code
    stepped(ganzhou, alice, code, "submit")
    [filed] = filings(ganzhou, code)
    assert pointers(wrong(acted, ganzhou, bob, filed, "question")) == ["/reason"]
    assert acted(ganzhou, bob, filed, "question", reason="条款与数据无关").case.state == "questioned"
    assert may(ganzhou, alice, filed) == ["explain"]
    assert acted(ganzhou, alice, filed, "explain", basis="第二十一条第二款").case.state == "filed"
    assert "note_filing" in may(ganzhou, bob, filed)
    for other in (alice, dave):
        assert "note_filing" not in may(ganzhou, other, filed)
    done = acted(ganzhou, bob, filed, "note_filing")
    assert (done.case.state, done.case.closed_at) == ("noted", ganzhou.now)
    assert records(ganzhou, done)[-1]["department"] == "bigdata"


def test_what_becomes_withheld_later_is_filed_as_well(ganzhou: Any) -> None:
    """GZ art. 4(一), 6: the new class is reviewed, and its basis filed, before anything is public again."""
    code = offered(ganzhou, "divisions")
    changed = stepped(ganzhou, alice, code, "revise", cause="涉密审查意见", **WITHHELD)
    assert (changed.case.state, changed.is_public) == ("in_review", False)
    [filed] = filings(ganzhou, code)
    assert filed.case.events[0].fields["subject"] == "no_share_basis"


def test_a_change_to_a_condition_is_reviewed_and_files_nothing(ganzhou: Any) -> None:
    code = offered(ganzhou, "divisions")
    changed = stepped(ganzhou, alice, code, "revise", cause="调整", **CLOSED)
    assert (changed.case.state, filings(ganzhou, code)) == ("in_review", [])


# --- GZ-S-05: data are kept complete, accurate, timely and usable ----------------------------------------


def test_no_clock_of_supply_runs_whatever_the_update_limit(ganzhou: Any) -> None:
    """GZ art. 4(四) says promptly and no number: a supply is recorded and starts nothing."""
    code = offered(ganzhou, "divisions", update_limit="daily")
    ganzhou.now += timedelta(days=400)
    swept(ganzhou)
    supplied = stepped(ganzhou, alice, code, "supply", note="补报上月数据")
    assert [c.name for c in all_clocks(ganzhou, supplied) if c.running] == []
    assert breaches(ganzhou, supplied) == []
    assert records(ganzhou, supplied)[-1]["action"] == "supply"
