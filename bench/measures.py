"""The measurements: which servers are started, what each is asked, and in what order.

In every round each server has its turn, so that what else the machine does falls on all of them; of the
rounds the middle one counts. The load, the provider and the sealer share the second CPU; before a peer's turn
the sealer is given time to finish, so that it takes nothing from the peer.
"""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import orjson

from bench import peers
from bench.deployment import CODES, FILE, ROOT, TOKENS, Deployment, Ports, make_deployment, record_of
from bench.load import Run, Target, download, get, press, print_rows
from bench.machine import Processes, Unfit, cpu_seconds, free_port, resident_mib, tool, two_cpus, until

BODY_BYTES = 1024
FILE_BYTES = 1024 * 1024
CONNECTIONS = 64
FILE_CONNECTIONS = 16
ROWS = 100_000
QUIET_SECONDS = 0.3
QUIET_MOST = 12.0


@dataclass(frozen=True)
class Row:
    """One line of the result: ours, and a peer or the reason why there is none."""

    measure: str
    unit: str
    peer: str
    ours: Run | None = None
    theirs: Run | None = None
    skipped: str | None = None


@dataclass(frozen=True)
class Plan:
    """How long to measure."""

    seconds: int
    rounds: int


@dataclass(frozen=True)
class Outcome:
    """Everything that was measured."""

    rows: list[Row]
    sealer_us: float
    """CPU microseconds of the sealer per call of ours, beside what the worker used."""
    worker_mib: float


