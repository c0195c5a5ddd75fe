"""The servers of one run: what is measured on one CPU; provider, load and sealer on the other.

Each is started when it is first asked for. While ours is pressed on, the sealer stands still unless it is
asked to work: like a shipper of log lines it is no part of a call, and it would take its time from the load.
Before the next turn it catches up, and its time is told apart.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property, partial
from pathlib import Path

import orjson

from bench import peers
from bench.deployment import (
    CODES,
    FILE,
    LARGE,
    MIB,
    ROOT,
    TOKENS,
    Deployment,
    Shape,
    make_deployment,
    make_rows,
    record_of,
)
from bench.load import Run, Target, get, press
from bench.machine import Processes, Unfit, cpu_seconds, free_port, module, tool, two_cpus, until
from bench.results import middle

BODY_BYTES = 1024
QUIET_SECONDS = 0.3
QUIET_MOST = 20.0
HANDSHAKE_SECONDS = 1


class Missing(Exception):
    """A tool that a comparison needs is not there; the message names it."""


@dataclass(frozen=True)
class Plan:
    """How long to measure, and on what."""

    seconds: int
    rounds: int
    large_mib: int = 1024
    """The size of the large bodies and files."""
    rows: int = 100_000
    parties: int = 100_000
    """How many systems and grants are many."""

    @property
    def large(self) -> str:
        """The size of large bodies in words."""
        return f"{self.large_mib // 1024} GiB" if self.large_mib >= 1024 else f"{self.large_mib} MiB"


@dataclass(frozen=True)
class Ours:
    """A running deployment of ours."""

    deployment: Deployment
    workers: tuple[int, ...]
    sealer: int

    def target(self, kind: str, rest: str, sealed: bool = False) -> Target:
        """Return one address of the data plane; `sealed`: the sealer works meanwhile."""
        url = f"{self.deployment.settings.platform.gateway_url}/share/{CODES[kind].replace('/', '-')}/{rest}"
        tokens = self.deployment.tokens[kind]
        return Target("ours", url, self.workers[0], tokens, self.sealer, sealed)


class Stand:
    """Everything that runs, each thing once."""

    def __init__(self, folder: Path, processes: Processes, plan: Plan, say: Callable[[str], None]) -> None:
        """Pin this process to the second CPU; nothing is started yet. Raises Unfit."""
        self.folder = folder
        self.processes = processes
        self.plan = plan
        self.say = say
        self.cpu, self.other = two_cpus()
        os.sched_setaffinity(0, {self.other})
        self.files = folder / "files"
        self.files.mkdir()
        (self.files / FILE).write_bytes(os.urandom(MIB))
        self.answer = orjson.dumps(record_of(1, BODY_BYTES - len(orjson.dumps(record_of(1, 0)))))
        self._sealed = 0.0

    # --- what is there ----------------------------------------------------------------------------

    def tool(self, name: str) -> str:
        """Return the path of a program. Raises Missing."""
        found = tool(name)
        if found is None:
            raise Missing(f"{name} not installed")
        return found

    @cached_property
    def small(self) -> bytes:
        """The content of the file of 1 MiB."""
        return (self.files / FILE).read_bytes()

    def make_large(self) -> None:
        """Make the large file, unless it is there."""
        path, block = self.files / LARGE, os.urandom(16 * MIB)
        if not path.exists():
            with path.open("wb") as file:
                for _ in range(self.plan.large_mib // 16):
                    file.write(block)

    @cached_property
    def rows(self) -> Path:
        """The SQLite file of the table."""
        return make_rows(self.folder / "rows.sqlite", self.plan.rows)

    @cached_property
    def upstream(self) -> int:
        """The port of the provider: nginx, which gives the same answer to everybody."""
        port = free_port()
        config = peers.upstream_config(self.folder, port, self.answer, self.files)
        self.processes.serve("upstream", [self.tool("nginx"), "-c", str(config)], self.other, port)
        return port

    # --- ours -------------------------------------------------------------------------------------

    @cached_property
    def ours(self) -> Ours:
        """The deployment that most is asked of: one worker, records on the disk of the folder."""
        return self.start(self.folder / "ours", Shape(self.upstream, self.files, rows=self.rows))

    def start(self, place: Path, shape: Shape) -> Ours:
        """Make a deployment in a new folder and start its workers and its sealer. Raises Unfit."""
        deployment = make_deployment(place, shape)
        platform = deployment.settings.platform
        sealer = self.run_ours(deployment, "sealer", self.other)
        workers = []
        for index in range(shape.workers):
            port = platform.private_listen[1] + index  # which it opens last
            more = ["--index", str(index)]
            workers.append(self.run_ours(deployment, "gateway", self.cpu, *more, port=port))
        until(partial(answers, f"{platform.gateway_url}/readyz"), "the gateway letting calls through", 60)
        return Ours(deployment, tuple(workers), sealer)

    def run_ours(
        self, deployment: Deployment, name: str, cpu: int, *more: str, port: int | None = None
    ) -> int:
        """Start one process of a deployment and return its id, once it listens if it does. Raises Unfit."""
        places = {"SHUXIANG_CONFIG": deployment.config, "SHUXIANG_DATA": deployment.settings.data}
        environment = {**{k: str(v) for k, v in places.items()}, "PYTHONPATH": str(ROOT)}
        command = [sys.executable, "-m", "cli", "run", name, *more]
        if port is None:
            return self.processes.start(name, command, cpu, environment)
        return self.processes.serve(name, command, cpu, port, environment)

    def stop(self, ours: Ours) -> None:
        """End the processes of a deployment."""
        for pid in (*ours.workers, ours.sealer):
            self.processes.end(pid)

    # --- peers ------------------------------------------------------------------------------------

    @cached_property
    def nginx(self) -> Target:
        """Plain nginx: no token, no record."""
        port = free_port()
        config = peers.proxy_config(self.folder, port, self.upstream, self.files)
        pid = self.processes.serve("nginx", [self.tool("nginx"), "-c", str(config)], self.cpu, port)
        return Target("nginx", f"http://127.0.0.1:{port}/record", pid)

    def nginx_at(self, path: str) -> Target:
        """Return plain nginx at another address."""
        return replace(self.nginx, url=self.nginx.url.removesuffix("/record") + path)

    def haproxy(self, algorithm: str) -> Target:
        """Return HAProxy that checks tokens of one algorithm and writes a log line. Raises Missing, Unfit."""
        key, tokens = (
            peers.make_es256(self.folder, TOKENS) if algorithm == "ES256" else peers.make_hs256(TOKENS)
        )
        port = free_port()
        config = peers.haproxy_config(self.folder, port, self.upstream, algorithm, key)
        command = [self.tool("haproxy"), "-f", str(config)]
        pid = self.processes.serve(f"haproxy-{algorithm}", command, self.cpu, port)
        return Target(f"HAProxy {algorithm}", f"http://127.0.0.1:{port}/record", pid, tokens)

    def lua(self) -> Target:
        """Return nginx that checks ES256 tokens in Lua and remembers them. Raises Missing, Unfit."""
        if module("ngx_http_lua_module") is None:
            raise Missing("libnginx-mod-http-lua not installed")
        key, tokens = peers.make_es256(self.folder, TOKENS)
        port = free_port()
        config = peers.lua_config(self.folder, port, self.upstream, self.files, key)
        pid = self.processes.serve("nginx-lua", [self.tool("nginx"), "-c", str(config)], self.cpu, port)
        return Target("nginx Lua", f"http://127.0.0.1:{port}/record", pid, tokens)

    # --- pressing ---------------------------------------------------------------------------------

    def rounds(
        self,
        targets: Mapping[str, Target],
        connections: int,
        body: bytes | None = None,
        between: Callable[[], object] = lambda: None,
        warm_seconds: int = HANDSHAKE_SECONDS,
    ) -> dict[str, Run]:
        """Press on each target in each round, and return the middle run of each.

        `body` is what each has to answer, `between` is done before each round, and for `warm_seconds` each
        is pressed on before the first. Raises Unfit, Missing.
        """
        wrk = self.tool("wrk")
        for name, target in targets.items():
            self._check(name, target, self.answer if body is None else body)
        for target in targets.values():  # connections are made and tokens met once
            self._press(wrk, target, connections, warm_seconds)
        runs: dict[str, list[Run]] = {name: [] for name in targets}
        for number in range(self.plan.rounds):
            between()
            for name, target in targets.items():
                self.say(f"{name}, {connections} connections, round {number + 1} of {self.plan.rounds}")
                runs[name].append(self._press(wrk, target, connections, self.plan.seconds))
        return {name: middle(found) for name, found in runs.items()}

    def _check(self, name: str, target: Target, body: bytes) -> None:
        if get(target) != (200, body):
            raise Unfit(f"{name} does not give the answer that was asked for")
        if len(target.tokens) > 1 and get(target, authorised=False)[0] != 401:
            raise Unfit(f"{name} lets calls through without a token")

    def _press(self, wrk: str, target: Target, connections: int, seconds: int) -> Run:
        with self.alone(target):
            run = press(wrk, self.other, target, connections, seconds, self.folder)
        if target.name == "ours":
            self._sealed += run.units + run.errors
        return run

    @contextmanager
    def alone(self, target: Target) -> Iterator[None]:
        """Let the sealer of a target stand still meanwhile, unless it is to work, and catch up afterwards."""
        if target.sealer is None:
            yield
            return
        if not target.seals_meanwhile:
            os.kill(target.sealer, signal.SIGSTOP)
        try:
            yield
        finally:
            os.kill(target.sealer, signal.SIGCONT)
            self._quiet(target.sealer)

    def sealer_us(self) -> float:
        """Return the CPU microseconds that the sealer has taken for each call of the deployment `ours`."""
        return cpu_seconds(self.ours.sealer) * 1e6 / max(1.0, self._sealed)

    def _quiet(self, sealer: int) -> None:
        """Wait until the sealer has sealed what there is."""
        deadline = time.monotonic() + QUIET_MOST
        while time.monotonic() < deadline:
            before = cpu_seconds(sealer)
            time.sleep(QUIET_SECONDS)
            if cpu_seconds(sealer) - before < QUIET_SECONDS / 10:
                return


def answers(url: str) -> bool:
    """Tell whether a server answers an address with 200."""
    try:
        return get(Target("", url, 0))[0] == 200
    except OSError:
        return False
