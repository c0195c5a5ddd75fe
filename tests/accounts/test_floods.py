"""A flood of sign-ins takes neither the machine nor the threads that answer everybody else."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import pytest

from accounts import passwords
from accounts.guessing import ADDRESS_MOST, Client, count_for_address, inside
from accounts.passwords import EACH_MOST, HELD_MOST, one_of_few, verify_password
from control import THREADS
from core.errors import TooMany
from tests.accounts.browser import LOGIN, PASSWORD, Browser, bodies
from tests.accounts.factors import with_app
from web.auth import NOBODY

HERE = "203.0.113.9"


@pytest.fixture
def crowded() -> Iterator[None]:
    """As many hash as may."""
    with ExitStack() as turns:
        for _ in range(HELD_MOST):
            turns.enter_context(passwords._held)
        yield


def typed(world: Any, address: str, browser: Browser | None = None) -> Any:
    """Somebody at an address types a password."""
    browser = browser or Browser(world.app)
    browser.client.environ_base["REMOTE_ADDR"] = address
    return browser.sign_in(LOGIN, PASSWORD)


def flood(world: Any, address: str) -> None:
    with world.work(NOBODY) as work:
        for _ in range(ADDRESS_MOST):
            count_for_address(work, Client(address))


def test_threads_stay_free_for_what_needs_no_password() -> None:
    assert HELD_MOST <= THREADS // 2


def test_whoever_comes_when_as_many_hash_as_may_is_told_so_and_does_not_wait(crowded: None) -> None:
    with pytest.raises(TooMany) as refused:
        verify_password(None, PASSWORD)
    assert refused.value.retry_after == 5


def test_the_page_says_when_to_come_again(world: Any, crowded: None) -> None:
    answer = typed(world, HERE)
    assert (answer.status_code, answer.headers["Retry-After"]) == (429, "5")
    assert "当前登录人数过多" in answer.text


def test_a_place_is_free_again_once_a_password_was_looked_at() -> None:
    for _ in range(HELD_MOST + 1):
        assert not verify_password("not a hash", PASSWORD)


def test_for_an_address_that_is_shut_nothing_is_hashed(world: Any, crowded: None) -> None:
    flood(world, HERE)
    assert typed(world, HERE).headers["Retry-After"] == "900"
    assert typed(world, "203.0.113.10").headers["Retry-After"] == "5"


@pytest.mark.long
def test_her_own_browser_is_heard_at_an_address_that_is_shut(world: Any, zhao: Browser) -> None:
    zhao.send("/account", "/sign-out")
    flood(world, HERE)
    assert typed(world, HERE).status_code == 429
    assert typed(world, HERE, zhao).status_code == 303


# --- of one person --------------------------------------------------------------------------------


@contextmanager
def busy_with(whose: str) -> Iterator[None]:
    """As many passwords are looked at for one person as may be."""
    with ExitStack() as turns:
        for _ in range(EACH_MOST):
            turns.enter_context(one_of_few(whose))
        yield


def test_nobody_takes_the_place_of_somebody_else() -> None:
    with busy_with("inside:her"), one_of_few("inside:him"):
        with pytest.raises(TooMany) as refused, one_of_few("inside:her"):
            pytest.fail("one more than may")
        assert refused.value.retry_after == 5
    assert 3 * EACH_MOST <= HELD_MOST


def test_a_place_of_hers_is_free_again_whatever_came_of_it() -> None:
    for _ in range(EACH_MOST + 1):
        with pytest.raises(ValueError, match="wrong"), one_of_few("inside:her"):
            raise ValueError("wrong")
    assert "inside:her" not in passwords._of_each


def test_whoever_sends_a_password_while_enough_of_theirs_are_looked_at_is_told_so(
    world: Any, zhao: Browser
) -> None:
    with busy_with(inside(LOGIN)):
        proof = zhao.send("/confirm", confirm_password=PASSWORD)
        change = zhao.send("/password", current=PASSWORD, new=PASSWORD * 2, again=PASSWORD * 2)
    for answer in (proof, change):
        assert (answer.status_code, answer.headers["Retry-After"]) == (429, "5")
        assert "该账号正在验证的密码过多" in answer.text
    assert not bodies(world, "account.sign_in_failed")


@pytest.mark.long
def test_what_strangers_type_takes_no_place_of_her_own_browser(world: Any, zhao: Browser) -> None:
    zhao.send("/account", "/sign-out")
    with busy_with(f"stranger:{LOGIN}"):
        assert typed(world, HERE).status_code == 429
        assert typed(world, HERE, zhao).status_code == 303
    with busy_with(inside(LOGIN)):
        zhao.send("/account", "/sign-out")
        assert typed(world, HERE, zhao).status_code == 429
        assert typed(world, HERE).status_code == 303


def test_of_who_failed_too_often_in_a_session_nothing_is_hashed(world: Any, zhao: Browser) -> None:
    for _ in range(5):
        zhao.send("/confirm", confirm_password="wrong")
    with busy_with(inside(LOGIN)):
        answer = zhao.send("/confirm", confirm_password=PASSWORD)
    assert answer.status_code == 422
    assert "验证未通过" in answer.text
    failed = [(b["at"], b["locked"]) for b in bodies(world, "account.sign_in_failed")]
    assert failed == [("confirm", False)] * 4 + [("confirm", True)] * 2


def test_no_password_is_hashed_where_a_second_factor_is_asked_for(world: Any, zhao: Browser) -> None:
    with_app(world, zhao)
    with busy_with(inside(LOGIN)):
        assert zhao.send("/confirm", confirm_password=PASSWORD).status_code == 422
    zhao.send("/account", "/sign-out")
    zhao.sign_in(LOGIN, PASSWORD)
    with busy_with(inside(LOGIN)):
        answer = zhao.send("/sign-in/second-factor", confirm_password=PASSWORD)
    assert answer.status_code == 422
