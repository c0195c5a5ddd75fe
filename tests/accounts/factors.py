"""People with second factors, and the deployments that ask for them."""

from __future__ import annotations

import html
import re
from dataclasses import replace
from typing import Any

import pyotp

from accounts.people import create_account
from core.work import SYSTEM
from tests.accounts.browser import PASSWORD, Browser


def demanding(world: Any, *, control_url: str | None = None, **security: Any) -> Any:
    """Let a deployment demand more of its people; before anybody opens its pages."""
    assert world._app is None
    settings = replace(world.settings, security=replace(world.settings.security, **security))
    if control_url is not None:
        settings = replace(settings, platform=replace(settings.platform, control_url=control_url))
    world.settings = settings
    return world


def signed_in(world: Any, login: str, role: str = "provider", department: str = "civil_affairs") -> Browser:
    """Somebody with a password of their own, at a browser."""
    with world.work(SYSTEM) as work:
        first = create_account(work, login, "王某某", department, {role})
    browser = Browser(world.app)
    browser.sign_in(login, first)
    browser.send("/password", current=first, new=PASSWORD, again=PASSWORD)
    return browser


class App:
    """An authenticator app on a telephone."""

    def __init__(self, world: Any, secret: str) -> None:
        self.world = world
        self.totp = pyotp.TOTP(secret)

    def code(self, steps: int = 0) -> str:
        """The code that it shows now, or some steps later."""
        return self.totp.generate_otp(int(self.world.now.timestamp()) // 30 + steps)


def with_app(world: Any, browser: Browser) -> tuple[App, list[str]]:
    """Set an authenticator app up; return it, and the recovery codes that were shown."""
    assert browser.send("/account/factors", "/account/factors/app").location == "/account/factors/app"
    page = browser.get("/account/factors/app").text
    found = re.search(r"((?:[A-Z2-7]{4} ){7}[A-Z2-7]{4})", page)
    assert found
    app = App(world, found[1].replace(" ", ""))
    shown = browser.send("/account/factors/app", "/account/factors/app/finish", code=app.code())
    assert shown.status_code == 200, shown.text
    return app, re.findall(r"<code>([a-z2-7-]{19})</code>", shown.text)


def options_of(page: str) -> str:
    """What a page asks an authenticator for."""
    found = re.search(r'data-options="([^"]*)"', page)
    assert found, page
    return html.unescape(found[1])
