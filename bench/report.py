"""The result as a table for people and as JSON."""

from __future__ import annotations

import math
import os
import platform
import re
import subprocess
import time
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

from rich.table import Table

from bench.load import Run
from bench.machine import tool
from bench.measures import (
    BODY_BYTES,
    CONNECTIONS,
    FILE_BYTES,
    FILE_CONNECTIONS,
    ROWS,
    Outcome,
    Plan,
    Row,
)

_VERSIONS = {"nginx": ["-v"], "haproxy": ["-v"], "wrk": ["-v"], "sqlite3": ["--version"]}


def conditions(folder: Path, plan: Plan) -> dict[str, Any]:
    """Return what the figures were taken under; call it before the load begins."""
    return {
        "cpus": f"{os.cpu_count()} x {cpu_model()}",
        "pinned": "what is measured on one CPU; load, provider and sealer on another",
        "load_average_before": [round(x, 2) for x in os.getloadavg()],
        "durable_write_ms": round(durable_write_ms(folder), 3),
        "body_bytes": BODY_BYTES,
        "connections": CONNECTIONS,
        "tokens": 256,
        "file_bytes": FILE_BYTES,
        "file_connections": FILE_CONNECTIONS,
        "rows": ROWS,
        "seconds": plan.seconds,
        "rounds": plan.rounds,
        "versions": _versions(),
    }


def durable_write_ms(folder: Path, times: int = 50) -> float:
    """Return the middle time of a synchronous 4 KiB write into a file in this folder."""
    taken = []
    path = folder / "probe"
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_DSYNC)
    try:
        os.pwrite(fd, bytes(4096), 0)
        for _ in range(times):
            began = time.perf_counter()
            os.pwrite(fd, bytes(4096), 0)
            taken.append(time.perf_counter() - began)
    finally:
        os.close(fd)
        path.unlink()
    return sorted(taken)[times // 2] * 1000


def cpu_model() -> str:
    """Return what the processor calls itself."""
    found = re.search(r"model name\s*: (.*)", Path("/proc/cpuinfo").read_text())
    return found[1] if found else platform.machine()


def _versions() -> dict[str, str]:
    found = {name: version(name) for name in ("uvloop", "httptools", "orjson", "cryptography")}
    for name, options in _VERSIONS.items():
        path = tool(name)
        found[name] = _version([path, *options]) if path else "not installed"
    return {"python": platform.python_version(), "kernel": platform.release(), **found}


def _version(command: list[str]) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    number = re.search(r"\d+\.\d+[\w.]*", done.stdout + done.stderr)
    return number[0] if number else "unknown"


# --- for people -----------------------------------------------------------------------------------


def as_table(outcome: Outcome) -> Table:
    """Return the rows as a table."""
    table = Table(title="The data plane beside its peers, one CPU each", title_justify="left")
    for name in ("measure", "ours", "peer", "", "ratio", "CPU µs, ours / peer", "p50/p99 ms, ours", "peer"):
        table.add_column(name, justify="left" if name in ("measure", "peer") else "right")
    for row in outcome.rows:
        table.add_row(*_cells(row))
    return table


def _cells(row: Row) -> list[str]:
    if row.ours is None or row.theirs is None:
        ours = _rate(row.ours, row.unit) if row.ours else "-"
        return [row.measure, ours, row.peer, f"skipped: {row.skipped}", "-", "-", "-", "-"]
    return [
        row.measure,
        _rate(row.ours, row.unit),
        row.peer,
        _rate(row.theirs, row.unit),
        f"{ratio(row):.2f}",
        f"{row.ours.cpu_us:.1f} / {row.theirs.cpu_us:.1f}",
        _latency(row.ours),
        _latency(row.theirs),
    ]


def ratio(row: Row) -> float:
    """Return how many times the peer's rate ours is."""
    if row.ours is None or row.theirs is None or not row.theirs.rate:
        return math.nan
    return row.ours.rate / row.theirs.rate


def _rate(run: Run, unit: str) -> str:
    failed = f" ({run.errors} errors)" if run.errors else ""
    return f"{run.rate:,.0f} {unit}{failed}"


def _latency(run: Run) -> str:
    return "-" if run.p50_ms is None or run.p99_ms is None else f"{run.p50_ms:.2f} / {run.p99_ms:.2f}"


def notes(outcome: Outcome, known: Mapping[str, Any]) -> str:
    """Return the conditions in sentences."""
    versions = ", ".join(f"{name} {number}" for name, number in known["versions"].items())
    before, after = (", ".join(map(str, known[f"load_average_{x}"])) for x in ("before", "after"))
    return "\n".join(
        (
            f"{known['cpus']}; {known['pinned']}.",
            f"Calls: {known['body_bytes']} bytes of JSON, {known['tokens']} tokens in rotation; "
            f"{known['rounds']} rounds of {known['seconds']} s, the middle one counts.",
            f"Ours writes a durable record for every call ({known['durable_write_ms']} ms for a synchronous "
            "write here); HAProxy writes a log line that nobody waits for; nginx checks and writes nothing.",
            f"The sealer takes another {outcome.sealer_us:.1f} µs of CPU per call, on the other CPU. "
            f"The worker holds {outcome.worker_mib:.0f} MiB.",
            f"Load average before: {before}; after: {after}.",
            f"{versions}.",
        )
    )


# --- for programs ---------------------------------------------------------------------------------


def as_json(outcome: Outcome, known: Mapping[str, Any]) -> dict[str, Any]:
    """Return everything as one document."""
    return {
        "conditions": dict(known),
        "sealer_cpu_us_per_call": round(outcome.sealer_us, 1),
        "worker_mib": round(outcome.worker_mib, 1),
        "rows": [_row(row) for row in outcome.rows],
    }


def _row(row: Row) -> dict[str, Any]:
    compared = None if math.isnan(ratio(row)) else round(ratio(row), 3)
    about = {"measure": row.measure, "unit": row.unit, "peer": row.peer, "ratio": compared}
    return {**about, "ours": _run(row.ours), "theirs": _run(row.theirs), "skipped": row.skipped}


def _run(run: Run | None) -> dict[str, Any] | None:
    if run is None:
        return None
    return {
        "rate": round(run.rate, 1),
        "cpu_us": round(run.cpu_us, 2),
        "seconds": round(run.seconds, 3),
        "bytes": run.bytes,
        "p50_ms": run.p50_ms,
        "p99_ms": run.p99_ms,
        "errors": run.errors,
    }
