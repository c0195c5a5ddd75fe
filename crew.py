"""The processes of a deployment: what each runs, what it listens on, and what it is born from."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from audit.witness.place import FOLDER, serving
from core.handed import Hearing
from core.nursery import Adopted, Nursery, Order, end_with_parent
from core.settings import Settings
from listening import Listening, Place, places

LONGEST_PAUSE = 30.0

Process = subprocess.Popen[bytes] | Adopted


@dataclass
class Child:
    """One watched process."""

    name: str
    command: Sequence[str]
    process: Process | None = None
    started: float = 0.0
    deaths: int = 0
    again_at: float = 0.0
    environment: dict[str, str] = field(default_factory=dict)
    late: bool = False
    """Nothing waits for it: it starts when the others are ready."""
    is_ready: bool = False
    before: Process | None = None
    """The one that must have ended before this one starts."""
    bear: Callable[[Child], Process | None] | None = None
    """What it is born from; without it, its command is started."""

    @property
    def is_door(self) -> bool:
        """Whether callers come in by it."""
        return self.name == "control" or self.name.startswith("gateway-")

    def start(self) -> None:
        """Start the process; it ends with us even if we are killed."""
        if self.before is not None and self.before.poll() is None:
            return
        self.before, self.is_ready = None, False
        self.started = time.monotonic()
        self.process = self.bear(self) if self.bear else self._execute()
        if self.process is None:
            self.again_at = self.started + self.pause(self.started)

    def _execute(self) -> Process:
        return subprocess.Popen(
            self.command,
            env={**os.environ, "NOTIFY_SOCKET": "", **self.environment},
            preexec_fn=end_with_parent,
        )

    def pause(self, now: float) -> float:
        """Return how long to wait before the next start: 0.5 s, doubled with each early death."""
        self.deaths = 1 if now - self.started > 60 else self.deaths + 1
        return min(0.5 * 2.0 ** (self.deaths - 1), LONGEST_PAUSE)


def children(settings: Settings) -> list[Child]:
    """Return the processes of a deployment, not started yet; of a gateway host data plane and sealer."""
    environment = _environment(settings.folder, settings.data)
    gateways = [f"gateway-{i}" for i in range(settings.platform.gateway_workers)]
    if settings.is_gateway:
        return [Child(name, _run(name), environment=environment) for name in (*gateways, "sealer")]
    own = ["control", *gateways]
    own += ["sealer", "sweeper", "notifier", "statistics", "quality"]
    if "hotline" in settings.platform.rulebooks:
        own.append("importer")
    if settings.platform.demo:
        own.insert(0, "workday-service")
    return [
        *(Child(name, _run(name), environment=environment) for name in own),
        *(_witnesses(settings, environment) if settings.platform.demo else ()),
    ]


def _environment(folder: Path, data: Path) -> dict[str, str]:
    return {"SHUXIANG_CONFIG": str(folder), "SHUXIANG_DATA": str(data)}


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


class Nurseries:
    """What the processes of one configuration are born from: the lean data plane, and all others."""

    def __init__(self, folder: Path, data: Path) -> None:
        """Let both begin to import. Raises OSError where one cannot, and then has begun none."""
        self._environment = {**_environment(folder, data), "NOTIFY_SOCKET": ""}
        self._command = [sys.executable, "-m", "commands.nursery"]
        self._data = str(data)
        self._running: dict[str, Nursery] = {}
        try:
            for sort in ("gateway", "office"):
                self._running[sort] = self._begin(sort)
        except Exception:
            self.close()
            raise

    def _begin(self, sort: str) -> Nursery:
        return Nursery([*self._command, sort, self._data], self._environment)

    def of(self, sort: str) -> Nursery:
        """Return one that runs."""
        if not self._running[sort].lives():
            self._running[sort].close()
            self._running[sort] = self._begin(sort)
        return self._running[sort]

    def pids(self) -> set[int]:
        """Return the processes that they are."""
        return {nursery.pid for nursery in self._running.values()}

    def close(self) -> None:
        """Let them end; what they bore goes on."""
        for nursery in self._running.values():
            nursery.close()


class Crew:
    """The processes of one configuration."""

    def __init__(
        self, settings: Settings, nurseries: Nurseries, listening: Listening, hearing: Hearing
    ) -> None:
        """Open what is to be listened on. Raises Unavailable where that is taken."""
        self.settings = settings
        self.processes = children(settings)
        self.listening = listening
        self._hearing = hearing
        for child in self.processes:
            if child.name != "witness":
                child.bear = self._bear
        self._nurseries = nurseries
        listening.open(self.places())

    def places(self) -> set[Place]:
        """Return all that the crew listens on."""
        platform = self.settings.platform
        return {place for child in self.processes for place in places(platform, child.name, self.listening)}

    def _bear(self, child: Child) -> Process | None:
        nursery = self._nurseries.of("gateway" if child.name.startswith("gateway-") else "office")
        where = places(self.settings.platform, child.name, self.listening)
        self.listening.open(where)
        return nursery.bear(
            self.settings,
            Order(
                title=" ".join(child.command),
                words=tuple(child.command[4:]),
                environment={"NOTIFY_SOCKET": self._hearing.address} if child.is_door else {},
                sockets=tuple(place.name for place in where),
            ),
            [self.listening.at(place).fileno() for place in where],
        )

    def died(self, child: Child) -> None:
        """Close the sockets of a worker that died or was not born: its siblings are given what comes now."""
        if child.name.startswith("gateway-"):
            self.listening.close(places(self.settings.platform, child.name, self.listening))

    def pids(self) -> set[int]:
        """Return the processes that the others are born from."""
        return self._nurseries.pids()

    def close(self) -> None:
        """Let the nurseries end; what they bore goes on."""
        self._nurseries.close()
