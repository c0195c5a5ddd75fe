"""`python -m bench.audit`: a log of ten million calls, searched, asked, proved and verified; peers beside it.

The log is made once and kept in `--folder`. Sealing is measured on journals of their own. With `--peers`,
SQLite and PostgreSQL answer the same searches over the same rows, and pymerkle proves inclusion.
"""

from __future__ import annotations

import json
import os
import random
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.table import Table

from audit.columns.engine import Engine
from audit.files import tile_reader
from audit.questions.catalogue import QUESTIONS
from audit.state import state_path
from audit.tiles import ENTRIES, WIDTH, decode_bundle
from audit.verify import verify
from bench.audit_log import disk_bytes, fill, open_database, seal, signers
from bench.audit_measures import (
    BY_ID,
    END,
    MEMORY_MB,
    PROOF,
    SECOND_PAGE,
    Figures,
    measure_blocks,
    measure_questions,
    measure_records,
    measure_sealing,
    measure_searches,
    peer_searches,
    quantile,
    searches,
)
from bench.audit_peers import merkle, postgresql, sqlite
from bench.report import cpu_model, durable_write_ms

VERIFIED = "records verified a CPU second"
RATES = {VERIFIED: 300_000.0}
"""The least that is asked for; one process, so that a CPU second is that of one core."""
TARGETS = {
    **dict.fromkeys((*searches(random.Random()), SECOND_PAGE), 200.0),
    **dict.fromkeys((BY_ID, PROOF), 5.0),
    **{f"question {code}": 1000.0 for code in QUESTIONS},
}
"""The most that is asked for of the 95th percentile, in milliseconds."""
MERKLE = 50_000
"""Entries of pymerkle's tree: its proofs take a time in proportion to them."""
out = Console(highlight=False, width=130)


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--records", type=click.IntRange(1_000), default=10_000_000, show_default=True)
@click.option("--folder", type=click.Path(path_type=Path), default=Path("/var/tmp/shuxiang-bench-audit"))
@click.option("--peers", is_flag=True, help="Measure SQLite, PostgreSQL and pymerkle beside it.")
@click.option("--json", "json_wanted", is_flag=True, help="Print JSON.")
def main(records: int, folder: Path, peers: bool, json_wanted: bool) -> None:
    """Measure the access log; the log itself is kept in FOLDER for the next time."""
    figures, log = Figures(), folder / str(records)
    folder.mkdir(parents=True, exist_ok=True)
    figures.conditions = {
        "records": records,
        "cpus": f"{os.cpu_count()} x {cpu_model()}",
        "load_average_before": [round(x, 1) for x in os.getloadavg()],
        "durable_write_ms": round(durable_write_ms(folder), 3),
    }
    if not state_path(log).exists():
        fill(log, records)
    with closing(open_database(log)) as database:
        seal(log, database, signers(log))
        measure_sealing(figures, folder / "sealing")
        measure_blocks(figures, log, database)
        seal(log, database, signers(log))  # else the digests of the blocks are not on record yet
        _size(figures, log, records)
        engine = Engine(log, MEMORY_MB)
        measure_searches(figures, log, database, engine)
        measure_records(figures, log, database, records)
        measure_questions(figures, log, database, engine)
        engine.close()
    for name, columns in ((VERIFIED, False), (f"{VERIFIED}, columns too", True)):
        _verify(figures, name, log, columns=columns)
    if peers:
        _peers(figures, folder, log)
    figures.conditions["load_average_after"] = [round(x, 1) for x in os.getloadavg()]
    print(json.dumps(as_json(figures), indent=1)) if json_wanted else show(figures)


def _verify(figures: Figures, name: str, log: Path, *, columns: bool) -> None:
    began = time.process_time()
    report = verify(log, columns=columns, now=END)
    if not report.sound:
        raise click.ClickException(str(report))
    figures.rates[name] = report.size / (time.process_time() - began)


def _size(figures: Figures, log: Path, records: int) -> None:
    for name in ("bodies", "log", "columns"):
        figures.rates[f"bytes a record in {name}/"] = disk_bytes(log / name) / records


def _peers(figures: Figures, folder: Path, log: Path) -> None:
    place = folder / "peers"
    place.mkdir()
    try:
        for name, peer in (("SQLite", sqlite), ("PostgreSQL", postgresql)):
            with peer(place, log) as (ask, seconds, size):
                rows = figures.conditions["records"]
                figures.rates[f"rows loaded and indexed a second by {name}"] = rows / seconds
                figures.rates[f"bytes a row in {name}"] = size / rows
                peer_searches(figures, name, ask)
        read = tile_reader(log / "log")
        entries = [e for i in range(MERKLE // WIDTH) for e in decode_bundle(read(ENTRIES, i, WIDTH))]
        rate, proof = merkle(entries)
        figures.rates["entries taken in a second by pymerkle"] = rate
        figures.took(PROOF, f"pymerkle, {len(entries):,} entries", proof)
    finally:
        place.rmdir()


# --- the result -----------------------------------------------------------------------------------


def as_json(figures: Figures) -> dict[str, Any]:
    """Return the figures for a script: rates, and p50 and p95 in milliseconds."""
    return {
        "conditions": figures.conditions,
        "rates": {name: round(rate, 1) for name, rate in figures.rates.items()},
        "targets": {**RATES, **TARGETS},
        "milliseconds": {
            measure: {
                who: {"p50": round(quantile(some, 0.5), 2), "p95": round(quantile(some, 0.95), 2)}
                for who, some in by.items()
            }
            for measure, by in figures.times.items()
        },
    }


def show(figures: Figures) -> None:
    """Print the figures in one table, the peers' with their ratio to ours."""
    out.print(", ".join(f"{name} {value}" for name, value in figures.conditions.items()))
    rates = Table(title="Rates and sizes", title_justify="left")
    rates.add_column("what")
    rates.add_column("", justify="right")
    rates.add_column("target", justify="right")
    for name, rate in figures.rates.items():
        least = RATES.get(name)
        rates.add_row(name, f"{rate:,.0f}", _target(least, is_met=least is not None and rate >= least))
    out.print(rates)
    table = Table(title="Milliseconds, p50 / p95", title_justify="left")
    peers = list(dict.fromkeys(who for by in figures.times.values() for who in by if who != "ours"))
    for name in ("measure", "ours", "target p95", *(part for who in peers for part in (who, "ratio"))):
        table.add_column(name, justify="left" if name == "measure" else "right")
    for measure, by in figures.times.items():
        ours = by.get("ours")
        most = TARGETS.get(measure)
        is_met = most is not None and ours is not None and quantile(ours, 0.95) <= most
        cells = [measure, _spread(ours), _target(most, is_met=is_met)]
        for who in peers:
            theirs = by.get(who)
            both = f"{quantile(theirs, 0.95) / quantile(ours, 0.95):.2f}" if theirs and ours else ""
            cells += [_spread(theirs), both]
        table.add_row(*cells)
    out.print(table)


def _target(value: float | None, *, is_met: bool) -> str:
    return "" if value is None else f"{value:,.0f} {'met' if is_met else 'missed'}"


def _spread(some: list[float] | None) -> str:
    return f"{quantile(some, 0.5):,.1f} / {quantile(some, 0.95):,.1f}" if some else ""


if __name__ == "__main__":
    main()
