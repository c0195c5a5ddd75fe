"""Guessing is slow, and shuts nobody out but the guesser."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from accounts.guessing import ADDRESS_MOST, Client, forget_tries, key_of, new_mark
from accounts.sessions import Attempt, sign_in
from core.errors import TooMany
from core.work import SYSTEM
from tests.accounts.browser import LOGIN, PASSWORD, WRONG, Browser
from web.auth import NOBODY

pytestmark = pytest.mark.long


def lock_out(world: Any, address: str = "203.0.113.9") -> None:
    """Somebody elsewhere types wrong passwords until the account is locked."""
    stranger = Browser(world.app)
    stranger.client.environ_base["REMOTE_ADDR"] = address
    for _ in range(6):
        assert WRONG in stranger.sign_in(LOGIN, "a wrong password").text


def test_a_stranger_does_not_lock_her_out_of_her_own_browser(world: Any, zhao: Browser) -> None:
    zhao.send("/account", "/sign-out")
    lock_out(world)
    assert WRONG in Browser(world.app).sign_in(LOGIN, PASSWORD).text
    assert zhao.sign_in(LOGIN, PASSWORD).status_code == 303
    assert zhao.is_signed_in()


def test_her_own_browser_is_no_place_to_guess_either(world: Any, zhao: Browser) -> None:
    zhao.send("/account", "/sign-out")
    for _ in range(5):
        zhao.sign_in(LOGIN, "a wrong password")
    assert WRONG in zhao.sign_in(LOGIN, PASSWORD).text
    assert Browser(world.app).sign_in(LOGIN, PASSWORD).status_code == 303
    world.now += timedelta(minutes=15)
    assert zhao.sign_in(LOGIN, PASSWORD).status_code == 303


def test_a_mark_is_of_one_person_and_made_by_the_platform(world: Any) -> None:
    mark = new_mark(world.settings, LOGIN)
    assert key_of(world.settings, LOGIN, Client(mark=mark)) is not None
    assert key_of(world.settings, "li.na", Client(mark=mark)) is None
    for forged in ("", ".", "x.y", mark[:-1], mark + "0", "ü." + mark, mark.partition(".")[0]):
        assert key_of(world.settings, LOGIN, Client(mark=forged)) is None, forged
    assert new_mark(world.settings, LOGIN) != mark


@pytest.mark.parametrize(
    ("addresses", "elsewhere"),
    [
        (["203.0.113.9", "::ffff:203.0.113.9"], "203.0.113.10"),
        (["2001:db8::1", "2001:db8::ffff"], "2001:db8:0:1::1"),
    ],
)
def test_one_address_tries_many_logins_a_hundred_times_and_no_more(
    world: Any, first_password: str, addresses: list[str], elsewhere: str
) -> None:
    wrong = Attempt("nobody", None, verified=False)

    def attempt(address: str, number: int = 0) -> None:
        with world.work(NOBODY) as work:
            sign_in(work, replace(wrong, login=f"nobody{number}"), Client(address))

    for number in range(ADDRESS_MOST):
        attempt(addresses[number % 2], number)
    with pytest.raises(TooMany) as refused:
        attempt(addresses[0])
    assert refused.value.retry_after == 900
    attempt(elsewhere)
    world.now += timedelta(minutes=16)
    attempt(addresses[0])


def test_what_was_counted_long_ago_is_forgotten(world: Any, first_password: str) -> None:
    lock_out(world)
    with world.work(SYSTEM) as work:
        assert forget_tries(work) == 0
    world.now += timedelta(days=2)
    with world.work(SYSTEM) as work:
        assert forget_tries(work) == 1
