"""Who is told of a step: those whom the rulebook names, and those who have the turn after it."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from datetime import datetime

from cases.model import KINDS, MEMBER, PROCEDURES, Case, Event, in_role
from cases.standing import ANNOUNCEMENT
from cases.timing import book_of
from core.codes import in_url
from core.ids import digest
from core.text import Text
from core.times import local_iso
from core.work import Work
from notices.post import Draft, post_notice
from notices.quiet import quiet_until
from rules.clocks import ClockState

Turns = Collection[tuple[str, str]]

NOTICE = "notice"
"""The field in which a step says what the users are told."""
MOST_SAID = 2000
"""Characters of an announcement that its notice holds; the page of the case shows it whole."""


def link_of(case: Case) -> str:
    """Return the address of the page of a case."""
    if case.kind == "dataset":
        return f"/datasets/{in_url(str(case.facts['dataset']))}"
    if case.kind == "article":
        return f"/knowledge/{case.facts['number']}"
    return f"/{case.kind}s/{case.id}"


def name_of(work: Work, case: Case) -> Text:
    """Return what a case is called in a sentence: its kind and its number."""
    kind = KINDS.get(case.kind)
    if kind is None or case.kind in PROCEDURES:
        kind = book_of(work, case)[1].title
    number = str(case.facts.get("number") or case.facts.get(case.kind) or "")
    return Text(f"{kind.zh} {number}".strip(), f"{kind.en} {number}".strip())


def tell_of_step(
    work: Work, case: Case, event: Event, title: Text, tells: Iterable[str], turns: Turns
) -> None:
    """Post a notice to the departments in the roles that a step tells, and to those who have the turn now.

    Nobody is told of what their own department did in the same role, unless they have the turn. Where a
    department holds two seats, as the data bureau does (QJ art. 5), each hears of the other.
    """
    flow = book_of(work, case)[1]
    announces = event.action in flow.names("announce")
    announcement = _announcement(work, case, event, announces)
    told = {(r, d) for r in tells for d in _departments(work, case, r) if not _did_it(event, r, d)}
    waiting = set(turns) - told if event.from_state != event.to_state else set()
    for department, roles in _by_department(told | waiting):
        name, mine = name_of(work, case), any((role, department) in turns for role in roles)
        subject = Text(f"{name.zh}：{title.zh}", f"{name.en}: {title.en}")
        _post(
            work,
            case,
            key=f"{case.id}:{event.seq}:{department}",
            kind=ANNOUNCEMENT if announces else "task" if mine else "step",
            role=roles[0] if len(roles) == 1 else MEMBER,
            department=department,
            subject=subject,
            body=announcement or (_WAITS if mine else _TOLD),
            due=case.next_due_at if mine else None,
        )


def _announcement(work: Work, case: Case, event: Event, announces: bool) -> Text | None:
    """Return what a step lets people know: the text that an announcing one requires, else its notice.

    What is sealed stays on the page of the case.
    """
    book, flow = book_of(work, case)
    steps = [t for t in flow.transitions if t.action == event.action and event.from_state in t.sources]
    names = [name for t in steps for name in t.requires if announces] or [NOTICE]
    asked = [book.fields[name] for name in names if name in event.fields and name in book.fields]
    said = next((f.name for f in asked if f.type == "text" and not f.sealed), None)
    if said is None:
        return None
    words = str(event.fields[said])
    words = words if len(words) <= MOST_SAID else f"{words[: MOST_SAID - 1]}…"
    return Text(words, words)


def _did_it(event: Event, role: str, department: str) -> bool:
    """Tell whether it was this department, as what it is told of it, that took the step."""
    return department == event.actor_department and (role == event.role or MEMBER in (role, event.role))


def tell_of_clock(work: Work, case: Case, clock: ClockState, signal: str, roles: Iterable[str]) -> None:
    """Post a notice that a clock falls due soon, is overdue, or is over."""
    name, due = name_of(work, case), local_iso(clock.due) if clock.due else ""
    told = {(role, department) for role in roles for department in _departments(work, case, role)}
    for department, held in _by_department(told):
        _post(
            work,
            case,
            key=f"{case.id}:{clock.name}:{due}:{signal}:{department}",
            kind=signal,
            role=held[0] if len(held) == 1 else MEMBER,
            department=department,
            subject=Text(
                f"{name.zh}：{clock.title.zh}{_SIGNALS[signal].zh}",
                f"{name.en}: {clock.title.en} {_SIGNALS[signal].en}",
            ),
            body=Text(f"时限：{due}", f"Due: {due}"),
            due=clock.due,
            cite=str(clock.cite),
        )


def _by_department(told: Collection[tuple[str, str]]) -> list[tuple[str, list[str]]]:
    """Return each department with the roles it is told in: in several it is told once, as a whole."""
    departments = sorted({department for _, department in told})
    return [(d, sorted(role for role, department in told if department == d)) for d in departments]


_TOLD = Text("请知悉，可在平台查看详情。", "For your information; see the platform for details.")
_WAITS = Text(
    "需要贵部门办理，请登录平台处理。", "This waits for your department; please act on it on the platform."
)
_SIGNALS = {
    "warned": Text("即将到期", "falls due soon"),
    "breached": Text("已逾期", "is overdue"),
    "passed": Text("已届满", "has run out"),
}


def _departments(work: Work, case: Case, role: str) -> tuple[str, ...]:
    """Return who plays `role`; the consumers of a dataset are those with an open grant on it."""
    named = in_role(case.parties, role)
    if not named and role == "consumer" and "dataset" in case.facts:
        return work.users_of(work.tx, str(case.facts["dataset"]))
    return named


def _post(
    work: Work,
    case: Case,
    *,
    key: str,
    kind: str,
    role: str,
    department: str,
    subject: Text,
    body: Text,
    due: datetime | None,
    cite: str | None = None,
) -> None:
    post_notice(
        work,
        Draft(
            key=digest(key),
            about=case.id,
            link=link_of(case),
            department=department,
            role="" if role == MEMBER else role,
            kind=kind,
            subject=subject,
            body=body,
            due=due,
            cite=cite,
            not_before=_quiet_until(work, case, due),
        ),
    )


def _quiet_until(work: Work, case: Case, due: datetime | None) -> datetime | None:
    leaf = book_of(work, case)[0].policies.get("notices.quiet_hours")
    return quiet_until(leaf.value if leaf is not None else None, work.now, due)
