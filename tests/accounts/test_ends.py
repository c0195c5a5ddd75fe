"""Passwords grow old, accounts lie idle or come to their last day, sessions become too many."""

from __future__ import annotations

from datetime import date, timedelta
from time import perf_counter
from typing import Any

import pytest

from accounts import passwords
from accounts.managing import act_on_account, find_account, set_last_day, set_roles
from accounts.sessions import check_attempt
from accounts.tokens import actor_of_token, issue_token
from core.errors import NotPermitted
from core.work import SYSTEM
from tests.accounts.browser import LOGIN, PASSWORD, WRONG, Browser, bodies
from tests.accounts.factors import demanding
from tests.cast import adam, carol
from tests.warm import PRODUCTS_HASHER

pytestmark = pytest.mark.long

SENTENCES = [f"{first} und nichts als {first}" for first in ("Regen", "Wolken", "Nebel", "Hagel", "Schnee")]


def change(browser: Browser, current: str, new: str) -> Any:
    return browser.send("/password", current=current, new=new, again=new)


# --- passwords --------------------------------------------------------------------------------------


def test_none_of_the_last_five_passwords_comes_back(world: Any, zhao: Browser) -> None:
    before = PASSWORD
    for sentence in SENTENCES[:4]:
        assert change(zhao, before, sentence).status_code == 303
        before = sentence
    again = change(zhao, before, PASSWORD)
    assert again.status_code == 422
    assert "新密码不能与最近 5 次" in again.text
    assert change(zhao, before, SENTENCES[4]).status_code == 303
    assert change(zhao, SENTENCES[4], PASSWORD).status_code == 303


def test_old_passwords_are_told_to_nobody_who_does_not_know_the_present_one(
    world: Any, zhao: Browser
) -> None:
    change(zhao, PASSWORD, SENTENCES[0])
    guess = change(zhao, "wrong", PASSWORD)
    assert "新密码不能与最近" not in guess.text
    assert "原密码不正确" in guess.text


def test_a_password_that_served_ninety_days_is_changed_before_anything_else(
    world: Any, zhao: Browser
) -> None:
    world.now += timedelta(days=89)
    late = Browser(world.app)
    late.sign_in(LOGIN, PASSWORD)
    assert late.is_signed_in()
    world.now += timedelta(days=1)
    late.sign_in(LOGIN, PASSWORD)
    assert late.get("/").location == "/password"
    assert "已到期限" in late.get("/password").text
    assert change(late, PASSWORD, SENTENCES[0]).status_code == 303
    assert late.is_signed_in()


def test_where_the_deployment_says_so_a_password_serves_for_ever(world: Any, first_password: str) -> None:
    demanding(world, password_max_days=None, account_idle_days=None)
    zhao = Browser(world.app)
    zhao.sign_in(LOGIN, first_password)
    change(zhao, first_password, PASSWORD)
    world.now += timedelta(days=900)
    zhao.sign_in(LOGIN, PASSWORD)
    assert zhao.is_signed_in()


