"""A witness says at once that its port is taken."""

from __future__ import annotations

import socket
from pathlib import Path

from click.testing import CliRunner

import cli
from audit.signing import log_signers
from audit.witness.ports import refuse_taken
from tests.conftest import World
from tests.ports import free_port


def test_a_port_that_is_taken_is_named_and_nothing_is_started(world: World, tmp_path: Path) -> None:
    log_signers(world.settings)
    with socket.create_server(("127.0.0.1", free_port()), reuse_port=True) as taken:
        listen = f"127.0.0.1:{taken.getsockname()[1]}"
        words = ("--data", str(tmp_path / "w"), "--name", "bureau.example.cn", "--listen", listen)
        key = str(world.settings.key_file("log.vkey"))
        refused = CliRunner().invoke(cli.main, ["audit", "witness", "serve", *words, "--log", key])
    assert refused.exit_code == 1
    assert listen in refused.stderr
    assert "无法在" in refused.stderr
    host, port = taken_address(listen)
    refuse_taken(host, port)  # free again


def taken_address(listen: str) -> tuple[str, int]:
    host, _, port = listen.partition(":")
    return host, int(port)
