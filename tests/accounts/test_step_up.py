"""What matters wants a fresh proof of who asks; what was typed waits for it, and nothing is lost."""

from __future__ import annotations

import html
import re
from datetime import timedelta
from ipaddress import ip_network
from typing import Any

import pytest

from accounts.people import ensure_account
from accounts.tokens import issue_token
from core.work import SYSTEM
from tests.accounts.browser import PASSWORD, Browser, bodies
from tests.accounts.factors import demanding, signed_in, with_app
from tests.cast import bob, carol
from tests.stories import active_client, active_grant, submitted_application
from web.auth import FRESH

pytestmark = pytest.mark.long

LATER = FRESH + timedelta(seconds=1)


@pytest.fixture
def manager(world: Any) -> Browser:
    """The platform manager, signed in six minutes ago."""
    return signed_in(world, "qian.wei", "platform_manager", "bigdata")


def hidden(page: str) -> list[tuple[str, str]]:
    """The hidden fields of a page's main form."""
    found = re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)">', page.partition("<main")[2])
    return [(name, html.unescape(value)) for name, value in found]


def go_on(browser: Browser, page: Any, **proof: str) -> Any:
    """Send the page that asks for a proof, with everything that it carries."""
    action = re.search(r'<form method="post" action="([^"]+)" class="box"', page.text)
    assert action, page.text
    return browser.client.post(html.unescape(action[1]), data={**dict(hidden(page.text)), **proof})


def suspend(browser: Browser, grant: str, **typed: str) -> Any:
    """Suspend a grant on its page."""
    reason = {"reason": "部门<反映>数据&异常", **typed}
    return browser.send(f"/grants/{grant}", f"/grants/{grant}/actions/suspend", **reason)


def test_a_fresh_sign_in_is_proof_enough(world: Any, manager: Browser) -> None:
    number = active_grant(world).grant.id
    assert suspend(manager, number).status_code == 303
    assert "已暂停" in manager.get(f"/grants/{number}").text


def test_after_five_minutes_the_form_waits_for_a_proof_with_nothing_lost(
    world: Any, manager: Browser
) -> None:
    number = active_grant(world).grant.id
    before = manager.client.get_cookie("sid").value
    world.now += LATER
    asked = suspend(manager, number)
    assert asked.status_code == 200
    assert "再次验证身份" in asked.text
    assert dict(hidden(asked.text))["reason"] == "部门<反映>数据&异常"
    assert "已暂停" not in manager.get(f"/grants/{number}").text
    assert go_on(manager, asked, confirm_password=PASSWORD).status_code == 303
    page = manager.get(f"/grants/{number}").text
    assert "已暂停" in page
    assert "部门&lt;反映&gt;数据&amp;异常" in page
    assert manager.client.get_cookie("sid").value != before
    assert bodies(world, "account.confirmed")[-1]["by"] == "pwd"


def test_a_wrong_proof_takes_no_step_and_loses_nothing(world: Any, manager: Browser) -> None:
    number = active_grant(world).grant.id
    world.now += LATER
    wrong = go_on(manager, suspend(manager, number), confirm_password="wrong")
    assert wrong.status_code == 422
    assert "验证未通过" in wrong.text
    assert "已暂停" not in manager.get(f"/grants/{number}").text
    assert go_on(manager, wrong, confirm_password=PASSWORD).status_code == 303
    assert "已暂停" in manager.get(f"/grants/{number}").text


def test_five_wrong_proofs_lock_the_account(world: Any, manager: Browser) -> None:
    number = active_grant(world).grant.id
    world.now += LATER
    page = suspend(manager, number)
    for _ in range(5):
        page = go_on(manager, page, confirm_password="wrong")
    assert go_on(manager, page, confirm_password=PASSWORD).status_code == 422
    assert [f["at"] for f in bodies(world, "account.sign_in_failed")] == ["confirm"] * 6


def test_who_has_a_second_factor_proves_it_with_that_and_not_with_the_password(
    world: Any, manager: Browser
) -> None:
    app, _ = with_app(world, manager)
    number = active_grant(world).grant.id
    world.now += LATER
    asked = suspend(manager, number)
    assert "confirm_password" not in asked.text
    asked = go_on(manager, asked, confirm_password=PASSWORD)
    assert asked.status_code == 422
    assert go_on(manager, asked, confirm_code=app.code()).status_code == 303
    assert bodies(world, "account.confirmed")[-1]["by"] == "otp"


def test_what_a_form_lacks_is_shown_beside_it_after_the_proof(world: Any, manager: Browser) -> None:
    number = active_grant(world).grant.id
    world.now += LATER
    shown = go_on(manager, suspend(manager, number, reason=""), confirm_password=PASSWORD)
    assert shown.status_code == 422
    assert "confirm_password" not in shown.text
    assert "有 1 处需要更正" in shown.text
    assert suspend(manager, number).status_code == 303


