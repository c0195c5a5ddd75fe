"""The procedure of every case: open it, find it, take an action, let a timer run out.

Each function checks, moves, times and records in the caller's one transaction; whoever calls it inherits
the record, the clocks and the guard against acting on something that changed meanwhile.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import Any

from audit.log import record
from cases import store
from cases.fields import check_fields
from cases.lateness import note_clocks
from cases.model import KINDS, TICKET, Case, Event, Parties, may_see, roles_in
from cases.sealed import seal_fields
from cases.standing import facts_now
from cases.telling import tell_of_step
from cases.timing import book_of, events_of, timed, watch_at
from cases.turns import keep_turns
from core.errors import Conflict, NotFound, NotPermitted, Refusal, invalid
from core.ids import new_id
from core.text import Text
from core.times import millis, parse_instant
from core.work import SYSTEM, Actor, Work
from rules.clocks import extended_due
from rules.rulebook import Rulebook
from rules.values import FieldRule, pointer_to
from rules.workflow import Opens, Transition, Workflow
from web.roles import ROLES


def open_case(
    work: Work,
    *,
    kind: str,
    workflow: str,
    facts: Mapping[str, Any],
    parties: Parties,
    opened_as: str = "system",
    fields: Mapping[str, Any] | None = None,
    domain: str = "sharing",
) -> Case:
    """Open a case under the current rulebook of `domain`, in the workflow's first state, on record.

    `opened_as` is the role in which the actor requests something; with "system" the case opens as the
    consequence of another act and is nobody's request. `fields` is what was said at the opening.
    """
    book: Rulebook = work.rulebooks.current(domain)
    flow = book.workflow(workflow)
    case = Case(
        id=new_id(millis(work.now)),
        kind=kind,
        workflow=workflow,
        rulebook=book.id,
        rulebook_version=book.version,
        state=flow.initial,
        serves=flow.states[flow.initial].serves,
        facts=dict(facts),
        parties=dict(parties),
        version=1,
        opened_at=work.now,
        opened_by=work.actor.login,
        changed_at=work.now,
        lapses_at=None,
        next_due_at=None,
        closed_at=None,
    )
    said = dict(fields or {})
    record_id = _record(work, case, "open", None, flow.initial, opened_as, None, said)
    kept = seal_fields(work, case.id, book, said)
    event = _event(case, work, "open", flow.opening, None, flow.initial, opened_as, kept, record_id)
    case = timed(work, replace(case, events=(event,)))
    store.insert_case(work.tx, case, watch_at(work, case, new=True))
    store.insert_event(work.tx, case.id, event)
    turns = keep_turns(work, case, new=True)
    if flow.opens_by is not None:
        tell_of_step(work, case, event, flow.opens_by.title, flow.opens_by.tells, turns)
    return case


def find_case(work: Work, case_id: str, kind: str | None = None) -> Case:
    """Return a case that the actor may know of. Raises NotFound for every other, existing or not."""
    case = store.case(work.tx, case_id)
    if case is None or (kind and case.kind != kind) or not may_see(case, work.actor):
        raise no_such(kind or "case")
    return case


def no_such(kind: str) -> NotFound:
    """Return the one answer for an object that is absent or not for the actor to know of."""
    title = KINDS.get(kind, Text("事项", "case"))
    return NotFound(f"没有这个编号的{title.zh}", f"no such {title.en.lower()}")


def take(
    work: Work,
    case: Case,
    action: str,
    fields: Mapping[str, Any],
    *,
    facts: Mapping[str, Any] | None = None,
    passing: Mapping[str, Any] | None = None,
    parties: Parties | None = None,
    expect_version: int | None = None,
) -> Case:
    """Take `action` on a case: check state, role and fields, move it, run its clocks, write the record.

    `facts` are merged into the case's own; `passing` facts only help to choose the step. `parties` play
    their roles from this step on, in place of who did before; nobody plays a role given as empty. Raises
    Conflict when the state does not allow the action or the case changed since `expect_version`,
    NotPermitted when the actor's roles do not, Invalid for its fields.
    """
    current = _as_it_stands(work, case)
    if expect_version is not None and current.version != expect_version:
        raise Conflict(
            "内容已被他人更改，请刷新后重试",
            "it changed since you read it; read it again",
            code="changed_meanwhile",
        )
    current = settle(work, current)
    current = replace(current, facts={**current.facts, **(facts or {})})
    book, flow = book_of(work, current)
    chooser = replace(current, facts={**current.facts, **(passing or {})})
    transition, role = _permitted(flow, chooser, action, work)
    checked = check_fields(book, transition, fields)
    _must_have_happened(work, current, book, transition, checked)
    note_clocks(work, current)
    current = _with_parties(work, current, parties or {})
    return _move(work, current, book, transition, role, _extending(work, current, book, transition, checked))


def _as_it_stands(work: Work, case: Case) -> Case:
    """Return a case as it is now that nobody else can move it; read anew only when it was moved meanwhile."""
    if store.locked_version(work.tx, case.id) == case.version:
        return case
    current = store.case(work.tx, case.id, lock=True)
    if current is None:
        raise no_such(case.kind)
    return current


def _with_parties(work: Work, case: Case, parties: Parties) -> Case:
    """Let departments play their roles from now on, in place of who did before."""
    if not parties:
        return case
    store.replace_parties(work.tx, case.id, parties)
    played = {role: who for role, who in {**case.parties, **parties}.items() if who}
    return replace(case, parties=played)


def _must_have_happened(
    work: Work, case: Case, book: Rulebook, transition: Transition, fields: Mapping[str, Any]
) -> None:
    """Refuse an instant yet to come in a field that a clock counts from. Raises Invalid."""
    begun = [r for r in book.clocks if r.workflow == case.workflow and {*r.starts} & {*transition.emits}]
    for name in sorted({r.counts_from for r in begun if r.counts_from is not None} & fields.keys()):
        if parse_instant(str(fields[name])) > work.now:
            raise invalid(pointer_to(name), "不能晚于现在", "may not lie in the future", code="range")


def _extending(
    work: Work, case: Case, book: Rulebook, transition: Transition, fields: dict[str, Any]
) -> dict[str, Any]:
    """Return the fields of an action that gives more time, with the clock's name, once it may be given."""
    extended = [
        rule.name
        for rule in book.clocks
        if rule.workflow == case.workflow and rule.extension and rule.extension.event in transition.emits
    ]
    for name in extended:
        calendar, events = work.rulebooks.calendar, events_of(work, case)
        extended_due(book, case.workflow, case.facts, events, calendar, work.now, name, fields)
    return {**fields, "clock": extended[0]} if extended else fields


