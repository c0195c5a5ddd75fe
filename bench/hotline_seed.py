"""A year of a hotline's tickets in a real deployment's database.

Some hundred tickets, spread over the year, are told through the use cases: taken in, dispatched, signed for,
answered, rated, and looked at by the sweep. The others are their copies, row by row, each with an id, a
number, a caller, texts and a summary of its own, sealed for its own place; `tests/hotline/test_scale.py`
shows that a copy is what the use cases would have written. A copy shares the audit record of its original,
and of notices only open tickets have some: those of old ones are deleted after a while anyway.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime, timedelta
from random import Random
from typing import Any

from bench.townspeople import somebody, something
from cases.model import Case
from cases.sealed import open_fields, seal_fields
from cases.sweep import sweep
from cases.timing import book_of
from core.ids import new_id
from core.times import millis
from core.work import SYSTEM, Actor, Work
from hotline.callers import phone_index, seal_caller, seal_texts
from hotline.intake import code_digest, take_in
from hotline.model import Held
from hotline.search.find import tokens
from hotline.tickets import act_on_ticket, find_ticket

OFFICE = "hotline_office"
OPERATOR = Actor("bench.operator", "bench", OFFICE, frozenset({"operator"}), "bench-operator")
DISPATCHER = Actor("bench.dispatcher", "bench", OFFICE, frozenset({"dispatcher"}), "bench-dispatcher")
LIVES = ("registered", "dispatched", "handling", "fed_back", "dissatisfied", "closed", "archived")
"""How far a ticket has come; of all but the last two it is still open."""
OPEN_DAYS, YEAR = 40, 365
HOUR = timedelta(hours=1)

COPIED: Mapping[str, str] = {
    "cases": "id",
    "case_parties": "case_id",
    "case_turns": "case_id",
    "case_events": "case_id",
    "case_breaches": "case_id",
    "case_signals": "case_id",
    "tickets": "id",
    "ticket_callers": "ticket_id",
    "ticket_texts": "ticket_id",
    "ticket_clocks": "ticket_id",
    "ticket_ratings": "ticket_id",
    "ticket_turns": "ticket_id",
    "ticket_documents": "ticket_id",
    "notices": "about",
}
"""Every table with rows of a ticket, and the column that names it."""


@dataclass(frozen=True)
class Original:
    """A ticket that was told, and its rows as they are kept."""

    held: Held
    category: str
    rows: Mapping[str, list[dict[str, Any]]]


# --- told -------------------------------------------------------------------------------------------


def tell(world: Any, random: Random, life: str, at: datetime) -> Held:
    """Tell one ticket from `at` on, as far as its life goes, through the use cases."""
    book = world.rulebooks.current("hotline")
    categories = frozenset(entry["code"] for entry in book.policy("categories").value)
    category, summary = something(random, categories)
    draft = {
        "channel": "phone",
        "summary": summary,
        "description": f"来电人反映：{summary}，请尽快处理。",
        "category": category,
        "place": random.choice(list(world.settings.hotline.places) or [""]),
        "caller": somebody(random),
        "facts": _classified(book, random),
        "consent": random.random() < 0.7,
    }
    world.now = at
    with world.work(OPERATOR) as work:
        held = take_in(work, {k: v for k, v in draft.items() if v != ""}).held
    unit = random.choice(sorted(d.id for d in world.settings.departments.values() if _may_handle(d)))
    handler = Actor(f"bench.{unit}", unit, unit, frozenset({"handler"}), f"bench-{unit}")
    steps: Sequence[tuple[str, Actor, str, dict[str, Any]]] = (
        ("dispatched", DISPATCHER, "dispatched", {"unit": unit}),
        ("handling", handler, "signed_in", {}),
        ("fed_back", handler, "fed_back", {"reply": "已派人到现场核实并处理完毕。"}),
        ("dissatisfied", OPERATOR, "revisited", {"satisfaction": "dissatisfied"}),
        ("closed", OPERATOR, "revisited", {"satisfaction": "satisfied"}),
        ("archived", OPERATOR, "archived", {}),
    )
    for reached, actor, event, fields in steps[: max(0, LIVES.index(life))]:
        if reached == "dissatisfied" and life in ("closed", "archived"):
            continue
        world.now += HOUR * random.randint(1, 5)
        held = _step(world, actor, held, event, fields)
    return held


def _may_handle(department: Any) -> bool:
    return bool(department.hotline_unit) and department.id != OFFICE


def _classified(book: Any, random: Random) -> dict[str, str]:
    rules = {name: book.dimensions[name] for name in book.policy("classify.dimensions").value}
    chosen = {name: rule for name, rule in rules.items() if rule.choices and name not in book.tables}
    return {name: random.choice(sorted(rule.choices)) for name, rule in chosen.items()}


def _step(world: Any, actor: Actor, held: Held, event: str, fields: Mapping[str, Any]) -> Held:
    """Take the step that records an event, with as much of what is said as it asks for."""
    with world.work(actor) as work:
        flow = book_of(work, held.case)[1]
        step = next(t for t in flow.transitions if event in t.emits and held.case.state in t.sources)
        said = {k: v for k, v in fields.items() if k in (*step.requires, *step.accepts)}
        return act_on_ticket(work, held.ticket.id, step.action, said)


def sweep_all(world: Any, at: datetime) -> None:
    """Let the sweep note all that fell due by an instant."""
    world.now = at
    while True:
        with world.work(SYSTEM) as work:
            if sweep(work, 200) == 0:
                return


# --- copied -------------------------------------------------------------------------------------------


def original(world: Any, ticket_id: str) -> Original:
    """Return a told ticket with every row of it."""
    with world.read(SYSTEM) as work:
        held = find_ticket(work, ticket_id)
    with closing(_raw(world)) as db:
        db.row_factory = sqlite3.Row
        rows = {
            table: [dict(r) for r in db.execute(f"SELECT * FROM {table} WHERE {column} = ?", (ticket_id,))]
            for table, column in COPIED.items()
        }
    return Original(held, held.ticket.category, rows)


def _raw(world: Any) -> sqlite3.Connection:
    return sqlite3.connect(world.settings.data / "state.sqlite", isolation_level=None)


class Copier:
    """Writes copies of tickets into a deployment's database."""

    def __init__(self, world: Any, random: Random) -> None:
        self._world, self._random = world, random
        self._db = _raw(world)
        book = world.rulebooks.current("hotline")
        self._categories = frozenset(entry["code"] for entry in book.policy("categories").value)

    def copy(
        self, source: Original, caller: Mapping[str, str], summary: str, code: str = "BENCHBENCH"
    ) -> str:
        """Write one copy, about `summary`, told by `caller`; return its id."""
        ticket, at = source.held.ticket, source.held.ticket.created_at
        made, number = new_id(millis(at)), self._number(ticket.number)
        changed = {ticket.id: made, ticket.number: number, ticket.summary: summary}
        with self._world.read(SYSTEM) as work:
            for table, rows in source.rows.items():
                self._insert(
                    table, [_renamed(row, changed) for row in self._own(work, table, rows, source, made)]
                )
            self._seal(work, source, made, number, caller, summary, code)
        self._index(made, number, summary)
        return made

    def many(self, sources: Sequence[Original], count: int) -> None:
        """Write `count` copies, of each source as many."""
        for start in range(0, count, 500):
            self._db.execute("BEGIN IMMEDIATE")
            for i in range(start, min(start + 500, count)):
                source = sources[i % len(sources)]
                summary = something(self._random, frozenset({source.category}))[1]
                self.copy(source, somebody(self._random), summary)
            self._db.execute("COMMIT")

    def close(self) -> None:
        """Let go of the database."""
        self._db.execute("ANALYZE")
        self._db.close()

    def _number(self, like: str) -> str:
        series = like.rpartition("-")[0]
        query = "UPDATE code_sequences SET last = last + 1 WHERE prefix = ? RETURNING last"
        return f"{series}-{self._db.execute(query, (series,)).fetchone()[0]:06d}"

    def _own(
        self, work: Work, table: str, rows: Sequence[dict[str, Any]], source: Original, made: str
    ) -> Iterator[dict[str, Any]]:
        """Yield the rows of a copy, with what is sealed sealed anew, but for caller, texts and words."""
        if table in ("ticket_callers", "ticket_texts", "ticket_documents"):
            return
        if table == "notices":
            if source.held.ticket.closed_at is None:
                yield from ({**row, "id": new_id(), "key": f"{made}:{i}"} for i, row in enumerate(rows))
            return
        if table != "case_events":
            yield from rows
            return
        for row, event in zip(rows, source.held.case.events, strict=True):
            yield {**row, "fields": json.dumps(self._fields(work, source.held.case, event.fields, made))}

    def _fields(self, work: Work, case: Case, fields: Mapping[str, Any], made: str) -> dict[str, Any]:
        return seal_fields(work, made, book_of(work, case)[0], open_fields(work, case, fields))

    def _seal(
        self,
        work: Work,
        source: Original,
        made: str,
        number: str,
        caller: Mapping[str, str],
        summary: str,
        code: str,
    ) -> None:
        kept = {
            "ticket_id": made,
            "sealed": seal_caller(work, made, caller),
            "phone_index": phone_index(work.settings, caller["phone"]),
            "code_digest": code_digest(work, number, code),
        }
        self._insert("ticket_callers", [{**source.rows["ticket_callers"][0], **kept}])
        words = {"description": f"来电人反映：{summary}，请尽快处理。"}
        self._insert("ticket_texts", [{"ticket_id": made, "sealed": seal_texts(work, made, words)}])

    def _index(self, made: str, number: str, summary: str) -> None:
        words = " ".join(tokens(f"{number} {summary}"))
        row = self._db.execute("INSERT INTO ticket_documents (ticket_id, words) VALUES (?, ?)", (made, words))
        self._db.execute("INSERT INTO ticket_search (rowid, words) VALUES (?, ?)", (row.lastrowid, words))

    def _insert(self, table: str, rows: Sequence[Mapping[str, Any]]) -> None:
        if rows:
            names = ", ".join(f'"{name}"' for name in rows[0])
            marks = ", ".join("?" * len(rows[0]))
            self._db.executemany(
                f"INSERT INTO {table} ({names}) VALUES ({marks})", [tuple(row.values()) for row in rows]
            )


