"""What the platform's code needs of the workflow of knowledge articles in a hotline's rulebook.

The code knows no state's and no step's name. An article is read by the wording that was approved last while
its state is `public`; its unit writes in an `editable` one. A step that does `publish` makes the wording that
is being written the one that is read, `revise` begins another, `discard` drops it again, and with `confirm`
the unit says that what is read is still right.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from rules.check_flow import Fault
from rules.workflow import State, Transition, Workflow

if TYPE_CHECKING:
    from rules.rulebook import Rulebook

ARTICLE = "article"
FLAGS = frozenset({"public", "editable", "resting"})
DOES = frozenset({"publish", "revise", "discard", "confirm", "aside"})
END = "valid_until"
"""The fact with the instant from which an article is no answer any more: the platform fills it in."""


def article_faults(book: Rulebook) -> Iterator[Fault]:
    """Yield what is wrong with the workflow of articles; a book without one has no knowledge base."""
    flow = book.workflows.get(ARTICLE)
    if flow is None:
        return
    at = f"/workflows/{ARTICLE}"
    if "editable" not in flow.states[flow.initial].flags:
        yield f"{at}/states/{flow.initial}/flags", "刚编写的应能修改", "what was just begun must be editable"
    if not flow.names("publish"):
        yield f"{at}/transitions", "没有发布的步骤", "no step publishes"
    for i, step in enumerate(flow.transitions):
        yield from _step(flow, step, f"{at}/transitions/{i}")
    yield from _ends(flow, at)


def _step(flow: Workflow, step: Transition, at: str) -> Iterator[Fault]:
    sources, target = [flow.states[name] for name in step.sources], flow.states[step.target]
    publishes = step.does == "publish"
    if publishes and (not _public(target) or any("editable" in s.flags for s in sources)):
        words = (
            "应由审核中的状态进入公开状态",
            "leads from a state in which nobody writes to one that is public",
        )
        yield f"{at}/from", *words
    if not publishes and _public(target) and not all(_public(s) for s in sources):
        yield f"{at}/does", "进入公开状态的步骤应写明 publish", "a step that makes it public does 'publish'"
    if step.does == "revise" and "editable" not in target.flags:
        yield f"{at}/to", "修订后应能修改", "leads to a state in which the unit writes"


def _ends(flow: Workflow, at: str) -> Iterator[Fault]:
    """Whatever is read has a way to its end, which the platform takes by itself."""
    for state in flow.states.values():
        ending = [t for t in flow.transitions if t.timer == END and state.name in t.sources]
        if _public(state) and not any(not _public(flow.states[t.target]) for t in ending):
            words = (f"没有按“{END}”失效的步骤", f"no step ends it by the timer {END!r}")
            yield f"{at}/states/{state.name}", *words


def _public(state: State) -> bool:
    return "public" in state.flags
