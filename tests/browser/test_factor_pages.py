"""Second factors in a real browser: an app without scripts, a passkey of Chromium's own authenticator."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pyotp
import pytest
from werkzeug.serving import make_server

from accounts.people import create_account
from core.work import SYSTEM
from tests.accounts.browser import LOGIN, PASSWORD
from tests.browser.looking import DESK, PHONE, faults
from tests.conftest import World, make_world
from tests.ports import free_port

pytestmark = pytest.mark.browser

AUTHENTICATOR = {
    "protocol": "ctap2",
    "transport": "internal",
    "hasResidentKey": True,
    "hasUserVerification": True,
    "isUserVerified": True,
    "automaticPresenceSimulation": True,
}


@pytest.fixture
def city(template_database: Any, tmp_path: Any) -> Iterator[World]:
    """A city whose console has a name, as passkeys want it."""
    world = make_world(tmp_path, template_database, "sharing/qianjiang")
    port = free_port()
    platform = replace(world.settings.platform, control_url=f"http://localhost:{port}")
    world.settings = replace(world.settings, platform=platform)
    server = make_server("127.0.0.1", port, world.app, threaded=True)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield world
    server.shutdown()
    thread.join()
    server.server_close()
    world.database.close()


def opened(city: World, chromium: Any, *, scripts: bool = True) -> Any:
    """A window, in English when scripts are off, that notes what goes wrong."""
    context = chromium.new_context(viewport=DESK, java_script_enabled=scripts)
    page = context.new_page()
    page.complaints = []
    page.on("console", lambda m: page.complaints.append(m.text) if m.type == "error" else None)
    page.goto(f"{city.settings.platform.control_url}/sign-in?lang={'zh' if scripts else 'en'}")
    return page


def look(page: Any) -> None:
    """Hold the page as it stands to what every page keeps to."""
    assert faults(page) == []
    page.set_viewport_size(PHONE)
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
    page.set_viewport_size(DESK)
    assert page.locator("h1").count() == 1


def newcomer(city: World, page: Any) -> None:
    """Let Zhao Min sign in for the first time and choose her password."""
    with city.work(SYSTEM) as work:
        once = create_account(work, LOGIN, "赵敏", "civil_affairs", {"provider"})
    sign_in(page, once)
    for name, text in (("current", once), ("new", PASSWORD), ("again", PASSWORD)):
        page.locator(f"[name={name}]").fill(text)
    page.locator("form.box button").click()


def sign_in(page: Any, password: str) -> None:
    page.locator("[name=login]").fill(LOGIN)
    page.locator("[name=password]").fill(password)
    page.locator("form.box button").click()


def test_an_app_is_set_up_and_used_without_scripts(city: World, chromium: Any) -> None:
    page = opened(city, chromium, scripts=False)
    newcomer(city, page)
    page.get_by_role("link", name="My account").click()
    page.get_by_role("link", name="Second factor").click()
    page.get_by_role("button", name="Set up an authenticator app").click()
    assert page.locator("figure.qr svg").bounding_box()["width"] > 150
    app = pyotp.TOTP(page.locator("dl.facts dd").first.inner_text().replace(" ", ""))
    page.get_by_role("textbox", name="Code").fill("000000")
    page.get_by_role("button", name="Finish").click()
    page.get_by_role("alert").get_by_role("link").click()
    page.get_by_role("textbox", name="Code").fill(app.at(city.now))
    page.get_by_role("button", name="Finish").click()
    assert page.locator("ul.codes li").count() == 10
    page.get_by_role("link", name="I have kept them").click()
    page.get_by_role("button", name="Sign out").click()
    sign_in(page, PASSWORD)
    assert page.get_by_role("heading", level=1).inner_text() == "Second factor"
    city.now += timedelta(seconds=30)
    page.get_by_label("Code or recovery code").fill(app.at(city.now))
    page.get_by_role("button", name="Confirm").click()
    assert page.get_by_role("heading", level=1).inner_text() == "Desk"
    assert "You signed in last on" in page.get_by_role("status").inner_text()
    page.context.close()


def test_a_passkey_is_made_and_used_on_pages_that_are_accessible(city: World, chromium: Any) -> None:
    page = opened(city, chromium)
    devices = page.context.new_cdp_session(page)
    devices.send("WebAuthn.enable")
    made = devices.send("WebAuthn.addVirtualAuthenticator", {"options": AUTHENTICATOR})["authenticatorId"]
    newcomer(city, page)
    here = city.settings.platform.control_url
    page.goto(f"{here}/account/factors")
    look(page)
    page.get_by_role("button", name="设置手机验证器").click()
    look(page)
    page.goto(f"{here}/account/factors/passkey")
    look(page)
    page.get_by_label("名称").fill("办公电脑")
    page.get_by_role("button", name="登记").click()
    page.wait_for_selector("ul.codes")
    look(page)
    page.goto(f"{here}/account/factors")
    assert "办公电脑" in page.inner_text("main")
    look(page)
    city.now += timedelta(minutes=6)
    page.get_by_role("button", name="更换恢复码").click()
    assert page.get_by_role("heading", level=1).inner_text() == "再次验证身份"
    look(page)
    page.get_by_role("button", name="使用通行密钥").click()
    page.wait_for_selector("ul.codes")
    page.get_by_role("button", name="退出").click()
    sign_in(page, PASSWORD)
    look(page)
    devices.send("WebAuthn.setUserVerified", {"authenticatorId": made, "isUserVerified": False})
    page.get_by_role("button", name="使用通行密钥").click()
    page.wait_for_selector("[data-failed]:visible")
    devices.send("WebAuthn.setUserVerified", {"authenticatorId": made, "isUserVerified": True})
    page.get_by_role("button", name="使用通行密钥").click()
    page.wait_for_url(f"{here}/")
    assert page.complaints == []
    page.context.close()
