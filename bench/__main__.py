"""`python -m bench`: measure the data plane beside its peers, print one table, leave nothing behind."""

from __future__ import annotations

import json
import os
import signal
import sys
import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click
from rich.console import Console

from bench.deployment import ROOT
from bench.machine import Processes, Unfit
from bench.measures import Bench, Outcome, Plan
from bench.quality import as_table as quality_table
from bench.quality import measure as measure_quality
from bench.quality import memory_mib
from bench.report import as_json, as_table, conditions, notes

out = Console(highlight=False, width=170)
err = Console(stderr=True, highlight=False)


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--seconds", type=click.IntRange(1), default=2, show_default=True, help="Of each turn.")
@click.option("--rounds", type=click.IntRange(1), default=3, show_default=True, help="Turns of each server.")
@click.option(
    "--folder",
    type=click.Path(path_type=Path, file_okay=False),
    default=ROOT / "var",
    show_default="var",
    help="Where the temporary folder is made; its disk is what the records wait for.",
)
@click.option("--quality", is_flag=True, help="Measure a check of data instead.")
@click.option("--rows", type=click.IntRange(1000), default=1_000_000, show_default=True, help="Of it.")
@click.option("--json", "json_wanted", is_flag=True, help="Print JSON.")
def main(seconds: int, rounds: int, folder: Path, quality: bool, rows: int, json_wanted: bool) -> None:
    """Measure the data plane beside nginx, HAProxy and sqlite3, each pinned to the same CPU."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that everything is stopped
    folder.mkdir(parents=True, exist_ok=True)
    if quality:
        _measure_quality(folder, rows, json_wanted)
        return
    try:
        outcome, known = _measure(folder, Plan(seconds, rounds))
    except Unfit as why:
        raise click.ClickException(str(why)) from why
    if json_wanted:
        click.echo(json.dumps(as_json(outcome, known), ensure_ascii=False, indent=2))
    else:
        out.print(as_table(outcome))
        out.print(notes(outcome, known), markup=False)


def _measure_quality(parent: Path, rows: int, json_wanted: bool) -> None:
    """Measure a check of data in a folder of our own, and take it away again."""
    with tempfile.TemporaryDirectory(prefix="bench-", dir=parent.resolve()) as name:
        found = measure_quality(Path(name), rows, lambda text: err.print(text, style="dim", markup=False))
    if json_wanted:
        click.echo(json.dumps([{**asdict(m), "rate": m.rate} for m in found], indent=2))
    else:
        out.print(quality_table(found))
        out.print(f"The process held at most {memory_mib():.0f} MiB; quality_memory_mb is 512.")


def _measure(parent: Path, plan: Plan) -> tuple[Outcome, dict[str, Any]]:
    """Measure in a folder of our own, and take everything away again. Raises Unfit."""
    with tempfile.TemporaryDirectory(prefix="bench-", dir=parent.resolve()) as name:
        folder = Path(name)
        processes = Processes(folder)
        known = conditions(folder, plan)
        try:
            bench = Bench(folder, processes, lambda text: err.print(text, style="dim", markup=False))
            outcome = bench.run(plan)
        finally:
            processes.stop()
        return outcome, {**known, "load_average_after": [round(x, 2) for x in os.getloadavg()]}


if __name__ == "__main__":
    main()
