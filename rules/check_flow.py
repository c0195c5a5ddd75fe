"""The part of the cross-checks that walks through workflows."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from core.administrators import ADMINISTRATORS
from core.errors import Invalid
from rules.values import read_value
from rules.workflow import SYSTEM, Opening, Transition, Workflow

if TYPE_CHECKING:
    from rules.rulebook import Rulebook

Fault = tuple[str, str, str]
"""JSON pointer, Chinese sentence, English sentence."""

SEATS = frozenset(
    {
        "platform_manager",
        "auditor",
        "steering_office",
        "steering_group",
        "dispute_body",
        "rectifier",
        "offline_approver",
        "operator",
        "dispatcher",
        "supervisor",
        "leader",
        "superior",
        "business_environment",
        "discipline",
        "emergency_office",
    }
)
"""Roles that a deployment as a whole gives to departments."""
ROLES = SEATS | {"provider", "consumer", "member", "handler", "co_handler", SYSTEM}
"""Every role that a step may name; `member` is everybody of a department that takes part."""
ACTING = ROLES - ADMINISTRATORS
"""Who may open a case or take a step: an auditor watches (GB/T 22239-2019, 8.1.5.2)."""


def flow_faults(book: Rulebook) -> Iterator[Fault]:
    """Yield what is wrong with the workflows: dead ends, states out of reach, names that nothing defines."""
    for name, flow in book.workflows.items():
        at = f"/workflows/{name}"
        faults = [*_names(book, flow, at)]
        yield from faults
        if not faults:  # the walk needs states that exist
            yield from _walk(flow, at)
            yield from _shadowed(flow, at)


def _names(book: Rulebook, flow: Workflow, at: str) -> Iterator[Fault]:
    if flow.initial not in flow.states:
        yield f"{at}/initial", f"没有状态“{flow.initial}”", f"there is no state {flow.initial!r}"
    yield from _unknown(flow.opening, book.events, f"{at}/opening", "事件", "event")
    if flow.opens_by is not None:
        yield from _opening_names(book, flow.opens_by, f"{at}/open")
    for i, transition in enumerate(flow.transitions):
        yield from _transition_names(book, flow, transition, f"{at}/transitions/{i}")


def _opening_names(book: Rulebook, opening: Opening, at: str) -> Iterator[Fault]:
    yield from _unknown(opening.roles, ACTING, f"{at}/roles", "角色", "role")
    yield from _unknown(opening.parties, ROLES, f"{at}/parties", "角色", "role")
    yield from _unknown(opening.tells, opening.parties, f"{at}/tells", "参与角色", "party")
    yield from _unknown(opening.requires, book.fields, f"{at}/requires", "字段", "field")
    yield from _unknown(opening.accepts, book.fields, f"{at}/accepts", "字段", "field")
    departments = {f.name for f in book.fields.values() if f.type == "department"}
    for role, source in opening.parties.items():
        if source == "named" and not departments & set(opening.requires):
            yield f"{at}/parties/{role}", "没有填写部门的必填字段", "no required field names a department"
        if source == "named_or_opener" and not departments & {*opening.requires, *opening.accepts}:
            yield f"{at}/parties/{role}", "没有填写部门的字段", "no field names a department"
        if source == "seat" and role not in SEATS:
            yield f"{at}/parties/{role}", "这个角色没有固定的部门", "no department holds the role as such"


def _transition_names(book: Rulebook, flow: Workflow, transition: Transition, at: str) -> Iterator[Fault]:
    yield from _unknown(transition.sources, flow.states, f"{at}/from", "状态", "state")
    yield from _unknown((transition.target,), flow.states, f"{at}/to", "状态", "state")
    yield from _unknown(transition.roles, ACTING, f"{at}/roles", "角色", "role")
    yield from _unknown(transition.tells, ROLES, f"{at}/tells", "角色", "role")
    yield from _unknown(transition.emits, book.events, f"{at}/emits", "事件", "event")
    yield from _unknown(transition.requires, book.fields, f"{at}/requires", "字段", "field")
    yield from _unknown(transition.accepts, book.fields, f"{at}/accepts", "字段", "field")
    yield from when_faults(book, transition.when, f"{at}/when")
    yield from _unknown(transition.joins, SEATS, f"{at}/joins", "角色", "role")
    yield from _opens(book, transition, at)
    yield from _forbidden(book, transition, at)
    yield from _timer(book, transition, at)


def _opens(book: Rulebook, transition: Transition, at: str) -> Iterator[Fault]:
    """The case that a step calls for has a workflow, and what is said at its opening are fields."""
    if transition.opens is None:
        return
    workflow = (transition.opens.workflow,)
    yield from _unknown(workflow, book.workflows, f"{at}/opens/workflow", "流程", "workflow")
    for key, names in (("given", transition.opens.given), ("taken", transition.opens.taken)):
        yield from _unknown(names, book.fields, f"{at}/opens/{key}", "字段", "field")


def _unknown(names: Any, known: Any, at: str, zh: str, en: str) -> Iterator[Fault]:
    for name in sorted(names):
        if name not in known:
            yield at, f"没有{zh}“{name}”", f"there is no {en} {name!r}"


def _forbidden(book: Rulebook, transition: Transition, at: str) -> Iterator[Fault]:
    """A forbidden value belongs to a field of the step, and to the choices of that field."""
    for field, provisions in transition.forbids.items():
        if field not in (*transition.requires, *transition.accepts):
            yield f"{at}/forbids", f"这一步没有字段“{field}”", f"the step has no field {field!r}"
        elif field in book.fields:
            known, here = book.fields[field].choices, f"{at}/forbids/{field}/values"
            values = [value for forbidden in provisions for value in forbidden.values]
            yield from _unknown(values, known, here, "选项", "choice")


def _timer(book: Rulebook, transition: Transition, at: str) -> Iterator[Fault]:
    """The platform acts by itself on a timer and on nothing else, and nobody else takes such a step."""
    if (transition.timer is None) == (SYSTEM in transition.roles) or (
        transition.timer and len(transition.roles) > 1
    ):
        yield (
            f"{at}/timer",
            "定时步骤只能由系统执行，系统只执行定时步骤",
            "timers are for the system alone, and it needs one",
        )
    if transition.timer is not None:
        fact = book.dimensions.get(transition.timer)
        if fact is None or fact.type != "instant":
            yield (
                f"{at}/timer",
                f"“{transition.timer}”不是时间类事实",
                f"{transition.timer!r} is no fact with an instant",
            )


def _walk(flow: Workflow, at: str) -> Iterator[Fault]:
    """Every state can be reached and leads to a final one, and nothing leaves a final one."""
    reached = reachable({flow.initial}, flow.transitions)
    finals = {name for name, state in flow.states.items() if state.final}
    ending = _closure(finals, [(t.target, s) for t in flow.transitions for s in t.sources])
    left = {s for t in flow.transitions for s in t.sources}
    for name in flow.states:
        where = f"{at}/states/{name}"
        if name not in reached:
            yield where, "从初始状态走不到", "cannot be reached"
        if name not in ending:
            yield where, "没有通向终态的路", "has no way to a final state"
        if name in finals and name in left:
            yield where, "终态之后不能再有步骤", "is final, yet a step leaves it"


def reachable(start: set[str], steps: Iterable[Transition]) -> set[str]:
    """Return the states that `steps` lead to from those of `start`, these among them."""
    return _closure(start, [(s, t.target) for t in steps for s in t.sources])


def _closure(start: set[str], edges: list[tuple[str, str]]) -> set[str]:
    reached = set(start)
    while more := {b for a, b in edges if a in reached} - reached:
        reached |= more
    return reached


def _shadowed(flow: Workflow, at: str) -> Iterator[Fault]:
    """No step stands behind another of the same action and state whose conditions are the same or none."""
    for i, later in enumerate(flow.transitions):
        for earlier in flow.transitions[:i]:
            common = set(earlier.sources) & set(later.sources)
            if earlier.action == later.action and common and earlier.when.items() <= later.when.items():
                yield (
                    f"{at}/transitions/{i}",
                    "前面的步骤已经覆盖",
                    "is never reached, an earlier step decides",
                )


def when_faults(book: Rulebook, when: Mapping[str, Any], at: str) -> Iterator[Fault]:
    """Yield what is wrong with conditions: facts that nobody defines, values that they cannot have."""
    for fact, wanted in when.items():
        rule = book.dimensions.get(fact)
        if rule is None:
            yield f"{at}/{fact}", f"没有事实“{fact}”", f"there is no fact {fact!r}"
            continue
        for value in wanted if isinstance(wanted, list) else [wanted]:
            try:
                known = read_value(rule, value, "") == value
            except Invalid:
                known = False
            if not known:
                yield (
                    f"{at}/{fact}",
                    f"“{value}”不是{rule.title.zh}的值",
                    f"{value!r} is no value of {rule.title.en}",
                )
