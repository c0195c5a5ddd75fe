"""What is measured of the access log: sealing, blocks, searches, single records, questions."""

from __future__ import annotations

import hashlib
import os
import random
import shutil
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import orjson
import pyarrow as pa

from audit.bodies import read_bodies
from audit.columns.blocks import Block
from audit.columns.coverage import coverage_now
from audit.columns.engine import Engine
from audit.columns.make import make
from audit.columns.maker import Maker, announcing
from audit.proofs import prove_inclusion
from audit.query import Filters, find_records, record_by_id
from audit.questions.asking import Asked, answer
from audit.questions.catalogue import QUESTIONS
from audit.questions.given import grants_table, worktime_table
from audit.questions.grants import InForce
from audit.questions.model import GRANTS, WORKTIME
from audit.questions.parameters import read_parameters
from audit.sealing import Sealer
from bench.audit_log import (
    CHUNK,
    DAYS,
    ORIGIN,
    RARE,
    SECRET,
    START,
    open_database,
    signers,
    write_journals,
)
from bench.audit_peers import Ask, search_of
from core.db import Database
from core.times import millis
from rules.workdays import Calendar

SEALED = 400_000
"""Records of the measurement of sealing."""
TURNS = 24
END = START + timedelta(days=DAYS)
MEMORY_MB = 512
SECOND_PAGE, BY_ID, PROOF = "department, second page", "one record by id", "its proof"
"""Measures beside the searches and the questions."""


@dataclass(slots=True)
class Figures:
    """What was measured, by name."""

    conditions: dict[str, Any] = field(default_factory=dict)
    rates: dict[str, float] = field(default_factory=dict)
    times: dict[str, dict[str, list[float]]] = field(default_factory=dict)
    """Measure, then who, to the milliseconds of each turn."""

    def took(self, measure: str, who: str, milliseconds: float) -> None:
        """Note one turn."""
        self.times.setdefault(measure, {}).setdefault(who, []).append(milliseconds)

    @contextmanager
    def timing(self, measure: str, who: str = "ours", *, counts: bool = True) -> Iterator[None]:
        """Note what the block takes, unless it is one to warm up."""
        began = time.perf_counter()
        yield
        if counts:
            self.took(measure, who, (time.perf_counter() - began) * 1000)


def quantile(values: Sequence[float], share: float) -> float:
    """Return the value below which a share of all lie."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


# --- sealing and making blocks --------------------------------------------------------------------


def measure_sealing(figures: Figures, place: Path) -> None:
    """Seal journals alone, and once more while blocks are made of another log beside it."""
    for name, beside in (("alone", False), ("while blocks are made", True)):
        folder = place / name.replace(" ", "-")
        shutil.rmtree(folder, ignore_errors=True)
        write_journals(folder, SEALED)
        with closing(open_database(folder)) as database, _blocks_beside(place if beside else None):
            began = time.perf_counter()
            for milliseconds in _steps(folder, database):
                figures.took(f"a step of 8,192 records, {name}", "ours", milliseconds)
            figures.rates[f"records sealed a second, {name}"] = SEALED / (time.perf_counter() - began)
        if beside:
            shutil.rmtree(place / "alone")
            shutil.rmtree(folder)


def _steps(folder: Path, database: Database) -> Iterator[float]:
    with closing(Sealer(folder, database, signers(folder), ORIGIN, START, secret=SECRET)) as sealer:
        more = True
        while more:
            began = time.perf_counter()
            more = sealer.step(START).more
            yield (time.perf_counter() - began) * 1000


@contextmanager
def _blocks_beside(place: Path | None) -> Iterator[None]:
    """Make blocks from bodies over and over in a thread of this process, as the sealer's own does."""
    over = threading.Event()

    def work() -> None:
        folder = None if place is None else place / "alone"
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), 10)
        while folder is not None and not over.is_set():
            make(folder, Block(0, CHUNK), SEALED, lambda made: None)

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def measure_blocks(figures: Figures, folder: Path, database: Database) -> None:
    """Make all blocks that are due from the bodies."""
    maker, rows, began, cpu = (
        Maker(folder, announcing(database, _now), grace=0),
        0,
        time.perf_counter(),
        time.process_time(),
    )
    while block := maker.step():
        rows += block.rows
    if rows:
        figures.rates["rows made into blocks a second"] = rows / (time.perf_counter() - began)
        figures.rates["rows made into blocks a CPU second"] = rows / (time.process_time() - cpu)


def _now() -> datetime:
    return END


# --- searching ------------------------------------------------------------------------------------


