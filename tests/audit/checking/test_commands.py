"""`shuxiang audit prove` and `shuxiang audit check`, on the platform's machine and on a reader's."""

from __future__ import annotations

import json
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from werkzeug.serving import make_server

import cli
from audit import store
from audit.record import Record
from audit.sealer import seal_once
from core.ids import new_id
from tests.audit.checking.held import serving
from tests.audit.logs import access
from tests.conftest import World
from tests.ports import free_port
from tests.warm import CONFIG

pytestmark = pytest.mark.long


def run(data: Path, *words: str | Path) -> Result:
    place = ("--config", str(CONFIG), "--data", str(data))
    return CliRunner().invoke(cli.main, [*place, "audit", *map(str, words)])


def record(world: World) -> Record:
    made = access(world.now)
    with world.database.begin() as tx:
        store.insert_outbox(tx, made)
    return made


def seal(world: World) -> None:
    seal_once(world.settings, world.database, world.now)


@pytest.fixture
def made(world: World) -> Record:
    """A sealed record of a deployment whose files the terminal finds complete."""
    (world.settings.data / "demo").mkdir(exist_ok=True)
    (world.settings.data / "demo" / "workday-service.key").touch(0o600)
    made = record(world)
    seal(world)
    return made


def test_a_proof_got_at_home_is_checked_with_the_deployments_own_keys(world: World, made: Record) -> None:
    data = world.settings.data
    out, body = data / "x.tlog-proof", data / "body.json"
    body.write_bytes(made.body)
    assert run(data, "prove", made.id, "--out", out).exit_code == 0
    checked = run(data, "check", out, "--body", body)
    assert checked.exit_code == 0, checked.output
    assert "[ok] 正文与信封相符 / the body fits the envelope" in checked.stdout
    assert run(data, "prove", made.id).stdout == out.read_text(encoding="utf-8")


def test_a_reader_gets_a_proof_over_http_and_checks_it_with_keys_from_elsewhere(
    world: World, made: Record, tmp_path: Path
) -> None:
    away = tmp_path / "reader"
    away.mkdir()
    with serving(make_server("127.0.0.1", 0, world.app, threaded=True)) as address:
        got = run(away, "prove", made.id, "--url", address, "--out", away / "x.tlog-proof")
        assert got.exit_code == 0, got.output
        waiting = run(away, "prove", record(world).id, "--url", f"{address}/")
        unknown = run(away, "prove", new_id(0), "--url", address)
    keys = [
        word for name in ("log", "log-mldsa") for word in ("--key", world.settings.key_file(f"{name}.vkey"))
    ]
    assert run(away, "check", away / "x.tlog-proof", *keys).exit_code == 0
    told = json.loads(run(away, "check", away / "x.tlog-proof", *keys, "--json").stdout)
    assert told["files"][0]["facts"]["envelope"]["k"] == "access"
    assert run(away, "check", away / "x.tlog-proof").exit_code == 2
    assert (waiting.exit_code, unknown.exit_code) == (1, 1)
    assert "尚未封入日志" in waiting.output
    assert "no such record" in unknown.output


class Strange(BaseHTTPRequestHandler):
    """A server that is no platform."""

    def do_GET(self) -> None:
        """Answer with what the path says."""
        kind = self.path.split("/")[1]
        body = {"large": b"x" * 1_000_001, "binary": b"\xff\xfe"}.get(kind, b"{")
        self.send_response(200 if kind in ("large", "binary") else 409)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""


def test_what_is_no_platform_is_said_to_be_none_with_status_two(tmp_path: Path) -> None:
    some = new_id(0)
    with serving(HTTPServer(("127.0.0.1", 0), Strange)) as address:
        answers = [
            run(tmp_path, "prove", some, "--url", f"{address}/{kind}") for kind in ("large", "binary", "odd")
        ]
    answers += [
        run(tmp_path, "prove", some, "--url", f"http://127.0.0.1:{free_port()}"),
        run(tmp_path, "prove", some, "--url", "file:///etc/passwd"),
        run(tmp_path, "prove", some, "--url", "http://[broken"),
        run(tmp_path, "prove", "not-an-id", "--url", "http://127.0.0.1:1"),
    ]
    assert [answer.exit_code for answer in answers] == [2] * 7
    reasons = ("too large", "no text", "HTTP 409", "cannot be reached", "not an address", "", "no record id")
    assert all(reason in answer.output for answer, reason in zip(answers, reasons, strict=True))
    assert not any(answer.exception and not isinstance(answer.exception, SystemExit) for answer in answers)


def test_a_record_that_waits_or_is_not_there_is_not_proven(world: World, made: Record) -> None:
    data = world.settings.data
    assert run(data, "prove", record(world).id).exit_code == 1
    assert run(data, "prove", new_id(0)).exit_code == 1
    assert run(data, "prove", made.id, "--out", data / "no" / "where").exit_code == 2
