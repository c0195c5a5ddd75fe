"""The hotline's rulebook as the kernel of the hotline asks it: by the paths of policies, never by a place."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from core.errors import NotFound
from core.text import Text, text_of
from core.work import Work
from hotline.model import DOMAIN, WORKFLOW
from rules.rulebook import Rulebook
from rules.values import FieldRule
from rules.workflow import Transition, Workflow

OFFICE = ("operator", "dispatcher", "supervisor", "leader")
"""The seats of the hotline's office, which take part in every ticket."""
UNITS = ("handler", "co_handler")
"""The roles of the units that a ticket is dispatched to."""


def hotline_book(work: Work) -> Rulebook:
    """Return the hotline's rulebook. Raises NotFound in a deployment without a hotline."""
    if DOMAIN not in work.rulebooks.selected:
        raise NotFound("本平台没有开通热线", "this platform runs no hotline", code="no_hotline")
    book: Rulebook = work.rulebooks.current(DOMAIN)
    return book


def value_of(book: Rulebook, path: str) -> Any:
    """Return the value of a policy; None where the text is silent."""
    return book.policy(path).value


def coded(book: Rulebook, path: str) -> dict[str, Text]:
    """Return what a policy lists, code to title; nothing where the text is silent."""
    return {str(entry["code"]): text_of(entry["title"]) for entry in value_of(book, path) or ()}


def entry_of(book: Rulebook, path: str, code: str) -> Mapping[str, Any] | None:
    """Return the entry of a listing policy with a code, or None."""
    return next((e for e in value_of(book, path) or () if e["code"] == code), None)


def dimensions(book: Rulebook) -> list[FieldRule]:
    """Return the facts by which a rulebook has people classify a ticket, but those that a table derives."""
    chosen = value_of(book, "classify.dimensions") or ()
    return [book.dimensions[name] for name in chosen if name not in book.tables]


def states_with(book: Rulebook, flag: str) -> tuple[str, ...]:
    """Return the states of a ticket that have a flag."""
    return tuple(s.name for s in book.workflow(WORKFLOW).states.values() if flag in s.flags)


def deed_of(flow: Workflow, state: str, action: str) -> str | None:
    """Return what the platform does along with an action in a state, None for nothing."""
    steps = [t for t in flow.transitions if t.action == action and state in t.sources]
    return next((t.does for t in steps if t.does is not None), None)


def seated(flow: Workflow) -> frozenset[str]:
    """Return the seats that take part in a ticket from the start.

    They are the office, and whoever else must take some step and is brought in by none.
    """
    brought = {role for step in flow.transitions for role in step.joins}
    acting = {role for step in flow.transitions for role in _people(step)}
    return frozenset({*OFFICE, *(acting - brought)})


def _people(step: Transition) -> frozenset[str]:
    return step.roles - {"system", "member", *UNITS}
