"""The house: which package may import which, and through which doors the outside comes in."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).parents[2]
LAYERS = [
    "core",
    "schemas",
    "rules",
    "web",
    "audit",
    "notices",
    "cases",
    "accounts",
    "catalog",
    "gateway",
    "matters",
    "supervision",
    "hotline",
]
COMPOSITION = [
    "ties",
    "app",
    "permissions",
    "setup_deployment",
    "listening",
    "crew",
    "serve",
    "wsgi",
    "control",
    "commands",
    "cli",
]
"""What puts packages together, in the order in which these may import each other."""
WITH_DEMO = {"commands", "cli"}
OURS = {*LAYERS, *COMPOSITION, "demo", "tests"}

FLASK = {"flask", "flask_wtf", "flask_bootstrap", "werkzeug", "jinja2", "wtforms"}
NETWORK = {
    "socket",
    "ssl",
    "http",
    "smtplib",
    "urllib",
    "httpx",
    "requests",
    "urllib3",
    "aiohttp",
    "httptools",
    "ftplib",
}

ADBC = {"adbc_driver_manager", "adbc_driver_sqlite", "adbc_driver_postgresql"}
PROVIDERS_TABLES = {
    "gateway/statements.py",
    "gateway/from_sqlite.py",
    "gateway/from_postgresql.py",
    "gateway/tables.py",
    "catalog/selfcheck/tables.py",
    "catalog/quality/tables.py",
}
"""What asks the providers' databases, which are no stores of ours (docs/decisions/0011)."""
TO_OTHERS = {
    "core/handed.py": "takes listening sockets from whoever starts a process (docs/decisions/0046)",
    "core/nursery.py": "hands sockets to the processes that begin as copies of it (docs/decisions/0046)",
    "listening.py": "opens what a deployment listens on (docs/decisions/0047)",
    "gateway/upstream.py": "the outgoing client of the data plane",
    "gateway/tls.py": "how both sides of the data plane speak TLS",
    "gateway/wire.py": "reads what it receives",
    "gateway/http1.py": "the server of both planes (docs/decisions/0036)",
    "catalog/selfcheck/addresses.py": "tells whether a provider's address answers",
    "audit/checking/fetch.py": "asks a platform's public log for a proof (docs/decisions/0026)",
    "notices/smtp.py": "hands e-mail to the deployment's mail server (docs/decisions/0013)",
    "notices/webhooks.py": "posts webhooks to the departments' own systems (docs/decisions/0013)",
    "audit/witness/client.py": "shows checkpoints to witnesses (docs/decisions/0026)",
    "audit/witness/ports.py": "tells whether a witness's port is free (docs/decisions/0026)",
    "audit/stamping/stamper.py": "asks the time-stamp authority (docs/decisions/0026)",
    "accounts/oidc/fetch.py": "asks identity providers (docs/decisions/0032)",
    "hotline/inquiries/road.py": "asks our own data plane for an operator (docs/decisions/0016)",
    "serve.py": "asks its own processes whether they are ready",
    "demo/http.py": "the parties' scripts of the demo",
    "demo/workday_service.py": "the demo's provider",
}
"""Files that may open or parse connections, and why."""
NO_CONNECTION = {"urllib.parse", "http.HTTPStatus"}
"""What the network modules hold besides connections."""

Fault = Callable[[Path, str], list[str]]


def sources() -> list[Path]:
    """Every Python file of the product."""
    found = [p for layer in [*LAYERS, "commands", "demo"] for p in sorted((ROOT / layer).rglob("*.py"))]
    return found + [file for name in COMPOSITION if (file := ROOT / f"{name}.py").exists()]


class Names(NamedTuple):
    """The dotted names that a file imports and those that it calls, with their lines."""

    imported: tuple[tuple[str, int], ...]
    called: tuple[tuple[str, int], ...]


@cache
def names(source: str) -> Names:
    """Read a file once for all the rules."""
    nodes = list(ast.walk(ast.parse(source)))
    called = (n for n in nodes if isinstance(n, ast.Call))
    return Names(
        tuple(found for node in nodes for found in _imported(node)),
        tuple((ast.unparse(call.func), call.lineno) for call in called),
    )


def imported(source: str) -> tuple[tuple[str, int], ...]:
    """The dotted names that a file imports, with their lines; a relative import starts with a dot.

    A text such as "gateway.standing:users_of" counts as what it leads to.
    """
    return names(source).imported


PLACE = re.compile(r"([a-z_][a-z_.]*):([a-z_]+)")
"""How a function is named that is loaded when it is called: `ties.late`, and entry points."""


