"""Questions to a hotline rulebook as tests put them: what is due, what may be done, what happened."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from core.times import parse_instant
from rules.clocks import ClockState, Recorded, clock_states
from rules.due import what_is_due
from rules.rulebook import Rulebook
from rules.workflow import Transition
from tests.rules.books import calendar, dues, shipped


def hotline(place: str) -> Rulebook:
    """Return the hotline rulebook of a place."""
    return shipped().get(f"hotline/{place}")


def instants(rules: Rulebook, events: Mapping[str, str], facts: Mapping[str, Any]) -> dict[str, str]:
    """Return when the clocks fall due that have a due instant at all."""
    return {name: due for name, due in dues(rules, events, facts).items() if due is not None}


def ask(rules: Rulebook, events: Mapping[str, str], facts: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Return the whole answer of `rulebook due`."""
    return what_is_due(rules, calendar(), facts, {name: parse_instant(at) for name, at in events.items()})


def happened(name: str, at: str, **fields: Any) -> Recorded:
    """Return an event of a ticket."""
    return Recorded(name, parse_instant(at), fields)


def states(
    rules: Rulebook, facts: Mapping[str, Any], *events: Recorded, now: str, workflow: str = "ticket"
) -> dict[str, ClockState]:
    """Return the clocks of a ticket to which `events` happened, at `now`."""
    known = rules.facts(facts)
    found = clock_states(rules, workflow, known, events, calendar(), parse_instant(now))
    return {state.name: state for state in found}


def step(rules: Rulebook, state: str, action: str, **facts: Any) -> Transition | None:
    """Return what an action on a ticket means in a state, None where it means nothing."""
    return rules.workflow("ticket").find(state, action, rules.facts({}) | facts)


def way(rules: Rulebook, *actions: str | tuple[str, Mapping[str, Any]]) -> str:
    """Return the state that a ticket reaches by these actions, each with the facts that it needs."""
    flow = rules.workflow("ticket")
    state = flow.initial
    for one in actions:
        action, facts = (one, {}) if isinstance(one, str) else one
        found = flow.find(state, action, rules.facts({}) | dict(facts))
        assert found is not None, f"{action} means nothing in {state}"
        state = found.target
    return state