def searches(chance: random.Random) -> dict[str, Callable[[], Filters]]:
    """Return what is searched for; each turn asks for other values."""

    def which() -> int:
        return min(2_999, int(chance.paretovariate(0.35)) - 1)

    def day() -> tuple[datetime, datetime]:
        since = START + timedelta(days=chance.randrange(DAYS - 1))
        return since, since + timedelta(days=1)

    def equal(**filters: str) -> Filters:
        return Filters(equal=filters)

    def grant() -> str:
        return f"SX-2026-{which():05d}"

    return {
        "newest": Filters,
        "one day": lambda: Filters(*day()),
        "department": lambda: Filters(department=f"dept-{which() % 120:03d}"),
        "department, one day": lambda: Filters(*day(), f"dept-{which() % 120:03d}"),
        "system": lambda: equal(client=f"client-{which() % 700:04d}"),
        "grant": lambda: equal(grant=grant()),
        "dataset": lambda: equal(dataset=f"{307_000 + (w := which()) % 90:06d}/{w % 800:06d}"),
        "operation": lambda: equal(operation=f"GET /rows/{which() % 800}"),
        "decision": lambda: equal(decision="refused"),
        "reason and provider": lambda: equal(reason="rate_limited", provider=f"dept-{which() % 60:03d}"),
        "grant and decision": lambda: equal(grant=grant(), decision="refused"),
        "grant, one day": lambda: Filters(*day(), equal={"grant": grant()}),
        "citizen": lambda: equal(subject=_digest(chance.randrange(200_000))),
        "rare grant": lambda: equal(grant=RARE[0]),
        "rare system": lambda: equal(client=RARE[1]),
        "rare department": lambda: Filters(department=RARE[2]),
        "rare operation": lambda: equal(operation=RARE[3]),
        "rare citizen": lambda: equal(subject=RARE[4]),
        "system that never called": lambda: equal(client="client-9999"),
        "two that never meet": lambda: equal(client="client-0001", grant="SX-2026-00002"),
    }


def _digest(citizen: int) -> str:
    return hashlib.sha256(b"%d" % citizen).hexdigest()[:32]


def measure_searches(figures: Figures, folder: Path, database: Database, engine: Engine) -> None:
    """Search for the newest 50, and for the page behind them."""
    cursors: dict[str, str] = {}
    for name, some in searches(random.Random(7)).items():
        for turn in range(TURNS + 1):
            filters = some()
            with database.read() as tx, figures.timing(name, "ours", counts=turn > 0):
                page = find_records(tx, folder, filters, limit=50)
            cursors[name] = page.next_cursor or cursors.get(name, "")
        if name == "department" and cursors[name]:
            for _ in range(TURNS):
                with (
                    database.read() as tx,
                    figures.timing(SECOND_PAGE),
                ):
                    find_records(tx, folder, filters, limit=50, cursor=cursors[name])


def peer_searches(figures: Figures, who: str, ask: Ask) -> None:
    """Have a database search for the same values, and for single records."""
    for name, some in searches(random.Random(7)).items():
        for turn in range(TURNS + 1):
            filters = some()
            bounds = [_bound(filters.since, "0"), _bound(filters.until, "g")]
            department = {"department": filters.department} if filters.department else {}
            sql, values = search_of({**filters.equal, **department}, *bounds)
            with figures.timing(name, who, counts=turn > 0):
                ask(sql, values)


def _bound(instant: datetime | None, otherwise: str) -> str:
    if instant is None:
        return otherwise
    digits = f"{millis(instant):012x}"
    return f"{digits[:8]}-{digits[8:]}"


def measure_records(figures: Figures, folder: Path, database: Database, size: int) -> None:
    """Open single records by their ids, and prove that they are in the log."""
    chance = random.Random(8)
    for turn in range(TURNS * 4):
        index = chance.randrange(size)
        line = next(read_bodies(folder / "bodies", index, index + 1))
        own = orjson.loads(line.body)["id"]
        with (
            database.read() as tx,
            figures.timing(BY_ID, counts=turn >= TURNS),
        ):
            record_by_id(tx, folder, own)
        with figures.timing(PROOF, counts=turn >= TURNS):
            prove_inclusion(folder, index)


# --- questions ------------------------------------------------------------------------------------


def measure_questions(figures: Figures, folder: Path, database: Database, engine: Engine) -> None:
    """Ask every saved question for its usual period, and which part of the log that is."""
    for code in QUESTIONS:
        asked = _asked(code)
        for turn in range(6):
            with (
                database.read() as tx,
                figures.timing(f"question {code}", counts=turn > 0),
            ):
                answer(asked, engine, tx)
    for turn in range(6):
        with figures.timing("coverage of the year", counts=turn > 0):
            coverage_now(engine, None)


def _asked(code: str) -> Asked:
    question = QUESTIONS[code]
    typed = {"subject": _digest(4_711), "dataset": "307001/000001", "consumer": "dept-001"}
    given = {p.name: typed.get(p.name, "x") for p in question.parameters if p.required}
    values = read_parameters(question.parameters, given, END)
    tables = {}
    if GRANTS in question.needs:
        tables[GRANTS] = _grants()
    if WORKTIME in question.needs:
        tables[WORKTIME] = worktime_table(Calendar({}), values["since"], values["until"])
    return Asked(question, values, END, tables, 0, ())


def _grants() -> pa.Table:
    whole = [(f"SX-2026-{i:05d}", f"dept-{i % 120:03d}", f"dept-{i * 7 % 60:03d}") for i in range(3_200)]
    return grants_table(
        [InForce(*three, f"client-{i % 700:04d}", "x", START, None) for i, three in enumerate(whole)]
    )
