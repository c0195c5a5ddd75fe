"""A real browser on a live server in a city where enough has happened."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from werkzeug.serving import make_server

from accounts.people import ensure_account
from accounts.sessions import start_session
from core.work import Actor
from tests.browser.city import City, populate
from tests.conftest import make_world

CHROMIUM = Path("/usr/bin/chromium")
QUIET = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


class Site:
    """The live server, and windows in which somebody is signed in."""

    def __init__(self, world: Any, city: City, url: str, chromium: Any) -> None:
        self.world = world
        self.city = city
        self.url = url
        self._chromium = chromium

    @contextmanager
    def window(self, actor: Actor | None, width: int = 1280, scripts: bool = True) -> Iterator[Any]:
        """Open a window of the browser; its `complaints` name whatever the page did wrong on the way."""
        context = self._chromium.new_context(
            viewport={"width": width, "height": 900}, locale="zh-CN", java_script_enabled=scripts
        )
        if actor is not None:
            with self.world.work(actor) as work:
                ensure_account(work, actor.login, actor.name, actor.department, actor.roles)
                cookie = start_session(work, actor.login)
            context.add_cookies([{"name": "sid", "value": cookie, "url": self.url}])
        page = context.new_page()
        page.complaints = []
        page.on("console", lambda m: page.complaints.append(m.text) if m.type == "error" else None)
        page.on("request", lambda r: self._is_ours(r.url) or page.complaints.append(f"asks {r.url}"))
        page.on("requestfailed", lambda r: page.complaints.append(f"{r.url} failed"))
        yield page
        context.close()

    def _is_ours(self, address: str) -> bool:
        return address.startswith((self.url, "data:"))


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    """Debian's Chromium, driven by Playwright."""
    if not CHROMIUM.exists():
        reason = f"{CHROMIUM} is missing: apt-get install chromium fonts-noto-cjk"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)
    playwright = pytest.importorskip("playwright.sync_api")
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=str(CHROMIUM), args=list(QUIET))
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def site(chromium: Any, template_database: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """The populated city, served on a port of its own."""
    world = make_world(tmp_path_factory.mktemp("city"), template_database, "sharing/qianjiang")
    city = populate(world)
    server = make_server("127.0.0.1", 0, world.app, threaded=True)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield Site(world, city, f"http://127.0.0.1:{server.server_port}", chromium)
    server.shutdown()
    thread.join()
    server.server_close()
    world.database.close()
