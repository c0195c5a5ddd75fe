"""The procedure of every case: open, take an action, extend a clock, fall due.

Each function checks, moves, times and records in the caller's one transaction; whoever calls it inherits
the record, the clocks and the guard against acting on something that changed meanwhile.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from audit.log import record
from cases import store
from cases.fields import check_fields
from cases.model import Case, Event, may_see, roles_in
from core.errors import Conflict, NotFound, NotPermitted
from core.ids import new_id
from core.times import millis, parse_instant
from core.work import SYSTEM, Work
from rules.clocks import ClockState, Recorded, clock_states
from rules.rulebook import Rulebook
from rules.workflow import Transition, Workflow


def open_case(
    work: Work,
    *,
    kind: str,
    workflow: str,
    facts: Mapping[str, Any],
    parties: Mapping[str, str],
    domain: str = "sharing",
) -> Case:
    """Open a case under the current rulebook of `domain`, in the workflow's first state, on record."""
    book: Rulebook = work.rulebooks.current(domain)
    flow = book.workflow(workflow)
    case = Case(
        id=new_id(millis(work.now)),
        kind=kind,
        workflow=workflow,
        rulebook=book.id,
        rulebook_version=book.version,
        state=flow.initial,
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
    role = min(roles_in(case, work.actor), default="system")
    record_id = _record(work, case, "open", None, flow.initial, role, None, {})
    event = _event(case, work, "open", flow.opening, None, flow.initial, role, {}, record_id)
    case = _timed(work, replace(case, events=(event,)))
    store.insert_case(work.tx, case, watch_at(work, case))
    store.insert_event(work.tx, case.id, event)
    return case


def find_case(work: Work, case_id: str, kind: str | None = None) -> Case:
    """Return a case that the actor may know of. Raises NotFound for every other, existing or not."""
    case = store.case(work.tx, case_id)
    if case is None or (kind and case.kind != kind) or not may_see(case, work.actor):
        raise no_such(kind or "case")
    return case


def no_such(kind: str) -> NotFound:
    """Return the one answer for an object that is absent or not for the actor to know of."""
    return NotFound(f"没有这个编号的{_KINDS.get(kind, '事项')}", f"no such {kind}")


_KINDS = {"dataset": "数据集", "application": "申请", "grant": "授权", "ticket": "工单"}


def take(
    work: Work,
    case: Case,
    action: str,
    fields: Mapping[str, Any],
    *,
    facts: Mapping[str, Any] | None = None,
    expect_version: int | None = None,
) -> Case:
    """Take `action` on a case: check state, role and fields, move it, run its clocks, write the record.

    `facts` are merged into the case's own. Raises Conflict when the state does not allow the action or the
    case changed since `expect_version`, NotPermitted when the actor's roles do not, Invalid for its fields.
    """
    current = store.case(work.tx, case.id, lock=True)
    if current is None:
        raise no_such(case.kind)
    if expect_version is not None and current.version != expect_version:
        raise Conflict(
            "内容已被他人更改,请刷新后重试",
            "it changed since you read it; read it again",
            code="changed_meanwhile",
        )
    current = _settle(work, current)
    book, flow = book_of(work, current)
    transition, role = _permitted(flow, current, action, work)
    return _move(work, current, book, transition, role, check_fields(book, transition, fields), facts or {})


def _settle(work: Work, case: Case) -> Case:
    """Take the timer transition first when its instant has come, as if somebody had been watching."""
    if case.lapses_at is None or case.lapses_at > work.now:
        return case
    book, flow = book_of(work, case)
    transition = flow.lapse(case.state, case.facts)
    if transition is None:
        return case
    return _move(work.acting_as(SYSTEM), case, book, transition, "system", {}, {})


def _permitted(flow: Workflow, case: Case, action: str, work: Work) -> tuple[Transition, str]:
    transition = flow.find(case.state, action, case.facts)
    roles = roles_in(case, work.actor)
    known = next((t.title for t in flow.transitions if t.action == action), None)
    if transition is None:
        state = flow.states[case.state].title
        if known is None:
            raise NotFound(f"没有“{action}”这个操作", f"there is no action {action!r}")
        raise Conflict(
            f"状态为“{state.zh}”,不能“{known.zh}”",
            f"cannot {known.en} a {case.kind} that is {state.en}",
            code="wrong_state",
        )
    allowed = sorted(roles & transition.roles)
    if not allowed:
        raise NotPermitted(f"您的角色不能“{transition.title.zh}”", f"your role may not {transition.title.en}")
    if _decides_own_request(case, work, allowed[0]):
        raise NotPermitted("经办人不能审批自己提出的事项", "nobody decides on what they requested themselves")
    return transition, allowed[0]


def _decides_own_request(case: Case, work: Work, role: str) -> bool:
    """The requester and the decider are never one person, though one department may play both parts."""
    opened_as = case.events[0].role
    return case.opened_by == work.actor.login and role not in (opened_as, "system")


def _move(
    work: Work,
    case: Case,
    book: Rulebook,
    transition: Transition,
    role: str,
    fields: Mapping[str, Any],
    facts: Mapping[str, Any],
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
        fields,
        record_id,
    )
    final = book.workflow(case.workflow).states[transition.target].final
    moved = replace(
        case,
        state=transition.target,
        facts={**case.facts, **facts},
        version=case.version + 1,
        changed_at=work.now,
        closed_at=work.now if final else None,
        events=(*case.events, event),
    )
    moved = _timed(work, moved)
    store.update_case(work.tx, moved, case.version, watch_at(work, moved))
    store.insert_event(work.tx, moved.id, event)
    return moved


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
            for k in ("dataset", "grant", "client", "consumer", "provider")
            if k in case.facts
        },
    }
    return record(work, f"decision.{case.kind}", body)


