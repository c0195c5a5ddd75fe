"""The same answers at the terminal, and as files from there."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from rich.cells import cell_len

import cli
from tests.audit.questions.story import DAY, HOUR, call
from tests.audit.questions.test_asking import put, queries
from tests.conftest import CONFIG, World

pytestmark = pytest.mark.long


def run(world: World, *words: str) -> Result:
    place = ["--config", str(CONFIG), "--data", str(world.settings.data)]
    return CliRunner().invoke(cli.main, [*place, "audit", *words])


def test_a_question_is_answered_at_the_terminal_and_put_on_record(world: World) -> None:
    put(world, *(call(world.now - n * DAY) for n in range(1, 4)))
    put(world, call(world.now - HOUR), seal=False)
    asked = run(world, "ask", "calls_per_day", "--param", "until=2026-02-10T10:00", "--json")
    assert asked.exit_code == 0, asked.output
    answer = json.loads(asked.stdout)
    assert sum(row["calls"] for row in answer["items"]) == 4
    assert answer["coverage"]["complete"] is True
    (body,) = queries(world)
    assert (body["query"]["question"], body["roles"], body["rows"]) == ("calls_per_day", ["system"], 4)


def test_what_is_shown_says_what_it_rests_on(world: World) -> None:
    put(world, call(world.now - DAY))
    shown = run(world, "ask", "find_records", "--param", "since=2026-01-01", "--limit", "1")
    assert "complete" in shown.stderr
    listed = run(world, "questions")
    assert "off_hours" in listed.stdout


def test_who_sits_at_the_terminal_is_on_record_under_a_pseudonym(world: World) -> None:
    for words in (
        ("ask", "find_records"),
        ("export", "find_records", "--out", str(world.settings.data / "x")),
    ):
        assert run(world, *words).exit_code == 0
    actors = {body["actor"] for body in queries(world)}
    assert len(actors) == 1
    assert re.fullmatch("terminal-[0-9a-f]{32}", actors.pop())


def test_an_answer_with_many_columns_is_a_block_for_each_record(world: World) -> None:
    put(world, call(world.now - HOUR))
    shown = run(world, "ask", "find_records", "--param", "until=2026-02-10T10:00")
    assert re.search(r"使用部门 Consumer +│ police ", shown.stdout)
    assert max(cell_len(line) for line in shown.stdout.splitlines()) <= 80


def test_a_question_about_working_hours_has_the_rulebooks_calendar(world: World) -> None:
    assert run(world, "ask", "off_hours", "--param", "until=2026-02-10T10:00").exit_code == 0


def test_a_wrong_parameter_is_named_and_nothing_is_on_record(world: World) -> None:
    for param, said in (("days=0", "/days"), ("days", "NAME=VALUE"), ("x=1", "/x")):
        refused = run(world, "ask", "unused_grants", "--param", param)
        assert refused.exit_code == 1
        assert said in refused.stderr
    assert run(world, "ask", "everything").exit_code == 1
    assert queries(world) == []


def test_an_answer_is_written_to_a_file(world: World, tmp_path: Path) -> None:
    put(world, call(world.now - DAY))
    for form, begins in (("csv", b"\xef\xbb\xbf"), ("parquet", b"PAR1"), ("zip", b"PK")):
        out = tmp_path / f"answer.{form}"
        made = run(world, "export", "calls_per_day", "--form", form, "--out", str(out))
        assert made.exit_code == 0, made.output
        assert out.read_bytes().startswith(begins)
    assert [body["query"]["form"] for body in queries(world)] == ["csv", "parquet", "zip"]
