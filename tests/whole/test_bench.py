"""The measurements: what they say of a figure, and that a small run of each table works."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from bench.load import Run, _unchunked
from bench.machine import Unfit, tool
from bench.report import as_json, as_markdown
from bench.results import Goal, Row, against, middle

ROOT = Path(__file__).parents[2]
MORE, LESS = Goal(3.0, 4.5), Goal(5.0, 2.5, less_is_better=True)


def run(rate: float) -> Run:
    return Run(rate, 1.0, 0.5)


@pytest.mark.parametrize(
    ("goal", "value", "verdict"),
    [
        (MORE, 4.5, "aim"),
        (MORE, 4.4, "must"),
        (MORE, 2.9, "missed"),
        (LESS, 2.5, "aim"),
        (LESS, 2.6, "must"),
        (LESS, 5.1, "missed"),
    ],
)
def test_a_figure_is_held_against_what_it_must_be_and_ought_to_be(
    goal: Goal, value: float, verdict: str
) -> None:
    assert Row("calls", value=value, goal=goal).verdict == verdict


def test_what_could_not_be_measured_is_told_as_skipped_never_as_held() -> None:
    row = Row("calls", "HAProxy", goal=MORE, skipped="haproxy not installed")
    assert row.verdict == "skipped"
    told = as_json({"calls": [row]}, {})["tables"]["calls"][0]
    assert (told["value"], told["verdict"], told["must"]) == (None, "skipped", 3.0)
    assert told["skipped"] == "haproxy not installed"


def test_what_failed_is_told_as_failed() -> None:
    row = Row("calls", failed="ours lets calls through without a token")
    assert row.verdict == "failed"
    assert "failed: ours lets calls through" in as_markdown({"calls": [row]})


def test_a_ratio_is_ours_over_the_peers() -> None:
    assert against("calls", "nginx", run(30.0), run(60.0), MORE).value == 0.5


def test_cpu_time_is_compared_the_other_way_round_so_that_more_is_better() -> None:
    row = against("calls", "nginx", Run(30.0, 1.0, 0.3), Run(60.0, 1.0, 0.3), MORE)
    assert row.cpu_ratio == pytest.approx(0.5)


def test_of_several_rounds_the_middle_one_counts() -> None:
    assert middle([run(1.0), run(100.0), run(7.0)]).rate == 7.0


def test_a_chunked_body_without_its_last_chunk_is_not_taken_for_whole() -> None:
    assert _unchunked(b"3\r\nabc\r\n2;x=y\r\nde\r\n0\r\n\r\n") == b"abcde"
    with pytest.raises(Unfit):
        _unchunked(b"3\r\nabc\r\n")


# --- for real ---------------------------------------------------------------------------------------

needs_load = pytest.mark.skipif(
    tool("wrk") is None or tool("nginx") is None, reason="wrk or nginx not installed"
)


def measured(folder: Path, *tables: str) -> dict[str, list[dict[str, Any]]]:
    """Return what a small run of some tables says."""
    chosen = [part for name in tables for part in ("--table", name)]
    command = [sys.executable, "-m", "bench", "--tiny", "--json", "--folder", str(folder), *chosen]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=900, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    tables_of: dict[str, list[dict[str, Any]]] = json.loads(done.stdout)["tables"]
    assert list(folder.iterdir()) == []
    return tables_of


@needs_load
@pytest.mark.servers
@pytest.mark.long
def test_a_small_run_measures_calls_that_all_succeed_and_leaves_nothing_behind(tmp_path: Path) -> None:
    [row] = measured(tmp_path, "mask")["mask"]
    assert row["ours"]["rate"] > 0
    assert row["theirs"]["rate"] > 0
    assert row["ours"]["errors"] == row["theirs"]["errors"] == 0


@needs_load
@pytest.mark.night
def test_a_small_run_of_every_table_has_a_figure_or_a_reason_in_every_row(tmp_path: Path) -> None:
    rows = [row for found in measured(tmp_path, "all").values() for row in found]
    assert len(rows) >= 21
    assert all((row["value"] is None) == (row["skipped"] is not None) for row in rows)
    assert next(r["value"] for r in rows if r["unit"] == "calls") == 0
