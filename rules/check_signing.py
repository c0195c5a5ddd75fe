"""What follows a ticket goes nowhere by itself: a draft leaves the desk by a person's hand alone.

A procedure about a ticket may be opened by a limit that ran out. Whoever is outside the desk that drafts it,
and a discipline body above all, must then hear of it by somebody's decision: no opening tells them, no step
that the platform takes by itself does, and none hands them the case.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from rules.check_flow import Fault
from rules.workflow import SYSTEM, Opening, Workflow

if TYPE_CHECKING:
    from rules.rulebook import Rulebook

DISCIPLINE = "discipline"
"""The role of the body that calls people to account."""


def signing_faults(book: Rulebook) -> Iterator[Fault]:
    """Yield where a book would let something go out that nobody has signed."""
    called_for = _called_for(book)
    for flow in book.workflows.values():
        at = f"/workflows/{flow.name}"
        yield from _by_itself(flow, at)
        if flow.opens_by is not None:
            yield from _draft(flow, flow.opens_by, at, flow.name in called_for)
        elif not _is_brought_in(flow):
            words = (
                "纪检监察机关须由人员办理的步骤引入",
                "the discipline body must be brought in by a person's step",
            )
            yield f"{at}/transitions", *words


def _called_for(book: Rulebook) -> set[str]:
    """Return the workflows that the platform opens by itself: on a limit, or with a step of its own."""
    limits = {c.on_breach.opens for c in book.clocks if c.on_breach is not None and c.on_breach.opens}
    steps = (t for flow in book.workflows.values() for t in flow.transitions if SYSTEM in t.roles)
    return limits | {t.opens.workflow for t in steps if t.opens is not None}


def _by_itself(flow: Workflow, at: str) -> Iterator[Fault]:
    """No step of the platform's own tells a discipline body, brings it in, or leaves it the turn."""
    for i, step in enumerate(flow.transitions):
        if SYSTEM not in step.roles:
            continue
        if DISCIPLINE in {*step.tells, *step.joins, *_acting(flow, step.target)}:
            words = (
                "未经人员签发，不得自动送纪检监察机关",
                "nothing reaches the discipline body by a step that nobody signs",
            )
            yield f"{at}/transitions/{i}", *words


def _is_brought_in(flow: Workflow) -> bool:
    """Tell whether the discipline body has no part in a workflow but by a step that brings it in."""
    takes_part = any(DISCIPLINE in step.roles for step in flow.transitions)
    return not takes_part or any(DISCIPLINE in step.joins for step in flow.transitions)


def _draft(flow: Workflow, opening: Opening, at: str, by_itself: bool) -> Iterator[Fault]:
    """A draft goes on by a person; what the platform drafts by itself is told to those at the desk alone."""
    drafting = _acting(flow, flow.initial) | opening.roles
    if DISCIPLINE in drafting | {*opening.tells}:
        words = ("草稿不得由纪检监察机关拟写或接收", "the discipline body takes no part in a draft")
        yield f"{at}/open", *words
    for role in sorted(set(opening.tells) - drafting) if by_itself else ():
        words = (
            f"平台自动拟写的草稿，签发前不得通知“{role}”",
            f"what the platform drafts must not be told to {role!r} before a person signs it",
        )
        yield f"{at}/open/tells", *words
    for i, step in enumerate(flow.transitions):
        if flow.initial in step.sources and SYSTEM in step.roles and not flow.states[step.target].final:
            words = ("草稿须由人员签发", "a draft goes on by a person's step alone")
            yield f"{at}/transitions/{i}/roles", *words


def _acting(flow: Workflow, state: str) -> frozenset[str]:
    steps = (t for t in flow.transitions if state in t.sources)
    return frozenset(role for t in steps for role in t.roles)
