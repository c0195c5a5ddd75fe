"""What tickets need of their workflow and its clocks, and where these must agree with the policies.

A policy that says what a refusal states, how often a limit is extended or whether a caller may withdraw is
read by people; the workflow is what happens. Where the two differ one of them is wrong.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import product
from typing import TYPE_CHECKING, Any

from rules.check_flow import Fault
from rules.limits import ClockRule
from rules.routing import first_match, matches
from rules.values import FieldRule
from rules.workflow import Transition, Workflow

if TYPE_CHECKING:
    from rules.rulebook import Rulebook

DEMANDS = {
    "dispatch": ("unit",),
    "refuse": ("refusal",),
    "hand_off": ("emergency_line",),
    "merge": ("into",),
    "rate": ("satisfaction",),
}
"""Fields that a step which does this requires."""
EVENTS = ("accepted", "dispatched", "fed_back", "closed", "archived")
"""The events that every ticket workflow records: taken in, given to a unit, answered by it, closed, filed."""
HANDLE = "handle"
"""The clock of the handling: whatever a ticket is, one of this name runs once a unit has it."""
MOST_COMBINATIONS = 10_000
"""Combinations of facts that the clocks are tried with."""


def ticket_faults(book: Rulebook, flow: Workflow) -> Iterator[Fault]:
    """Yield what would stop a ticket on its way, or what its steps and the policies say differently."""
    at = "/workflows/ticket"
    if "intake" not in flow.states[flow.initial].flags:
        yield f"{at}/states/{flow.initial}/flags", "刚受理的应有“intake”", "a new ticket must be in intake"
    for event in EVENTS:
        if event not in flow.events():
            yield f"{at}/transitions", f"没有步骤产生“{event}”", f"no step records {event!r}"
    if "accepted" not in flow.opening:
        yield f"{at}/opening", "受理时应产生“accepted”", "the opening must record 'accepted'"
    if flow.opens_by is not None:
        yield f"{at}/open", "工单由平台受理，不写 open", "tickets are taken in by the platform, without open"
    yield from _deeds(flow, at)
    yield from _ratings(flow, at)
    yield from _demanded(book, flow, at)
    yield from _agreed(book, flow)
    yield from _handled(book)


def _deeds(flow: Workflow, at: str) -> Iterator[Fault]:
    """Steps ask for what the platform needs to do its part; what dispatches says so."""
    for i, step in enumerate(flow.transitions):
        for field in DEMANDS.get(step.does or "", ()):
            if field not in step.requires:
                words = f"这一步必须填写“{field}”", f"the step must require the field {field!r}"
                yield f"{at}/transitions/{i}/requires", *words
        for event, does in (("dispatched", "dispatch"), ("merged", "merge"), ("hung", "hang")):
            if event in step.emits and step.does != does:
                words = (
                    f"产生“{event}”的步骤应写明 does: {does}",
                    f"a step that records {event!r} does {does!r}",
                )
                yield f"{at}/transitions/{i}/does", *words
        if step.does == "dispatch" and not _leads_to(flow, step, "handling"):
            words = "派单后应由单位办理", "leads to a state in which a unit handles the ticket"
            yield f"{at}/transitions/{i}/to", *words
    if not flow.names("dispatch"):
        yield f"{at}/transitions", "没有派单的步骤", "no step dispatches"


def _leads_to(flow: Workflow, step: Transition, flag: str) -> bool:
    return flag in flow.states[step.target].flags


def _ratings(flow: Workflow, at: str) -> Iterator[Fault]:
    """Where a rating may be given, there is a way for a good one and for a bad one."""
    steps = [t for t in flow.transitions if t.does == "rate"]
    if not steps:
        yield f"{at}/transitions", "没有登记评价的步骤", "no step takes a rating"
    for state in sorted({s for t in steps for s in t.sources}):
        here = [t for t in steps if state in t.sources]
        said = {value for t in here for value in _ratings_of(t)}
        if said != {True, False}:
            words = "满意和不满意都应有去处", "must have a way for the satisfied and for the dissatisfied"
            yield f"{at}/states/{state}", *words


def _ratings_of(step: Transition) -> tuple[bool, ...]:
    wanted = step.when.get("is_satisfied")
    return (True, False) if wanted is None else (bool(wanted),)


def _demanded(book: Rulebook, flow: Workflow, at: str) -> Iterator[Fault]:
    """What a policy says that a refusal or a result states is what each such step requires.

    What a closing states is asked for by some step that leads there: of the unit, or of the office.
    """
    ending = [t for t in flow.transitions if {"fed_back", "closed"} & {*t.emits}]
    for name in book.policy("close.requires").value:
        if not any(name in step.requires for step in ending):
            words = f"没有步骤要求填写“{name}”", f"no step on the way there requires {name!r}"
            yield "/policies/close/requires/value", *words
    for i, step in enumerate(flow.transitions):
        policies = {
            "refuse.requires": step.does == "refuse",
            "reply.requires": "fed_back" in step.emits,
        }
        for path in (path for path, meant in policies.items() if meant):
            for name in book.policy(path).value:
                if name in book.fields and name not in step.requires:
                    words = f"policies/{path} 要求填写“{name}”", f"policies/{path} demands the field {name!r}"
                    yield f"{at}/transitions/{i}/requires", *words


def _agreed(book: Rulebook, flow: Workflow) -> Iterator[Fault]:
    """What a policy allows there is a step for, and what it counts the clocks count."""
    for path, does in (("withdraw", "withdraw"), ("hang.approver", "hang")):
        if (book.policy(path).value is None) == bool(flow.names(does)):
            words = ("与流程不一致", "differs from what the workflow does")
            yield f"/policies/{path.replace('.', '/')}/value", *words
    clocks = [c for c in book.clocks if c.workflow == flow.name]
    counts = {c.extension.count for c in clocks if c.name == HANDLE and c.extension is not None}
    if counts and counts != {book.policy("extension.max_count").value}:
        words = ("与办理时限可延期的次数不一致", "differs from how often the handling may be extended")
        yield "/policies/extension/max_count/value", *words
    grace = {str(c.lasts) for c in clocks if "urged" in c.starts}
    if grace and book.policy("urge.grace").value not in grace:
        words = ("与催办后的时限不一致", "differs from the clock that an urge notice starts")
        yield "/policies/urge/grace/value", *words


def _handled(book: Rulebook) -> Iterator[Fault]:
    """However a ticket is classified, a clock of its handling begins with its dispatch."""
    rules = [(i, c) for i, c in enumerate(book.clocks) if c.name == HANDLE and c.workflow == "ticket"]
    mine = [c for _, c in rules if "dispatched" in c.starts]
    if not mine:
        yield "/clocks", "没有从派单起算的办理时限", f"no clock {HANDLE!r} begins with the dispatch"
        return
    hole = next(
        (facts for facts in _cases(book, mine) if not any(matches(c.when, facts) for c in mine)), None
    )
    if hole is not None:
        told = ", ".join(f"{fact}={value}" for fact, value in hole.items())
        yield f"/clocks/{rules[0][0]}/when", f"这种情形没有办理时限：{told}", f"no handling limit for {told}"


def _cases(book: Rulebook, clocks: list[ClockRule]) -> Iterator[Mapping[str, Any]]:
    """Yield every combination of the facts that the clocks, and the tables behind them, look at."""
    asked = {fact for clock in clocks for fact in clock.when}
    derived = sorted(asked & book.tables.keys())
    base = sorted((asked - set(derived)) | {f for t in derived for row in book.tables[t] for f in row.when})
    ranges = [_values_of(book.dimensions[fact]) for fact in base]
    size = 1
    for values in ranges:
        size *= len(values)
    if size > MOST_COMBINATIONS:
        return
    for chosen in product(*ranges):
        facts = dict(zip(base, chosen, strict=True))
        rows = {table: first_match(book.tables[table], facts) for table in derived}
        yield {**facts, **{table: row.value for table, row in rows.items() if row is not None}}


def _values_of(rule: FieldRule) -> tuple[Any, ...]:
    return (True, False) if rule.type == "boolean" else tuple(rule.choices)
