"""A provider that hangs: it holds a few threads for some seconds, and pages say so meanwhile."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from accounts.oidc import fetch
from accounts.oidc.fetch import AT_ONCE, Road, Unreachable
from accounts.oidc.provider import NOT_YET, WAITING_MOST, Provider
from core.settings_oidc import IdentityProvider
from tests.accounts.browser import Browser
from tests.accounts.oidc.issuer import Issuer, serve

pytestmark = pytest.mark.long

DISCOVERY = "/.well-known/openid-configuration"
Answer = Callable[[str], tuple[int, bytes]]


@contextmanager
def hanging(issuer: Issuer, monkeypatch: Any) -> Iterator[threading.Event]:
    """The provider takes questions and does not answer before the event is set."""
    gate, answer = threading.Event(), issuer.answer

    def slow(path: str) -> tuple[int, bytes]:
        told = answer(path)
        gate.wait(30)
        return told

    monkeypatch.setattr(issuer, "answer", slow)
    try:
        yield gate
    finally:
        gate.set()


def asked(provider: Provider, now: Any) -> str:
    try:
        provider.begin(now, "/")
    except Unreachable as wrong:
        return str(wrong)
    return "begun"


@pytest.fixture
def city(provider: IdentityProvider) -> Provider:
    return Provider(provider, "https://share.example/sign-in/back/city", "secret", None)


def test_a_failure_is_remembered_for_ten_seconds(
    world: Any, provider: IdentityProvider, issuer: Issuer
) -> None:
    issuer.document = {"issuer": "https://evil.example"}
    browser = Browser(world.app)
    for _ in range(3):
        answer = browser.get("/sign-in/with/city")
        assert (answer.status_code, answer.headers["Retry-After"]) == (503, "5")
        assert "暂时无法使用" in answer.text
    assert issuer.asked.count(DISCOVERY) == 1
    issuer.document = {}
    world.now += NOT_YET - timedelta(seconds=1)
    assert browser.get("/sign-in/with/city").status_code == 503
    world.now += timedelta(seconds=1)
    assert browser.get("/sign-in/with/city").status_code == 303


def test_many_who_come_while_it_hangs_do_not_wait(
    world: Any, city: Provider, issuer: Issuer, monkeypatch: Any
) -> None:
    with hanging(issuer, monkeypatch) as gate, ThreadPoolExecutor(20) as crowd:
        first = crowd.submit(asked, city, world.now)
        while not issuer.asked:
            time.sleep(0.01)
        started = time.monotonic()
        others = [crowd.submit(asked, city, world.now) for _ in range(19)]
        quick = [o for o in others if _ends_by(o, started + 1)]
        assert len(quick) >= len(others) - WAITING_MOST
        assert {o.result() for o in quick} == {"others are waiting for it"}
        gate.set()
        assert first.result() == "begun"
    assert issuer.asked.count(DISCOVERY) == 1


def _ends_by(task: Any, deadline: float) -> bool:
    while not task.done() and time.monotonic() < deadline:
        time.sleep(0.01)
    return bool(task.done())


def test_a_few_wait_for_the_answer_that_one_has_asked_for(
    world: Any, city: Provider, issuer: Issuer, monkeypatch: Any
) -> None:
    with hanging(issuer, monkeypatch) as gate, ThreadPoolExecutor(WAITING_MOST) as crowd:
        tasks = [crowd.submit(asked, city, world.now) for _ in range(WAITING_MOST)]
        time.sleep(0.1)
        gate.set()
        assert {task.result() for task in tasks} == {"begun"}
    assert issuer.asked.count(DISCOVERY) == 1


def test_no_more_than_a_few_ask_it_at_once(issuer: Issuer, tls: Path, monkeypatch: Any) -> None:
    road = Road(frozenset({"localhost"}), str(tls))
    with hanging(issuer, monkeypatch) as gate, ThreadPoolExecutor(AT_ONCE) as crowd:
        tasks = [crowd.submit(road.get_json, issuer.url + DISCOVERY) for _ in range(AT_ONCE)]
        while len(issuer.asked) < AT_ONCE:
            time.sleep(0.01)
        with pytest.raises(Unreachable, match="others"):
            road.get_json(issuer.url + DISCOVERY)
        gate.set()
        assert all(task.result() for task in tasks)


def test_an_answer_that_drips_is_cut_short(tls: Path, monkeypatch: Any) -> None:
    """Each byte comes in time, and there is no end of them."""
    monkeypatch.setattr(fetch, "_TOTAL_SECONDS", 0.5)
    dripping = Issuer(lambda: None)  # type: ignore[arg-type,return-value]
    server = serve(dripping, tls)

    def drip(handler: Any) -> None:
        try:
            while True:
                handler.wfile.write(b"HTTP/1.1 100 Continue\r\n\r\n")
                time.sleep(0.05)
        except OSError:
            pass

    monkeypatch.setattr(server.RequestHandlerClass, "do_GET", drip)
    started = time.monotonic()
    with pytest.raises(Unreachable):
        Road(frozenset({"localhost"}), str(tls)).get_json(dripping.url + DISCOVERY)
    assert time.monotonic() - started < 3
    server.shutdown()
    server.server_close()


def test_a_port_that_nobody_answers_is_given_up_soon(monkeypatch: Any) -> None:
    monkeypatch.setattr(fetch, "_SECONDS", 0.3)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        started = time.monotonic()
        with pytest.raises(Unreachable):
            Road(frozenset({"localhost"}), None).get_json(f"https://localhost:{port}/")
        assert time.monotonic() - started < 3