def settle(work: Work, case: Case) -> Case:
    """Take the timer transition first when its instant has come, as if somebody had been watching."""
    if case.lapses_at is None or case.lapses_at > work.now:
        return case
    book, flow = book_of(work, case)
    transition = flow.lapse(case.state, case.facts)
    if transition is None:
        return case
    return _move(work.acting_as(SYSTEM), case, book, transition, "system", {})


def _permitted(flow: Workflow, case: Case, action: str, work: Work) -> tuple[Transition, str]:
    facts = facts_now(work, case)
    transition = flow.find(case.state, action, facts)
    if transition is None:
        raise not_now(book_of(work, case)[0], flow, case, action, facts)
    allowed = sorted(roles_in(case, work.actor) & transition.roles)
    if not allowed:
        raise NotPermitted(
            f"您的角色不能“{transition.title.zh}”",
            f"your role may not take the action {transition.title.en!r}",
        )
    if not is_own(case, work.actor):
        return transition, allowed[0]
    if is_for_another(case, transition, allowed):
        raise NotPermitted("经办人不能审批自己提出的事项", "nobody decides on what they requested themselves")
    return transition, case.events[0].role


def is_own(case: Case, actor: Actor) -> bool:
    """Tell whether the actor requested the case.

    What follows from another act is nobody's request, and a ticket is the citizen's.
    """
    asked = case.opened_by == actor.login and case.events[0].role != "system"
    return asked and case.kind != TICKET


def is_for_another(case: Case, transition: Transition, allowed: Collection[str]) -> bool:
    """Tell whether a step is not for whoever requested the case, of whose roles `allowed` may take it.

    Requester and decider are never one person, even in one department.
    """
    return transition.by_another or case.events[0].role not in allowed


def is_barred(work: Work, case: Case, transition: Transition) -> bool:
    """Tell whether a step that the actor's roles allow takes somebody else: they requested the case."""
    allowed = roles_in(case, work.actor) & transition.roles
    return is_own(case, work.actor) and is_for_another(case, transition, allowed)


def not_now(book: Rulebook, flow: Workflow, case: Case, action: str, facts: Mapping[str, Any]) -> Refusal:
    """Return why an action means nothing here: unknown, not in this state, or a condition does not hold."""
    named = [t for t in flow.transitions if t.action == action]
    if not named:
        return NotFound(f"没有“{action}”这个操作", f"there is no action {action!r}")
    state = flow.states[case.state].title
    here = [t for t in reversed(named) if case.state in t.sources]
    if not here:
        title = next((t for t in named if not t.unmet(facts)), named[0]).title
        return Conflict(
            f"状态为“{state.zh}”，不能“{title.zh}”",
            f"cannot {title.en.lower()}: the state is {state.en!r}",
            code="wrong_state",
        )
    nearest = min(here, key=lambda t: len(t.unmet(facts)))
    title, lacking = nearest.title, [condition(book, n, v) for n, v in nearest.unmet(facts).items()]
    zh, en = "、".join(text.zh for text in lacking), ", ".join(text.en for text in lacking)
    return Conflict(
        f"条件不满足，不能“{title.zh}”：须“{zh}”（{nearest.cite}）",
        f"cannot {title.en.lower()} yet: {en} ({nearest.cite.in_language('en')})",
        code="condition_not_met",
    )


