"""Sign-in with somebody else's provider over TLS: oidc-provider for Node, certified by OpenID."""

from __future__ import annotations

import os
import re
import signal
import ssl
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http.client import HTTPResponse
from http.cookiejar import CookieJar
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.parse import parse_qsl, urlencode, urljoin, urlsplit
from urllib.request import HTTPCookieProcessor, HTTPRedirectHandler, HTTPSHandler, Request, build_opener

import pytest

from accounts.oidc.identities import link_for
from accounts.people import ensure_account
from core.settings_oidc import IdentityProvider
from core.text import Text
from core.work import SYSTEM
from tests.accounts.browser import Browser, bodies
from tests.accounts.oidc.conftest import trust
from tests.accounts.oidc.issuer import CLIENT, SECRET
from tests.cast import alice
from tests.ports import free_port
from tests.tools import need, need_npm

pytestmark = [pytest.mark.long, pytest.mark.servers]

BACK = "https://share.example/sign-in/back/city"


@pytest.fixture(scope="module")
def issuer_url(tls: Path) -> Iterator[str]:
    """The provider as it runs."""
    folder, node, port = need_npm("oidc"), need("node"), free_port()
    command = [node, str(folder / "provider.mjs"), str(tls), str(port), BACK, SECRET]
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, start_new_session=True
    )
    try:
        assert process.stdout is not None
        assert any(line.strip() == "ready" for line in process.stdout)
        yield f"https://localhost:{port}"
    finally:
        os.killpg(process.pid, signal.SIGTERM)  # `node` may be what starts the real one
        process.wait(10)
        process.stdout.close()


@pytest.fixture
def city(world: Any, issuer_url: str, tls: Path, monkeypatch: Any) -> IdentityProvider:
    """The deployment names it, and alice is linked to its `zhao`."""
    world.now = datetime.now(UTC)
    monkeypatch.setenv("CITY_SECRET", SECRET)
    named = IdentityProvider(
        "city", Text("市统一身份认证", "City"), issuer_url, CLIENT, "env:CITY_SECRET", None, ca_file=str(tls)
    )
    trust(world, named)
    with world.work(SYSTEM) as work:
        ensure_account(work, alice.login, alice.name, alice.department, alice.roles)
        link_for(work, alice.login, "city", "zhao")
    return named


class Stay(HTTPRedirectHandler):
    """Follow nothing by itself."""

    def redirect_request(self, *args: Any) -> None:
        """Leave a redirect to whoever asked."""


class Person:
    """Somebody whose browser keeps the provider's cookies and fills in its forms."""

    def __init__(self, tls: Path) -> None:
        handlers = HTTPSHandler(context=ssl.create_default_context(cafile=str(tls)))
        self.opener = build_opener(handlers, HTTPCookieProcessor(CookieJar()), Stay())

    def ask(self, url: str, form: dict[str, str] | None = None) -> tuple[str, str]:
        """Return where an answer leads, or nothing, and what it says."""
        body = urlencode(form).encode() if form is not None else None
        try:
            answer: HTTPResponse | HTTPError = self.opener.open(Request(url, body), timeout=10)
        except HTTPError as other:
            answer = other
        with answer:
            return urljoin(url, answer.headers.get("Location", "")), answer.read().decode()

    def sign_in(self, address: str, name: str) -> dict[str, str]:
        """Go through the provider's pages; return what the browser is sent back with."""
        for _ in range(10):
            there, page = self.ask(address)
            while there and there != address and not there.startswith(BACK):
                address, (there, page) = there, self.ask(there)
            if there.startswith(BACK):
                return dict(parse_qsl(urlsplit(there).query))
            prompt = re.search(r'name="prompt" value="(\w+)"', page)
            action = re.search(r'action="([^"]+)"', page)
            assert prompt, page
            assert action, page
            form = {"prompt": prompt[1], "login": name, "password": "x"}
            address, _ = self.ask(urljoin(address, action[1]), form)
        raise AssertionError("no end of pages")


def test_people_sign_in_with_a_certified_provider_and_out_again(
    world: Any, city: IdentityProvider, tls: Path
) -> None:
    browser, person = Browser(world.app), Person(tls)
    address = browser.get("/sign-in/with/city?next=/datasets").headers["Location"]
    brought = person.sign_in(address, "zhao")
    assert brought["iss"] == city.issuer
    answer = browser.get(f"/sign-in/back/city?{urlencode(brought)}")
    assert (answer.status_code, answer.headers.get("Location")) == (303, "/datasets")
    assert browser.is_signed_in()
    again = browser.get(f"/sign-in/back/city?{urlencode(brought)}")
    assert again.status_code == 400
    out = browser.send("/account", "/sign-out").headers["Location"]
    assert out == "/sign-in?left=city"
    _, page = person.ask(browser.get("/sign-out/with/city").headers["Location"])
    assert "Do you want to sign-out" in page


def test_the_provider_says_when_it_saw_the_person_and_asks_anew(
    world: Any, city: IdentityProvider, tls: Path
) -> None:
    browser, person = Browser(world.app), Person(tls)
    brought = person.sign_in(browser.get("/sign-in/with/city").headers["Location"], "zhao")
    browser.get(f"/sign-in/back/city?{urlencode(brought)}")
    assert browser.send("/account/factors", "/account/factors/app").status_code == 303
    world.now += timedelta(minutes=6)
    assert "再次验证身份" in browser.send("/account/factors", "/account/factors/app").text
    world.now = datetime.now(UTC)
    there = browser.get("/confirm/with/city?next=/account/factors").headers["Location"]
    anew = person.sign_in(there, "zhao")
    answer = browser.get(f"/sign-in/back/city?{urlencode(anew)}")
    assert (answer.status_code, answer.headers.get("Location")) == (303, "/account/factors")
    assert [b["by"] for b in bodies(world, "account.confirmed")] == ["oidc"]


def test_a_stranger_of_the_provider_does_not_get_in(world: Any, city: IdentityProvider, tls: Path) -> None:
    browser, person = Browser(world.app), Person(tls)
    brought = person.sign_in(browser.get("/sign-in/with/city").headers["Location"], "qian")
    assert browser.get(f"/sign-in/back/city?{urlencode(brought)}").status_code == 403
    assert not browser.is_signed_in()


def test_an_answer_of_the_provider_is_good_in_the_browser_that_asked(
    world: Any, city: IdentityProvider, tls: Path
) -> None:
    browser, person = Browser(world.app), Person(tls)
    brought = person.sign_in(browser.get("/sign-in/with/city").headers["Location"], "zhao")
    other = Browser(world.app)
    other.get("/sign-in/with/city")
    assert other.get(f"/sign-in/back/city?{urlencode(brought)}").status_code == 400
    forged = {**brought, "code": brought["code"][:-2] + "xx"}
    assert browser.get(f"/sign-in/back/city?{urlencode(forged)}").status_code == 400
