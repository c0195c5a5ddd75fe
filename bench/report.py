"""The result as a table for people and as JSON, with the machine and what else it did."""

from __future__ import annotations

import os
import platform
import re
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from rich.table import Table

from bench.load import Run
from bench.machine import stolen_seconds, tool
from bench.results import Row

_VERSIONS = {
    "nginx": ["-v"],
    "haproxy": ["-v"],
    "wrk": ["-v"],
    "sqlite3": ["--version"],
    "psql": ["--version"],
}


# --- the machine ----------------------------------------------------------------------------------


def conditions(folder: Path, seconds: int, rounds: int) -> dict[str, Any]:
    """Return what the figures are taken under; call it before the load begins."""
    return {
        "cpus": f"{os.cpu_count()} x {cpu_model()}",
        "kernel": platform.release(),
        "load_average_before": [round(x, 2) for x in os.getloadavg()],
        "durable_write_ms": round(durable_write_ms(folder), 3),
        "seconds": seconds,
        "rounds": rounds,
        "versions": _versions(),
    }


@dataclass(frozen=True)
class Watch:
    """A look at the clock, and at what other guests of the host have taken."""

    began: float
    stolen: float

    @classmethod
    def start(cls) -> Watch:
        """Begin now."""
        return cls(time.monotonic(), stolen_seconds())

    def told(self) -> dict[str, Any]:
        """Return what happened since, as conditions of the run."""
        took = time.monotonic() - self.began
        share = (stolen_seconds() - self.stolen) / (took * (os.cpu_count() or 1))
        return {
            "took_seconds": round(took),
            "stolen_percent": round(100 * share, 1),
            "load_average_after": [round(x, 2) for x in os.getloadavg()],
        }


def durable_write_ms(folder: Path, times: int = 50, pause: float = 0.0) -> float:
    """Return the middle time of a synchronous 4 KiB write into a file in this folder.

    `pause` seconds lie between two of them, as between calls: a disk and a processor that just did the same
    are quicker.
    """
    taken = []
    path = folder / "probe"
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_DSYNC)
    try:
        os.pwrite(fd, bytes(4096), 0)
        for _ in range(times):
            time.sleep(pause)
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
    found = {"python": platform.python_version()}
    found |= {name: version(name) for name in ("uvloop", "httptools", "orjson", "cryptography")}
    for name, options in _VERSIONS.items():
        path = tool(name)
        found[name] = _version([path, *options]) if path else "not installed"
    return found


def _version(command: list[str]) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    number = re.search(r"\d+\.\d+[\w.]*", done.stdout + done.stderr)
    return number[0] if number else "unknown"


# --- for people -----------------------------------------------------------------------------------

_COLUMNS = ("measure", "against", "value", "must", "aim", "", "rates, ours / peer", "CPU µs", "p50/p99 ms")


def as_table(title: str, rows: Sequence[Row]) -> Table:
    """Return the rows as a table."""
    table = Table(title=title, title_justify="left", show_lines=False)
    for name in _COLUMNS:
        left = name in ("measure", "against", "")
        table.add_column(name, justify="left" if left else "right", overflow="fold")
    for row in rows:
        table.add_row(*_cells(row))
        if row.note:
            table.add_row("", row.note)
    return table


def _cells(row: Row) -> list[str]:
    goal = row.goal
    bounds = [_figure(goal.must, row.unit), _figure(goal.aim, row.unit)] if goal else ["", ""]
    if row.value is None:
        why = f"{row.verdict}: {row.failed or row.skipped}"
        return [row.measure, row.peer, "-", *bounds, why, "", "", ""]
    runs = [run for run in (row.ours, row.theirs) if run is not None]
    return [
        row.measure,
        row.peer,
        _figure(row.value, row.unit),
        *bounds,
        row.verdict,
        " / ".join(_rate(run) for run in runs) + (f" {row.counted}" if runs else ""),
        _cpu(row),
        " and ".join(_latency(run) for run in runs if run.p50_ms is not None),
    ]