def _renamed(row: Mapping[str, Any], changed: Mapping[str, str]) -> dict[str, Any]:
    """Return a row with other ids, number and summary wherever they stand."""

    def renamed(value: Any) -> Any:
        if isinstance(value, str):
            for old, new in changed.items():
                value = value.replace(old, new)
        return value

    return {name: renamed(value) for name, value in row.items()}


def fill(world: Any, seed: int, *, tickets: int, still_open: int, told: int, end: datetime) -> None:
    """Fill a deployment with a year of tickets up to `end`, so many of them still open."""
    random = Random(seed)
    closed = tell_many(
        world, random, ("archived",), end - timedelta(days=YEAR), end - timedelta(days=5), told
    )
    lives = tell_many(world, random, LIVES[:-2], end - timedelta(days=OPEN_DAYS), end - 30 * HOUR, told)
    sweep_all(world, end)
    copier = Copier(world, random)
    copier.many([original(world, h.ticket.id) for h in closed], tickets - still_open - len(closed))
    copier.many([original(world, h.ticket.id) for h in lives], still_open - len(lives))
    copier.close()


def tell_many(
    world: Any, random: Random, lives: Sequence[str], start: datetime, end: datetime, count: int
) -> list[Held]:
    """Tell `count` tickets, spread evenly from `start` to `end`."""
    step = (end - start) / count
    return [tell(world, random, lives[i % len(lives)], start + i * step) for i in range(count)]
