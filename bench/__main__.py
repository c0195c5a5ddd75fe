"""`python -m bench`: measure the data plane beside its peers, print tables, leave nothing behind."""

from __future__ import annotations

import json
import signal
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from http.client import HTTPException
from pathlib import Path
from subprocess import SubprocessError
from typing import Any

import click
from rich.console import Console

from bench import bodies, calls, revoke, table_rows
from bench.deployment import ROOT
from bench.machine import Processes, Unfit
from bench.quality import as_table as quality_table
from bench.quality import measure as measure_quality
from bench.quality import memory_mib
from bench.report import Watch, as_json, as_markdown, as_table, conditions, notes
from bench.results import Row
from bench.stand import Missing, Plan, Stand

out = Console(highlight=False, width=190)
err = Console(stderr=True, highlight=False)

Measure = Callable[[Stand], list[Row]]
TABLES: Mapping[str, tuple[str, Measure]] = {
    "calls": ("Calls beside proxies", calls.calls),
    "latency": ("What the record adds", calls.latency),
    "slow": ("A provider that is late", calls.slow),
    "bodies": ("Large bodies from a provider", bodies.bodies),
    "files": ("Files", bodies.files),
    "tables": ("Rows of a table", table_rows.tables),
    "mask": ("Answers cut down to the grant", calls.mask),
    "revoke": ("Revocation", revoke.revoke),
    "grants": ("Many systems and grants", calls.grants),
    "memory": ("Memory", bodies.memory),
}


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--table",
    "tables",
    type=click.Choice([*TABLES, "all"]),
    multiple=True,
    default=["all"],
    show_default=True,
    help="What to measure; may be repeated.",
)
@click.option("--seconds", type=click.IntRange(1), default=2, show_default=True, help="Of each turn.")
@click.option("--rounds", type=click.IntRange(1), default=3, show_default=True, help="Turns of each server.")
@click.option(
    "--folder",
    type=click.Path(path_type=Path, file_okay=False),
    default=ROOT / "var",
    show_default="var",
    help="Where the temporary folder is made; its disk is what the records wait for.",
)
@click.option("--tiny", is_flag=True, help="Of everything little: shows that it runs, not how fast.")
@click.option("--quality", is_flag=True, help="Measure a check of data instead.")
@click.option("--rows", type=click.IntRange(1000), default=1_000_000, show_default=True, help="Of it.")
@click.option("--json", "json_wanted", is_flag=True, help="Print JSON.")
@click.option("--markdown", is_flag=True, help="Print Markdown at the end as well.")
def main(
    tables: Sequence[str],
    seconds: int,
    rounds: int,
    folder: Path,
    tiny: bool,
    quality: bool,
    rows: int,
    json_wanted: bool,
    markdown: bool,
) -> None:
    """Measure the data plane beside its peers, what is measured pinned to one CPU."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that everything is stopped
    folder.mkdir(parents=True, exist_ok=True)
    if quality:
        _measure_quality(folder, rows, json_wanted)
        return
    chosen = list(TABLES) if "all" in tables else [name for name in TABLES if name in tables]
    plan = Plan(1, 1, large_mib=16, rows=1000, parties=100) if tiny else Plan(seconds, rounds)
    try:
        found, known = _measure(folder, chosen, plan, quiet=json_wanted)
    except Unfit as why:
        raise click.ClickException(str(why)) from why
    if json_wanted:
        click.echo(json.dumps(as_json(found, known), ensure_ascii=False, indent=2))
    else:
        out.print(notes(known), markup=False)
    if markdown:
        click.echo(as_markdown(found))
    if any(row.failed for rows_of in found.values() for row in rows_of):
        sys.exit(1)


def _measure_quality(parent: Path, rows: int, json_wanted: bool) -> None:
    """Measure a check of data in a folder of our own, and take it away again."""
    with tempfile.TemporaryDirectory(prefix="bench-", dir=parent.resolve()) as name:
        found = measure_quality(Path(name), rows, _say)
    if json_wanted:
        click.echo(json.dumps([{**asdict(m), "rate": m.rate} for m in found], indent=2))
    else:
        out.print(quality_table(found))
        out.print(f"The process held at most {memory_mib():.0f} MiB; quality_memory_mb is 512.")


def _measure(
    parent: Path, chosen: Sequence[str], plan: Plan, quiet: bool
) -> tuple[dict[str, list[Row]], dict[str, Any]]:
    """Measure in a folder of our own, and take everything away again; unless `quiet`, print each table.

    Returns the rows of each table and the conditions. Raises Unfit.
    """
    found: dict[str, list[Row]] = {}
    with tempfile.TemporaryDirectory(prefix="bench-", dir=parent.resolve()) as name:
        folder = Path(name)
        known, watch = conditions(folder, plan.seconds, plan.rounds), Watch.start()
        processes = Processes(folder)
        try:
            stand = Stand(folder, processes, plan, _say)
            for table in chosen:
                title, measure = TABLES[table]
                found[table] = _rows(title, measure, stand)
                if not quiet:
                    out.print(as_table(title, found[table]))
        finally:
            processes.stop()
    return found, {**known, **watch.told()}


def _rows(title: str, measure: Measure, stand: Stand) -> list[Row]:
    """Return what one table says; of one that cannot be measured here, why. The others go on."""
    try:
        return measure(stand)
    except Missing as why:
        return [Row(title, skipped=str(why))]
    except (Unfit, OSError, HTTPException, SubprocessError, EOFError) as why:
        return [Row(title, failed=f"{type(why).__name__}: {why}")]


def _say(text: str) -> None:
    err.print(text, style="dim", markup=False)


if __name__ == "__main__":
    main()
