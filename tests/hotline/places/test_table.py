"""The table from rule to test is whole for every hotline: what has to have a row has one that holds."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from rules.rulebook import Rulebook
from tests.rules.books import shipped
from tests.sharing.test_table import ROOT, has_leaf, is_callable, is_test

TABLE = ROOT / "docs" / "hotline-rules.md"
PLACES = {
    "QJ": "hotline/qianjiang",
    "TH": "hotline/tonghua",
    "OD": "hotline/ordos",
    "YM": "hotline/yuanmou",
    "GZ": "hotline/ganzhou",
}
TOPICS = range(1, 31)
"""Channels, scope, refusals and so on, down to network and staff."""
INTERPRETATIONS = {f"I-H-{number:02}" for number in range(1, 31)}
"""What the five texts leave open, as far as it concerns any of them."""

Row = tuple[list[tuple[str, bool]], list[str], list[str]]
"""Leaves, each with whether the row says that it is null; use cases; tests."""


def sections(text: str) -> dict[str, dict[str, Row]]:
    """Return the rows of the table by book and rule."""
    found: dict[str, dict[str, Row]] = {}
    rows: dict[str, Row] = {}
    for line in text.splitlines():
        if heading := re.match(r"## .*\(`(hotline/[a-z]+)`\)$", line):
            rows = found.setdefault(heading[1], {})
        elif re.match(r"\| (QJ|TH|OD|YM|GZ|I)-", line):
            id, _, leaves, use_cases, tests = (cell.strip() for cell in line.strip("|").split(" | "))
            told = [(leaf, null == " null") for leaf, null in re.findall(r"`([^`]+)`( null)?", leaves)]
            rows[id] = (told, re.findall(r"`([^`]+)`", use_cases), re.findall(r"`([^`]+)`", tests))
    return found


def faults(text: str) -> Iterator[str]:
    """Yield what is missing in a table, or named in it and not there."""
    found = sections(text)
    for place, book in PLACES.items():
        rows = found.get(book, {})
        wanted = {f"{place}-{topic:02}" for topic in TOPICS} | set(shipped().get(book).readings)
        yield from (f"{book}: {id} has no row" for id in sorted(wanted - rows.keys()))
        for id, row in rows.items():
            yield from (f"{book}: {id} {fault}" for fault in _faults_of(shipped().get(book), row))
    known = {id for rows in found.values() for id in rows}
    yield from (f"{id} has no row" for id in sorted(INTERPRETATIONS - known))


def _faults_of(book: Rulebook, row: Row) -> Iterator[str]:
    leaves, use_cases, tests = row
    for kind, named in (("leaf", leaves), ("use case", use_cases), ("test", tests)):
        if not named:
            yield f"names no {kind}"
    for leaf, said_null in leaves:
        if not has_leaf(book, leaf):
            yield f"no leaf {leaf}"
        elif is_null(book, leaf) != said_null:
            yield f"{leaf} is {'not ' if said_null else ''}null"
    yield from (f"no use case {name}" for name in use_cases if not is_callable(name))
    yield from (f"no test {name}" for name in tests if not is_test(name))


def is_null(book: Rulebook, leaf: str) -> bool:
    """Tell whether the text gives no value for a leaf: a policy without one, a clock that never falls due."""
    kind, _, name = leaf.partition("/")
    if kind == "policies":
        return book.policies[name].value is None
    rules = [raw for raw in book.document["clocks"] if kind == "clocks" and raw["name"] == name]
    timed = ("lasts", "lasts_by", "due_at", "set")
    return bool(rules) and not any(raw.get(key) for raw in rules for key in timed)


def read() -> str:
    return TABLE.read_text(encoding="utf-8")


def test_every_rule_of_every_place_has_its_row_leaf_use_case_and_test() -> None:
    assert list(faults(read())) == []


@pytest.mark.parametrize("id", ["QJ-01", "TH-15", "OD-30", "YM-22", "GZ-16", "I-H-26", "I-H-29", "I-QJ-04"])
def test_a_rule_without_a_row_is_found(id: str) -> None:
    text = "".join(line for line in read().splitlines(keepends=True) if not line.startswith(f"| {id} "))
    assert any(f"{id} has no row" in fault for fault in faults(text))


@pytest.mark.parametrize(
    ("there", "gone", "fault"),
    [
        ("::test_more_than_five_days_take_a_reason", "::test_more_than_six_days_take_a_reason", "no test"),
        ("places/test_tonghua.py::", "places/test_gone.py::", "no test"),
        ("`clocks/extend_apply_by`", "`clocks/extend_ask_by`", "no leaf"),
        ("`workflows/ticket/forward_extension`", "`workflows/ticket/pass_extension`", "no leaf"),
        ("`policies/revisit.coverage`", "`policies/revisit.cover`", "no leaf"),
        ("`policies/urge.grace` null", "`policies/urge.grace`", "policies/urge.grace is null"),
        ("`policies/scope.accept`", "`policies/scope.accept` null", "policies/scope.accept is not null"),
        ("`hotline.callers:unmask`", "`hotline.callers:unveil`", "no use case"),
        ("`hotline.lights:lights_of`", "`hotline.lamps:lights_of`", "no use case"),
    ],
)
def test_what_a_row_names_and_is_not_there_is_found(there: str, gone: str, fault: str) -> None:
    assert there in read()
    assert any(fault in found for found in faults(read().replace(there, gone)))


def test_an_empty_cell_is_found() -> None:
    row = next(line for line in read().splitlines() if line.startswith("| QJ-16 "))
    bare = row.rpartition(" | ")[0] + " |  |"
    assert "hotline/qianjiang: QJ-16 names no test" in list(faults(read().replace(row, bare)))
