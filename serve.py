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
of life. The children are told by the kernel when this process is gone, so none is ever left behind. SIGHUP
puts another configuration into force without a failed call (docs/decisions/0047).
"""

from __future__ import annotations

import contextlib
import math
import os
import signal
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from pathlib import Path

from core.errors import Unavailable
from core.handed import Hearing, tell
from core.locks import alone
from core.nursery import adopt
from core.settings import Settings
from crew import Child, Crew, Nurseries, Process, children
from listening import Listening

__all__ = [
    "Child",
    "NotReloaded",
    "Nurseries",
    "Supervisor",
    "children",
    "lock",
    "supervise",
    "wait_until_ready",
]

GRACE_SECONDS = 15.0
"""How long a process may take to finish what it has begun, besides the answers of the data plane."""
_DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))
"""Asks our own address, whatever proxy the environment names for addresses of others."""
TAKEN_SECONDS = 25.0
"""How long an address may be taken at the start."""
READY_SECONDS = 120.0
"""How long new processes may take to get ready."""


class NotReloaded(Exception):
    """A configuration that cannot be put into force, and why."""


class Supervisor:
    """Starts, watches and stops a list of processes."""

    def __init__(
        self,
        processes: Sequence[Child],
        say: Callable[[str], None],
        crew: Crew | None = None,
        reread: Callable[[], Settings] | None = None,
        hearing: Hearing | None = None,
    ) -> None:
        """`reread` returns another configuration on SIGHUP, or raises NotReloaded."""
        self.processes = list(processes)
        self.say = say
        self._crew = crew
        self._reread = reread
        self._hearing = hearing
        self._leaving: list[tuple[Process, float]] = []
        self._stopping = self._reloading = False

    def stop(self, *_: object) -> None:
        """Ask for the end; `watch` returns once everything has stopped."""
        self._stopping = True

    def reload(self, *_: object) -> None:
        """Ask for the configuration to be read anew."""
        self._reloading = True

    def start(self) -> None:
        """Start everything and take over SIGTERM, SIGINT and SIGHUP."""
        signal.signal(signal.SIGTERM, self.stop)
        signal.signal(signal.SIGINT, self.stop)
        if self._reread is not None:
            signal.signal(signal.SIGHUP, self.reload)
        for child in sorted(self.processes, key=lambda child: not child.name.startswith("gateway-")):
            if child.late:
                child.again_at = math.inf
            else:
                self._bring_up(child, self._crew)

    def start_late(self) -> None:
        """Start what nothing waits for."""
        for child in self.processes:
            if child.late and child.process is None:
                child.start()

    def watch(self) -> None:
        """Restart what dies until told to stop, then stop everything in order."""
        while not self._stopping:
            if self._reloading:
                self._reloading = False
                self._reload()
            self.look()
            time.sleep(0.1)
        self._end()

    def look(self) -> None:
        """Restart what has died and waited long enough; see off what is leaving."""
        self._look_at(self.processes, self._crew)
        self._see_off()
        self._bury_strangers()

    def _look_at(self, processes: Sequence[Child], crew: Crew | None) -> None:
        now = time.monotonic()
        ready = self._hearing.ready() if self._hearing else set()
        for child in processes:
            process = child.process
            if process is not None and process.poll() is not None:
                pause = child.pause(now)
                self.say(f"{child.name} ended with {process.returncode}; starting again in {pause:.1f} s")
                child.process, child.again_at = None, now + pause
                if crew is not None:
                    crew.died(child)
            elif process is None and now >= child.again_at:
                self._start(child, now, crew)
            elif process is not None and process.pid in ready:
                child.is_ready = True

    def _start(self, child: Child, now: float, crew: Crew | None) -> None:
        try:
            self._bring_up(child, crew)
        except (Unavailable, OSError) as wrong:  # while it was down somebody else took its address
            pause = child.pause(now)
            child.again_at = now + pause
            why = wrong.message.en if isinstance(wrong, Unavailable) else wrong
            self.say(f"{child.name}: {why}; trying again in {pause:.1f} s")

    def _bring_up(self, child: Child, crew: Crew | None) -> None:
        child.start()
        if child.process is None and crew is not None:
            crew.died(child)  # its socket is open, and nobody takes from it

    def _see_off(self) -> None:
        now = time.monotonic()
        for process, deadline in self._leaving:
            if now > deadline and process.poll() is None:
                process.kill()
        for process, _ in self._leaving:
            if process.poll() is not None:
                _sweep_up(process)
        self._leaving = [(p, deadline) for p, deadline in self._leaving if p.returncode is None]

    def _bury_strangers(self) -> None:
        """Wait for what our processes left behind: it was handed to us, and would stay a zombie."""
        ours = {child.process.pid for child in self.processes if child.process is not None}
        ours |= {process.pid for process, _ in self._leaving}
        ours |= self._crew.pids() if self._crew is not None else set()
        with contextlib.suppress(ChildProcessError):
            while (dead := os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)) is not None:
                if dead.si_pid in ours:
                    return  # whoever looks after it waits for it
                os.waitpid(dead.si_pid, 0)

    # --- another configuration --------------------------------------------------------------------

    def _reload(self) -> None:
        """Put what the files say now into force, or leave everything as it is and say why."""
        if self._crew is None or self._reread is None:
            return
        tell(f"RELOADING=1\nMONOTONIC_USEC={time.monotonic_ns() // 1000}")
        try:
            crew = self._prepare(self._reread(), self._crew)
        except Exception as wrong:  # whatever it is: what serves goes on
            self.say(
                f"配置未更换，沿用原配置 / not reloaded, the old configuration stays in force: {_why(wrong)}"
            )
        else:
            self._replace(self._crew, crew)
            self.say("已按新配置运行 / reloaded")
        tell("READY=1")

    def _prepare(self, settings: Settings, old: Crew) -> Crew:
        """Return a crew whose doors are ready, beside those that serve, or end all of it and raise why."""
        nurseries = Nurseries(settings.folder, settings.data)
        try:
            crew = Crew(settings, nurseries, old.listening, self._heard())
        except Exception:
            nurseries.close()
            raise
        doors = [child for child in crew.processes if child.is_door]
        try:
            self._open_up(doors)
        except Exception:
            self._leave(doors, 0.0)
            crew.close()
            old.listening.keep(old.places())
            raise
        return crew

    def _open_up(self, doors: Sequence[Child]) -> None:
        """Start doors and wait until they are ready. Raises NotReloaded."""
        deadline = time.monotonic() + READY_SECONDS
        for door in doors:
            door.start()
        while not all(door.is_ready for door in doors):
            if self._stopping or time.monotonic() > deadline or any(_is_dead(door) for door in doors):
                raise NotReloaded("新进程未能就绪 / the new processes did not become ready")
            self._look_at([*self.processes, *doors], None)
            time.sleep(0.02)

    def _heard(self) -> Hearing:
        if self._hearing is None:
            raise RuntimeError("nobody hears whether processes are ready")
        return self._hearing

    def _replace(self, old: Crew, crew: Crew) -> None:
        """Send the old processes home; those that callers do not see start anew when they have gone."""
        going = list(self.processes)
        for child in crew.processes:
            for same in (c for c in going if c.name == child.name and _is_alike(c, old, child, crew)):
                child.process, child.again_at, child.before = same.process, same.again_at, same.before
                going = [c for c in going if c is not same]
                break
        before = {child.name: child.process or child.before for child in going if not child.is_door}
        for child in crew.processes:
            child.before = before.get(child.name, child.before)
        self._leave(going, old.settings.platform.drain_seconds)
        self.processes, self._crew = crew.processes, crew
        old.close()
        crew.listening.keep(crew.places())

    def _leave(self, going: Sequence[Child], drain: float) -> None:
        deadline = time.monotonic() + drain + GRACE_SECONDS
        for process in (child.process for child in going):
            if process is not None and process.poll() is None:
                process.terminate()
                self._leaving.append((process, deadline))

    def _end(self) -> None:
        """Stop the doors first, the sealer last, so that the last records are sealed."""
        seconds = GRACE_SECONDS + (self._crew.settings.platform.drain_seconds if self._crew else 0.0)
        last = [c.process for c in self.processes if c.name == "sealer"]
        first = [c.process for c in self.processes if c.name != "sealer"]
        _terminate([*first, *(process for process, _ in self._leaving)], seconds)
        _terminate(last, GRACE_SECONDS)
        if self._crew is not None:
            self._crew.close()


def _is_alike(child: Child, old: Crew, new: Child, crew: Crew) -> bool:
    """Tell whether a process may go on: a command of its own, or a sealer, whose place must not be empty."""
    if child.bear is None:
        return (child.command, child.environment) == (new.command, new.environment)
    before, now = old.settings, crew.settings
    return child.name == "sealer" and (before.platform, before.audit) == (now.platform, now.audit)


def _why(wrong: Exception) -> str:
    if isinstance(wrong, Unavailable):
        return f"{wrong.message.zh} / {wrong.message.en}"
    return str(wrong) if isinstance(wrong, NotReloaded) else f"{type(wrong).__name__}: {wrong}"


def _is_dead(child: Child) -> bool:
    return child.process is None or child.process.poll() is not None


def _terminate(processes: Sequence[Process | None], seconds: float) -> None:
    running = [p for p in processes if p is not None and p.poll() is None]
    for process in running:
        process.terminate()
    deadline = time.monotonic() + seconds
    for process in running:
        try:
            process.wait(max(deadline - time.monotonic(), 0.1))
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(GRACE_SECONDS)
    for process in running:
        _sweep_up(process)


def _sweep_up(process: Process) -> None:
    """End what a child left behind: each leads a group of its own."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)


