"""How fresh a provider's word is: a sign-in there long ago proves nothing now, and one may prove it anew."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest

from accounts.oidc.identities import link_for
from core.settings_oidc import IdentityProvider
from core.work import SYSTEM
from tests.accounts.browser import Browser, bodies
from tests.accounts.factors import with_app
from tests.accounts.oidc.issuer import Issuer
from tests.cast import alice, carol

pytestmark = pytest.mark.long


def at(world: Any, seconds: int = 0) -> int:
    return int(world.now.timestamp()) + seconds


def come(browser: Browser, issuer: Issuer, way: str) -> Any:
    """Go there and come back."""
    address = str(browser.get(way).headers["Location"])
    return browser.get(f"/sign-in/back/city?{urlencode(issuer.authorise(address))}")


def signed_in(browser: Browser, issuer: Issuer) -> Browser:
    assert come(browser, issuer, "/sign-in/with/city").status_code == 303
    return browser


def is_asked(browser: Browser) -> bool:
    """Tell whether what matters waits for a proof."""
    return "再次验证身份" in browser.send("/account/factors", "/account/factors/app").text


@pytest.fixture
def browser(world: Any, linked: IdentityProvider) -> Browser:
    return Browser(world.app)


def test_the_provider_is_asked_when_it_saw_the_person(browser: Browser) -> None:
    there = parse_qs(urlsplit(browser.get("/sign-in/with/city").headers["Location"]).query)
    assert there["max_age"] == [str(30 * 86400)]


@pytest.mark.parametrize(
    ("seconds", "asked"), [(0, False), (-200, False), (-301, True), (-86400, True), (500, False)]
)
def test_a_sign_in_counts_from_when_the_provider_saw_the_person(
    browser: Browser, issuer: Issuer, world: Any, seconds: int, asked: bool
) -> None:
    issuer.claims = {"auth_time": at(world, seconds)}
    assert is_asked(signed_in(browser, issuer)) is asked


@pytest.mark.parametrize("said", [None, "now", True, -1, 1e999])
def test_a_provider_that_does_not_say_when_gives_no_fresh_proof(
    browser: Browser, issuer: Issuer, said: Any
) -> None:
    issuer.claims = {"auth_time": said}
    assert is_asked(signed_in(browser, issuer))


def test_a_time_in_the_future_is_now_and_no_later(browser: Browser, issuer: Issuer, world: Any) -> None:
    issuer.claims = {"auth_time": at(world, 86400)}
    signed_in(browser, issuer)
    world.now += timedelta(minutes=6)
    assert is_asked(browser)


# --- anew -----------------------------------------------------------------------------------------------


def test_one_proves_it_anew_at_the_provider_and_goes_on(browser: Browser, issuer: Issuer, world: Any) -> None:
    signed_in(browser, issuer)
    old = browser.client.get_cookie("__Host-sid").value
    page = browser.get("/confirm?next=/account/factors").text
    assert 'href="/confirm/with/city?next=/account/factors"' in page
    way = browser.get("/confirm/with/city?next=/account/factors").headers["Location"]
    asked = parse_qs(urlsplit(way).query)
    assert (asked["prompt"], asked["max_age"]) == (["login"], ["0"])
    issuer.claims = {"auth_time": at(world)}
    answer = come(browser, issuer, "/confirm/with/city?next=/account/factors")
    assert answer.headers["Location"] == "/account/factors"
    assert browser.client.get_cookie("__Host-sid").value != old
    assert [b["by"] for b in bodies(world, "account.confirmed")] == ["oidc"]
    assert not is_asked(browser)


def test_the_form_that_waited_goes_on_without_a_password(
    browser: Browser, issuer: Issuer, world: Any
) -> None:
    signed_in(browser, issuer)
    assert is_asked(browser)
    issuer.claims = {"auth_time": at(world)}
    come(browser, issuer, "/confirm/with/city?next=/account")
    sent = browser.send("/account/factors", "/account/factors/app", confirm_password="")
    assert sent.location == "/account/factors/app"


@pytest.mark.parametrize("seconds", [None, -61, -600])
def test_what_the_provider_saw_before_it_was_asked_is_no_proof_anew(
    browser: Browser, issuer: Issuer, world: Any, seconds: int | None
) -> None:
    signed_in(browser, issuer)
    issuer.claims = {"auth_time": None if seconds is None else at(world, seconds)}
    assert come(browser, issuer, "/confirm/with/city").status_code == 400
    assert is_asked(browser)


def test_the_proof_of_somebody_else_is_none(browser: Browser, issuer: Issuer, world: Any) -> None:
    world.client(carol)
    with world.work(SYSTEM) as work:
        link_for(work, carol.login, "city", "u-2")
    signed_in(browser, issuer)
    issuer.subject, issuer.claims = "u-2", {"auth_time": at(world)}
    assert come(browser, issuer, "/confirm/with/city").status_code == 400
    assert is_asked(browser)
    assert alice.name in browser.get("/account").text


def test_a_proof_begun_by_one_person_is_worth_nothing_for_the_next(
    browser: Browser, issuer: Issuer, world: Any
) -> None:
    signed_in(browser, issuer)
    issuer.claims = {"auth_time": at(world)}
    way = str(browser.get("/confirm/with/city").headers["Location"])
    browser.client.set_cookie("__Host-sid", world.browser(carol).get_cookie("__Host-sid").value)
    assert browser.get(f"/sign-in/back/city?{urlencode(issuer.authorise(way))}").status_code == 400


def test_who_has_a_second_factor_here_is_asked_for_it(browser: Browser, issuer: Issuer, world: Any) -> None:
    issuer.claims = {"auth_time": at(world)}
    with_app(world, signed_in(browser, issuer))
    assert "/confirm/with/city" not in browser.get("/confirm").text
    assert come(browser, issuer, "/confirm/with/city").status_code == 400


def test_a_stranger_confirms_nothing(browser: Browser) -> None:
    assert browser.get("/confirm/with/city").location.startswith("/sign-in")
