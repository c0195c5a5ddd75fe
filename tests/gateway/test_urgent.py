"""The urgent way (GZ art. 11, I-S-12): open for unconditional data, and decided by somebody else."""

from __future__ import annotations

import re
from typing import Any

import pytest

from core.errors import Invalid, NotFound, NotPermitted
from gateway.applications import act_on_application, attach, find_application, list_applications
from tests.cast import alice, bill, bob, carol, mallory
from tests.stories import STATEMENT, active_client, offered, submitted_application

pytestmark = pytest.mark.long

TERM = {"term_days": 30}
PDF = b"%PDF-1.7\n% a scan\n"


def refused_at(world: Any, actor: Any = carol, **wish: Any) -> list[tuple[str, str]]:
    """The fields for which an application is refused, and why."""
    with pytest.raises(Invalid) as refused:
        submitted_application(world, **{"system": active_client(world), "actor": actor, **TERM, **wish})
    return [(e.pointer, e.code) for e in refused.value.errors]


def test_an_urgent_application_goes_straight_to_the_manager_and_is_marked(ganzhou: Any) -> None:
    filed = submitted_application(ganzhou, urgent=True, **TERM)
    assert filed.case.state == "with_manager"
    assert filed.case.facts["urgent"]
    row = ganzhou.client(bob).get("/api/applications").get_json()["items"][0]
    assert (row["urgent"], row["on_behalf"]) == (True, False)
    decide = next(c for c in row["clocks"] if c["name"] == "decide")
    assert decide["due"] == "2026-02-13T23:59:59+08:00"
    assert "急用" in ganzhou.browser(bob).get("/applications").text
    assert "急用" in ganzhou.browser(bob).get(f"/applications/{row['id']}").text


def test_qianjiang_knows_no_urgent_way(world: Any) -> None:
    assert refused_at(world, urgent=True) == [("/urgent", "no_urgent_way")]
    code = offered(world, "divisions")
    page = world.browser(carol).get(f"/applications/new?dataset={code.replace('/', '-')}").text
    assert 'name="urgent"' not in page


def test_conditional_data_have_no_urgent_way(ganzhou: Any) -> None:
    code = offered(ganzhou, "divisions", share_class="conditional", share_condition="说明所办事项")
    assert refused_at(ganzhou, code=code, urgent=True) == [("/urgent", "no_urgent_way")]


def test_the_manager_registers_for_a_department_and_a_colleague_decides(ganzhou: Any) -> None:
    code, system = offered(ganzhou, "divisions"), active_client(ganzhou)
    filed = submitted_application(ganzhou, code, system, actor=bob, urgent=True, on_behalf=True, **TERM)
    assert filed.application.consumer == "health"
    assert filed.case.events[0].role == "platform_manager"
    assert filed.case.state == "with_manager"
    with pytest.raises(NotPermitted), ganzhou.work(bob) as work:
        act_on_application(work, filed.application.id, "grant", {})
    with ganzhou.work(bill) as work:
        granted = act_on_application(work, filed.application.id, "grant", {})
    assert granted.grant is not None
    assert granted.grant.consumer == "health"
    with ganzhou.read(carol) as work:
        assert find_application(work, filed.application.id).grant == granted.grant
    assert "代为登记" in ganzhou.browser(carol).get(f"/applications/{filed.application.id}").text


def test_nobody_else_applies_for_another_department(ganzhou: Any) -> None:
    code, system = offered(ganzhou, "divisions"), active_client(ganzhou)
    with pytest.raises(NotPermitted):
        submitted_application(ganzhou, code, system, actor=mallory, urgent=True, on_behalf=True, **TERM)
    with pytest.raises(Invalid) as refused:
        submitted_application(ganzhou, code, system, actor=mallory, urgent=True, **TERM)
    assert [e.pointer for e in refused.value.errors] == ["/client"]
    with pytest.raises(NotPermitted):
        submitted_application(ganzhou, code, system, actor=bob, **TERM)
    with pytest.raises(Invalid) as refused:
        submitted_application(ganzhou, code, system, actor=bob, on_behalf=True, **TERM)
    assert [(e.pointer, e.code) for e in refused.value.errors] == [("/on_behalf", "not_urgent")]


def test_the_manager_registers_nothing_for_others_in_qianjiang(world: Any) -> None:
    wish = {"actor": bob, "urgent": True, "on_behalf": True}
    assert refused_at(world, **wish) == [("/urgent", "no_urgent_way")]
    code = offered(world, "divisions")
    assert world.browser(bob).get(f"/applications/new?dataset={code.replace('/', '-')}").status_code == 403
    assert "代急用部门登记" not in world.browser(bob).get(f"/datasets/{code.replace('/', '-')}").text


def test_a_draft_for_another_department_takes_its_papers_first(ganzhou: Any) -> None:
    code = offered(ganzhou, "divisions", required_materials=["授权书"])
    wish = {"actor": bob, "urgent": True, "on_behalf": True, "submit": False, **TERM}
    draft = submitted_application(ganzhou, code, active_client(ganzhou), **wish).application.id
    with ganzhou.work(bob) as work:
        assert [f.application.id for f in list_applications(work, None, 5, None).rows] == [draft]
        attach(work, draft, type="material", sealed=False, name="a.pdf", content=PDF)
    with ganzhou.read(bill) as work, pytest.raises(NotFound):
        find_application(work, draft)
    with ganzhou.work(bob) as work:
        assert act_on_application(work, draft, "submit", {}).case.state == "with_manager"


def test_that_a_draft_is_urgent_concerns_nobody_before_it_is_submitted(ganzhou: Any) -> None:
    draft = submitted_application(ganzhou, urgent=True, submit=False, **TERM)
    for stranger in (bob, alice):
        with ganzhou.read(stranger) as work, pytest.raises(NotFound):
            find_application(work, draft.application.id)
        assert draft.application.number not in ganzhou.browser(stranger).get("/").text
    with ganzhou.work(carol) as work:
        submitted = act_on_application(work, draft.application.id, "submit", {})
    assert submitted.case.facts["urgent"]


def test_the_manager_registers_on_a_page(ganzhou: Any) -> None:
    code, system = offered(ganzhou, "divisions"), active_client(ganzhou)
    browser = ganzhou.browser(bob)
    entry = browser.get(f"/datasets/{code.replace('/', '-')}").text
    assert "代急用部门登记申请" in entry
    address = f"/applications/new?dataset={code.replace('/', '-')}"
    page = browser.get(address).text
    assert "潜江市卫生健康委员会 · 居民健康档案系统" in page
    token = re.search(r'name="csrf_token" value="([^"]+)"', page)
    assert token
    form = {"csrf_token": token[1], "dataset": code, "kind": "table", "client": system.client.id}
    wish = {**form, "fields": ["code"], **STATEMENT, "term_days": "30", "urgent": "true", "on_behalf": "true"}
    made = browser.post("/applications/new", data=wish, headers={"Referer": "http://localhost"})
    assert made.status_code == 303, made.text
    assert "代为登记" in browser.get(made.headers["Location"]).text