def supervise(
    settings: Settings, nurseries: Nurseries, say: Callable[[str], None], reread: Callable[[], Settings]
) -> Supervisor:
    """Return the supervisor of a deployment, with everything opened.

    Processes of one that was killed may still be on their way out. Raises Unavailable where an address stays
    taken.
    """
    adopt()
    hearing, listening = Hearing(), Listening()
    deadline = time.monotonic() + TAKEN_SECONDS
    while True:
        try:
            crew = Crew(settings, nurseries, listening, hearing)
            break
        except Unavailable:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.2)
    return Supervisor(crew.processes, say, crew, reread, hearing)


def wait_until_ready(supervisor: Supervisor, settings: Settings, seconds: float) -> bool:
    """Return whether every worker was ready and /readyz of the control plane answered 200 within `seconds`.

    Then start what is late. A gateway host has no control plane.
    """
    deadline = time.monotonic() + seconds
    url = None if settings.is_gateway else f"{_reach(settings.platform.control_listen)}/readyz"
    while not (is_ready := _all_ready(supervisor) and _answers(url)) and time.monotonic() < deadline:
        supervisor.look()
        time.sleep(0.02)
    supervisor.start_late()
    return is_ready


def _all_ready(supervisor: Supervisor) -> bool:
    return all(child.is_ready for child in supervisor.processes if child.is_door)


def _reach(listen: tuple[str, int]) -> str:
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(listen[0], listen[0])
    return f"http://[{host}]:{listen[1]}" if ":" in host else f"http://{host}:{listen[1]}"


def _answers(url: str | None) -> bool:
    if url is None:
        return True
    try:
        with _DIRECT.open(url, timeout=1) as response:
            return bool(response.status == 200)
    except (urllib.error.URLError, OSError):
        return False


def lock(folder: Path) -> AbstractContextManager[None]:
    """Hold the data folder for one supervisor. Raises Unavailable while another one runs on it."""
    folder.mkdir(parents=True, exist_ok=True)
    runs = Unavailable(f"{folder} 上已有一个 serve 在运行", f"another serve runs on {folder}")
    return alone(folder / "serve.lock", runs)
