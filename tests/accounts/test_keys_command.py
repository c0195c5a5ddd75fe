"""`shuxiang keys`: what it shows, renews and refuses, on a deployment of its own."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from rich.cells import cell_len

import cli
from core.keyring import ring
from core.terminal import out
from serve import lock

pytestmark = pytest.mark.long


class Terminal:
    """The command on one deployment."""

    def __init__(self, data: Path) -> None:
        self.data = data

    def run(self, *words: str, expect: int = 0) -> str:
        """Give a command and return what it says on either stream, in one line."""
        done = CliRunner().invoke(cli.main, ["--data", str(self.data), *words])
        assert done.exit_code == expect, done.output
        return " ".join(done.output.split())

    def told(self, *words: str) -> Any:
        """What a command says as JSON."""
        return json.loads(self.run(*words, "--json"))

    def key(self, name: str) -> Path:
        return self.data / "keys" / name


@pytest.fixture(scope="module")
def terminal(tmp_path_factory: pytest.TempPathFactory) -> Terminal:
    """A deployment made by `init`, once for all of these stories."""
    made = Terminal(tmp_path_factory.mktemp("keys") / "data")
    made.run("init", "--json")
    return made


def test_the_keys_of_a_new_deployment_are_known_and_fit(terminal: Terminal) -> None:
    rows = {row["name"]: row for row in terminal.told("keys", "list")}
    assert set(rows) == {"session.key", "token.key", "pseudonym.key", "phone-index.key", "personal-1.key"}
    assert all(row["fits"] and row["keys"] == 1 and len(row["check"]) == 16 for row in rows.values())


def test_the_list_fits_a_terminal_and_tells_the_time_of_the_place(
    terminal: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(out, "_width", 80)
    shown = CliRunner().invoke(cli.main, ["--data", str(terminal.data), "keys", "list"]).output
    assert max(cell_len(line) for line in shown.splitlines()) <= 80
    for name, check, since in ((r["name"], r["check"], r["since"]) for r in terminal.told("keys", "list")):
        assert since.endswith("+08:00")
        assert all(word in shown for word in (name, check, since)), name


@pytest.mark.parametrize("kind", ["session", "token", "phone-index"])
def test_a_renewal_keeps_the_key_before_and_is_refused_while_the_platform_runs(
    terminal: Terminal, kind: str
) -> None:
    path = terminal.key(f"{kind}.key")
    before = path.read_bytes()
    with lock(terminal.data):
        refused = terminal.run("keys", "renew", kind, expect=1)
    assert "another serve runs" in refused
    assert "请先停止 serve" in refused
    assert "Stop `shuxiang serve`" in refused
    assert path.read_bytes() == before
    terminal.told("keys", "renew", kind)
    after = ring(path.read_bytes())
    assert (len(after), after[1]) == (2, before)
    assert path.stat().st_mode & 0o777 == 0o600
    assert list(path.parent.glob(".*")) == []


def test_a_renewed_personal_key_lets_go_of_the_older_one(terminal: Terminal) -> None:
    assert terminal.told("keys", "renew")["key"] == "2"
    rows = {row["name"]: row for row in terminal.told("keys", "list")}
    assert rows["personal-1.key"]["retired_at"]
    assert rows["personal-2.key"]["retired_at"] is None
    assert terminal.told("keys", "rewrap")["key"] == "2"


def test_a_wrong_key_stops_the_start_by_name_until_it_is_accepted(terminal: Terminal) -> None:
    path = terminal.key("session.key")
    path.write_bytes(bytes(range(64, 96)))
    refused = terminal.run("serve", expect=1)
    assert "session.key: " in refused
    assert "shuxiang keys accept session.key" in refused
    assert "cannot be accepted" in terminal.run("keys", "accept", "personal-2.key", expect=1)
    terminal.run("keys", "accept", "session.key")
    assert all(row["fits"] for row in terminal.told("keys", "list"))


def test_a_backup_without_its_key_does_not_start(terminal: Terminal) -> None:
    path = terminal.key("personal-2.key")
    kept = path.read_bytes()
    path.unlink()
    refused = terminal.run("serve", expect=1)
    assert "personal-2.key" in refused
    assert "put the file back from the backup of the keys" in refused
    path.write_bytes(kept)
    path.chmod(0o600)
