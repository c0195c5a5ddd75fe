"""The table from rule to test is whole: each rule has a row, and what the row names is there."""

from __future__ import annotations

import ast
import importlib
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from rules.rulebook import Rulebook
from tests.rules.books import shipped

ROOT = Path(__file__).parent.parent.parent
TABLE = ROOT / "docs" / "sharing-rules.md"
QIANJIANG, GANZHOU = "sharing/qianjiang", "sharing/ganzhou"


def _numbered(prefix: str, *spans: range) -> set[str]:
    return {f"{prefix}{number:02}" for span in spans for number in span}


DIFFERENCES = {f"D{number}" for number in range(1, 21)}
RULES = {
    QIANJIANG: _numbered("QJ-S-", range(1, 7), range(10, 17)),
    GANZHOU: _numbered("GZ-S-", range(1, 9), range(10, 22), range(25, 28), range(30, 33)),
}
"""The rules of each regulation, article by article."""
INTERPRETATIONS = _numbered("I-S-", range(1, 25))
"""What both texts leave open, as far as it concerns either."""


def sections(text: str) -> dict[str, dict[str, list[list[str]]]]:
    """Return the rows of the table by book and rule: of each its leaves, use cases and tests."""
    found: dict[str, dict[str, list[list[str]]]] = {}
    for line in text.splitlines():
        if heading := re.match(r"## .*\(`(sharing/[a-z]+)`\)$", line):
            rows = found.setdefault(heading[1], {})
        elif line.startswith(("| QJ-", "| GZ-", "| D", "| I-")):
            id, _, *cells = (cell.strip() for cell in line.strip("|").split(" | "))
            assert len(cells) == 3, line
            rows[id] = [re.findall(r"`([^`]+)`", cell) for cell in cells]
    return found


def faults(text: str) -> Iterator[str]:
    """Yield what is missing in a table, or named in it and not there."""
    found = sections(text)
    for book, rules in RULES.items():
        rows = found.get(book, {})
        wanted = rules | DIFFERENCES | set(shipped().get(book).readings)
        yield from (f"{book}: {id} has no row" for id in sorted(wanted - rows.keys()))
        for id, (leaves, use_cases, tests) in rows.items():
            for kind, names in (("leaf", leaves), ("use case", use_cases), ("test", tests)):
                if not names:
                    yield f"{book}: {id} names no {kind}"
            yield from (f"{id}: no leaf {leaf}" for leaf in leaves if not has_leaf(shipped().get(book), leaf))
            yield from (f"{id}: no use case {name}" for name in use_cases if not is_callable(name))
            yield from (f"{id}: no test {name}" for name in tests if not is_test(name))
    known = {id for rows in found.values() for id in rows}
    yield from (f"{id} has no row" for id in sorted(INTERPRETATIONS - known))


def has_leaf(book: Rulebook, leaf: str) -> bool:
    """Tell whether a book has the leaf at a path such as ``workflows/application/accept``."""
    kind, _, rest = leaf.partition("/")
    if kind == "workflows":
        name, _, action = rest.partition("/")
        flow = book.workflows.get(name)
        if flow is None:
            return False
        return action in {t.action for t in flow.transitions} or (
            action == "open" and flow.opens_by is not None
        )
    names = {
        "clocks": {rule.name for rule in book.clocks},
        "policies": set(book.policies),
        "routing": set(book.tables),
        "visibility": set(book.views),
        "readings": set(book.readings),
    }
    return rest in names.get(kind, set())


def is_callable(name: str) -> bool:
    """Tell whether ``module:function`` can be imported and called."""
    module, _, function = name.partition(":")
    try:
        return callable(getattr(importlib.import_module(module), function, None))
    except ImportError:
        return False


def is_test(name: str) -> bool:
    """Tell whether ``path::name`` is a test, without running it."""
    path, _, function = name.partition("::")
    return function.startswith("test_") and function in functions(path)


@cache
def functions(path: str) -> frozenset[str]:
    """Return the names of the functions at the top of a file, none where there is no such file."""
    file = ROOT / path
    if not file.is_file():
        return frozenset()
    tree = ast.parse(file.read_text(encoding="utf-8"))
    return frozenset(node.name for node in tree.body if isinstance(node, ast.FunctionDef))


def read() -> str:
    return TABLE.read_text(encoding="utf-8")


def test_every_rule_of_both_cities_has_its_row_leaf_use_case_and_test() -> None:
    assert list(faults(read())) == []


@pytest.mark.parametrize("id", ["QJ-S-11", "GZ-S-18", "D14", "I-S-20", "I-S-01"])
def test_a_rule_without_a_row_is_found(id: str) -> None:
    text = "".join(line for line in read().splitlines(keepends=True) if not line.startswith(f"| {id} "))
    assert any(f"{id} has no row" in fault for fault in faults(text))


@pytest.mark.parametrize(
    ("there", "gone", "fault"),
    [
        ("::test_silence_is_no_consent", "::test_silence_is_consent", "no test"),
        ("test_qianjiang_breaches.py::", "test_qianjiang_gone.py::", "no test"),
        ("`clocks/inform`", "`clocks/tell`", "no leaf"),
        ("`workflows/application/urge`", "`workflows/application/hurry`", "no leaf"),
        ("`policies/grant.max_term`", "`policies/grant.least_term`", "no leaf"),
        ("`matters.opening:open_matter`", "`matters.opening:close_matter`", "no use case"),
        ("`cases.sweep:sweep`", "`cases.brush:sweep`", "no use case"),
    ],
)
def test_what_a_row_names_and_is_not_there_is_found(there: str, gone: str, fault: str) -> None:
    assert there in read()
    assert any(fault in found for found in faults(read().replace(there, gone)))


def test_an_empty_cell_is_found() -> None:
    row = next(line for line in read().splitlines() if line.startswith("| QJ-S-16 "))
    bare = row.rpartition(" | ")[0] + " |  |"
    assert f"{QIANJIANG}: QJ-S-16 names no test" in list(faults(read().replace(row, bare)))
