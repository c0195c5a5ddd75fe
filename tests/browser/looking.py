"""What is looked at on every page, whichever part of the city it belongs to, and the windows for it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from axe_playwright_python.sync_playwright import Axe
from werkzeug.serving import make_server

from accounts.people import ensure_account
from accounts.sessions import sign_out, start_session
from core.work import Actor

Pages = Sequence[tuple[Actor | None, str]]
"""Who looks at which address; what is in braces is an id that the site's city has a name for."""
LANGUAGES = {"zh": "zh-CN", "en": "en"}
DESK, PHONE = {"width": 1280, "height": 900}, {"width": 390, "height": 844}


class Site:
    """A live server, and windows in which somebody is signed in."""

    def __init__(self, world: Any, city: Any, url: str, chromium: Any) -> None:
        self.world = world
        self.city = city
        self.url = url
        self._chromium = chromium
        self._windows: dict[str | None, Any] = {}

    @contextmanager
    def window(self, actor: Actor | None, scripts: bool = True) -> Iterator[Any]:
        """Open a window of the browser; its `complaints` name whatever the page did wrong on the way."""
        page = self._opened(actor, scripts)
        try:
            yield page
        finally:
            self._left(page, actor)

    def window_of(self, actor: Actor | None) -> Any:
        """Return the window in which somebody looks at one page after the other; it is empty, and still."""
        login = actor.login if actor is not None else None
        if login not in self._windows:
            self._windows[login] = self._opened(actor, scripts=True)
        page = self._windows[login]
        page.goto("about:blank")  # whatever the page before still waited for has failed with this
        page.complaints.clear()
        return page

    def close_windows(self) -> None:
        """Close the windows that were kept."""
        for page in self._windows.values():
            page.context.close()

    def _opened(self, actor: Actor | None, scripts: bool) -> Any:
        context = self._chromium.new_context(viewport=DESK, locale="zh-CN", java_script_enabled=scripts)
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
        return page

    def _left(self, page: Any, actor: Actor | None) -> None:
        """Close a window and end its session: nobody has more than five, and some windows are kept."""
        cookies = {cookie["name"]: cookie["value"] for cookie in page.context.cookies()}
        page.context.close()
        if actor is not None and "sid" in cookies:
            with self.world.work(actor) as work:
                sign_out(work, cookies["sid"])

    def _is_ours(self, address: str) -> bool:
        return address.startswith((self.url, "data:"))


@contextmanager
def served(world: Any, populate: Callable[[Any], Any], chromium: Any) -> Iterator[Site]:
    """Let enough happen in a world, and serve it on a port of its own."""
    city = populate(world)
    server = make_server("127.0.0.1", 0, world.app, threaded=True)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    site = Site(world, city, f"http://127.0.0.1:{server.server_port}", chromium)
    yield site
    site.close_windows()
    server.shutdown()
    thread.join()
    server.server_close()
    world.database.close()


def look_at(site: Site, actor: Actor | None, address: str) -> None:
    """Hold a page, in both languages, to what every page keeps to.

    It is accessible as axe judges, has one heading of the first order, names its language, fits a phone, and
    asks for nothing from elsewhere; nothing fails on the way.
    """
    path = address.format(**site.city._asdict())
    page = site.window_of(actor)
    for language, tag in LANGUAGES.items():
        page.set_viewport_size(DESK)
        answer = page.goto(f"{site.url}{path}{'&' if '?' in path else '?'}lang={language}")
        assert answer.status == 200, page.inner_text("main")
        assert page.get_attribute("html", "lang") == tag
        assert page.locator("h1").count() == 1
        assert faults(page, colours=language == "zh") == []
        page.set_viewport_size(PHONE)
        assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
    assert page.complaints == []


def faults(page: Any, colours: bool = True) -> list[str]:
    """Return what axe finds wrong, one line per node.

    Its look at contrasts takes as long as all others; a page's colours are the same in either language.
    """
    options = {"resultTypes": ["violations"], "rules": {"color-contrast": {"enabled": colours}}}
    found = Axe().run(page, options=options).response["violations"]
    return [f"{v['id']}: {n['html'][:200]} {n['failureSummary'][:200]}" for v in found for n in v["nodes"]]


def led_to(site: Site, pages: Pages) -> set[str]:
    """The rules of the pages that addresses lead to."""
    adapter, known = site.world.app.url_map.bind("localhost"), site.world.app.extensions["shuxiang_pages"]
    paths = {address.format(**site.city._asdict()).partition("?")[0] for _, address in pages}
    return {known[adapter.match(path)[0]].rule for path in paths}


def shown(site: Site, ours: Callable[[str], bool]) -> set[str]:
    """The rules of all pages that there are, as far as they are ours."""
    routes = site.world.app.extensions["shuxiang_pages"].values()
    return {r.rule for r in routes if r.method == "GET" and ours(r.rule)}


def name(part: Any) -> str:
    """What a test is called after: somebody's sign-in name, or an address."""
    return getattr(part, "login", None) or str(part)
