"""SIGHUP to `shuxiang serve`: another configuration comes into force, and nobody's call fails."""

from __future__ import annotations

import http.client
import os
import signal
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest
import yaml
from cryptography import x509

from gateway.policy import PolicyCounter, policy_file
from tests.gateway.plane_kit import Access, Kit
from tests.gateway.test_plane_tls import Authority
from tests.ports import free_port
from tests.processes import wait_until
from tests.servers.conftest import Deployment
from tests.servers.test_serve import gateways, processes_of
from tests.warm import opened

pytestmark = [pytest.mark.servers, pytest.mark.takes(40)]

ROWS = "/share/307001-000001/rows?limit=1"
BIG = 24 * 1024 * 1024


class Planted(Kit):
    """What the data-plane tests have in their tables, in a deployment that `serve` runs."""

    def __init__(self, deployment: Deployment, folder: Path) -> None:
        self.settings = deployment.settings
        self.port = deployment.settings.platform.gateway_listen[1]
        self.rows, self.files = folder / "rows.sqlite", folder / "files"
        self.files.mkdir()
        (self.files / "big.bin").write_bytes(bytes(BIG))
        self._make_rows()
        path = deployment.config / "connections.yaml"
        document = yaml.safe_load(path.read_text(encoding="utf-8"))
        document["connections"] += [
            {"id": "rows", "kind": "table", "title": "库", "department": "police", "database_url": self.url},
            {
                "id": "files",
                "kind": "file",
                "title": "文件",
                "department": "police",
                "folder": str(self.files),
            },
        ]
        path.write_text(yaml.safe_dump(document, allow_unicode=True), encoding="utf-8")
        self.database = opened(self.settings.database_url)
        self.counter = PolicyCounter(policy_file(self.settings.data))
        self._plant()

    @property
    def url(self) -> str:
        return f"sqlite:///{self.rows}"


class Callers:
    """People who call without pause, on connections of both sorts, until told to stop."""

    def __init__(self, port: int, target: str, access: Access | None, count: int = 2) -> None:
        self.calls, self.failed = 0, list[str]()
        self._wire = (port, target, access.headers if access else {})
        self._done = threading.Event()
        lasting = [threading.Thread(target=self._run, args=(True,)) for _ in range(count)]
        self._threads = lasting + [threading.Thread(target=self._run, args=(False,)) for _ in range(count)]
        for thread in self._threads:
            thread.start()

    def _run(self, keeps: bool) -> None:
        line: http.client.HTTPConnection | None = None
        port, target, headers = self._wire
        while not self._done.is_set():
            line = line or http.client.HTTPConnection("127.0.0.1", port, timeout=60)
            try:
                line.request("GET", target, headers=headers)
                answer = line.getresponse()
                body = answer.read()
                if answer.status != 200:
                    self.failed.append(f"{answer.status} {body!r}")
                self.calls += 1
            except (OSError, http.client.HTTPException) as wrong:
                self.failed.append(repr(wrong))
                line.close()
            time.sleep(0.01)  # the machine has other things to do, too
            if not keeps or line.sock is None:
                line.close()
                line = None
        if line is not None:
            line.close()

    def stop(self) -> None:
        self._done.set()
        for thread in self._threads:
            thread.join()


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    made = Deployment(tmp_path_factory.mktemp("town"))
    made.run("init", "--json")
    yield made
    made.stop()


@pytest.fixture(scope="module")
def planted(town: Deployment) -> Iterator[Planted]:
    made = Planted(town, town.data.parent)
    yield made
    made.database.close()
    made.counter.close()


@pytest.fixture(scope="module")
def serving(town: Deployment, planted: Planted) -> subprocess.Popen[str]:
    process = town.start("serve")
    town.wait_until_ready()
    wait_until(lambda: "data plane" in town.log(), "the start was never announced")
    return process


@pytest.fixture
def reload(town: Deployment, serving: subprocess.Popen[str]) -> Callable[[str], None]:
    """Ask for a reload and wait until its end has been told."""

    def asked(told: str = "/ reloaded") -> None:
        before = town.log().count(told)
        serving.send_signal(signal.SIGHUP)
        wait_until(lambda: town.log().count(told) > before, f"no {told}", 180)

    return asked


def rewrite(town: Deployment, **values: object) -> None:
    path = town.config / "platform.yaml"
    document = yaml.safe_load(path.read_text(encoding="utf-8"))
    path.write_text(yaml.safe_dump(document | values, allow_unicode=True), encoding="utf-8")


def settled(town: Deployment) -> set[int]:
    """The workers, once those that were replaced have gone."""
    wait_until(lambda: len(gateways(town)) == 2, "old workers stay", 180)
    return gateways(town)


