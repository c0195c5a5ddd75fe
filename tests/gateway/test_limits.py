"""Calls in a second and calls at once, counted together by several workers."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.limits import SEATS, Held, Limits
from tests.whole.test_layers import ROOT

HOLDER = """
import pathlib, sys
from gateway.limits import Limits
limits = Limits(pathlib.Path(sys.argv[1]))
for _ in range(int(sys.argv[2])):
    assert limits.enter("g", None, 100, 1.0) is None
print("in", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def one(tmp_path: Path) -> Iterator[Limits]:
    made = Limits(tmp_path / "limits")
    yield made
    made.close()


@pytest.fixture
def other(tmp_path: Path, one: Limits) -> Iterator[Limits]:
    """Another worker on the same count."""
    made = Limits(tmp_path / "limits")
    yield made
    made.close()


def entered(limits: Limits, count: int, now: float, per_second: int = 5) -> int:
    return sum(limits.enter("g", per_second, None, now) is None for _ in range(count))


def test_a_second_has_so_many_calls_and_no_more_whoever_takes_them(one: Limits, other: Limits) -> None:
    assert entered(one, 3, 100.0) + entered(other, 9, 100.0) == 5
    held = one.enter("g", 5, None, 100.0)
    assert held is not None
    assert (round(held.seconds, 6), held.at_once) == (0.2, False)
    assert entered(other, 9, 100.2) == 1
    assert entered(one, 9, 107.0) == 5


def test_calls_of_another_grant_are_counted_apart(one: Limits) -> None:
    assert entered(one, 9, 100.0) == 5
    assert one.enter("h", 5, None, 100.0) is None


def test_what_is_under_way_at_any_worker_counts_until_it_ends(one: Limits, other: Limits) -> None:
    assert [one.enter("g", None, 2, 1.0), other.enter("g", None, 2, 1.0)] == [None, None]
    assert one.enter("g", None, 2, 1.0) == Held(1.0, at_once=True)
    other.leave("g")
    assert one.enter("g", None, 2, 1.0) is None


def test_a_call_that_comes_too_early_is_not_under_way(one: Limits) -> None:
    assert one.enter("g", 1, 2, 50.0) is None
    for _ in range(5):
        assert isinstance(one.enter("g", 1, 2, 50.1), Held)
    assert one.enter("g", 1, 2, 51.1) is None


def test_a_worker_that_was_killed_has_nothing_under_way_any_more(one: Limits, tmp_path: Path) -> None:
    folder = str(tmp_path / "limits")
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER, folder, "3"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"in\n"
        assert isinstance(one.enter("g", None, 3, 1.0), Held)
        holder.kill()
        holder.wait()
        assert one.enter("g", None, 3, 1.0) is None


def test_a_seat_that_is_taken_again_starts_with_nothing(tmp_path: Path) -> None:
    before = Limits(tmp_path / "limits")
    assert before.enter("g", None, 1, 1.0) is None
    before.close()  # as when it dies: the call was never left
    after = Limits(tmp_path / "limits")
    assert after.enter("g", None, 1, 1.0) is None
    after.close()


def test_a_moment_of_another_boot_holds_nobody_up(one: Limits) -> None:
    assert entered(one, 9, 90_000.0) == 5
    assert entered(one, 9, 10.0) == 5


def test_slots_of_grants_at_rest_are_used_again_and_those_in_use_are_not(tmp_path: Path) -> None:
    limits = Limits(tmp_path / "limits", slots=4)
    for grant in "abcd":
        assert limits.enter(grant, None, 1, 1.0) is None
    assert limits.enter("e", None, 1, 1.0) == Held(1.0, at_once=True)
    limits.leave("b")
    assert limits.enter("e", None, 1, 5.0) is None
    assert isinstance(limits.enter("a", None, 1, 5.0), Held)
    limits.close()


def test_there_are_seats_for_two_generations_of_the_most_workers(tmp_path: Path) -> None:
    assert SEATS >= 2 * 64


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.integers(1, 20), st.lists(st.tuples(st.booleans(), st.floats(0, 0.4)), min_size=1, max_size=120))
def test_any_span_has_its_calls_and_a_seconds_worth_more_at_most(
    tmp_path: Path, most: int, steps: list[tuple[bool, float]]
) -> None:
    workers = [Limits(tmp_path / "limits", slots=8), Limits(tmp_path / "limits", slots=8)]
    grant, now, taken = os.urandom(8).hex(), 1000.0, []
    for second, wait in steps:
        now += wait
        if workers[second].enter(grant, most, None, now) is None:
            taken.append(now)
            workers[second].leave(grant)
    for worker in workers:
        worker.close()
    for i, begins in enumerate(taken):
        for j in range(i, len(taken)):
            assert j - i + 1 <= most * (taken[j] - begins + 1.0) + 1e-6