def _figure(value: float, unit: str) -> str:
    if unit == "calls":
        return f"{value:.0f} calls"
    return f"{value:.2f}x" if unit == "x" else f"{value:.2f} {unit}"


def _rate(run: Run) -> str:
    failed = f" ({run.errors} errors)" if run.errors else ""
    return f"{run.rate:,.0f}{failed}"


def _cpu(row: Row) -> str:
    """Return the CPU microseconds a unit, and how many times fewer than the peer's ours are."""
    told = " / ".join(f"{run.cpu_us:.1f}" for run in (row.ours, row.theirs) if run is not None)
    return told if row.cpu_ratio is None else f"{told} ({row.cpu_ratio:.2f}x)"


def _latency(run: Run) -> str:
    return f"{run.p50_ms:.2f}/{run.p99_ms:.2f}"


def notes(known: Mapping[str, Any]) -> str:
    """Return the conditions in sentences."""
    versions = ", ".join(f"{name} {number}" for name, number in known["versions"].items())
    before, after = (", ".join(map(str, known[f"load_average_{x}"])) for x in ("before", "after"))
    return "\n".join(
        (
            f"{known['cpus']}, Linux {known['kernel']}. What is measured has one CPU to itself; the "
            "load, the provider, databases and the sealer have another.",
            f"{known['rounds']} rounds of {known['seconds']} s in turn, the middle one counts; "
            f"{known['took_seconds']} s in all. 1 KiB of JSON, 256 tokens in rotation.",
            f"Ours writes a durable record for every call ({known['durable_write_ms']} ms for a synchronous "
            "write here); HAProxy and nginx with Lua write a log line that nobody waits for; nginx writes "
            "none.",
            f"Load average before: {before}; after: {after}.{_busy(known)} Other guests of the host took "
            f"{known['stolen_percent']} % of the CPUs' time (steal).",
            f"{versions}.",
        )
    )


def as_markdown(rows: Mapping[str, Sequence[Row]]) -> str:
    """Return all rows as one table in Markdown, for docs/benchmarks.md."""
    lines = ["| measure | against | value | must | aim | | ours / peer | CPU µs | p50/p99 ms |"]
    lines.append("|---|---|---|---|---|---|---|---|---|")
    for row in (row for found in rows.values() for row in found):
        lines.append("| " + " | ".join(_cells(row)) + " |")
        if row.note:
            lines.append(f"| | {row.note} | | | | | | | |")
    return "\n".join(lines)


def _busy(known: Mapping[str, Any]) -> str:
    """Return a warning where others worked on the machine when the measuring began."""
    if known["load_average_before"][0] < 0.5 * (os.cpu_count() or 1):
        return ""
    return " OTHERS WORKED ON THE MACHINE: of these figures only CPU times say something."


# --- for programs ---------------------------------------------------------------------------------


def as_json(rows: Mapping[str, Sequence[Row]], known: Mapping[str, Any]) -> dict[str, Any]:
    """Return everything as one document."""
    tables = {name: [_row(row) for row in found] for name, found in rows.items()}
    return {"conditions": dict(known), "tables": tables}


def _row(row: Row) -> dict[str, Any]:
    goal = row.goal
    return {
        "measure": row.measure,
        "against": row.peer,
        "value": None if row.value is None else round(row.value, 3),
        "unit": row.unit,
        "must": goal and goal.must,
        "aim": goal and goal.aim,
        "verdict": row.verdict,
        "cpu_ratio": row.cpu_ratio and round(row.cpu_ratio, 3),
        "ours": _run(row.ours),
        "theirs": _run(row.theirs),
        "counted": row.counted,
        "note": row.note,
        "skipped": row.skipped,
        "failed": row.failed,
    }


def _run(run: Run | None) -> dict[str, Any] | None:
    if run is None:
        return None
    return {
        "rate": round(run.rate, 1),
        "cpu_us": round(run.cpu_us, 4),
        "seconds": round(run.seconds, 3),
        "p50_ms": run.p50_ms,
        "p99_ms": run.p99_ms,
        "errors": run.errors,
    }