def condition(book: Rulebook, fact: str, wanted: Any) -> Text:
    """Return what a step asks of a fact, in the rulebook's words: ``another extension: false``."""
    rule = book.dimensions.get(fact)
    name = rule.title if rule else book.events.get(fact, Text(fact, fact))
    values = [_value(rule, value) for value in (wanted if isinstance(wanted, list | tuple) else [wanted])]
    zh, en = "、".join(value.zh for value in values), " or ".join(value.en for value in values)
    return Text(f"{name.zh}：{zh}", f"{name.en}: {en}")


def _value(rule: FieldRule | None, value: Any) -> Text:
    if isinstance(value, bool):
        return Text("是", "yes") if value else Text("否", "no")
    known = rule.choices if rule else {}
    return known.get(str(value), Text(str(value), str(value)))


def _move(
    work: Work,
    case: Case,
    book: Rulebook,
    transition: Transition,
    role: str,
    fields: Mapping[str, Any],
) -> Case:
    record_id = _record(
        work, case, transition.action, case.state, transition.target, role, transition, fields
    )
    event = _event(
        case,
        work,
        transition.action,
        transition.emits,
        case.state,
        transition.target,
        role,
        seal_fields(work, case.id, book, fields),
        record_id,
    )
    target = book.workflow(case.workflow).states[transition.target]
    moved = replace(
        case,
        state=target.name,
        serves=target.serves,
        version=case.version + 1,
        changed_at=work.now,
        closed_at=work.now if target.final else None,
        events=(*case.events, event),
    )
    moved = timed(work, _joined(work, moved, transition))
    store.update_case(work.tx, moved, case.version, watch_at(work, moved))
    store.insert_event(work.tx, moved.id, event)
    work.moved(work, moved)
    tell_of_step(work, moved, event, transition.title, transition.tells, keep_turns(work, moved))
    if transition.opens is not None:
        work.follow_up(work, transition.opens.workflow, moved, _said(transition.opens, moved, fields))
    return moved


def _joined(work: Work, case: Case, transition: Transition) -> Case:
    """Bring in the departments that hold the roles which the step adds to the case."""
    new = {role: seats(work, role) for role in transition.joins if role not in case.parties}
    store.insert_parties(work.tx, case.id, new)
    return replace(case, parties={**case.parties, **new})


def _said(opens: Opens, case: Case, fields: Mapping[str, Any]) -> dict[str, Any]:
    """Return what is said at the opening of the case that a step calls for."""
    known = {**case.facts, **fields}
    return {**opens.given, **fields, **{k: known[name] for k, name in opens.taken.items() if name in known}}


def seats(work: Work, role: str) -> tuple[str, ...]:
    """Return the departments that hold a role in the whole deployment. Raises Conflict when none does."""
    if role == "platform_manager":
        return (work.settings.platform.manager,)
    found = tuple(d.id for d in work.settings.departments.values() if role in d.roles)
    if not found:
        title = ROLES.get(role, Text(role, role))
        raise Conflict(
            f"本平台还没有“{title.zh}”，请联系系统管理员在部门配置中写明（{role}）",
            f"no department has the role {title.en!r} ({role}) yet; an administrator can give it to one",
            code="no_seat",
        )
    return found


def _event(
    case: Case,
    work: Work,
    action: str,
    names: tuple[str, ...],
    from_state: str | None,
    to_state: str,
    role: str,
    fields: Mapping[str, Any],
    record_id: str,
) -> Event:
    return Event(
        seq=len(case.events) + 1,
        action=action,
        names=names,
        at=work.now,
        from_state=from_state,
        to_state=to_state,
        actor=work.actor.login,
        actor_department=work.actor.department,
        role=role,
        fields=dict(fields),
        record_id=record_id,
    )


def _record(
    work: Work,
    case: Case,
    action: str,
    from_state: str | None,
    to_state: str,
    role: str,
    transition: Transition | None,
    fields: Mapping[str, Any],
) -> str:
    body = {
        "case": case.id,
        "case_kind": case.kind,
        "workflow": case.workflow,
        "action": action,
        "from_state": from_state,
        "to_state": to_state,
        "role": role,
        "rulebook": case.rulebook,
        "rulebook_version": case.rulebook_version,
        "cite": str(transition.cite) if transition else None,
        "fields": sorted(fields),
        **{
            k: case.facts[k]
            for k in ("number", "dataset", "grant", "client", "consumer", "provider")
            if k in case.facts
        },
    }
    return record(work, f"decision.{case.kind}", body)
