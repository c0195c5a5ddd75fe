"""The process that deals with imports, and the commands of the hotline."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner, Result
from sqlalchemy import func, select

import cli
from hotline.imports.jobs import find_import
from hotline.imports.model import CHUNK, DONE, Import
from hotline.store import tickets
from serve import children
from tests.conftest import CONFIG, World
from tests.hotline.imports.tables import counts, csv_of, handed_in, olga, row


@pytest.fixture
def place(hotline: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[str, ...]:
    """Options that lead the commands to the deployment."""
    folder = tmp_path / "config"
    shutil.copytree(CONFIG, folder)
    platform = yaml.safe_load((folder / "platform.yaml").read_text(encoding="utf-8"))
    platform["rulebooks"]["hotline"] = "hotline/qianjiang"
    (folder / "platform.yaml").write_text(yaml.safe_dump(platform, allow_unicode=True), encoding="utf-8")
    for name, value in hotline.environment.items():
        monkeypatch.setenv(name, value)
    return ("--config", str(folder), "--data", str(hotline.settings.data))


def run(place: tuple[str, ...], *words: str) -> Result:
    return CliRunner().invoke(cli.main, [*place, "hotline", *words])


def there(world: World) -> int:
    with world.database.read() as tx:
        return int(tx.execute(select(func.count()).select_from(tickets)).scalar_one())


def now(world: World, made: Import) -> Import:
    with world.read(olga) as work:
        return find_import(work, made.id)


def wait_until(world: World, made: Import, rows: int, process: subprocess.Popen[bytes]) -> None:
    """Wait until so many rows have been dealt with."""
    deadline = time.monotonic() + 60
    while now(world, made).done < rows:
        assert time.monotonic() < deadline
        assert process.poll() is None
        time.sleep(0.01)


@pytest.mark.long
def test_killed_in_the_middle_it_goes_on_where_it_stood(hotline: World, place: tuple[str, ...]) -> None:
    rows = 6 * CHUNK
    made = handed_in(hotline, csv_of([row(i) for i in range(rows)]))
    command = [sys.executable, "-m", "cli", *place, "run", "importer"]
    with subprocess.Popen(command) as process:
        wait_until(hotline, made, CHUNK, process)
        process.kill()
    assert there(hotline) == now(hotline, made).done < rows
    with subprocess.Popen(command) as process:
        wait_until(hotline, made, rows, process)
        while not now(hotline, made).is_finished:
            time.sleep(0.01)
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0
    ended = now(hotline, made)
    assert (ended.state, counts(ended), there(hotline)) == (DONE, (rows, 0, 0), rows)


def test_the_command_imports_a_file(hotline: World, place: tuple[str, ...], tmp_path: Path) -> None:
    file = tmp_path / "tickets.csv"
    file.write_bytes(csv_of([row(1), row(2, 受理渠道="心灵感应")]))
    tried = run(place, "import", str(file), "--dry-run", "--json")
    assert (tried.exit_code, there(hotline)) == (1, 0)
    assert [item["column"] for item in json.loads(tried.stdout)["items"]] == ["channel"]
    shown = run(place, "import", str(file))
    assert "心灵感应" in shown.stdout
    assert there(hotline) == 1


def test_keys_are_made_listed_and_revoked(place: tuple[str, ...]) -> None:
    made = run(place, "open311-key", "fixmystreet", "--channel", "open311")
    secret = made.stdout.strip()
    assert len(secret) == 43
    listed = run(place, "open311-keys", "--json").stdout
    assert secret not in listed
    assert json.loads(listed)[0]["name"] == "fixmystreet"
    assert run(place, "open311-key", "other", "--channel", "telepathy").exit_code == 1
    assert run(place, "open311-revoke", "fixmystreet").exit_code == 0
    assert run(place, "open311-revoke", "fixmystreet").exit_code == 1


def test_the_importer_runs_where_there_is_a_hotline(hotline: World) -> None:
    settings = hotline.settings
    assert "importer" in {child.name for child in children(settings)}
    without = replace(settings.platform, rulebooks={"sharing": "sharing/qianjiang"})
    assert "importer" not in {child.name for child in children(replace(settings, platform=without))}
