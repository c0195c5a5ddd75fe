"""What the measurements stand on: two CPUs, processes pinned to them, and the CPU time they use."""

from __future__ import annotations

import ctypes
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path

TICKS = os.sysconf("SC_CLK_TCK")
STOP_SECONDS = 30.0


class Unfit(Exception):
    """The machine cannot carry the measurement; the message says why."""


def two_cpus() -> tuple[int, int]:
    """Return the CPU of what is measured and the CPU of everything else. Raises Unfit."""
    if not sys.platform.startswith("linux"):
        raise Unfit("processes are pinned and their CPU time is read as Linux does it")
    mine = sorted(os.sched_getaffinity(0))
    if len(mine) < 2:
        raise Unfit("two CPUs are needed: one for what is measured, one for load and upstream")
    return mine[0], mine[1]


def tool(name: str) -> str | None:
    """Return the path of an installed program; Debian keeps servers outside the PATH of most users."""
    return shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/local/sbin:/usr/sbin:/sbin")


def free_port(following: int = 0) -> int:
    """Return a port of this host that nobody has, nor the `following` ones behind it."""
    while True:
        with ExitStack() as probes:
            first = probes.enter_context(socket.socket())
            first.bind(("127.0.0.1", 0))
            port = int(first.getsockname()[1])
            with suppress(OSError):  # somebody has one of them: try others
                for number in range(port + 1, port + 1 + following):
                    probes.enter_context(socket.socket()).bind(("127.0.0.1", number))
                return port


def until(condition: Callable[[], bool], what: str, seconds: float = 20.0) -> None:
    """Wait until a condition holds. Raises Unfit, naming `what`, when it does not in time."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise Unfit(f"{what} did not come to pass within {seconds:.0f} s")
        time.sleep(0.02)


def module(name: str) -> Path | None:
    """Return the file of an installed module of nginx, where Debian keeps them."""
    path = Path("/usr/lib/nginx/modules") / f"{name}.so"
    return path if path.is_file() else None


def listens(port: int) -> bool:
    """Tell whether somebody listens on a port of this host."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


class Processes:
    """Pinned processes, which end with this object or, whatever happens to us, with our own process."""

    def __init__(self, logs: Path) -> None:
        self._logs = logs
        self._started: list[subprocess.Popen[bytes]] = []

    def start(
        self,
        name: str,
        command: Sequence[str],
        cpu: int | Sequence[int],
        environment: Mapping[str, str] | None = None,
    ) -> int:
        """Start a process on one CPU or on some, return its id; its words go into the file `name`.log."""

        def prepare() -> None:
            os.sched_setaffinity(0, {cpu} if isinstance(cpu, int) else cpu)
            ctypes.CDLL(None).prctl(1, signal.SIGTERM)  # PR_SET_PDEATHSIG

        with (self._logs / f"{name}.log").open("ab") as log:
            process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env={**os.environ, **(environment or {})},
                preexec_fn=prepare,
            )
        self._started.append(process)
        return process.pid

    def end(self, pid: int) -> None:
        """End one process that was started here."""
        process = next(p for p in self._started if p.pid == pid)
        self._started.remove(process)
        _end(process)

    def serve(
        self,
        name: str,
        command: Sequence[str],
        cpu: int | Sequence[int],
        port: int,
        environment: Mapping[str, str] | None = None,
    ) -> int:
        """Start a server and return its id once it listens. Raises Unfit with the last words it said."""
        pid = self.start(name, command, cpu, environment)
        process = self._started[-1]
        until(lambda: process.poll() is not None or listens(port), f"{name} listening", 90)
        if process.poll() is not None:
            said = (self._logs / f"{name}.log").read_text(errors="replace").strip()
            raise Unfit(f"{name} ended at once:\n{said[-2000:] or 'without a word'}")
        return pid

    def stop(self) -> None:
        """End everything, what was started last first."""
        while self._started:
            _end(self._started.pop())


def _end(process: subprocess.Popen[bytes]) -> None:
    process.send_signal(signal.SIGCONT)  # one that was paused would never hear of its end
    process.terminate()
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def family(pid: int) -> list[int]:
    """Return a process and its living descendants, whichever of its threads started them."""
    found = [pid]
    for task in Path(f"/proc/{pid}/task").iterdir():
        for child in (task / "children").read_text().split():
            found += family(int(child))
    return found


def cpu_seconds(pid: int) -> float:
    """Return the CPU time that a process and its descendants have used, system time included."""
    return sum(_own_cpu_seconds(each) for each in family(pid))


def _own_cpu_seconds(pid: int) -> float:
    """Return the time of one process with that of its children who ended (proc(5), utime to cstime)."""
    stat = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return sum(map(int, stat[11:15])) / TICKS


def pss_mib(pid: int) -> float:
    """Return the proportional set size of a process and its descendants (proc(5), smaps_rollup)."""
    return sum(_own_pss_kib(each) for each in family(pid)) / 1024


def _own_pss_kib(pid: int) -> int:
    rollup = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return next(int(line.split()[1]) for line in rollup if line.startswith("Pss:"))


def stolen_seconds() -> float:
    """Return for how long since its start other guests of the host have kept our CPUs (proc(5), steal)."""
    return int(Path("/proc/stat").read_text().split("\n", 1)[0].split()[8]) / TICKS
