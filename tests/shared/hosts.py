"""Gateway hosts as network namespaces, PostgreSQL and the control plane outside, set up as deploy/ tells.

Each host has a line of its own to the database, which a story may cut. The second one believes to have been
started months before the first (time namespaces): nothing may hang on two clocks.
"""

from __future__ import annotations

import http.client
import os
import pickle
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

from sqlalchemy import URL

from accounts.keys import make_keys
from core.db import Database
from core.migrate import migrate
from core.settings import Settings
from tests import postgresql
from tests.conftest import import_every_table
from tests.gateway.plane_kit import ROOT, WORKER, Access, Kit, Response
from tests.postgresql import Server
from tests.processes import wait_until
from tests.tools import missing, need

DEPLOY = ROOT / "deploy" / "postgresql"
RULES = """
local    all       all              trust
hostssl  shuxiang  shuxiang_gateway 10.77.0.0/16 scram-sha-256
host     all       tests            127.0.0.1/32 trust
"""
PASSWORD = "the-gateways'-own"
CALLER = """
import http.client, sys, time
port, target, token = int(sys.argv[1]), sys.argv[2], sys.argv[3]
while True:
    began, status = time.monotonic(), 0
    try:
        line = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
        line.request("GET", target, headers={"Authorization": "Bearer " + token})
        answer = line.getresponse()
        answer.read()
        status = answer.status
        line.close()
    except OSError:
        pass
    print(began, status, flush=True)
    time.sleep(0.004)
"""
"""Calls without pause; tells when each began (CLOCK_MONOTONIC, the same in every network), and its status."""


class Called(NamedTuple):
    """One call of a caller inside a host."""

    began: float
    status: int


@dataclass
class Caller:
    """Calls one host from inside, whatever becomes of its lines."""

    process: subprocess.Popen[str]
    said: Path

    def calls(self) -> list[Called]:
        """What was called so far."""
        lines = self.said.read_text().split("\n")[:-1]  # the last may not be whole yet
        return [Called(float(began), int(status)) for began, _, status in (s.partition(" ") for s in lines)]

    def succeeded_since(self, instant: float) -> list[Called]:
        """The calls begun after an instant that were answered with data."""
        return [call for call in self.calls() if call.began > instant and call.status == 200]

    def refused_since(self, instant: float) -> list[Called]:
        """The calls begun after an instant that were answered without."""
        return [call for call in self.calls() if call.began > instant and call.status >= 400]

    def stop(self) -> None:
        """Call no more."""
        self.process.kill()
        self.process.wait()


class Host:
    """One host of the data plane, in a network of its own."""

    def __init__(self, folder: Path, number: int, kit: Kit, state: URL, prefix: tuple[str, ...] = ()) -> None:
        self.name, self.number = f"sx{os.getpid()}-{number}", number
        self.line, self.address = f"sx{os.getpid()}l{number}", f"10.77.{number}.2"
        self._prefix = ("ip", "netns", "exec", self.name, *prefix)
        self.settings = self._settings(folder, kit.settings, state)
        self.port = self.settings.platform.gateway_listen[1]
        self._kit, self._folder, self._callers = kit, folder, 0
        self.worker: subprocess.Popen[bytes] | None = None

    def _settings(self, folder: Path, given: Settings, state: URL) -> Settings:
        shutil.copytree(
            given.key_file(""), folder / "keys", ignore=shutil.ignore_patterns("log*", "receipt*")
        )
        (folder / "run").mkdir()
        url = state.set(username="shuxiang_gateway", host=f"10.77.{self.number}.1").render_as_string()
        platform = replace(
            given.platform,
            runs="gateway",
            gateway_listen=("0.0.0.0", given.platform.gateway_listen[1]),
            log_origin=f"{given.platform.log_origin}/{self.number}",
            database_url=url,
            database_password="env:SHUXIANG_TEST_STATE",
        )
        settings = replace(given, data=folder, platform=platform)
        make_keys(settings)
        return settings

    def plug_in(self) -> None:
        """Make the network and its line."""
        inside = f"{self.line}i"
        for command in (
            f"ip netns add {self.name}",
            f"ip -n {self.name} link set lo up",
            f"ip link add {self.line} type veth peer name {inside} netns {self.name}",
            f"ip addr add 10.77.{self.number}.1/30 dev {self.line}",
            f"ip -n {self.name} addr add {self.address}/30 dev {inside}",
            f"ip link set {self.line} up",
            f"ip -n {self.name} link set {inside} up",
        ):
            subprocess.run(command.split(), check=True, capture_output=True)

    def cut(self) -> None:
        """Cut the line to the database."""
        subprocess.run(("ip", "link", "set", self.line, "down"), check=True)

    def mend(self) -> None:
        """Mend it."""
        subprocess.run(("ip", "link", "set", self.line, "up"), check=True)

    def start(self) -> None:
        """Start a worker and wait until it lets calls through."""
        told = self.settings.data / "settings.pickle"
        told.write_bytes(pickle.dumps(self.settings))
        environment = {
            **os.environ,
            "SHUXIANG_TEST_KEY": "x",
            "PYTHONPATH": str(ROOT),
            "SHUXIANG_TEST_STATE": PASSWORD,
        }
        environment.pop("SHUXIANG_DATABASE_URL", None)
        self._kit.beat(self.settings)
        command = [*self._prefix, sys.executable, "-c", WORKER, str(told), "0"]
        self.worker = subprocess.Popen(command, cwd=ROOT, env=environment)
        wait_until(self.is_ready, f"host {self.number} is not ready", 30)

    def is_ready(self) -> bool:
        """Whether calls are let through, as /readyz says."""
        try:
            return self.get("/readyz").status == 200
        except OSError:
            return False

    def get(self, target: str, access: Access | None = None, **headers: str) -> Response:
        """One call from outside, by the line."""
        line = http.client.HTTPConnection(self.address, self.port, timeout=10)
        try:
            line.request("GET", target, headers={**(access.headers if access else {}), **headers})
            got = line.getresponse()
            return Response(got.status, {k.lower(): v for k, v in got.getheaders()}, got.read())
        finally:
            line.close()

    def caller(self, target: str, access: Access) -> Caller:
        """Begin to call from inside."""
        self._callers += 1
        said = self._folder / f"caller-{self._callers}"
        with said.open("w") as out:
            words = ("ip", "netns", "exec", self.name, sys.executable, "-c", CALLER)
            process = subprocess.Popen((*words, str(self.port), target, access.token), stdout=out, text=True)
        return Caller(process, said)

    def kill(self) -> None:
        """End the worker at once; it lets go of nothing."""
        if self.worker is not None:
            self.worker.kill()
            self.worker.wait(30)
            self.worker = None

    def close(self) -> None:
        """Remove the network with all that runs in it."""
        self.kill()
        subprocess.run(("ip", "netns", "del", self.name), capture_output=True)
        subprocess.run(("ip", "link", "del", self.line), capture_output=True)


