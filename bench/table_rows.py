"""Rows of a table over HTTP: beside datasette, and beside the command lines of SQLite and PostgreSQL."""

from __future__ import annotations

import csv
import io
import subprocess
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from bench.deployment import FIELDS, ROOT, Shape, record_of
from bench.load import Run, Target, print_rows, read_body
from bench.machine import Unfit, free_port, tool
from bench.postgresql import binaries, server
from bench.results import Goal, Row, against, middle
from bench.stand import Missing, Stand

LINES, CSV = "JSON lines", "CSV"
_ACCEPT = {LINES: "application/x-ndjson", CSV: "text/csv"}
_PEERS = ROOT / "var" / "peers" / "bin"
"""Where `make bench-peers` puts what comes from PyPI."""
_ASKED = "SELECT * FROM items ORDER BY code"
_TYPES = {"level": "integer", "active": "boolean", "opened": "date"}

DATASETTE: Mapping[str, Goal] = {LINES: Goal(3.0, 5.0), CSV: Goal(3.0, 6.0)}
COMMAND_LINE = Goal(0.9, 1.3)

Read = Callable[[], Run]


def tables(stand: Stand) -> list[Row]:
    """Compare the rows of a table with token, grant and record with every way to get at them without."""
    rows = []
    for part, names in (
        (_beside_datasette, [(f"{stand.plan.rows:,} rows as {form}", "datasette") for form in _ACCEPT]),
        (_beside_sqlite, [(f"{stand.plan.rows:,} rows as {LINES}", "sqlite3 -json into a pipe")]),
        (_beside_psql, [(f"{stand.plan.rows:,} rows as {CSV} from PostgreSQL", r"psql \copy into a pipe")]),
    ):
        try:
            rows += part(stand)
        except Missing as why:
            rows += [Row(measure, peer, skipped=str(why)) for measure, peer in names]
    return rows


def _beside_datasette(stand: Stand) -> list[Row]:
    found = tool("datasette") or str(_PEERS / "datasette")
    if not Path(found).is_file():
        raise Missing("datasette not installed (make bench-peers)")
    port = free_port()
    command = [found, "serve", "-i", str(stand.rows), "-h", "127.0.0.1", "-p", str(port)]
    for name, value in {
        "max_returned_rows": stand.plan.rows,
        "sql_time_limit_ms": 60_000,
        "max_csv_mb": 0,
        "suggest_facets": "off",
    }.items():
        command += ["--setting", name, str(value)]
    pid = stand.processes.serve("datasette", command, stand.cpu, port)
    table = f"http://127.0.0.1:{port}/rows/items"
    paths = {LINES: ".json?_shape=array&_nl=on&_size=max&_nocount=1", CSV: ".csv?_stream=on&_size=max"}
    rows = []
    for form, accept in _ACCEPT.items():
        theirs = Target("datasette", table + paths[form], pid)
        ours = stand.ours.target("table", "rows")
        one, other = _turns(
            stand, form, _reading(stand, ours, accept, form), _reading(stand, theirs, accept, form)
        )
        rows.append(
            against(f"{stand.plan.rows:,} rows as {form}", "datasette", one, other, DATASETTE[form], "rows/s")
        )
    stand.processes.end(pid)
    return rows


def _beside_sqlite(stand: Stand) -> list[Row]:
    command = [stand.tool("sqlite3"), "-json", str(stand.rows), _ASKED]
    ours = stand.ours.target("table", "rows")
    one, other = _turns(
        stand,
        LINES,
        _reading(stand, ours, _ACCEPT[LINES], LINES),
        lambda: _printed(stand, command, LINES),
    )
    peer = "sqlite3 -json into a pipe"
    return [against(f"{stand.plan.rows:,} rows as {LINES}", peer, one, other, COMMAND_LINE, "rows/s")]


def _beside_psql(stand: Stand) -> list[Row]:
    programs, psql = binaries(), stand.tool("psql")
    if programs is None:
        raise Missing("PostgreSQL not installed")
    with server(stand.folder / "postgresql", programs, ["shared_buffers=512MB"]) as address:
        _fill(psql, address, stand.plan.rows)
        shape = Shape(
            stand.upstream, stand.files, postgresql=address.replace("postgresql:", "postgresql+psycopg:")
        )
        ours = stand.start(stand.folder / "with-postgresql", shape)
        copied = rf"\copy ({_ASKED}) TO STDOUT WITH (FORMAT csv, HEADER)"
        one, other = _turns(
            stand,
            f"{CSV} from PostgreSQL",
            _reading(stand, ours.target("postgresql", "rows"), _ACCEPT[CSV], CSV),
            lambda: _printed(stand, [psql, "-X", address, "-c", copied], CSV),
        )
        stand.stop(ours)
    measure, peer = f"{stand.plan.rows:,} rows as {CSV} from PostgreSQL", r"psql \copy into a pipe"
    return [against(measure, peer, one, other, COMMAND_LINE, "rows/s")]


def _fill(psql: str, address: str, rows: int) -> None:
    """Make the table `items` with the rows that the SQLite file has."""
    columns = ", ".join(f"{name} {_TYPES.get(name, 'text')}" for name in FIELDS)
    made = io.StringIO()
    csv.writer(made).writerows(record_of(number, 10).values() for number in range(rows))
    statements = [
        f"CREATE TABLE items ({columns}, PRIMARY KEY (code))",
        r"\copy items FROM STDIN WITH (FORMAT csv)",
        "ANALYZE items",
    ]
    command = [psql, "-X", "-q", "-v", "ON_ERROR_STOP=1", address]
    for statement in statements:
        command += ["-c", statement]
    subprocess.run(command, input=made.getvalue().encode(), check=True, capture_output=True)


# --- turns ----------------------------------------------------------------------------------------


def _turns(stand: Stand, what: str, ours: Read, theirs: Read) -> tuple[Run, Run]:
    """Let both read all rows in each round, after a turn that does not count; return the middle runs."""
    mine, others = [], []
    for number in range(stand.plan.rounds + 1):
        stand.say(f"{what}, round {number} of {stand.plan.rounds}")
        mine.append(ours())
        others.append(theirs())
    return middle(mine[1:]), middle(others[1:])


def _reading(stand: Stand, target: Target, accept: str, form: str) -> Read:
    def read() -> Run:
        with stand.alone(target):
            run, body = read_body(target, accept, keep=True)
        _check(body, form, stand.plan.rows)
        return Run(stand.plan.rows, run.seconds, run.cpu_seconds)

    return read


def _printed(stand: Stand, command: Sequence[str], form: str) -> Run:
    run, body = print_rows(command, stand.cpu, stand.plan.rows)
    _check(body, form, stand.plan.rows)
    return run


def _check(body: bytes, form: str, rows: int) -> None:
    """Raise Unfit unless every row is there, each on its line, the last one with or without an end."""
    lines = body.rstrip(b"\r\n").count(b"\n") + (0 if form == CSV else 1)
    if lines != rows:
        raise Unfit(f"{lines} rows of {rows} came as {form}")
