"""Whose turn it is: which roles a case waits for, worked out when it moves and kept for the desk."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from cases import store
from cases.model import Case, in_role
from cases.standing import facts_now, is_pending
from cases.timing import book_of, clocks
from core.work import Work
from rules.rulebook import Rulebook
from rules.workflow import SYSTEM, Transition, Workflow

AT_WILL = ("aside", "withdraw", "reopen")
"""What steps do that may be taken and that nobody waits for."""


def waits_for(work: Work, case: Case) -> frozenset[tuple[str, str]]:
    """Return the (role, department) pairs that have the turn in a case; nobody has it in a closed one."""
    if case.closed_at is not None:
        return frozenset()
    roles = {role for step in tasks_in(work, case) for role in step.roles - {SYSTEM}}
    return frozenset((role, department) for role in roles for department in in_role(case.parties, role))


def tasks_in(work: Work, case: Case, facts: Mapping[str, Any] | None = None) -> list[Transition]:
    """Return the steps that the case waits for, whoever may take them."""
    book, flow = book_of(work, case)
    running = {c.name for c in clocks(work, case) if c.running}
    steps = flow.leaving(case.state, facts if facts is not None else facts_now(work, case))
    return [t for t in steps if is_task(case, flow, t, stopping(book, case.workflow, running))]


def is_task(case: Case, flow: Workflow, step: Transition, stops: frozenset[str]) -> bool:
    """Tell whether a case waits for somebody to take `step`.

    A step out of a passing state is a task; out of a resting one it is not, unless it leaves the case where
    it is and stops a clock that runs (a changed dataset must be updated) or answers what somebody asked for.
    Steps that only urge somebody are none, nor is giving up, which is always possible, nor taking a ticket
    back from the unit that works on it, nor opening again what was closed.
    """
    flags = flow.states[case.state].flags
    if step.does in AT_WILL or step.timer is not None or (step.does == "dispatch" and "handling" in flags):
        return False
    if any(wanted is True and is_pending(case, flow, event) for event, wanted in step.when.items()):
        return True
    stays = step.target == case.state
    if stays != ("resting" in flags):
        return False
    return not stays or not stops.isdisjoint(step.emits)


def stopping(book: Rulebook, workflow: str, names: Iterable[str]) -> frozenset[str]:
    """Return the events that stop the clocks called `names` of a workflow."""
    wanted = frozenset(names)
    rules = (r for r in book.clocks if r.workflow == workflow and r.name in wanted)
    return frozenset(event for rule in rules for event in rule.stops)


def keep_turns(work: Work, case: Case, *, new: bool = False) -> frozenset[tuple[str, str]]:
    """Write down whose turn it is, and return it; of a `new` case none is written down yet."""
    turns = waits_for(work, case)
    if new:
        store.insert_turns(work.tx, case.id, turns)
    else:
        store.put_turns(work.tx, case.id, turns)
    return turns


def retake_turns(work: Work) -> None:
    """Work out the turns of every open case, after an update from a version that wrote none down."""
    if store.has_turns(work.tx):
        return
    after = ""
    while ids := store.open_cases_after(work.tx, after, 500):
        for case in store.cases_by_id(work.tx, ids).values():
            keep_turns(work, case)
        after = ids[-1]
