"""`shuxiang serve`: starts the processes of a deployment, watches them, and stops them in order.

    control plane   the console and what scripts ask, behind a server of our own
    data plane      one process per gateway worker, sharing one port
    sealer          turns journals and outbox into the signed log
    sweeper         puts on record what fell due
    notifier        sends notices by e-mail and webhook
    statistics      sums up calls and looks whether data can be had
    quality         checks published data against their dictionaries
    witness         the demo's own, where a deployment has departments to witness its log
    importer        turns the rows of handed-in tables into tickets, where there is a hotline

A process that dies is started again after a pause that grows with each death and shrinks with each minute
of life. The children are told by the kernel when this process is gone, so none is ever left behind.
"""

from __future__ import annotations

import contextlib
import ctypes
import math
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from audit.witness.place import FOLDER, serving
from core.errors import Unavailable
from core.locks import alone
from core.settings import Settings

GRACE_SECONDS = 15.0
"""How long a process may take to finish what it has begun."""
LONGEST_PAUSE = 30.0


@dataclass
class Child:
    """One watched process."""

    name: str
    command: Sequence[str]
    process: subprocess.Popen[bytes] | None = None
    started: float = 0.0
    deaths: int = 0
    again_at: float = 0.0
    environment: dict[str, str] = field(default_factory=dict)
    late: bool = False
    """Nothing waits for it: it starts when the others are ready."""

    def start(self) -> None:
        """Start the process; it ends with us even if we are killed."""
        self.started = time.monotonic()
        self.process = subprocess.Popen(
            self.command, env={**os.environ, **self.environment}, preexec_fn=_die_with_parent
        )

    def pause(self, now: float) -> float:
        """Return how long to wait before the next start: 0.5 s, doubled with each early death."""
        self.deaths = 1 if now - self.started > 60 else self.deaths + 1
        return min(0.5 * 2.0 ** (self.deaths - 1), LONGEST_PAUSE)


def _die_with_parent() -> None:
    """Ask for SIGTERM when the parent ends (prctl(2), PR_SET_PDEATHSIG), and leave its terminal."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(1, signal.SIGTERM)
    os.setpgid(0, 0)


def children(settings: Settings) -> list[Child]:
    """Return the processes of a deployment, not started yet."""
    environment = {"SHUXIANG_CONFIG": str(settings.folder), "SHUXIANG_DATA": str(settings.data)}
    own = ["control", *(f"gateway-{i}" for i in range(settings.platform.gateway_workers))]
    own += ["sealer", "sweeper", "notifier", "statistics", "quality"]
    if "hotline" in settings.platform.rulebooks:
        own.append("importer")
    if settings.platform.demo:
        own.insert(0, "workday-service")
    return [
        *(Child(name, _run(name), environment=environment) for name in own),
        *(_witnesses(settings, environment) if settings.platform.demo else ()),
    ]


def _witnesses(settings: Settings, environment: Mapping[str, str]) -> Iterator[Child]:
    """Yield the demo's witnesses, each in the folder of its key; in earnest other departments run them."""
    for witness in (w for w in settings.audit.witnesses.of if w.is_demo):
        address = urlsplit(witness.url)
        folder = settings.data / Path(witness.key.removeprefix("file:")).parent
        command = serving(address.hostname or "127.0.0.1", address.port or 80)
        yield Child("witness", command, environment={**environment, FOLDER: str(folder)}, late=True)


def _run(name: str) -> list[str]:
    """Return the command line of one of our own processes; `gateway-1` is worker 1 of the data plane."""
    what, _, index = name.partition("-") if name.startswith("gateway-") else (name, "", "")
    return [sys.executable, "-m", "cli", "run", what, *(["--index", index] if index else [])]


class Supervisor:
    """Starts, watches and stops a list of processes."""

    def __init__(self, processes: Sequence[Child], say: Callable[[str], None]) -> None:
        self.processes = list(processes)
        self.say = say
        self._stopping = False

    def stop(self, *_: object) -> None:
        """Ask for the end; `watch` returns once everything has stopped."""
        self._stopping = True

    def start(self) -> None:
        """Start everything and take over SIGTERM and SIGINT."""
        signal.signal(signal.SIGTERM, self.stop)
        signal.signal(signal.SIGINT, self.stop)
        for child in self.processes:
            if child.late:
                child.again_at = math.inf
            else:
                child.start()

    def start_late(self) -> None:
        """Start what nothing waits for."""
        for child in self.processes:
            if child.late and child.process is None:
                child.start()

    def watch(self) -> None:
        """Restart what dies until told to stop, then stop everything in order."""
        while not self._stopping:
            self.look()
            time.sleep(0.1)
        self._end()

    def look(self) -> None:
        """Restart what has died and waited long enough."""
        now = time.monotonic()
        for child in self.processes:
            process = child.process
            if process is not None and process.poll() is not None:
                pause = child.pause(now)
                self.say(f"{child.name} ended with {process.returncode}; starting again in {pause:.1f} s")
                child.process, child.again_at = None, now + pause
            elif process is None and now >= child.again_at:
                child.start()

    def _end(self) -> None:
        """Stop the doors first, the sealer last, so that the last records are sealed."""
        last = [c for c in self.processes if c.name == "sealer"]
        _terminate([c for c in self.processes if c.name != "sealer"])
        _terminate(last)


def _terminate(processes: Sequence[Child]) -> None:
    running = [c.process for c in processes if c.process is not None and c.process.poll() is None]
    for process in running:
        process.terminate()
    deadline = time.monotonic() + GRACE_SECONDS
    for process in running:
        try:
            process.wait(max(deadline - time.monotonic(), 0.1))
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
    for process in running:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)  # what a child left behind: each leads a group of its own


def wait_until_ready(supervisor: Supervisor, settings: Settings, seconds: float) -> bool:
    """Return whether both planes answered /readyz with 200 within `seconds`; then start what is late."""
    deadline = time.monotonic() + seconds
    waiting = [
        f"{_reach(settings.platform.control_listen)}/readyz",
        f"{_reach(settings.platform.gateway_listen)}/readyz",
    ]
    while waiting and time.monotonic() < deadline:
        supervisor.look()
        waiting = [url for url in waiting if not _answers(url)]
        time.sleep(0.05)
    supervisor.start_late()
    return not waiting


def _reach(listen: tuple[str, int]) -> str:
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(listen[0], listen[0])
    return f"http://[{host}]:{listen[1]}" if ":" in host else f"http://{host}:{listen[1]}"


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=1) as response:  # noqa: S310 - our own address
            return bool(response.status == 200)
    except (urllib.error.URLError, OSError):
        return False


def lock(folder: Path) -> AbstractContextManager[None]:
    """Hold the data folder for one supervisor. Raises Unavailable while another one runs on it."""
    folder.mkdir(parents=True, exist_ok=True)
    runs = Unavailable(f"{folder} 上已有一个 serve 在运行", f"another serve runs on {folder}")
    return alone(folder / "serve.lock", runs)
