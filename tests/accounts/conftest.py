"""A person with a password, and a browser to type it into."""

from __future__ import annotations

from typing import Any

import pytest

from accounts.people import create_account
from core.work import SYSTEM
from tests.accounts.browser import LOGIN, PASSWORD, Browser


@pytest.fixture
def first_password(world: Any) -> str:
    """The one-time password of a new account."""
    with world.work(SYSTEM) as work:
        return create_account(work, LOGIN, "赵敏", "civil_affairs", {"provider"})


@pytest.fixture
def browser(world: Any) -> Browser:
    """A browser that nobody has signed in with."""
    return Browser(world.app)


@pytest.fixture
def zhao(browser: Browser, first_password: str) -> Browser:
    """Zhao Min, signed in with a password of her own."""
    browser.sign_in(LOGIN, first_password)
    browser.send("/password", current=first_password, new=PASSWORD, again=PASSWORD)
    return browser