def test_a_login_that_nobody_has_takes_as_long(
    world: Any, first_password: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(passwords, "_hasher", PRODUCTS_HASHER)
    passwords._nobodys_hash.cache_clear()

    def taken(login: str) -> float:
        started = perf_counter()
        check_attempt(world.database, login, "a wrong password")
        return perf_counter() - started

    with world.work(SYSTEM) as work:
        act_on_account(work, LOGIN, "reset")
    turns = [(taken(LOGIN), taken("nobody.here")) for _ in range(7)]
    passwords._nobodys_hash.cache_clear()
    known, unknown = (min(column) for column in zip(*turns, strict=True))
    assert 0.5 < known / unknown < 2
    assert unknown > 0.005


# --- accounts ---------------------------------------------------------------------------------------


def test_an_account_that_nobody_used_for_ninety_days_is_shut_until_a_reset(world: Any, zhao: Browser) -> None:
    with world.work(SYSTEM) as work:
        token = issue_token(work, LOGIN, hours=24 * 200)
    world.now += timedelta(days=90)
    assert WRONG in Browser(world.app).sign_in(LOGIN, PASSWORD).text
    with world.work(SYSTEM) as work:
        assert actor_of_token(work.tx, token, world.now) is not None
        fresh = act_on_account(work, LOGIN, "reset")
    assert Browser(world.app).sign_in(LOGIN, str(fresh)).status_code == 303


def test_a_sign_in_in_between_keeps_the_account_open(world: Any, zhao: Browser) -> None:
    for _ in range(3):
        world.now += timedelta(days=80)
        assert Browser(world.app).sign_in(LOGIN, PASSWORD).status_code == 303


def test_from_the_end_of_its_last_day_nobody_uses_an_account(world: Any, zhao: Browser) -> None:
    with world.work(SYSTEM) as work:
        token = issue_token(work, LOGIN, hours=24 * 30)
        set_last_day(work, LOGIN, date(2026, 2, 10))
    world.now = world.now.replace(hour=15, minute=59)  # 23:59 in Shanghai
    other = Browser(world.app)
    assert other.sign_in(LOGIN, PASSWORD).status_code == 303
    world.now += timedelta(minutes=1)
    assert other.get("/").location == "/sign-in"
    assert WRONG in Browser(world.app).sign_in(LOGIN, PASSWORD).text
    with world.work(SYSTEM) as work:
        assert actor_of_token(work.tx, token, world.now) is None
        set_last_day(work, LOGIN, None)
    assert Browser(world.app).sign_in(LOGIN, PASSWORD).status_code == 303


def test_whoever_keeps_accounts_sets_the_last_day_by_script_and_on_the_page(
    world: Any, zhao: Browser
) -> None:
    client = world.client(adam)
    address = f"/api/accounts/{LOGIN}/last-day"
    assert client.put(address, json={"last_day": "2026-12-31"}).json["last_day"] == "2026-12-31"
    assert client.put(address, json={"last_day": "31.12.2026"}).status_code == 400
    keeper = Browser(world.app)
    keeper.client = world.browser(adam)
    page = f"/accounts/{LOGIN}"
    assert keeper.send(page, f"{page}/last-day", last_day="2027-02-28").status_code == 303
    assert "2027-02-28" in keeper.get(page).text
    assert keeper.send(page, f"{page}/last-day", last_day="gestern").status_code == 422
    assert keeper.send(page, f"{page}/last-day", last_day="").status_code == 303
    with pytest.raises(NotPermitted), world.work(carol) as work:
        set_last_day(work, LOGIN, None)
    assert [b["last_day"] for b in bodies(world, "account.last_day_set")] == [
        "2026-12-31",
        "2027-02-28",
        None,
    ]


# --- sessions ---------------------------------------------------------------------------------------


def test_the_sixth_sign_in_ends_the_oldest_session(world: Any, zhao: Browser) -> None:
    others = []
    for _ in range(5):
        world.now += timedelta(seconds=1)
        others.append(Browser(world.app))
        others[-1].sign_in(LOGIN, PASSWORD)
    assert not zhao.is_signed_in()
    assert all(other.is_signed_in() for other in others)


def test_other_roles_end_the_sessions_that_had_the_old_ones(world: Any, zhao: Browser) -> None:
    with world.work(adam) as work:
        set_roles(work, LOGIN, ["provider", "consumer"])
        assert find_account(work, LOGIN).roles == {"provider", "consumer"}
    assert not zhao.is_signed_in()
    assert bodies(world, "account.roles_changed")[-1]["sessions_ended"] == 1


def test_a_new_password_leaves_the_age_of_the_last_proof_as_it_was(world: Any, zhao: Browser) -> None:
    world.now += timedelta(minutes=6)
    change(zhao, PASSWORD, SENTENCES[0])
    assert "再次验证身份" in zhao.send("/account/factors", "/account/factors/app").text