class Bench:
    """The servers of one run."""

    def __init__(self, folder: Path, processes: Processes, say: Callable[[str], None]) -> None:
        """Make the deployment; nothing is started yet. Raises Unfit."""
        self._folder = folder
        self._processes = processes
        self._say = say
        self._cpu, self._other = two_cpus()
        self._ports = Ports(free_port(), free_port(), free_port(), free_port())
        self._wrk, self._nginx, self._haproxy = tool("wrk"), tool("nginx"), tool("haproxy")
        self._deployment = make_deployment(folder, self._ports, ROWS, FILE_BYTES)
        self._answer = orjson.dumps(record_of(1, BODY_BYTES - len(orjson.dumps(record_of(1, 0)))))
        self._peers: dict[str, Target] = {}
        self._calls = 0
        self._warm: set[str] = set()

    def run(self, plan: Plan) -> Outcome:
        """Start everything, measure, and return what came of it. Raises Unfit."""
        self._start()
        rows: list[Row] = []
        if self._wrk is None or self._nginx is None:
            missing = " and ".join(n for n, path in (("wrk", self._wrk), ("nginx", self._nginx)) if not path)
            rows.append(Row("api calls and files", "", "all", skipped=f"{missing} not installed"))
        else:
            rows += self._call_rows(self._wrk, plan)
            rows += self._file_rows(self._wrk, plan)
        sealer_us = self._sealer_us()
        rows += self._table_rows(plan)
        return Outcome(rows, sealer_us, resident_mib(self._worker))

    # --- servers ----------------------------------------------------------------------------------

    def _start(self) -> None:
        if self._nginx is not None:
            config = peers.upstream_config(self._folder, self._ports.upstream, self._answer)
            self._processes.serve(
                "upstream", [self._nginx, "-c", str(config)], self._other, self._ports.upstream
            )
        self._start_ours(self._deployment)
        if self._nginx is not None:
            self._start_nginx(self._nginx)
            if self._haproxy is not None:
                self._start_haproxy(self._haproxy)

    def _start_ours(self, deployment: Deployment) -> None:
        places = {"SHUXIANG_CONFIG": deployment.config, "SHUXIANG_DATA": deployment.settings.data}
        environment = {**{k: str(v) for k, v in places.items()}, "PYTHONPATH": str(ROOT)}
        run = [sys.executable, "-m", "cli", "run"]
        self._sealer = self._processes.start("sealer", [*run, "sealer"], self._other, environment)
        port = self._ports.gateway
        self._worker = self._processes.serve("gateway", [*run, "gateway"], self._cpu, port, environment)
        ready = Target("ours", f"http://127.0.0.1:{port}/readyz", self._worker)
        until(lambda: get(ready)[0] == 200, "the gateway letting calls through")

    def _start_nginx(self, nginx: str) -> None:
        port = free_port()
        config = peers.proxy_config(self._folder, port, self._ports.upstream, self._folder / "files")
        pid = self._processes.serve("nginx", [nginx, "-c", str(config)], self._cpu, port)
        self._peers["nginx, plain proxy"] = Target("nginx", f"http://127.0.0.1:{port}/record", pid)
        self._static = Target("nginx", f"http://127.0.0.1:{port}/files/{FILE}", pid)

    def _start_haproxy(self, haproxy: str) -> None:
        port = free_port()
        key, tokens = peers.make_jwts(self._folder, TOKENS)
        config = peers.haproxy_config(self._folder, port, self._ports.upstream, key)
        pid = self._processes.serve("haproxy", [haproxy, "-f", str(config)], self._cpu, port)
        target = Target("haproxy", f"http://127.0.0.1:{port}/record", pid, tokens)
        if get(target, authorised=False)[0] != 401:
            raise Unfit("HAProxy lets calls through without a token")
        self._peers["HAProxy, ES256 and log"] = target

    def _ours(self, kind: str, rest: str) -> Target:
        code = CODES[kind].replace("/", "-")
        url = f"http://127.0.0.1:{self._ports.gateway}/share/{code}/{rest}"
        target = Target("ours", url, self._worker, self._deployment.tokens[kind])
        if get(target, authorised=False)[0] != 401:
            raise Unfit("our gateway lets calls through without a token")
        return target

    # --- calls and files --------------------------------------------------------------------------

    def _call_rows(self, wrk: str, plan: Plan) -> list[Row]:
        ours = {
            "api call, cut down to the grant": self._ours("api", "call/cut"),
            "api call, passed on": self._ours("api", "call/passed"),
        }
        rows: list[Row] = []
        for connections, chosen in ((CONNECTIONS, list(ours)), (1, list(ours)[:1])):
            targets = {name: ours[name] for name in chosen} | self._peers
            runs = self._rounds(wrk, plan, targets, connections, self._answer)
            for name in chosen:
                measure = f"{name}, {_connections(connections)}"
                rows += [Row(measure, "calls/s", p, runs[name], runs[p]) for p in self._peers]
                if self._haproxy is None:
                    why = "haproxy not installed"
                    rows.append(Row(measure, "calls/s", "HAProxy", runs[name], skipped=why))
        return rows

    def _file_rows(self, wrk: str, plan: Plan) -> list[Row]:
        peer = "nginx, sendfile"
        targets = {"ours": self._ours("file", f"files/{FILE}"), peer: self._static}
        body = (self._folder / "files" / FILE).read_bytes()
        runs = self._rounds(wrk, plan, targets, FILE_CONNECTIONS, body)
        measure = f"file of 1 MiB, {FILE_CONNECTIONS} connections"
        return [Row(measure, "files/s", peer, runs["ours"], runs[peer])]

    def _rounds(
        self, wrk: str, plan: Plan, targets: dict[str, Target], connections: int, body: bytes
    ) -> dict[str, Run]:
        """Press on each target in each round, and return the middle run of each. Raises Unfit."""
        for name, target in targets.items():
            if get(target) != (200, body):
                raise Unfit(f"{name} does not give the answer that was asked for")
            if target.url not in self._warm:
                self._press(wrk, target, connections, 1)
                self._warm.add(target.url)
        seconds = plan.seconds if connections > 1 else max(1, plan.seconds // 2)
        runs: dict[str, list[Run]] = {name: [] for name in targets}
        for number in range(plan.rounds):
            for name, target in targets.items():
                self._say(f"{name}, {_connections(connections)}, round {number + 1} of {plan.rounds}")
                if target.name != "ours":
                    self._quiet()
                runs[name].append(self._press(wrk, target, connections, seconds))
        return {name: middle(found) for name, found in runs.items()}

    def _press(self, wrk: str, target: Target, connections: int, seconds: int) -> Run:
        run = press(wrk, self._other, target, connections, seconds, self._folder)
        if target.name == "ours":
            self._calls += int(run.units)
        return run

    def _quiet(self) -> None:
        """Wait until the sealer has sealed what there is."""
        deadline = time.monotonic() + QUIET_MOST
        while time.monotonic() < deadline:
            before = cpu_seconds(self._sealer)
            time.sleep(QUIET_SECONDS)
            if cpu_seconds(self._sealer) - before < QUIET_SECONDS / 10:
                return

    def _sealer_us(self) -> float:
        self._quiet()
        return cpu_seconds(self._sealer) * 1e6 / self._calls if self._calls else 0.0

    # --- tables -----------------------------------------------------------------------------------

    def _table_rows(self, plan: Plan) -> list[Row]:
        target, sqlite = self._ours("table", "rows"), tool("sqlite3")
        rows = []
        for name, accept, option in (
            ("CSV", "text/csv", "-csv"),
            ("JSON lines", "application/x-ndjson", "-json"),
        ):
            self._say(f"table as {name}")
            media = name.lower()
            ours = middle([download(target, accept, ROWS, media) for _ in range(plan.rounds)])
            measure, peer = f"table of {ROWS:,} rows as {name}", f"sqlite3 {option} into a pipe"
            if sqlite is None:
                rows.append(Row(measure, "rows/s", peer, ours, skipped="sqlite3 not installed"))
                continue
            command = [sqlite, option, str(self._folder / "rows.sqlite"), "SELECT * FROM items ORDER BY code"]
            theirs = middle([print_rows(command, self._cpu, ROWS) for _ in range(plan.rounds)])
            rows.append(Row(measure, "rows/s", peer, ours, theirs))
        return rows


def _connections(number: int) -> str:
    return f"{number} connection{'s' if number > 1 else ''}"


def middle(runs: Sequence[Run]) -> Run:
    """Return the run whose rate is the (lower) median."""
    rate = statistics.median_low(run.rate for run in runs)
    return next(run for run in runs if run.rate == rate)
