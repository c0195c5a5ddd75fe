"""`shuxiang serve`: one command, a clean stop, and the restart of what dies."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import pytest

from tests.servers.conftest import Deployment

pytestmark = pytest.mark.servers


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


def test_one_command_starts_everything_and_one_signal_stops_it(deployment: Deployment) -> None:
    process = deployment.serve()
    running = processes_of(deployment.data)
    assert sum("run gateway" in c for c in running.values()) == 2
    assert sum("granian" in c for c in running.values()) >= 1
    assert sum("run sealer" in c for c in running.values()) == 1
    assert sum("run sweeper" in c for c in running.values()) == 1
    process.send_signal(signal.SIGTERM)
    assert process.wait(30) == 0
    assert processes_of(deployment.data) == {}


def test_a_worker_that_is_killed_comes_back(deployment: Deployment) -> None:
    deployment.serve()
    before = {pid for pid, command in processes_of(deployment.data).items() if "run gateway" in command}
    os.kill(next(iter(before)), signal.SIGKILL)
    deadline = time.monotonic() + 20
    while True:
        now = {pid for pid, command in processes_of(deployment.data).items() if "run gateway" in command}
        if len(now) == 2 and now != before:
            break
        assert time.monotonic() < deadline, deployment.log()
        time.sleep(0.05)
    deployment.wait_for(f"{deployment.settings.platform.gateway_url}/readyz")


def test_no_process_outlives_a_supervisor_that_is_killed(deployment: Deployment) -> None:
    process = deployment.serve()
    process.kill()
    process.wait()
    deadline = time.monotonic() + 20
    while processes_of(deployment.data):
        assert time.monotonic() < deadline, processes_of(deployment.data)
        time.sleep(0.05)


def test_two_supervisors_never_share_a_data_folder(deployment: Deployment) -> None:
    deployment.serve()
    deployment.run("serve", expect=1)


def test_an_uninitialised_deployment_says_what_to_do(deployment: Deployment) -> None:
    import subprocess

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
