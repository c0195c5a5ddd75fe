"""`python -m bench.month`: how long sweep and desk take after a month of 5,000 applications to 500 datasets.

The month is played through the use cases, so it takes some minutes, and recounted as the tests recount a
smaller one; what is measured is one call of each, in milliseconds. Nothing is left behind.
"""

from __future__ import annotations

import os
import statistics
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from time import perf_counter
from typing import Any

import click
from rich.console import Console
from rich.table import Table

from cases.desk import LISTS, counts, list_cases
from core.db import Database
from core.migrate import migrate
from core.periods import read_period
from core.times import SHANGHAI
from core.work import Actor
from supervision.lines import keep_lines
from supervision.statistics import Wanted, read_statistics
from tests.conftest import import_every_table, make_world
from tests.month import MANAGER, person, play
from tests.whole.test_month import check

READERS = (MANAGER, person("bureau_00", "provider"), person("bureau_01", "consumer"))
TURNS = 20


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--departments", default=60, show_default=True)
@click.option("--datasets", default=500, show_default=True)
@click.option("--applications", default=5000, show_default=True)
@click.option("--city", default="sharing/qianjiang", show_default=True)
def main(departments: int, datasets: int, applications: int, city: str) -> None:
    """Play a month and print how long one sweep, one list of the desk and one month's statistics take."""
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        world = _world(Path(name), city)
        began = perf_counter()
        month = play(world, 11, departments=departments, datasets=datasets, applications=applications)
        played = perf_counter() - began
        check(world, month, applications)
        table = Table("what", "calls", "median ms", "99 % ms", "most ms")
        _row(table, "sweep, one call (at most 20 cases)", month.sweeps)
        for which in (*LISTS, "counts"):
            _row(table, f"desk: {which}", [t for actor in READERS for t in _desk(world, actor, which)])
        while keep_lines(world.database, world.rulebooks):
            pass
        _row(table, "statistics of a month", _timed(lambda: _statistics(world)))
        world.database.close()
    Console().print(table)
    load = os.getloadavg()[0]
    print(f"played in {played:.0f} s; looked at {month.looked_at} cases; load average {load:.1f}")


def _world(folder: Path, city: str) -> Any:
    template = folder / "template.sqlite"
    database = Database(f"sqlite:///{template}")
    import_every_table()
    migrate(database)
    database.close()
    return make_world(folder / "world", template, city)


def _desk(world: Any, actor: Actor, which: str) -> list[float]:
    def once() -> None:
        with world.read(actor) as work:
            counts(work) if which == "counts" else list_cases(work, which, 8)

    return _timed(once)


def _statistics(world: Any) -> None:
    period = read_period("month", world.now.astimezone(SHANGHAI).strftime("%Y-%m"), world.now)
    with world.read(MANAGER) as work:
        read_statistics(work, Wanted(period), limit=50)


def _timed(act: Callable[[], None]) -> list[float]:
    seconds = []
    for _ in range(TURNS):
        began = perf_counter()
        act()
        seconds.append(perf_counter() - began)
    return seconds


def _row(table: Table, what: str, seconds: Sequence[float]) -> None:
    ms = sorted(1000 * s for s in seconds)
    late = ms[min(len(ms) - 1, int(len(ms) * 0.99))]
    table.add_row(what, str(len(ms)), f"{statistics.median(ms):.1f}", f"{late:.1f}", f"{ms[-1]:.1f}")


if __name__ == "__main__":
    main()
