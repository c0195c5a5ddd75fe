"""Keeping the log at the terminal."""

from __future__ import annotations

import json
import re
import secrets
import shutil
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

import cli
from audit.columns import tail
from audit.keeping import commands, retention
from audit.query import Filters, find_records
from core.errors import Unavailable
from tests.audit.keeping.town import FILES, RULE, Town
from tests.audit.logs import LASTING, ORIGIN, SIGNER
from tests.warm import CONFIG

AUDIT_YAML = """
archive: "{data}/units"
retention:
  bodies_days: 1095
  basis: {zh: 档案管理规定第三条, en: "Archive rules, article 3"}
"""
pytestmark = pytest.mark.long


class Terminal:
    """Commands on one deployment with a configuration of its own."""

    def __init__(self, config: Path, data: Path) -> None:
        self.config, self.data = config, data
        shutil.copytree(CONFIG, config)
        (config / "audit.yaml").write_text(AUDIT_YAML, encoding="utf-8")
        self.name(ORIGIN)

    def name(self, origin: str) -> None:
        path = self.config / "platform.yaml"
        text = re.sub(r"(?m)^log_origin:.*$", f"log_origin: {origin}", path.read_text(encoding="utf-8"))
        path.write_text(text, encoding="utf-8")

    def run(self, *words: str) -> Result:
        place = ["--config", str(self.config), "--data", str(self.data)]
        return CliRunner().invoke(cli.main, [*place, "audit", *words])

    def facts(self, *words: str) -> Any:
        done = self.run(*words, "--json")
        assert done.exit_code == 0, done.output
        return json.loads(done.stdout)


def test_deleting_tells_how_far_it_is(old_town: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retention, "FILES_MOST", 1)
    told: list[int] = []
    done = commands._prune(old_town.with_audit(retention=RULE).keeping, told.append)
    assert (done["deleted"], done["waits"], sorted({*told})) == (FILES * 16_384, False, [0, 16_384, 32_768])


def test_nothing_is_served_under_the_name_of_a_log_that_does_not_lie_there(terminal: Terminal) -> None:
    terminal.name("audit.example.cn/log-2027")
    (terminal.data / "keys" / "pseudonym.key").write_bytes(secrets.token_bytes(32))
    place = ["--config", str(terminal.config), "--data", str(terminal.data)]
    done = CliRunner().invoke(cli.main, [*place, "serve"])
    assert done.exit_code == 1
    assert "run shuxiang audit rotate" in " ".join(done.stderr.split())


@pytest.fixture
def terminal(old_town: Town, tmp_path: Path) -> Terminal:
    keys = old_town.settings.key_file("")
    for name, signer in (("log", SIGNER), ("log-mldsa", LASTING)):
        (keys / f"{name}.vkey").write_text(f"{signer.verifier}\n")
    for folder in (old_town.settings.data, keys):
        folder.chmod(0o700)
    old_town.database.close()
    return Terminal(tmp_path / "config", old_town.settings.data)


def test_the_blocks_of_a_log_that_has_none_are_made_before_the_platform_starts(
    terminal: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tail, "MOST", 4096)
    folder = terminal.data / "audit"
    with pytest.raises(Unavailable, match=r"0 of 32,7\d\d records"):
        find_records(None, folder, Filters(), limit=1)
    assert terminal.facts("columns")["made"] == FILES * 16_384
    assert len(find_records(None, folder, Filters(), limit=1).items) == 1


def test_a_log_is_archived_pruned_closed_and_still_holds(terminal: Terminal) -> None:
    listed = terminal.facts("retention", "--dry-run")
    assert [(f["first"], "归档" in f["held"]) for f in listed["files"]] == [(0, True), (16384, True)]
    archived = terminal.facts("archive")
    assert [u["first"] for u in archived["made"]] == [0, 16384]
    assert terminal.facts("archive")["made"] == []
    again = terminal.facts("archive", "--again", "0")["made"][0]
    assert again == archived["made"][0]
    check = ["check", str(terminal.data / "units" / again["file"])]
    checked = terminal.run(*check, *(w for key in (SIGNER, LASTING) for w in ("--key", str(key.verifier))))
    assert checked.exit_code == 0, checked.output

    body = (terminal.data / "audit" / "bodies" / "000000000000.jsonl").read_bytes().split(b"\n")[7]
    assert all(f["held"] is None for f in terminal.facts("retention", "--dry-run")["files"])
    pruned = terminal.facts("retention")
    assert (pruned["deleted"], pruned["waits"]) == (FILES * 16384, False)
    assert terminal.facts("verify")["sound"]
    assert "index 7\n" in terminal.run("prove", json.loads(body)["id"]).stdout

    same = terminal.run("rotate")
    assert same.exit_code == 1
    assert "log_origin" in same.output
    terminal.name("audit.example.cn/log-2027")
    refused = terminal.run("seal")
    assert refused.exit_code == 1
    assert "shuxiang audit rotate" in refused.output
    done = terminal.facts("rotate")
    assert (done["old"], done["new"]) == (ORIGIN, "audit.example.cn/log-2027")
    assert terminal.facts("seal")["size"] == 1
    assert "index 7\n" in terminal.run("prove", json.loads(body)["id"]).stdout
    (rest,) = terminal.facts("archive", "--log", Path(done["folder"]).name)["made"]
    assert rest["first"] == FILES * 16384, "the whole ones are there already"
    for folder in ([], [done["folder"]]):
        report = terminal.facts("verify", *folder)
        assert (report["sound"], report["signature_checked"]) == (True, True)


def test_what_cannot_be_archived_is_said_in_words(terminal: Terminal) -> None:
    refused = terminal.run("archive", "--again", "7")
    assert refused.exit_code == 1
    assert "16384" in refused.output
    (terminal.data / "audit" / "bodies" / "000000000000.jsonl").write_bytes(b"nothing\n")
    broken = terminal.run("archive")
    assert broken.exit_code == 1
    assert "日志的文件有问题" in broken.output
