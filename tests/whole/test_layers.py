"""The house: which package may import which, and through which doors the outside comes in."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LAYERS = [
    "core",
    "schemas",
    "rules",
    "web",
    "audit",
    "cases",
    "accounts",
    "catalog",
    "gateway",
    "hotline",
    "app",
]
COMPOSITION = ["app", "setup_deployment", "serve", "wsgi", "cli"]
"""The modules that put packages together, in the order in which they may import each other."""

DATA_PLANE = {
    "plane",
    "snapshot",
    "calls",
    "upstream",
    "tables",
    "files",
    "tokens",
    "policy",
    "model",
    "store",
}


def sources() -> list[Path]:
    """Every Python file of the product."""
    found = [p for layer in [*LAYERS, "demo"] for p in sorted((ROOT / layer).rglob("*.py"))]
    return found + [ROOT / f"{name}.py" for name in COMPOSITION if (ROOT / f"{name}.py").exists()]


def imported(path: Path, source: str | None = None) -> Iterator[tuple[str, int]]:
    """The dotted names that a file imports anywhere, with their lines."""
    for node in ast.walk(ast.parse(source or path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from ((alias.name, node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield from ((f"{node.module}.{alias.name}", node.lineno) for alias in node.names)


def layer_faults(path: Path, source: str | None = None) -> list[str]:
    """What a file imports from further right than its own layer."""
    relative = path.relative_to(ROOT)
    own = relative.parts[0].removesuffix(".py")
    if own not in LAYERS or own == "app":
        return []
    allowed = set(LAYERS[: LAYERS.index(own) + 1])
    return [
        f"{relative}:{line} imports {name}"
        for name, line in imported(path, source)
        if name.split(".")[0] in {*LAYERS, *COMPOSITION, "demo", "tests"} - allowed
    ]


def _may_use_flask(relative: Path) -> bool:
    return relative.parts[0] in ("web", "app.py") or relative.name in ("api.py", "console.py", "oauth.py")


def _may_use_sql(relative: Path) -> bool:
    return relative.name == "store.py" or str(relative) in {"core/db.py", *PROVIDERS_TABLES}


PROVIDERS_TABLES = {"gateway/rows.py", "gateway/tables.py", "catalog/selfcheck/tables.py"}
"""What asks the providers' databases, which are no stores of ours."""

SQL_NAMES = {"select", "insert", "update", "delete", "text", "func", "Table", "Column", "create_engine"}
"""What makes a statement; a `Connection` may be passed on by anybody."""


def door_faults(path: Path, source: str | None = None) -> list[str]:
    """What a file imports through a door that is not its own."""
    relative = path.relative_to(ROOT)
    faults = []
    for name, line in imported(path, source):
        top, last = name.split(".")[0], name.split(".")[-1]
        if top in ("flask", "flask_wtf", "flask_bootstrap", "werkzeug") and not _may_use_flask(relative):
            faults.append(f"{relative}:{line} imports {name}: Flask has its own files")
        if top == "sqlalchemy" and last in SQL_NAMES and not _may_use_sql(relative):
            faults.append(f"{relative}:{line} imports {name}: SQL has its own files")
        if top == "yaml" and str(relative) not in ("rules/rulebook.py", "core/settings.py"):
            faults.append(f"{relative}:{line} imports yaml")
        if name.split(".")[-2:] in (["datetime", "now"],):
            faults.append(f"{relative}:{line} reads the system's clock")
    return faults


def clock_faults(path: Path) -> list[str]:
    """Where a file reads the system's clock for an instant (durations by `monotonic` are no instants)."""
    relative = path.relative_to(ROOT)
    if str(relative) in ("core/times.py", "core/ids.py"):
        return []
    faults = []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            called = f"{ast.unparse(node.func.value)}.{node.func.attr}"
            if called in ("datetime.now", "datetime.utcnow", "date.today", "datetime.today"):
                faults.append(f"{relative}:{node.lineno} calls {called}")
    return faults


def view_faults(path: Path) -> list[str]:
    """Views that reach into a store."""
    if path.name not in ("api.py", "console.py", "oauth.py"):
        return []
    relative = path.relative_to(ROOT)
    return [
        f"{relative}:{line} imports {name}"
        for name, line in imported(path)
        if any(part == "store" for part in name.split("."))
    ]


def test_every_package_imports_only_what_stands_to_its_left() -> None:
    assert [fault for path in sources() for fault in layer_faults(path)] == []


def test_flask_sql_and_yaml_come_in_through_their_own_doors() -> None:
    assert [fault for path in sources() for fault in door_faults(path)] == []


def test_nobody_reads_the_systems_clock_but_the_edges() -> None:
    assert [fault for path in sources() for fault in clock_faults(path)] == []


def test_views_never_import_a_store() -> None:
    assert [fault for path in sources() for fault in view_faults(path)] == []


def test_the_data_plane_reaches_neither_flask_nor_web() -> None:
    seen: set[str] = set()
    waiting = ["gateway.plane"]
    while waiting:
        module = waiting.pop()
        path = ROOT / (module.replace(".", "/") + ".py")
        package = ROOT / module.replace(".", "/") / "__init__.py"
        source = path if path.exists() else package
        if module in seen or not source.exists():
            continue
        seen.add(module)
        for name, line in imported(source):
            assert name.split(".")[0] not in ("flask", "web", "flask_wtf"), f"{source}:{line} imports {name}"
            waiting += [name, name.rpartition(".")[0]]
    assert "gateway.store" in seen, "the walk must have followed the imports"


@pytest.mark.parametrize(
    ("file", "line", "check"),
    [
        ("core/ids.py", "from catalog.store import datasets", layer_faults),
        ("rules/clocks.py", "import web.http", layer_faults),
        ("catalog/datasets.py", "from gateway.grants import act_on_grant", layer_faults),
        ("catalog/datasets.py", "from flask import request", door_faults),
        ("gateway/grants.py", "from sqlalchemy import select", door_faults),
        ("cases/procedure.py", "import yaml", door_faults),
    ],
)
def test_a_violation_put_in_on_purpose_is_caught(file: str, line: str, check: object) -> None:
    path = ROOT / file
    source = path.read_text(encoding="utf-8").replace("from __future__ import annotations", line, 1)
    assert len(check(path, source)) == 1  # type: ignore[operator]
