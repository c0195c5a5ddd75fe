"""What a rulebook's conditions may look at beside a case's own facts: what its clocks, events and users tell.

* a fact called like a clock says that the clock runs and has passed: an idle grant may be taken back; with
  ``_running`` behind it, that the clock runs: more time can be asked for while something is due;
* a fact called like an event says that it happened and that nobody has answered it yet: the answer is any
  step that is conditional on it, so consent can be given to a request and to nothing else;
* a fact called like an event with ``_count`` behind it says how often it happened since the case was opened;
  the fact's own ``max`` means "so often or more": an extension may be asked for while there were 0 or 1;
* ``in_use`` and ``users_told`` speak of the other departments with open grants on the dataset.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import Any

from cases.model import Case, Event, in_role
from cases.timing import book_of, clocks
from core.work import Work
from notices.post import told
from rules.rulebook import Rulebook
from rules.workflow import Transition, Workflow

IN_USE, USERS_TOLD = "in_use", "users_told"
RUNNING = "_running"
COUNT = "_count"
ANNOUNCEMENT = "announcement"
"""The kind of a notice that a step which announces something sends."""


def facts_now(work: Work, case: Case) -> dict[str, Any]:
    """Return the case's facts and those that follow from what happened, at `work.now`."""
    book, flow = book_of(work, case)
    asked = {fact for step in flow.transitions for fact in step.when}
    return {
        **case.facts,
        **_of_clocks(work, case, asked),
        **{name: is_pending(case, flow, name) for name in asked & book.events.keys()},
        **_counts(book, case, asked),
        **_of_users(work, case, asked),
    }


def facts_before(book: Rulebook, flow: Workflow, case: Case, event: Event) -> dict[str, Any]:
    """Return the case's facts and what its earlier events tell, as they were when a step was taken."""
    then = replace(case, events=tuple(e for e in case.events if e.seq < event.seq))
    asked = {fact for step in flow.transitions for fact in step.when}
    waiting = {name: is_pending(then, flow, name) for name in asked & book.events.keys()}
    return {**case.facts, **waiting, **_counts(book, then, asked)}


def _of_clocks(work: Work, case: Case, asked: set[str]) -> dict[str, bool]:
    book, _ = book_of(work, case)
    rules = {rule.name for rule in book.clocks if rule.workflow == case.workflow}
    names = {*rules, *(f"{rule}{RUNNING}" for rule in rules)} & asked
    found = {c.name: c for c in clocks(work, case) if c.running} if names else {}
    passed = {name: name in found and found[name].passed for name in names & rules}
    return {**passed, **{name: name.removesuffix(RUNNING) in found for name in names - rules}}


def _counts(book: Rulebook, case: Case, asked: set[str]) -> dict[str, int]:
    happened = Counter(name for event in case.events for name in event.names)
    names = {fact: fact.removesuffix(COUNT) for fact in asked if fact.endswith(COUNT)}
    counts = {fact: happened[event] for fact, event in names.items() if event in book.events}
    return {fact: min(n, _most(book, fact, n)) for fact, n in counts.items()}


def _most(book: Rulebook, fact: str, n: int) -> int:
    most = book.dimensions[fact].max
    return n if most is None else most


def is_pending(case: Case, flow: Workflow, event: str) -> bool:
    """Tell whether `event` was recorded and no step that answers it was taken since."""
    happened = max((e.seq for e in case.events if event in e.names), default=0)
    answers = {t.action for t in answering(flow, event)}
    return happened > max((e.seq for e in case.events if e.action in answers), default=0)


def answering(flow: Workflow, event: str) -> list[Transition]:
    """Return the steps that are conditional on `event` waiting for an answer."""
    return [t for t in flow.transitions if t.when.get(event) is True]


def _of_users(work: Work, case: Case, asked: set[str]) -> dict[str, bool]:
    """Say whether others use the dataset, and whether each was told since it went public.

    The provider itself is not told: it is the one that takes the data off line.
    """
    if asked.isdisjoint((IN_USE, USERS_TOLD)) or "dataset" not in case.facts:
        return {}
    users = set(work.users_of(work.tx, case.facts["dataset"])) - set(in_role(case.parties, "provider"))
    since = max((e.at for e in case.events if e.to_state != e.from_state), default=case.opened_at)
    known = told(work.tx, case.id, ANNOUNCEMENT, since) if users else frozenset()
    return {IN_USE: bool(users), USERS_TOLD: users <= known}
