"""A real browser on a live server in a city where enough has happened."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.browser.city import populate
from tests.browser.looking import Site, served
from tests.conftest import make_world
from tests.tools import need

SHELL, WHOLE = "/usr/bin/chromium-headless-shell", "/usr/bin/chromium"
"""Debian's Chromium without windows, which takes half the time, and the one with them."""
QUIET = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-software-rasterizer",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


@pytest.fixture(scope="package")
def chromium() -> Iterator[Any]:
    """Debian's Chromium, driven by Playwright; one for all tests of this folder."""
    need("playwright")
    from playwright.sync_api import sync_playwright

    path = WHOLE if Path(WHOLE).exists() and not Path(SHELL).exists() else need(SHELL)
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=path, args=list(QUIET))
        yield browser
        browser.close()


@pytest.fixture(scope="package")
def site(chromium: Any, template_database: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """The populated city, served on a port of its own."""
    world = make_world(tmp_path_factory.mktemp("city"), template_database, "sharing/qianjiang")
    with served(world, populate, chromium) as site:
        yield site
