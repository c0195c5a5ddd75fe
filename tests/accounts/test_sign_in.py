"""Zhao Min signs in; others try to."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest

from accounts.console import own_address
from accounts.people import disable_account, enable_account, reset_password
from accounts.sessions import check_attempt, sign_in
from core.work import SYSTEM
from tests.accounts.browser import LOGIN, PASSWORD, WRONG, Browser, bodies
from web.auth import NOBODY


def test_a_one_time_password_opens_nothing_but_the_form_for_a_new_one(browser, first_password):
    assert browser.sign_in(LOGIN, first_password).status_code == 303
    assert browser.get("/").location == "/password"
    assert browser.get("/account").location == "/password"
    assert "一次性密码" in browser.get("/password").text


def test_with_a_password_of_her_own_the_desk_opens(zhao):
    page = zhao.get("/")
    assert page.status_code == 200
    assert "赵敏" in page.text
    assert "潜江市民政局" in page.text


def test_the_one_time_password_is_worth_nothing_after_the_change(world, zhao, first_password):
    other = Browser(world.app)
    assert WRONG in other.sign_in(LOGIN, first_password).text
    assert other.sign_in(LOGIN, PASSWORD).status_code == 303
    assert other.is_signed_in()


@pytest.mark.parametrize("login", ["ZHAO.MIN", " zhao.min ", "zhao．min"])
def test_width_case_and_blanks_of_a_login_do_not_matter(world, zhao, login):
    other = Browser(world.app)
    other.sign_in(login, PASSWORD)
    assert other.is_signed_in()


def test_every_failure_looks_the_same(world, zhao):
    with world.work(SYSTEM) as work:
        disable_account(work, LOGIN)
    other = Browser(world.app)
    answers = [
        other.sign_in("nobody.here", PASSWORD),
        other.sign_in(LOGIN, PASSWORD),
        other.sign_in(LOGIN, "wrong"),
        other.sign_in("", ""),
        other.sign_in("zhao.min" * 40, "x" * 5000),
    ]
    assert {a.status_code for a in answers} == {422}
    assert all(WRONG in a.text for a in answers)
    assert not other.is_signed_in()


def test_five_failures_shut_the_account_for_a_quarter_of_an_hour(world, zhao):
    other = Browser(world.app)
    for variant in (LOGIN, LOGIN.upper(), f" {LOGIN}", LOGIN, LOGIN):
        other.sign_in(variant, "wrong")
    assert WRONG in other.sign_in(LOGIN, PASSWORD).text
    world.now += timedelta(minutes=14, seconds=59)
    assert WRONG in other.sign_in(LOGIN, PASSWORD).text
    world.now += timedelta(seconds=1)
    assert other.sign_in(LOGIN, PASSWORD).status_code == 303


def test_failures_long_ago_do_not_count(world, zhao):
    other = Browser(world.app)
    for _ in range(4):
        other.sign_in(LOGIN, "wrong")
    world.now += timedelta(minutes=16)
    other.sign_in(LOGIN, "wrong")
    assert other.sign_in(LOGIN, PASSWORD).status_code == 303


def test_attempts_made_side_by_side_count_one_by_one(world, zhao):
    def attempt(password: str) -> bool:
        checked = check_attempt(world.database, LOGIN, password)
        with world.work(NOBODY) as work:
            return sign_in(work, checked) is not None

    with ThreadPoolExecutor(8) as pool:
        assert not any(pool.map(attempt, [f"guess {n}" for n in range(12)]))
    assert not attempt(PASSWORD)


def test_an_attempt_checked_before_a_reset_does_not_get_in_after_it(world, zhao):
    checked = check_attempt(world.database, LOGIN, PASSWORD)
    with world.work(SYSTEM) as work:
        reset_password(work, LOGIN)
    with world.work(NOBODY) as work:
        assert sign_in(work, checked) is None


def test_a_reset_opens_the_lock_and_demands_a_new_password(world, zhao):
    other = Browser(world.app)
    for _ in range(5):
        other.sign_in(LOGIN, "wrong")
    with world.work(SYSTEM) as work:
        password = reset_password(work, LOGIN)
    other.sign_in(LOGIN, password)
    assert other.get("/").location == "/password"
    assert not zhao.is_signed_in()


def test_a_disabled_person_is_out_at_the_next_request(world, zhao):
    with world.work(SYSTEM) as work:
        disable_account(work, LOGIN)
    assert zhao.get("/").location == "/sign-in"
    with world.work(SYSTEM) as work:
        enable_account(work, LOGIN)
    assert zhao.get("/").location == "/sign-in"


def test_sign_ins_and_failures_are_on_record_under_a_pseudonym(world, zhao):
    Browser(world.app).sign_in(LOGIN, "wrong")
    Browser(world.app).sign_in("somebody.else", "wrong")
    [created] = bodies(world, "account.created")
    known, unknown = bodies(world, "account.sign_in_failed")
    assert known["account"] == created["account"] == bodies(world, "account.signed_in")[0]["actor"]
    assert unknown["account"] is None
    text = str(bodies(world))
    assert not any(word in text for word in (LOGIN, "赵敏", PASSWORD, "somebody.else"))


def test_sign_in_goes_on_to_the_page_asked_for(world, zhao):
    other = Browser(world.app)
    assert other.get("/account?x=1").location == "/sign-in?next=%2Faccount%3Fx%3D1"
    assert other.sign_in(LOGIN, PASSWORD, next="/account?x=1").location == "/account?x=1"


@pytest.mark.parametrize(
    "elsewhere",
    [
        "https://evil.example/",
        "//evil.example/",
        "/\\evil.example",
        "\\\\evil.example",
        "/\t/evil.example",
        "javascript:alert(1)",
        "https:evil",
        "///evil.example",
        "//[",
        "@evil",
        "/%09/evil.example",
        "/%5cevil.example",
        "/%2f/evil.example",
        "/..//evil.example",
        "/.//evil.example",
        "/a/../..//evil.example",
        "/ /evil.example",
        "/\u2028/evil.example",
        "/%0d%0aSet-Cookie:a=b",
        "/%73ign-out",
        "evil",
        "/sign-out",
        "/" + "a" * 2000,
        "",
        None,
    ],
)
def test_nobody_is_sent_to_another_site(elsewhere):
    assert own_address(elsewhere) == "/"


def test_a_form_without_its_token_is_refused(world, zhao):
    answer = zhao.client.post("/sign-out", data={})
    assert answer.status_code in (400, 409)
    assert zhao.is_signed_in()


def test_a_form_token_of_one_sign_in_is_worth_nothing_in_the_next(world, browser, zhao):
    old = zhao.token("/account")
    zhao.send("/account", "/sign-out")
    zhao.sign_in(LOGIN, PASSWORD)
    assert zhao.client.post("/sign-out", data={"csrf_token": old}).status_code in (400, 409)
    assert zhao.is_signed_in()
