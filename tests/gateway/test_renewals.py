"""Going on with a grant takes a new application (GZ art. 5(二)); a grant itself never changes."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

import schemas
from catalog.datasets import act_on_dataset
from core.errors import Invalid
from gateway.applications import act_on_application
from gateway.grants import act_on_grant, find_grant
from gateway.model import Grant
from gateway.present import grant_view
from tests.cast import alice, bob, carol
from tests.stories import active_client, active_grant, offered, submitted_application


def seen(world: Any, actor: Any, grant_id: str) -> dict[str, Any]:
    """A grant as somebody sees it."""
    with world.read(actor) as work:
        view = grant_view(work, find_grant(work, grant_id))
    schemas.validate("response/grant", view)
    return view


def read(world: Any, grant_id: str) -> Grant:
    with world.read(carol) as work:
        return find_grant(work, grant_id).grant


def test_a_consumer_finds_how_to_go_on(ganzhou: Any) -> None:
    held = active_grant(ganzhou, term_days=30)
    renewal = seen(ganzhou, carol, held.grant.id)["renewal"]
    assert renewal["allowed"]
    assert renewal["previous_grant"] == held.grant.number
    assert renewal["cite"]["article"] == "5"
    assert not seen(ganzhou, alice, held.grant.id)["renewal"]["allowed"]
    ganzhou.now += timedelta(days=31)
    expired = seen(ganzhou, carol, held.grant.id)
    assert (expired["state"], expired["renewal"]["allowed"]) == ("expired", True)


def test_what_does_not_end_is_not_renewed_in_qianjiang(world: Any) -> None:
    held = active_grant(world)
    assert not seen(world, carol, held.grant.id)["renewal"]["allowed"]
    assert "续期申请" not in world.browser(carol).get(f"/grants/{held.grant.id}").text


def test_a_term_of_the_deployments_own_is_renewed_in_qianjiang_too(world: Any) -> None:
    world.settings = replace(world.settings, platform=replace(world.settings.platform, default_term_days=30))
    held = active_grant(world)
    renewal = seen(world, carol, held.grant.id)["renewal"]
    assert renewal["allowed"]
    assert renewal["cite"]["kind"] == "silent"


def test_a_grant_that_was_ended_is_not_renewed(world: Any) -> None:
    held = active_grant(world, term_days=30)
    assert seen(world, carol, held.grant.id)["renewal"]["allowed"]
    with world.work(bob) as work:
        act_on_grant(work, held.grant.id, "terminate", {"reason": "安全隐患"})
    assert not seen(world, carol, held.grant.id)["renewal"]["allowed"]


def test_a_grant_on_a_dataset_that_is_off_line_is_not_renewed(ganzhou: Any) -> None:
    held = active_grant(ganzhou, term_days=30)
    assert seen(ganzhou, carol, held.grant.id)["renewal"]["allowed"]
    steps = {"announce_withdrawal": {"notice": "即将下线"}, "take_offline": {"reason": "停止归集"}}
    for action, said in steps.items():
        with ganzhou.work(alice) as work:
            act_on_dataset(work, held.grant.dataset_code, action, said)
    assert not seen(ganzhou, carol, held.grant.id)["renewal"]["allowed"]
    page = ganzhou.browser(carol).get(f"/grants/{held.grant.id}").text
    assert f"?renew={held.grant.id}" not in page


def test_the_new_application_is_linked_and_the_old_grant_stays_as_it_is(ganzhou: Any) -> None:
    code, system = offered(ganzhou, "divisions"), active_client(ganzhou)
    old = active_grant(ganzhou, code, system, term_days=30).grant
    filed = submitted_application(ganzhou, code, system, term_days=60, previous_grant=old.number)
    assert filed.case.state == "with_manager"
    line = seen(ganzhou, carol, old.id)["renewed_by"]
    application = {"id": filed.application.id, "number": filed.application.number}
    assert line == [{"application": application, "grant": None}]
    with ganzhou.work(bob) as work:
        new = act_on_application(work, filed.application.id, "grant", {}).grant
    assert new is not None
    assert seen(ganzhou, carol, old.id)["renewed_by"][0]["grant"] == {"id": new.id, "number": new.number}
    assert seen(ganzhou, carol, new.id)["renews"] == {"id": old.id, "number": old.number}
    assert read(ganzhou, old.id) == old
    page = ganzhou.browser(carol).get(f"/grants/{old.id}").text
    assert filed.application.number in page
    assert new.number in page


def test_a_draft_to_go_on_is_nobody_elses_affair(ganzhou: Any) -> None:
    code, system = offered(ganzhou, "divisions"), active_client(ganzhou)
    old = active_grant(ganzhou, code, system, term_days=30).grant
    submitted_application(ganzhou, code, system, term_days=60, previous_grant=old.number, submit=False)
    assert seen(ganzhou, alice, old.id)["renewed_by"] == []


def test_a_grant_of_another_dataset_is_not_continued(ganzhou: Any) -> None:
    old = active_grant(ganzhou, term_days=30).grant
    code, system = offered(ganzhou, "calendars"), active_client(ganzhou)
    with pytest.raises(Invalid) as refused:
        submitted_application(ganzhou, code, system, fields=None, term_days=30, previous_grant=old.number)
    assert [(e.pointer, e.code) for e in refused.value.errors] == [("/previous_grant", "other_dataset")]


def test_the_form_is_filled_in_with_the_terms_of_the_grant(ganzhou: Any) -> None:
    wish = {"row_filter": {"street_code": ["429005001"]}, "purpose": "核对门牌", "term_days": 90}
    held = active_grant(ganzhou, **wish)
    browser = ganzhou.browser(carol)
    assert f"/applications/new?renew={held.grant.id}" in browser.get(f"/grants/{held.grant.id}").text
    form = browser.get(f"/applications/new?renew={held.grant.id}").text
    assert f'name="previous_grant" value="{held.grant.number}"' in form
    for typed in ("核对门牌", "street_code = 429005001", "127.0.0.1/32", 'value="90"', "地址为手工录入"):
        assert typed in form
    assert form.count("checked") == 2


# --- use limits -------------------------------------------------------------------------------------


def test_no_route_changes_the_terms_of_a_grant(world: Any) -> None:
    """QJ art. 24, GZ art. 5 (一): another system, purpose, network or field takes a new application."""
    held = active_grant(world)
    routes = world.app.extensions["shuxiang_routes"].values()
    changing = {(r.method, r.rule) for r in routes if r.rule.startswith(("/api/grants", "/api/clients/"))}
    changing -= {pair for pair in changing if pair[0] == "GET" or "/actions/" in pair[1]}
    of_keys = ("credentials", "keys", "authentication")
    assert changing == {("POST", f"/api/clients/<client_id>/{name}") for name in of_keys}
    for actor in (carol, alice, bob):
        client = world.client(actor)
        for action in ("suspend", "report_misuse", "terminate"):
            for changes in ({"networks": ["10.0.0.0/8"]}, {"fields": ["area_code"]}, {"purpose": "其他"}):
                body = {"reason": "安全隐患", "evidence": "日志", **changes}
                answer = client.post(f"/api/grants/{held.grant.id}/actions/{action}", json=body)
                assert answer.status_code in (400, 403, 409), (actor.login, action, answer.json)
    assert read(world, held.grant.id) == held.grant


def test_a_system_keeps_the_networks_that_it_was_approved_with(world: Any) -> None:
    held = active_grant(world)
    client = world.client(carol)
    path = f"/api/clients/{held.grant.client_id}"
    for method in ("PATCH", "PUT"):
        assert client.open(path, method=method, json={"networks": ["10.0.0.0/8"]}).status_code == 405
    assert client.get(path).get_json()["networks"] == ["127.0.0.1/32"]


def test_a_wider_use_takes_a_new_application_and_leaves_the_grant(world: Any) -> None:
    code = offered(world, "divisions")
    held = active_grant(world, code)
    wider = active_client(world, networks=["10.0.0.0/24"])
    again = active_grant(world, code, wider, fields=["code", "name", "street_code"])
    assert again.grant.id != held.grant.id
    assert again.grant.terms.networks == ("10.0.0.0/24",)
    assert read(world, held.grant.id) == held.grant
