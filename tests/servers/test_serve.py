"""`shuxiang serve`: one command, a clean stop, and the restart of what dies."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.servers.conftest import Deployment

pytestmark = [pytest.mark.servers, pytest.mark.takes(30)]


def processes_of(folder: Path) -> dict[int, str]:
    """The command lines of the processes that work on a data folder."""
    found = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                environment = (entry / "environ").read_bytes()
                command = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode()
            except OSError:
                continue
            if f"SHUXIANG_DATA={folder}".encode() in environment.split(b"\0"):
                found[int(entry.name)] = command
    return found


@pytest.fixture(scope="module")
def office(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    """A deployment that is initialised once and used by all the stories below."""
    made = Deployment(tmp_path_factory.mktemp("office"))
    made.run("init", "--json")
    yield made
    made.stop()


@pytest.fixture
def serving(office: Deployment) -> subprocess.Popen[str]:
    """The supervisor of that deployment, started anew where the story before ended it; all is ready."""
    process = next((p for p in office.started if p.poll() is None), None) or office.start("serve")
    office.wait_until_ready()
    return process


def gateways(deployment: Deployment) -> set[int]:
    return {pid for pid, command in processes_of(deployment.data).items() if "run gateway" in command}


def test_one_command_starts_everything(office: Deployment, serving: subprocess.Popen[str]) -> None:
    running = processes_of(office.data)
    assert sum("run gateway" in c for c in running.values()) == 2
    assert sum("run control" in c for c in running.values()) == 1
    assert sum("run sealer" in c for c in running.values()) == 1
    assert sum("run sweeper" in c for c in running.values()) == 1


def test_a_worker_that_is_killed_comes_back(office: Deployment, serving: subprocess.Popen[str]) -> None:
    before = gateways(office)
    os.kill(next(iter(before)), signal.SIGKILL)
    deadline = time.monotonic() + 60
    while len(now := gateways(office)) != 2 or now == before:
        assert time.monotonic() < deadline, office.log()
        time.sleep(0.05)
    office.wait_for(f"{office.settings.platform.gateway_url}/readyz")


def test_two_supervisors_never_share_a_data_folder(
    office: Deployment, serving: subprocess.Popen[str]
) -> None:
    office.run("serve", expect=1)
    assert serving.poll() is None


def test_one_signal_stops_everything(office: Deployment, serving: subprocess.Popen[str]) -> None:
    serving.send_signal(signal.SIGTERM)
    assert serving.wait(60) == 0
    assert processes_of(office.data) == {}


def test_no_process_outlives_a_supervisor_that_is_killed(
    office: Deployment, serving: subprocess.Popen[str]
) -> None:
    serving.kill()
    serving.wait()
    deadline = time.monotonic() + 60
    while processes_of(office.data):
        assert time.monotonic() < deadline, processes_of(office.data)
        time.sleep(0.05)


def test_an_uninitialised_deployment_says_what_to_do(deployment: Deployment) -> None:
    done = subprocess.run(
        deployment.command("accounts", "token", "li.na"),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 1
    assert "shuxiang init" in done.stderr
    assert "Traceback" not in done.stderr
