"""The list of attacks names tests that exist, and every numbered test is on it."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

import pytest

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
NOT_ON_THE_LIST = frozenset({4, 8, 12, 16, 20, 24, 28, 32, 36, 40, 44, 48, 52, 56, 60, 64, 68})
NUMBERS = sorted(set(range(1, 72)) - NOT_ON_THE_LIST)
ROWS = re.findall(r"^\| (\d+) \|[^|]*\|(.*)\|$", (HERE / "README.md").read_text(encoding="utf-8"), re.M)
NAMED = sorted(set(re.findall(r"`(tests/[^`]+)`", (HERE / "README.md").read_text(encoding="utf-8"))))


@cache
def written_in(path: str) -> tuple[str, ...]:
    return tuple(re.findall(r"^def (test_\w+)", (ROOT / path).read_text(encoding="utf-8"), re.M))


def test_every_attack_of_the_list_is_carried_out() -> None:
    assert [int(number) for number, _ in ROWS] == NUMBERS
    assert all("`tests/" in tests for _, tests in ROWS)


@pytest.mark.parametrize("named", NAMED)
def test_each_test_that_is_named_exists(named: str) -> None:
    path, _, name = named.partition("::")
    wanted = re.compile(re.escape(name).replace(r"\*", r"\w+"))
    assert [found for found in written_in(path) if wanted.fullmatch(found)]


def test_each_test_with_a_number_is_on_the_list() -> None:
    on_list = dict(ROWS)
    for file in sorted(HERE.glob("test_*.py")):
        path = file.relative_to(ROOT).as_posix()
        for number in set(re.findall(r"^def test_(\d+)_", file.read_text(encoding="utf-8"), re.M)):
            assert f"`{path}::test_{number}_" in on_list[number], (path, number)
