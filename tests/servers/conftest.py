"""Real processes: a copy of the demo deployment on free ports, started by the command that people use."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

import schemas
from core.settings import Settings, load_settings
from demo.http import Party, bearer
from tests import leaks
from tests.conftest import CONFIG
from tests.ports import free_port


class Deployment:
    """A deployment of one's own: folder, data, and the `shuxiang` command on them."""

    def __init__(self, folder: Path) -> None:
        self.config = folder / "config"
        self.data = folder / "data"
        shutil.copytree(CONFIG, self.config)
        control, gateway, private, service, metrics = (
            free_port(),
            free_port(),
            free_port(4),
            free_port(),
            free_port(),
        )
        self._rewrite("platform.yaml", {"8001": control, "8000": gateway, "8002": private, "8009": metrics})
        self._rewrite("connections.yaml", {"8010": service})
        self._rewrite("audit.yaml", {"8011": free_port()})
        self.settings: Settings = load_settings(self.config, self.data, schemas.errors)
        self.started: list[subprocess.Popen[str]] = []
        """Every process that was started to stay up."""
        self.environment = leaks.watching(folder)
        leaks.keep(folder)

    def _rewrite(self, name: str, ports: dict[str, int]) -> None:
        path = self.config / name
        text = path.read_text(encoding="utf-8")
        for old, new in ports.items():
            text = text.replace(f":{old}", f":{new}")
        path.write_text(text, encoding="utf-8")

    def command(self, *words: str) -> list[str]:
        """The command line of `shuxiang` for this deployment."""
        return [sys.executable, "-m", "cli", "--config", str(self.config), "--data", str(self.data), *words]

    def run(self, *words: str, expect: int = 0) -> str:
        """Run a command to its end and return what it printed."""
        done = subprocess.run(
            self.command(*words),
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=90,
            check=False,
        )
        assert done.returncode == expect, done.stdout + done.stderr
        if expect == 0:
            leaks.LEDGER.note_printed(words, done.stdout)
        return done.stdout

    def start(self, *words: str) -> subprocess.Popen[str]:
        """Start a command that stays up."""
        with (self.data.parent / "log.txt").open("a") as log:
            process = subprocess.Popen(
                self.command(*words),
                env=self.environment,
                stdout=log,
                stderr=subprocess.STDOUT,
                text=True,
                start_new_session=True,
            )
        self.started.append(process)
        return process

    def log(self) -> str:
        """What the processes printed."""
        return (self.data.parent / "log.txt").read_text(encoding="utf-8")

    def wait_for(self, url: str, seconds: float = 90) -> None:
        """Wait until an address answers 200."""
        import urllib.error
        import urllib.request

        deadline = time.monotonic() + seconds
        while True:
            try:
                with urllib.request.urlopen(url, timeout=1) as answer:
                    if answer.status == 200:
                        return
            except (urllib.error.URLError, OSError):
                pass
            assert time.monotonic() < deadline, f"{url} did not answer\n{self.log()}"
            assert self.started[-1].poll() is None, f"what was to answer has ended\n{self.log()}"
            time.sleep(0.05)

    def serve(self) -> subprocess.Popen[str]:
        """Initialise and start everything, and wait until both planes are ready."""
        self.run("init", "--json")
        process = self.start("serve")
        self.wait_until_ready()
        return process

    def wait_until_ready(self) -> None:
        """Wait until both planes are ready."""
        self.wait_for(f"{self.settings.platform.control_url}/readyz")
        self.wait_for(f"{self.settings.platform.gateway_url}/readyz")

    def person(self, login: str) -> Party:
        """A person's script."""
        token = self.run("accounts", "token", login).strip()
        return bearer(self.settings.platform.control_url, token)

    def stop(self) -> None:
        """Stop whatever still runs."""
        for process in self.started:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGTERM)
                try:
                    process.wait(20)
                except subprocess.TimeoutExpired:
                    os.killpg(process.pid, signal.SIGKILL)
                    process.wait()


@pytest.fixture
def deployment(tmp_path: Path) -> Iterator[Deployment]:
    """A deployment that is stopped when the test ends."""
    made = Deployment(tmp_path)
    yield made
    made.stop()