@dataclass
class Town:
    """A control plane and two hosts of the data plane."""

    kit: Kit
    hosts: list[Host]
    server: Server

    def revoke(self, access: Access) -> tuple[float, float]:
        """Revoke a token; return when that was begun and when it was answered."""
        began = time.monotonic()
        self.kit.revoke(access.token)
        return began, time.monotonic()


def need_networks() -> None:
    """Skip, or fail in CI, where we may not make networks."""
    need("ip")
    if os.geteuid() != 0:
        missing("network namespaces need root")
    made = subprocess.run(("ip", "netns", "add", f"sx{os.getpid()}"), capture_output=True, text=True)
    if made.returncode:
        missing(f"network namespaces cannot be made here: {made.stderr.strip()}")
    subprocess.run(("ip", "netns", "del", f"sx{os.getpid()}"), check=True)


@contextmanager
def town(folder: Path) -> Iterator[Town]:
    """Set everything up by the files of deploy/postgresql."""
    need_networks()
    place = Path(tempfile.mkdtemp(prefix="pg-", dir="/dev/shm" if Path("/dev/shm").is_dir() else None))
    hosts: list[Host] = []
    started = kit = None
    try:
        started = Server(place, ("listen_addresses=*", "ssl=on", *_certificate(place)), RULES)
        state = _database(started)
        kit = Kit(folder / "control", database_url=state.set(username="shuxiang_control").render_as_string())
        ages = (
            (),
            (
                "unshare",
                "--time",
                "--boottime",
                "8640000",
                "--monotonic",
                "8640000",
                "--fork",
                "--kill-child",
            ),
        )
        outside = state.set(
            port=started.port,
            query={"sslmode": "verify-full", "sslrootcert": str(place / "server.crt")},
        )
        for number, prefix in enumerate(ages, 1):
            (folder / f"host{number}").mkdir()
            hosts.append(Host(folder / f"host{number}", number, kit, outside, prefix))
            hosts[-1].plug_in()
            hosts[-1].start()
        yield Town(kit, hosts, started)
    finally:
        for host in hosts:
            host.close()
        if kit is not None:
            kit.close()
        if started is not None:
            started.stop()
        shutil.rmtree(place)


def _certificate(place: Path) -> tuple[str, str]:
    words = "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=state -addext"
    names = "subjectAltName=IP:10.77.1.1,IP:10.77.2.1"
    key, crt = place / "server.key", place / "server.crt"
    command = (need("openssl"), *words.split(), names, "-keyout", str(key), "-out", str(crt))
    subprocess.run(command, check=True, capture_output=True)
    key.chmod(0o600)
    shutil.chown(key, "postgres")
    return f"ssl_cert_file={crt}", f"ssl_key_file={key}"


def _database(started: Server) -> URL:
    """Make roles, database and tables as deploy/postgresql/README.md tells; return the address of none."""
    socket = {"host": str(started.folder), "port": str(started.port)}
    state = URL.create("postgresql+psycopg", database="shuxiang", query=socket)

    def psql(role: str, name: str, database: str) -> None:
        reach = ("-h", str(started.folder), "-p", str(started.port), "-U", role, "-d", database)
        subprocess.run(
            (need("psql"), "-q", "-v", "ON_ERROR_STOP=1", *reach, "-f", str(DEPLOY / name)), check=True
        )

    psql("tests", "roles.sql", "postgres")
    import_every_table()
    owner = Database(state.set(username="shuxiang_owner").render_as_string())
    migrate(owner)
    owner.close()
    psql("shuxiang_owner", "privileges.sql", "shuxiang")
    with postgresql.connect(started.url) as admin:
        admin.execute(f"ALTER ROLE shuxiang_gateway PASSWORD '{PASSWORD.replace(chr(39), chr(39) * 2)}'")
    return state


def answers(host: Host, target: str, access: Access, times: int) -> list[Any]:
    """The statuses of some calls from outside."""
    return [host.get(target, access).status for _ in range(times)]
