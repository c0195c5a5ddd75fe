"""The witness as a department runs it: one command, killed without warning, pressed by many."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from functools import partial
from http.client import HTTPConnection, HTTPException
from pathlib import Path

import pytest

from audit.note import NoteVerifier
from audit.witness.client import Refused, Unreachable, WitnessClient
from tests.audit.witness.stories import SIGNERS, TREE, Tree
from tests.ports import free_port
from tests.servers.conftest import Deployment
from tests.servers.conftest import deployment as deployment

pytestmark = [pytest.mark.servers, pytest.mark.takes(35)]

FORK = Tree(300, fork=40)


class Office:
    """A department that runs a witness."""

    def __init__(self, folder: Path, *logs: str) -> None:
        self.folder = folder
        self.port = free_port()
        self.logs = [word for log in logs for word in ("--log", log)]
        self._process: subprocess.Popen[bytes] | None = None
        self.start()

    def start(self) -> None:
        """Give the one command and wait until it answers."""
        listen = f"127.0.0.1:{self.port}"
        words = ("--data", str(self.folder), "--name", "bureau.example.cn", "--listen", listen, *self.logs)
        command = [sys.executable, "-m", "cli", "audit", "witness", "serve", *words]
        self._process = subprocess.Popen(command, start_new_session=True)
        deadline = time.monotonic() + 60
        while not self._lives():
            assert self._process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.02)

    def _lives(self) -> bool:
        connection = HTTPConnection("127.0.0.1", self.port, timeout=1)
        try:
            connection.request("GET", "/livez")
            return connection.getresponse().read() == b"{}"
        except (OSError, HTTPException):
            return False
        finally:
            connection.close()

    def end(self) -> int:
        """Kill all its processes at once; return how the first one ended."""
        assert self._process is not None
        if self._process.poll() is None:
            os.killpg(self._process.pid, signal.SIGKILL)
        return self._process.wait(60)

    def stop(self) -> int:
        """Ask the first process to end, as a service manager does, and return how it did."""
        assert self._process is not None
        self._process.terminate()
        return self._process.wait(60)

    @property
    def keys(self) -> list[NoteVerifier]:
        """Its verifier keys, as it hands them out."""
        return [NoteVerifier.parse(line) for line in (self.folder / "witness.vkey").read_text().split()]

    @property
    def client(self) -> WitnessClient:
        """Somebody who asks it."""
        return WitnessClient(f"http://127.0.0.1:{self.port}", self.keys, 10)


@pytest.fixture
def office(tmp_path: Path) -> Iterator[Office]:
    (tmp_path / "log.vkey").write_text("".join(f"{v}\n" for v in SIGNERS.verifiers))
    made = Office(tmp_path / "witness", str(tmp_path / "log.vkey"))
    yield made
    made.end()


def press(client: WitnessClient, tree: Tree, sizes: range, won: list[tuple[int, bool]]) -> None:
    """Ask for one size after the other as a log does, whatever is answered."""
    for size in sizes:
        try:
            client.cosign(tree.note(size), size - 1, partial(tree.proof, size=size))
            won.append((size, tree is FORK))
        except (Refused, Unreachable):
            continue
    client.close()


def test_one_command_makes_keys_cosigns_and_ends_when_told(office: Office) -> None:
    client = office.client
    assert len(client.cosign(TREE.note(20), 0, lambda old: TREE.proof(old, 20))) == 2
    client.close()
    assert (office.folder / "witness.key").stat().st_mode & 0o077 == 0
    assert office.stop() == 0
    office.logs = []  # it remembers whom it witnesses
    office.start()
    client = office.client
    with pytest.raises(Refused, match="it cosigned 20 entries, the log holds 10"):
        client.cosign(TREE.note(10), 0, lambda old: TREE.proof(old, 10))
    client.close()


def test_two_logs_pressed_by_many_at_once_never_both_win(office: Office) -> None:
    won: list[tuple[int, bool]] = []
    ranges = (TREE, range(1, 90)), (FORK, range(1, 90)), (TREE, range(30, 120)), (FORK, range(30, 120))
    threads = [threading.Thread(target=press, args=(office.client, *r, won)) for r in ranges]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    beyond = {is_fork for size, is_fork in won if size > 40}
    assert len(beyond) == 1, sorted(won)


@pytest.mark.night
def test_killed_without_warning_it_never_cosigns_less_or_other_than_before(office: Office) -> None:
    told: list[tuple[int, bool]] = []
    stop = threading.Event()

    def ask() -> None:
        client, size = office.client, 1
        while not stop.is_set():
            for tree in (TREE, FORK):
                before = len(told)
                press(client, tree, range(size, size + 1), told)
                size = min(size + len(told) - before, 299)

    thread = threading.Thread(target=ask)
    thread.start()
    for i in range(4):
        time.sleep(0.15 + 0.05 * i)
        office.end()
        office.start()
    stop.set()
    thread.join()
    sizes = [size for size, _ in told]
    assert len(sizes) > 20
    assert sizes == sorted(sizes)
    assert len({is_fork for size, is_fork in told if size > 40}) <= 1


@pytest.mark.night
def test_a_whole_deployment_put_back_to_yesterday_is_refused_and_the_witness_named(
    deployment: Deployment, tmp_path: Path
) -> None:
    deployment.run("init", "--json")
    keys = [str(deployment.data / "keys" / name) for name in ("log.vkey", "log-mldsa.vkey")]
    office = Office(tmp_path / "bureau", *keys)
    try:
        vkey = str(office.keys[1])
        (deployment.config / "audit.yaml").write_text(
            "witnesses: {needed: 1, of: [{name: bureau, "
            f"url: 'http://127.0.0.1:{office.port}', key: '{vkey}'}}]}}\n"
        )
        deployment.run("accounts", "token", "wu.fang")
        deployment.run("audit", "seal")
        shutil.copytree(deployment.data, tmp_path / "yesterday")
        deployment.run("accounts", "token", "wu.fang")
        deployment.run("audit", "seal")
        assert '"alarms": []' in deployment.run("audit", "status", "--json")
        shutil.rmtree(deployment.data)
        shutil.copytree(tmp_path / "yesterday", deployment.data)
        refused = subprocess.run(
            deployment.command("audit", "seal"), capture_output=True, text=True, timeout=60, check=False
        )
        assert refused.returncode == 1
        assert "bureau" in refused.stderr
        assert "rolled back" in refused.stderr
        assert "knows another log" in deployment.run("audit", "status", "--json", expect=1)
    finally:
        office.end()
