"""What ties a ticket to the data that it is about: a correction at their provider, and how that ended."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any, NamedTuple

from cases.model import in_role
from cases.sealed import open_fields
from cases.timing import book_of
from core.errors import Conflict, NotFound, NotPermitted, invalid
from core.text import Text
from core.work import SYSTEM, Work
from hotline import store
from hotline.callers import told_outside
from hotline.model import Held
from matters.acting import find_matter
from matters.opening import open_matter
from rules.rulebook import Rulebook

CONSUMER = "consumer"
"""The role in which the office of the hotline speaks to providers: it doubts data as any user does."""
RESULT = "result"
"""The field in which a provider says what it found."""


class Outcome(NamedTuple):
    """How far the provider is with a correction that a ticket called for."""

    id: str
    number: str
    state: str
    title: Text
    opened_at: datetime
    closed_at: datetime | None
    result: str | None
    """What the provider found, for those whom it tells; None until it says."""


def report_doubt(work: Work, held: Held, fields: Mapping[str, Any]) -> str:
    """Open a correction at the provider of the ticket's dataset, and return its id.

    `fields` are those of the ticket's step: `doubt`, and `dataset` where the ticket names none yet. Of the
    caller the provider learns no more than a unit would. Raises Invalid without a dataset, Conflict when one
    is open already or the place's rules know no corrections.
    """
    ticket = held.ticket
    code = fields.get("dataset") or ticket.dataset
    if not code:
        raise invalid("/dataset", "请写明数据集", "name the dataset", code="required")
    if ticket.correction is not None and _outcome(work, ticket.correction).closed_at is None:
        raise Conflict("该工单已有未办结的数据疑义", "a correction is open already", code="correction_open")
    draft = {"dataset": code, "doubt": told_outside(work, held, fields["doubt"])}
    if ticket.grant and code == ticket.dataset:
        draft["grant"] = ticket.grant
    try:
        opened = open_matter(_as_user(work), _procedure(work), draft)
    except NotFound as lacking:
        raise Conflict(*lacking.message, code="no_corrections") from None
    store.update_ticket(work.tx, ticket.id, dataset=code, correction=opened.matter.id)
    return opened.matter.id


def outcome_of(work: Work, held: Held) -> Outcome | None:
    """Return how far the provider is with the correction that a ticket called for, None where none was."""
    return _outcome(work, held.ticket.correction) if held.ticket.correction else None


def _outcome(work: Work, matter_id: str) -> Outcome:
    matter, case = find_matter(work.acting_as(SYSTEM), matter_id)
    _, flow = book_of(work, case)
    is_party = any(work.actor.department in in_role(case.parties, role) for role in case.parties)
    said = [event.fields for event in case.events if RESULT in event.fields] if is_party else []
    return Outcome(
        matter.id,
        matter.number,
        case.state,
        flow.states[case.state].title,
        matter.created_at,
        case.closed_at,
        str(open_fields(work, case, said[-1])[RESULT]) if said else None,
    )


def _procedure(work: Work) -> str:
    """Return the procedure in which defects of data are corrected. Raises Conflict where there is none."""
    book: Rulebook = work.rulebooks.current("sharing")
    named = book.policy("catalog.quality_check").value["defects"]
    if named is None:
        raise Conflict("本地规则没有数据疑义程序", "the rules know no corrections", code="no_corrections")
    return str(named)


def _as_user(work: Work) -> Work:
    """Return the same work on behalf of the actor as somebody of a department that uses data.

    Raises NotPermitted where the office of the hotline is none.
    """
    department = work.settings.departments.get(work.actor.department)
    if department is None or CONSUMER not in department.roles:
        raise NotPermitted("热线机构不是数据使用部门", "the office of the hotline is no consumer of data")
    return work.acting_as(replace(work.actor, roles=work.actor.roles | {CONSUMER}))