# --- clocks ---------------------------------------------------------------------------------------


def book_of(work: Work, case: Case) -> tuple[Rulebook, Workflow]:
    """Return the rulebook version that the case was opened under, and its workflow there."""
    book: Rulebook = work.rulebooks.get(case.rulebook, case.rulebook_version)
    return book, book.workflow(case.workflow)


def clocks(work: Work, case: Case) -> tuple[ClockState, ...]:
    """Return every clock of the case that has started, as it stands at `work.now`."""
    book, _ = book_of(work, case)
    events = [Recorded(name, e.at, e.fields) for e in case.events for name in e.names]
    return clock_states(book, case.workflow, case.facts, events, work.rulebooks.calendar, work.now)


def _timed(work: Work, case: Case) -> Case:
    """Fill in the two instants that lists and the sweep look at; both derive from events and facts."""
    _, flow = book_of(work, case)
    lapse = flow.lapse(case.state, case.facts)
    lapses_at = (
        parse_instant(case.facts[lapse.timer])
        if lapse and lapse.timer and case.facts.get(lapse.timer)
        else None
    )
    running = (
        [c.due for c in clocks(work, case) if c.stopped_at is None and c.due]
        if case.closed_at is None
        else []
    )
    return replace(case, lapses_at=lapses_at, next_due_at=min(running, default=None))


def watch_at(work: Work, case: Case) -> datetime | None:
    """Return the next instant at which the sweep has something to put on record for this case."""
    recorded = store.recorded_breaches(work.tx, case.id)
    dues = [
        c.due
        for c in (clocks(work, case) if case.closed_at is None else ())
        if c.stopped_at is None and c.due and (c.name, c.due) not in recorded
    ]
    return min([*dues, *([case.lapses_at] if case.lapses_at else [])], default=None)


def sweep(work: Work, limit: int = 200) -> int:
    """Put on record what fell due by `work.now`: lapses and breaches, each once; return how many cases moved.

    Nothing depends on the sweep being on time: readers compute state and breach from the clock themselves.
    """
    due = store.cases_to_watch(work.tx, work.now, limit)
    for case_id in due:
        case = store.case(work.tx, case_id, lock=True)
        if case is None:
            continue
        before = case.version
        case = _settle(work, case)
        if case.version != before:
            work.policy_changed(work.tx)
        _record_breaches(work.acting_as(SYSTEM), case)
        store.set_watch(work.tx, case.id, watch_at(work, case))
    return len(due)


def _record_breaches(work: Work, case: Case) -> None:
    recorded = store.recorded_breaches(work.tx, case.id)
    for clock in clocks(work, case):
        if (
            clock.stopped_at is None
            and clock.breached
            and clock.due
            and (clock.name, clock.due) not in recorded
        ):
            body = {
                "case": case.id,
                "case_kind": case.kind,
                "action": "breach",
                "clock": clock.name,
                "due": clock.due.isoformat(),
                "provisional": clock.provisional,
                "cite": str(clock.cite),
            }
            store.insert_breach(
                work.tx, case.id, clock.name, clock.due, work.now, record(work, "clock.breached", body)
            )
