"""A check of a table's data beside a loop in Python that asks the same of every row.

The check reads an SQLite table and a CSV file, the loop the table: ten columns with the same faults in each,
so all must come to the same counts.
"""

from __future__ import annotations

import csv
import os
import random
import re
import resource
import sqlite3
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from rich.table import Table

import schemas
from bench.deployment import ROOT
from catalog.quality.check import Subject, check_mounted
from catalog.quality.freshness import Supply
from core.ids import USCC_ALPHABET, is_uscc, uscc_check_digit
from core.settings import Connection, load_settings
from core.text import Text
from rules.durations import Duration
from rules.rulebook import SHIPPED
from rules.workdays import Hours, load_calendar

NOW = datetime(2026, 11, 22, tzinfo=UTC)
PEER_ROWS = 100_000
"""The loop is so much slower that it gets fewer rows; its rate is what is compared."""
_WEIGHTS = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)

ATTRIBUTES: list[dict[str, Any]] = [
    {"name": "id", "type": "integer", "primary_key": True},
    {"name": "name", "type": "string", "length": 20, "required": True},
    {"name": "number", "type": "string", "check": "resident_id"},
    {"name": "org", "type": "string", "check": "uscc"},
    {"name": "sex", "type": "string", "code_list": {"1": "男", "2": "女"}},
    {"name": "born", "type": "date"},
    {"name": "income", "type": "number", "minimum": 0, "maximum": 1_000_000},
    {"name": "phone", "type": "string", "pattern": "1[0-9]{10}"},
    {"name": "town", "type": "string", "length": 4},
    {"name": "updated", "type": "datetime"},
]


@dataclass(frozen=True)
class Measured:
    """Rows a second of one way to check, what it found, and how long it read before it counted."""

    name: str
    rows: int
    seconds: float
    cpu_seconds: float
    failed: int
    reading: float | None = None

    @property
    def rate(self) -> float:
        """Rows a second."""
        return self.rows / self.seconds


def measure(folder: Path, rows: int, say: Callable[[str], None]) -> list[Measured]:
    """Return what the check and the loop take for a table of so many rows, made in `folder`."""
    say(f"making {rows:,} rows")
    path = folder / "people.sqlite"
    _fill(path, rows)
    say("checking")
    url = f"sqlite:///{path}"
    ours = [
        _ours(folder, "table", {"table": "people"}, database_url=url),
        _ours(folder, "file", {"files": ["people.csv"]}, folder=folder),
    ]
    say("looping")
    return [*ours, _loop(path, min(rows, PEER_ROWS))]


def as_table(found: list[Measured]) -> Table:
    """Return the measurements as a table."""
    busy = ", ".join(f"{load:.1f}" for load in os.getloadavg())
    table = Table(title=f"Checking a table of ten columns (load average {busy})", title_justify="left")
    for name in ("", "rows", "seconds", "of it reading", "rows/s", "ratio", "CPU µs a row", "broken values"):
        table.add_column(name, justify="right")
    for m in found:
        reading = f"{m.reading:.1f}" if m.reading is not None else "-"
        ratio = f"{m.rate / found[-1].rate:.1f}"
        rate, cpu = f"{m.rate:,.0f}", f"{m.cpu_seconds / m.rows * 1e6:.1f}"
        figures = (f"{m.rows:,}", f"{m.seconds:.1f}", reading, rate, ratio, cpu, f"{m.failed:,}")
        table.add_row(m.name, *figures)
    return table