def _imported(node: ast.AST) -> Iterator[tuple[str, int]]:
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        named = PLACE.fullmatch(node.value)
        if named and named[1].partition(".")[0] in OURS:
            yield f"{named[1]}.{named[2]}", node.lineno
    elif isinstance(node, ast.Import):
        yield from ((alias.name, node.lineno) for alias in node.names)
    elif isinstance(node, ast.ImportFrom):
        base = "." * node.level + (node.module or "")
        yield from ((f"{base}.{alias.name}".replace("..", "."), node.lineno) for alias in node.names)


def _allowed(relative: Path) -> set[str]:
    own = relative.parts[0].removesuffix(".py")
    if own in LAYERS:
        return set(LAYERS[: LAYERS.index(own) + 1])
    if own == "demo":
        return {*LAYERS, "demo"}
    earlier = COMPOSITION[: COMPOSITION.index(own)] + [own] * (own == "commands")
    return {*LAYERS, *earlier, *(["demo"] if own in WITH_DEMO else [])}


def layer_faults(path: Path, source: str) -> list[str]:
    """What a file imports from further right than its own place; relative imports would hide it."""
    relative = path.relative_to(ROOT)
    forbidden = OURS - _allowed(relative)
    return [
        f"{relative}:{line} imports {name}"
        for name, line in imported(source)
        if name.startswith(".") or name.split(".")[0] in forbidden
    ]


def _doors(relative: Path) -> dict[str, set[str]]:
    """The modules that are closed to a file, by the door that they belong to."""
    closed: dict[str, set[str]] = {}
    place = relative.as_posix()
    if relative.parts[0] not in ("web", "app.py", "wsgi.py") and relative.name not in (
        "api.py",
        "console.py",
        "oauth.py",
    ):
        closed["Flask"] = FLASK
    if place not in ("rules/rulebook.py", "core/settings.py"):
        closed["YAML"] = {"yaml"}
    if place not in TO_OTHERS:
        closed["the network"] = NETWORK
    if place not in ("catalog/quality/duck.py", "audit/columns/engine.py"):
        closed["DuckDB"] = {"duckdb"}
    if place != "audit/questions/spark.py":
        closed["Spark"] = {"pyspark"}
    if place != "catalog/quality/table_reader.py":
        closed["the drivers of ADBC"] = ADBC
    if place not in PROVIDERS_TABLES:
        closed["the driver of providers' SQLite files"] = {"apsw"}
    return closed


def door_faults(path: Path, source: str) -> list[str]:
    """What a file imports through a door that is not its own."""
    relative = path.relative_to(ROOT)
    faults = [
        f"{relative}:{line} imports {name}: {door} has its own files"
        for door, modules in _doors(relative).items()
        for name, line in imported(source)
        if name.split(".")[0] in modules and not name.startswith(tuple(NO_CONNECTION))
    ]
    return faults + _sql_faults(relative, source)


OUR_DATABASE = {"core/db.py", "core/postgresql.py"}
"""What opens the state store."""
HANDED_ON = {"Connection", "Engine", "exc"}
"""What may be named of SQLAlchemy without making a statement."""


def _sql_faults(relative: Path, source: str) -> list[str]:
    place = relative.as_posix()
    if relative.name == "store.py" or place in OUR_DATABASE or place in PROVIDERS_TABLES:
        return []
    if place.startswith("core/migrations/"):
        return []
    return [
        f"{relative}:{line} imports {name}: SQL has its own files"
        for name, line in imported(source)
        if name == "sqlalchemy" or (name.startswith("sqlalchemy.") and name.split(".")[1] not in HANDED_ON)
    ]


PLANE_EDGES = {
    "gateway/plane.py",
    "gateway/exchange.py",
    "gateway/flow.py",
    "gateway/reply.py",
    "gateway/shortcuts.py",
}
"""Where a call of the data plane meets its instant; below them it is an argument."""

CLOCKS = {"datetime.now", "datetime.utcnow", "datetime.today", "date.today"}


def clock_faults(path: Path, source: str) -> list[str]:
    """Where a file reads the system's clock for an instant (durations by `monotonic` are no instants)."""
    relative = path.relative_to(ROOT)
    place = relative.as_posix()
    if place in ("core/times.py", "core/ids.py"):
        return []
    edge = {"time.time"} if place in PLANE_EDGES else set()
    return [
        f"{relative}:{line} calls {name}"
        for name, line in names(source).called
        if name in CLOCKS or (name in {"time.time", "time.time_ns"} and name not in edge)
    ]


def view_faults(path: Path, source: str) -> list[str]:
    """Views, and ties between packages, that reach into a store."""
    if path.name not in ("api.py", "console.py", "oauth.py", "ties.py"):
        return []
    return [
        f"{path.relative_to(ROOT)}:{line} imports {name}"
        for name, line in imported(source)
        if "store" in name.split(".") or name.startswith(".")
    ]


