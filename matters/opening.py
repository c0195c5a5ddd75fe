"""A matter begins: somebody opens it as the rulebook lets them, or another case calls for it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cases.fields import check_fields
from cases.model import MEMBER, Case, in_role
from cases.numbers import next_number
from cases.procedure import open_case
from core.errors import Conflict, NotFound, NotPermitted
from core.work import SYSTEM, Work
from matters import store
from matters.disputing import follow_dispute
from matters.handover import check_handover
from matters.maintenance import check_maintenance
from matters.model import KIND, Held, Matter, Subject
from matters.parties import departments_of
from matters.references import check_deadlines, check_references
from matters.subjects import WORDS, find_subject
from rules.rulebook import Rulebook
from rules.workflow import Opening, Workflow

MOST_OPEN = 20
"""How many matters of a procedure a department has open about one dataset."""


def procedures(book: Rulebook) -> dict[str, Workflow]:
    """Return the workflows that people or the platform open as matters, in the book's order."""
    return {name: flow for name, flow in book.workflows.items() if flow.opens_by is not None}


def open_matter(work: Work, workflow: str, draft: Mapping[str, Any]) -> Held:
    """Open a matter of a procedure of the current rulebook.

    `draft` names what it is about (`WORDS`) and holds the rulebook's own fields beside that. Raises
    what `find_opening` raises, NotPermitted for whoever is no party, Invalid with one entry for each wrong
    name or field, Conflict where too many are open already.
    """
    book: Rulebook = work.rulebooks.current("sharing")
    opening = find_opening(work, workflow)
    subject = find_subject(work, opening, {k: v for k, v in draft.items() if k in WORDS})
    given = check_fields(book, opening, {k: v for k, v in draft.items() if k not in WORDS})
    fields = check_references(work, book, given)
    check_maintenance(work, book, workflow, fields)
    check_handover(work, book, workflow, fields)
    check_deadlines(work, book, workflow, fields)
    parties = departments_of(work, book, opening, subject, fields)
    opened_as = role_of_opener(work, opening, parties)
    _must_not_flood(work, workflow, subject)
    return _open(work, workflow, subject, fields, parties, opened_as, None)


def _must_not_flood(work: Work, workflow: str, subject: Subject) -> None:
    """Refuse one more where a department has MOST_OPEN unanswered about a dataset. Raises Conflict."""
    for code in subject.datasets:
        if store.count_open(work.tx, work.actor.department, workflow, code) >= MOST_OPEN:
            raise Conflict(
                f"本部门就数据集 {code} 已有 {MOST_OPEN} 件同类事项未办结，请待办结后再提出",
                f"your department has {MOST_OPEN} such matters open about the dataset {code}",
                code="too_many_open",
            )


def find_opening(work: Work, workflow: str, domain: str = "sharing") -> Opening:
    """Return how a procedure of the current rulebook begins, to somebody whose role may open it.

    Raises NotFound for a procedure that the place does not have, NotPermitted for every other role.
    """
    opening = opening_of(work.rulebooks.current(domain), workflow)
    if work.actor.roles.isdisjoint(opening.roles):
        raise NotPermitted(
            f"您的角色不能“{opening.title.zh}”",
            f"your role may not {opening.title.en.lower()}",
            cite=str(opening.cite),
        )
    return opening


def open_follow_up(
    work: Work, workflow: str, origin: Case, fields: Mapping[str, Any], *, once: bool = False
) -> Held | None:
    """Open the matter that another case calls for, about the same thing, as nobody's request.

    With `once` there is no second one while an earlier one of the same procedure and origin is open.
    """
    if once and store.open_from(work.tx, origin.id, workflow) is not None:
        return None
    book: Rulebook = work.rulebooks.current("sharing")
    if workflow not in procedures(book):
        return None  # the case is older than the rulebook in force, which has no such procedure
    opening = opening_of(book, workflow)
    known = {k: v for k, v in fields.items() if k in (*opening.requires, *opening.accepts)}
    known = check_references(work.acting_as(SYSTEM), book, known)
    check_deadlines(work, book, workflow, known)
    facts = origin.facts
    datasets = tuple(facts[k] for k in ("dataset",) if facts.get(k)) + tuple(facts.get("datasets", ()))
    subject = Subject((origin,), datasets, facts.get("grant"), facts.get("application"), facts.get("client"))
    parties = departments_of(work.acting_as(SYSTEM), book, opening, subject, known)
    return _open(work, workflow, subject, known, parties, "system", origin)


def opening_of(book: Rulebook, workflow: str) -> Opening:
    """Return how a procedure of a rulebook begins. Raises NotFound for one that the book does not have."""
    flow = procedures(book).get(workflow)
    if flow is None or flow.opens_by is None:
        raise NotFound(f"本地规则没有“{workflow}”这一程序", f"the rulebook has no procedure {workflow!r}")
    return flow.opens_by


def role_of_opener(work: Work, opening: Opening, parties: Mapping[str, list[str]]) -> str:
    """Return the role in which the actor opens it. Raises NotPermitted for whoever is no party."""
    mine = {r for r in opening.roles & work.actor.roles if work.actor.department in in_role(parties, r)}
    if mine:
        return sorted(mine)[0]
    if work.actor.department in in_role(parties, MEMBER):
        return MEMBER
    raise NotPermitted(
        "只有当事部门可以提出", "only a department that is concerned may open it", cite=str(opening.cite)
    )


def _open(
    work: Work,
    workflow: str,
    subject: Subject,
    fields: Mapping[str, Any],
    parties: Mapping[str, list[str]],
    opened_as: str,
    origin: Case | None,
) -> Held:
    book: Rulebook = work.rulebooks.current("sharing")
    number = next_number(work, opening_of(book, workflow).prefix)
    known = {name: value for name, value in fields.items() if name in book.dimensions}
    one = {role: d[0] for role, d in parties.items() if role in ("consumer", "provider") and len(d) == 1}
    case = open_case(
        work,
        kind=KIND,
        workflow=workflow,
        facts={**known, **one, **subject.facts(), "number": number, "opened_as": opened_as},
        parties={role: d[0] if len(d) == 1 else d for role, d in parties.items()},
        opened_as=opened_as,
        fields=fields,
    )
    matter = Matter(
        id=case.id,
        number=number,
        workflow=workflow,
        datasets=subject.datasets,
        grant=subject.grant,
        application=subject.application,
        client=subject.client,
        origin=origin.id if origin else None,
        opened_by="" if opened_as == "system" else work.actor.department,
        created_at=work.now,
    )
    store.insert_matter(work.tx, matter)
    held = Held(matter, case)
    follow_dispute(work, held, None, fields)
    return held