def memory_mib() -> float:
    """Return the most memory that this process has held."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def _worked() -> float:
    """Return the CPU seconds of this process and of those that it started and that have ended."""
    took = os.times()
    return took.user + took.system + took.children_user + took.children_system


# --- ours -----------------------------------------------------------------------------------------


def _ours(data: Path, kind: str, detail: Mapping[str, Any], **what: Any) -> Measured:
    (data / "run").mkdir(exist_ok=True)
    settings = load_settings(ROOT / "config" / "demo", data, schemas.errors)
    settings = replace(settings, platform=replace(settings.platform, quality_seconds=3600))
    calendar = load_calendar(SHIPPED / "calendars", Hours())
    supply = Supply("monthly", Duration(1, "mo"), None)
    document = {"attributes": ATTRIBUTES, "update_limit": "monthly", "freshness_attribute": "updated"}
    subject = Subject(document, kind, NOW, calendar, supply)
    opened = Connection("people", kind, Text("", ""), "", **what)
    began, worked = time.perf_counter(), _worked()
    read: list[float] = [began]

    def told(_rows: int) -> None:
        read.append(time.perf_counter())

    report = check_mounted(settings, subject, opened, detail, told)
    seconds, cpu = time.perf_counter() - began, _worked() - worked
    failed = sum(f.failed for f in report.findings)
    return Measured(f"shuxiang, {kind}", report.rows, seconds, cpu, failed, read[-1] - began)


# --- a loop in Python -----------------------------------------------------------------------------


def _loop(path: Path, rows: int) -> Measured:
    failed = 0
    seen: set[str] = set()
    began, worked = time.perf_counter(), _worked()
    database = sqlite3.connect(path)
    for row in database.execute("SELECT * FROM people LIMIT ?", (rows,)):
        failed += _faults(row) + (row[0] in seen)
        seen.add(row[0])
    database.close()
    seconds, cpu = time.perf_counter() - began, _worked() - worked
    return Measured("a loop in Python", rows, seconds, cpu, failed)


_PHONE = re.compile("1[0-9]{10}")
_ID = re.compile("[1-9][0-9]{16}[0-9X]")


def _faults(row: Any) -> int:
    id, name, number, org, sex, born, income, phone, town, updated = row
    return sum(
        (
            not isinstance(id, int),
            not name,
            len(name or "") > 20,
            not _is_resident_id(number),
            not is_uscc(org),
            sex not in ("1", "2"),
            not _is(date.fromisoformat, born),
            not isinstance(income, int | float),
            not 0 <= income <= 1_000_000,
            _PHONE.fullmatch(phone) is None,
            len(town) > 4,
            not _is(datetime.fromisoformat, updated),
        )
    )


def _is(read: Callable[[str], object], text: str) -> bool:
    try:
        return read(text) is not None
    except ValueError:
        return False


def _is_resident_id(number: str) -> bool:
    if _ID.fullmatch(number) is None or not _is(date.fromisoformat, number[6:14]):
        return False
    return _with_check(number[:17]) == number


def _with_check(first_17: str) -> str:
    total = sum(int(c) * w for c, w in zip(first_17, _WEIGHTS, strict=True))
    return first_17 + "10X98765432"[total % 11]


# --- the data -------------------------------------------------------------------------------------


def _fill(path: Path, rows: int) -> None:
    database = sqlite3.connect(path)
    columns = ", ".join(a["name"] for a in ATTRIBUTES)
    database.execute(f"CREATE TABLE people ({columns})")
    marks = ", ".join("?" * len(ATTRIBUTES))
    database.executemany(f"INSERT INTO people VALUES ({marks})", _rows(rows))
    database.commit()
    with (path.parent / "people.csv").open("w", newline="", encoding="utf-8") as file:
        written = csv.writer(file)
        written.writerow(a["name"] for a in ATTRIBUTES)
        written.writerows(database.execute("SELECT * FROM people"))
    database.close()


def _rows(rows: int) -> Iterator[tuple[Any, ...]]:
    """One value in a hundred is wrong, spread over the columns; the seed makes the run repeatable."""
    rng = random.Random(20261122)
    numbers = [
        _with_check(f"429005{rng.randint(1940, 2020)}0{rng.randint(1, 9)}1{i:04d}"[:17]) for i in range(9999)
    ]
    codes = ["".join(rng.choices(USCC_ALPHABET, k=17)) for _ in range(9999)]
    codes = [code + uscc_check_digit(code) for code in codes]
    for i in range(rows):
        odd = i % 100
        yield (
            i,
            f"王{i % 1000}" if odd != 1 else None,
            numbers[i % 9999] if odd != 2 else "429005199002280000",
            codes[i % 9999] if odd != 3 else "91350100M000100Y44",
            "12"[i % 2] if odd != 4 else "9",
            "1990-02-28" if odd != 5 else "1990-02-30",
            i % 900_000 + 0.5 if odd != 6 else -1.0,
            f"1380000{i % 10_000:04d}" if odd != 7 else "138",
            "园林街道" if odd != 8 else "园林街道办事处",
            "2026-11-01 08:00:00" if odd != 9 else "2026-11-31 08:00:00",
        )