LATE = {"ties.py", "commands/nursery.py"}
"""What loads modules by name: the places that one declares are read here, the other calls nothing in them."""


def late_faults(path: Path, source: str) -> list[str]:
    """Where a module is loaded by a name that no rule above can read."""
    relative = path.relative_to(ROOT)
    if relative.as_posix() in LATE:
        return []
    ways = {"import_module", "importlib.import_module", "__import__", "pkgutil.resolve_name"}
    return [f"{relative}:{line} calls {name}" for name, line in names(source).called if name in ways]


def found_by(check: Fault) -> list[str]:
    return [fault for path in sources() for fault in check(path, path.read_text(encoding="utf-8"))]


def test_every_package_imports_only_what_stands_to_its_left() -> None:
    assert found_by(layer_faults) == []


def test_flask_sql_yaml_and_the_network_come_in_through_their_own_doors() -> None:
    assert found_by(door_faults) == []


def test_nobody_reads_the_systems_clock_but_the_edges() -> None:
    assert found_by(clock_faults) == []


def test_views_never_import_a_store() -> None:
    assert found_by(view_faults) == []


def test_nothing_is_loaded_past_these_rules() -> None:
    assert found_by(late_faults) == []


def test_the_exceptions_to_the_doors_are_files_that_exist() -> None:
    assert [name for name in (*TO_OTHERS, *PROVIDERS_TABLES) if not (ROOT / name).exists()] == []


def reached_from(module: str) -> dict[str, set[str]]:
    """Every module of ours that `module` imports, directly or not, and what each of them imports."""
    seen: dict[str, set[str]] = {}
    waiting = [module]
    while waiting:
        name = waiting.pop()
        place = ROOT / name.replace(".", "/")
        source = place.with_suffix(".py") if place.with_suffix(".py").exists() else place / "__init__.py"
        if name in seen or not source.exists():
            continue
        seen[name] = {n for n, _ in imported(source.read_text(encoding="utf-8"))}
        waiting += [part for n in seen[name] for part in (n, n.rpartition(".")[0])]
    return seen


def test_the_data_plane_reaches_neither_flask_nor_web() -> None:
    reached = reached_from("gateway.plane")
    assert {"gateway.store", "gateway.upstream", "audit.journal"} <= set(reached)
    assert [m for m, names in reached.items() if {n.split(".")[0] for n in names} & {*FLASK, "web"}] == []


@pytest.mark.parametrize(
    ("file", "line", "check"),
    [
        ("core/ids.py", "from catalog.store import datasets", layer_faults),
        ("rules/clocks.py", "import web.http", layer_faults),
        ("catalog/datasets.py", "from gateway.grants import act_on_grant", layer_faults),
        ("catalog/datasets.py", "from ..gateway import grants", layer_faults),
        ("setup_deployment.py", "import cli", layer_faults),
        ("app.py", "import demo.story", layer_faults),
        ("commands/keys.py", "import cli", layer_faults),
        ("serve.py", "from commands.place import Place", layer_faults),
        ("catalog/datasets.py", "from flask import request", door_faults),
        ("catalog/datasets.py", "from jinja2 import Template", door_faults),
        ("gateway/grants.py", "from sqlalchemy import select", door_faults),
        ("gateway/grants.py", "from sqlalchemy import literal_column", door_faults),
        ("gateway/grants.py", "import sqlalchemy as sa", door_faults),
        ("gateway/grants.py", "import httpx", door_faults),
        ("gateway/grants.py", "import urllib.request", door_faults),
        ("cases/procedure.py", "import yaml", door_faults),
        ("catalog/quality/check.py", "import duckdb", door_faults),
        ("audit/questions/asking.py", "import pyspark", door_faults),
        ("catalog/quality/tables.py", "import adbc_driver_manager", door_faults),
        ("gateway/rows.py", "import apsw", door_faults),
        ("catalog/api.py", "from catalog import store", view_faults),
        ("catalog/api.py", "from . import store", view_faults),
        ("ties.py", 'LATE = "gateway.store:users_of"', view_faults),
        ("gateway/grants.py", 'LATE = "hotline.numbers:is_open_number"', layer_faults),
        ("gateway/grants.py", "import_module(name)", late_faults),
        ("cases/procedure.py", "NOW = datetime.now()", clock_faults),
        ("cases/procedure.py", "NOW = time.time()", clock_faults),
    ],
)
def test_a_violation_put_in_on_purpose_is_caught(file: str, line: str, check: Fault) -> None:
    path = ROOT / file
    source = path.read_text(encoding="utf-8")
    assert check(path, source) == []
    assert len(check(path, source.replace("from __future__ import annotations", line, 1))) == 1
