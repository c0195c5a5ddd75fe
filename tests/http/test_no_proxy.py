"""Our own addresses are asked without the proxy that the environment names for those of others."""

from __future__ import annotations

import threading
import urllib.request
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from demo.http import Party
from serve import Supervisor, wait_until_ready
from tests.ports import free_port
from tests.warm import demo_settings


class Ready(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200 if self.path == "/readyz" else 404)  # what asks a proxy names the host as well
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def ready() -> Iterator[int]:
    """The port of a server that is ready."""
    with HTTPServer(("127.0.0.1", 0), Ready) as server:
        serving = threading.Thread(target=server.serve_forever, args=(0.01,))
        serving.start()
        yield server.server_port
        server.shutdown()
        serving.join()


@pytest.fixture(autouse=True)
def proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    """An environment that names a proxy where nobody listens."""
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{free_port()}")
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(urllib.request, "_opener", None)  # what asked before keeps the proxies of then


def test_serve_sees_that_its_control_plane_is_ready(ready: int, tmp_path: Path) -> None:
    settings = demo_settings(tmp_path)
    settings = replace(settings, platform=replace(settings.platform, control_listen=("127.0.0.1", ready)))
    assert wait_until_ready(Supervisor([], print), settings, 0)


def test_the_demo_calls_the_planes_that_it_started(ready: int) -> None:
    assert Party(f"http://127.0.0.1:{ready}").call("GET", "/readyz").status == 200
