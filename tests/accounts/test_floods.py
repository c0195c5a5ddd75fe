"""A flood of sign-ins takes neither the machine nor the threads that answer everybody else."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from accounts import passwords
from accounts.guessing import ADDRESS_MOST, Client, count_for_address
from accounts.passwords import HELD_MOST, verify_password
from control import THREADS
from core.errors import TooMany
from tests.accounts.browser import LOGIN, PASSWORD, Browser
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
