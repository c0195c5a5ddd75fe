"""Checks from the command line, and the process that checks again and again."""

from __future__ import annotations

import json
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from sqlalchemy.engine import make_url

import cli
from catalog.model import Dataset
from catalog.quality.runs import latest_reports
from catalog.quality.tables import _opened
from core.work import SYSTEM
from tests.catalog.entries import published
from tests.conftest import CONFIG
from tests.processes import lives

pytestmark = pytest.mark.long

PERSONAL = "王小五的住处"
ENDLESS = "WITH RECURSIVE n(code) AS (SELECT 1 UNION ALL SELECT 1 FROM n) SELECT code, code AS name FROM n"


def places(world: Any, **name: Any) -> Dataset:
    """A published dataset with two rows of one place each."""
    path = world.settings.data / "demo" / "divisions.sqlite"
    path.parent.mkdir(exist_ok=True)
    with closing(sqlite3.connect(path)) as database, database:
        database.execute("CREATE TABLE IF NOT EXISTS divisions AS SELECT '1' AS code, ? AS name", (PERSONAL,))
    code = {"name": "code", "title": "代码", "type": "string", "primary_key": True}
    return published(world, attributes=[code, {"name": "name", "title": "名称", "type": "string", **name}])


def check(world: Any, *words: str) -> Result:
    (world.settings.data / "demo" / "workday-service.key").touch(0o600)
    place = ("--config", str(CONFIG), "--data", str(world.settings.data))
    return CliRunner().invoke(cli.main, [*place, "quality", "check", *words])


def test_a_broken_rule_is_told_by_the_exit_status_and_no_value_is_printed(world: Any) -> None:
    dataset = places(world, length=3)

    done = check(world, dataset.code, "--json")
    assert done.exit_code == 1
    (told,) = json.loads(done.stdout)
    assert (told["dataset"], told["rows"], told["failed_rules"]) == (dataset.code, 1, 1)
    table = check(world, dataset.code)
    assert table.exit_code == 1
    assert dataset.code in table.stdout
    assert PERSONAL not in done.output + table.output


def test_good_data_end_well_and_the_check_is_kept(world: Any) -> None:
    dataset = places(world)

    done = check(world, dataset.code.replace("/", "-"), "--kind", "table", "--json")
    assert done.exit_code == 0, done.output
    with world.read(SYSTEM) as work:
        assert [run.id for run in latest_reports(work, dataset)] == [json.loads(done.stdout)[0]["id"]]


def test_all_checks_every_published_dataset(world: Any) -> None:
    codes = {places(world).code, places(world, length=3).code}

    done = check(world, "--all", "--json")
    assert done.exit_code == 1
    assert {(told["dataset"], told["failed_rules"]) for told in json.loads(done.stdout)} == set(
        zip(sorted(codes), (0, 1), strict=True)
    )


@pytest.mark.parametrize("words", [(), ("307001/000001", "--all"), ("307001/000099",)])
def test_a_wrong_command_says_what_is_wrong(world: Any, words: tuple[str, ...]) -> None:
    places(world)

    done = check(world, *words)
    assert done.exit_code not in (0, None)
    assert done.exception is None or isinstance(done.exception, SystemExit)
    assert done.output.strip()


def _reader_of(process: subprocess.Popen[bytes]) -> int | None:
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    return int(children[0]) if children else None


def test_the_standing_check_stops_in_the_middle_and_leaves_nothing(world: Any) -> None:
    places(world)
    path = world.settings.data / "demo" / "divisions.sqlite"
    with closing(sqlite3.connect(path)) as database, database:
        database.execute("DROP TABLE divisions")
        database.execute(f"CREATE VIEW divisions AS {ENDLESS} WHERE code = 2")
    (world.settings.data / "demo" / "workday-service.key").touch(0o600)
    place = ("--config", str(CONFIG), "--data", str(world.settings.data))
    with subprocess.Popen([sys.executable, "-m", "cli", *place, "run", "quality"]) as process:
        deadline = time.monotonic() + 30
        while (reader := _reader_of(process)) is None:
            assert time.monotonic() < deadline
            assert process.poll() is None
            time.sleep(0.02)
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0
    assert not lives(reader)
    assert list((world.settings.data / "run").glob("quality-*")) == []


def test_postgresql_is_opened_for_reading_and_for_so_long_only() -> None:
    opened = _opened(make_url("postgresql+psycopg://a:p%40+s@db.example:5433/x"), 0.2, 90)

    assert opened["uri"] == (
        "postgresql://a:p%40+s@db.example:5433/x?connect_timeout=2"
        "&options=-c%20default_transaction_read_only%3Don%20-c%20statement_timeout%3D90000"
    )
