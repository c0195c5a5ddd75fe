"""A matter goes on: a step of the rulebook, and what the platform does along with it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from cases.attachments import add_attachment, attachments_of, read_attachment
from cases.model import Attachment, Case, roles_in
from cases.procedure import find_case, no_such, take
from cases.store import cases_by_id
from cases.timing import book_of
from core.db import Page
from core.errors import Conflict, NotPermitted, invalid
from core.work import Work
from matters import store
from matters.demands import share
from matters.disputing import follow_dispute
from matters.handover import hand_over
from matters.model import KIND, Held, Wanted
from matters.opening import procedures
from matters.references import check_deadlines, check_references
from rules.rulebook import Rulebook

EVIDENCE = "evidence"
"""What the papers of a matter are."""
DEEDS: Mapping[str, Callable[[Work, Held, Mapping[str, Any]], None]] = {
    "share": share,
    "hand_over": hand_over,
}
"""What the platform does along with a step that `does` it, in the same transaction."""


def find_matter(work: Work, matter_id: str) -> Held:
    """Return a matter to one of its parties or an auditor. Raises NotFound for everybody else."""
    case = find_case(work, matter_id, KIND)
    matter = store.matter(work.tx, matter_id)
    if matter is None:
        raise no_such(KIND)
    return Held(matter, case)


def list_matters(work: Work, wanted: Wanted, limit: int, cursor: str | None) -> Page:
    """Return one page of the matters (`Held`) that the actor is a party of, the newest first.

    Raises Invalid for a procedure or a state that the rulebook does not have.
    """
    known = procedures(work.rulebooks.current("sharing"))
    if wanted.workflow is not None and wanted.workflow not in known:
        raise invalid("/kind", f"应为 {'、'.join(known)} 之一", f"must be one of {', '.join(known)}")
    states = {s for name, flow in known.items() if wanted.workflow in (None, name) for s in flow.states}
    if wanted.state is not None and wanted.state not in states:
        names = ", ".join(sorted(states))
        raise invalid("/state", f"应为 {names} 之一", f"must be one of {names}")
    found = store.matters_page(work.tx, work.actor, wanted, limit, cursor)
    cases = cases_by_id(work.tx, [m.id for m in found.rows])
    return Page([Held(m, cases[m.id]) for m in found.rows], found.next_cursor)


def act_on_matter(
    work: Work, matter_id: str, action: str, fields: Mapping[str, Any], expect_version: int | None = None
) -> Held:
    """Take a step of the matter's procedure. Raises what `cases.take` raises, Invalid for a wrong name."""
    held = find_matter(work, matter_id)
    book: Rulebook
    book, flow = book_of(work, held.case)
    step = flow.find(held.case.state, action, held.case.facts)
    case = take(work, held.case, action, fields, expect_version=expect_version)
    said = check_references(work, book, case.events[-1].fields)
    check_deadlines(work, book, held.case.workflow, said)
    moved = Held(held.matter, case)
    deed = DEEDS.get(step.does or "") if step is not None else None
    if deed is not None:
        deed(work, moved, said)
    follow_dispute(work, moved, held.case.state, {})
    return moved


# --- papers ---------------------------------------------------------------------------------------


def attach_evidence(work: Work, matter_id: str, *, name: str, content: bytes) -> Attachment:
    """Add a paper to an open matter that one is a party of."""
    held = find_matter(work, matter_id)
    if not roles_in(held.case, work.actor):
        raise NotPermitted("只有当事部门可以添加附件", "only its parties add papers")
    if held.case.closed_at is not None:
        raise Conflict("事项已办结，不能再添加附件", "it is closed already", code="wrong_state")
    return add_attachment(work, held.case, type=EVIDENCE, sealed=False, name=name, content=content)


def papers_of(work: Work, case: Case) -> tuple[Attachment, ...]:
    """Return the papers of a matter, the oldest first."""
    return attachments_of(work, case)


def read_evidence(work: Work, matter_id: str, attachment_id: str) -> tuple[Attachment, bytes]:
    """Return a paper and its content, to the parties: what stands beside it in sealed fields is theirs alone.

    Raises NotFound for whoever may not see the matter, NotPermitted for an auditor who is no party.
    """
    held = find_matter(work, matter_id)
    if not may_read_papers(work, held):
        raise NotPermitted("附件只提供给当事部门", "papers are for the parties of the matter")
    return read_attachment(work, held.case, attachment_id)


def may_read_papers(work: Work, held: Held) -> bool:
    """Tell whether the actor is of a party, to whom alone papers are handed out."""
    return bool(roles_in(held.case, work.actor))