def test_a_proof_opens_no_route_that_the_role_does_not(world: Any) -> None:
    mallory = signed_in(world, "mallory", "consumer", "education")
    world.now += LATER
    assert mallory.send("/account", "/accounts/new", confirm_password=PASSWORD).status_code == 403
    assert not bodies(world, "account.confirmed")
    address = f"/grants/{active_grant(world).grant.id}/actions/suspend"
    assert mallory.send("/account", address, reason="x", confirm_password=PASSWORD).status_code == 404


def test_steps_that_decide_on_nothing_want_no_proof(world: Any) -> None:
    li = signed_in(world, "li.na", "consumer", "health")
    filed = submitted_application(world, actor=carol).application.id
    world.now += LATER
    address = f"/applications/{filed}/actions/withdraw"
    answer = li.send(f"/applications/{filed}", address, reason="不再需要")
    assert "再次验证身份" not in answer.text


def test_a_page_that_wants_a_proof_is_reached_by_way_of_it(world: Any, manager: Browser) -> None:
    manager.send("/account/factors", "/account/factors/app")
    world.now += LATER
    asked = manager.get("/account/factors/app?lang=en").location
    assert asked == "/confirm?next=%2Faccount%2Ffactors%2Fapp"
    went = go_on(manager, manager.get(asked), confirm_password=PASSWORD)
    assert went.location == "/account/factors/app"
    assert "<svg" in manager.get(went.location).text


def test_an_export_wants_a_proof(world: Any) -> None:
    fang = signed_in(world, "wu.fang", "auditor", "audit")
    world.now += LATER
    assert fang.get("/records/export/csv?kind=access").location.startswith("/confirm?next=")


def test_a_secret_is_made_for_a_system_after_a_proof_alone(world: Any) -> None:
    system = active_client(world).client.id
    li = signed_in(world, "li.na", "consumer", "health")
    world.now += LATER
    asked = li.send(f"/systems/{system}", f"/systems/{system}/credentials")
    assert "再次验证身份" in asked.text
    assert "客户端密钥" not in asked.text


# --- scripts ----------------------------------------------------------------------------------------


def script(world: Any, *, confirmed: bool) -> Any:
    """A client with a token of the platform manager, made at the terminal."""
    with world.work(SYSTEM) as work:
        ensure_account(work, bob.login, bob.name, bob.department, bob.roles)
        token = issue_token(work, bob.login, confirmed=confirmed)
    client = world.app.test_client()
    client.environ_base["HTTP_AUTHORIZATION"] = f"Bearer {token}"
    return client


def test_a_token_that_is_not_confirmed_reads_and_does_not_decide(world: Any) -> None:
    number = active_grant(world).grant.id
    client = script(world, confirmed=False)
    assert client.get(f"/api/grants/{number}").status_code == 200
    refused = client.post(f"/api/grants/{number}/actions/suspend", json={"reason": "异常"})
    assert refused.status_code == 401
    assert refused.json["code"] == "step_up_required"
    challenge = refused.headers["WWW-Authenticate"]
    assert 'error="insufficient_user_authentication"' in challenge
    assert 'max_age="300"' in challenge
    assert client.get(f"/api/grants/{number}").json["state"] == "active"


def test_a_token_from_the_terminal_decides_unless_it_was_made_otherwise(world: Any) -> None:
    number = active_grant(world).grant.id
    world.now += timedelta(hours=3)
    client = script(world, confirmed=True)
    world.now += timedelta(hours=3)
    answer = client.post(f"/api/grants/{number}/actions/suspend", json={"reason": "异常"})
    assert answer.json["state"] == "suspended"


# --- where one comes from ---------------------------------------------------------------------------


def test_who_manages_comes_from_the_networks_named_for_that(world: Any) -> None:
    demanding(world, admin_networks=(ip_network("10.9.0.0/16"),))
    for login, role, department, status in (
        ("qian.wei", "platform_manager", "bigdata", 403),
        ("li.na", "consumer", "health", 200),
    ):
        browser = signed_in(world, login, role, department)
        assert browser.get("/applications").status_code == status, login
        near = browser.client.get("/applications", environ_base={"REMOTE_ADDR": "10.9.1.1"})
        assert near.status_code == 200
    client = script(world, confirmed=True)
    assert client.get("/api/grants").json["code"] == "admin_address"
    mapped = {"REMOTE_ADDR": "::ffff:10.9.1.1"}
    assert client.get("/api/grants", environ_base=mapped).status_code == 200