def _is_served_by(town: Deployment, workers: int) -> bool:
    return len(gateways(town)) == workers


def test_no_call_fails_over_several_reloads(
    town: Deployment, planted: Planted, reload: Callable[..., None]
) -> None:
    access = planted.grant("table")
    callers = Callers(planted.port, ROWS, access)
    visitors = Callers(town.settings.platform.control_listen[1], "/livez", None, 1)
    first = gateways(town)
    try:
        for workers in (3, 1, 2):
            rewrite(town, gateway_workers=workers)
            reload()
            wait_until(partial(_is_served_by, town, workers), "old workers stay", 180)
    finally:
        callers.stop()
        visitors.stop()
    assert not callers.failed, callers.failed[:5] + callers.failed[-5:]
    assert visitors.failed == []
    assert callers.calls > 200
    assert not first & gateways(town)


def test_a_long_stream_ends_whole_while_its_worker_is_replaced(
    planted: Planted, reload: Callable[..., None]
) -> None:
    access = planted.grant("file")
    with socket.create_connection(("127.0.0.1", planted.port), 30) as line:
        line.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
        head = f"GET /share/307001-000003/files/big.bin HTTP/1.1\r\nHost: a\r\n{_fields(access)}\r\n\r\n"
        line.sendall(head.encode())
        got = len(line.recv(65536))
        reloading = threading.Thread(target=reload)
        reloading.start()
        until = time.monotonic() + 6
        while got < BIG:
            time.sleep(0.01 if time.monotonic() < until else 0)
            piece = line.recv(65536)
            assert piece, f"cut off after {got} bytes"
            got += len(piece)
    reloading.join()


def _fields(access: Access) -> str:
    return "\r\n".join(f"{name}: {value}" for name, value in access.headers.items())


def test_a_wrong_configuration_is_refused_and_the_old_one_stays_in_force(
    town: Deployment, planted: Planted, reload: Callable[..., None]
) -> None:
    before, path = settled(town), town.config / "platform.yaml"
    kept = path.read_text(encoding="utf-8")
    rewrite(town, gateway_workers=0)
    try:
        reload("not reloaded, the old configuration stays in force")
        assert "/gateway_workers" in town.log()
        assert gateways(town) == before
        os.kill(next(iter(before)), signal.SIGKILL)  # what is born now goes by what was in force, too
        wait_until(lambda: len(now := gateways(town)) == 2 and now != before, town.log())
        assert planted.call(ROWS, planted.grant("table")).status == 200
    finally:
        path.write_text(kept, encoding="utf-8")


def test_an_address_that_is_taken_is_refused_by_name(town: Deployment, reload: Callable[..., None]) -> None:
    before, kept = settled(town), (town.config / "platform.yaml").read_text(encoding="utf-8")
    port = free_port()
    with socket.create_server(("127.0.0.1", port)):
        rewrite(town, gateway_listen=f"127.0.0.1:{port}")
        reload("not reloaded, the old configuration stays in force")
    (town.config / "platform.yaml").write_text(kept, encoding="utf-8")
    assert f"cannot listen on 127.0.0.1:{port}" in town.log()
    assert gateways(town) == before


def test_certificates_are_read_anew(town: Deployment, reload: Callable[..., None], tmp_path: Path) -> None:
    path, authority = town.config / "platform.yaml", Authority(tmp_path)
    kept = path.read_text(encoding="utf-8")
    certificate, key, first = authority.issue("gateway")
    port = town.settings.platform.gateway_listen[1]
    files = {"certificate": str(certificate), "key": str(key)}
    rewrite(town, gateway_tls=files, gateway_url=f"https://127.0.0.1:{port}")
    reload()
    assert _serial(port) == first.serial_number
    authority.issue("gateway")
    reload()
    assert _serial(port) != first.serial_number
    path.write_text(kept, encoding="utf-8")
    reload()


def _serial(port: int) -> int:
    pem = ssl.get_server_certificate(("127.0.0.1", port), timeout=30)
    return x509.load_pem_x509_certificate(pem.encode()).serial_number


def test_nothing_is_left_of_what_was_replaced(
    town: Deployment, serving: subprocess.Popen[str], reload: Callable[..., None]
) -> None:
    reload()
    wait_until(lambda: len(gateways(town)) == 2, "old workers stay", 180)
    wait_until(lambda: _count(town, "run sealer") == 1, "the sealer was not replaced")
    wait_until(lambda: _count(town, "run control") == 1, "the old control plane stays")
    serving.send_signal(signal.SIGTERM)
    assert serving.wait(60) == 0
    assert processes_of(town.data) == {}


def _count(town: Deployment, what: str) -> int:
    return sum(what in command for command in processes_of(town.data).values())
