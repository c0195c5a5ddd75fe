"""Keeps the turns beside the tickets: written with each step, made anew when rules or calendar change."""

from __future__ import annotations

from cases.model import Case
from cases.store import cases_by_id
from core.work import Work
from hotline.reports import store
from hotline.reports.model import Turn
from hotline.reports.turns import Turns

BATCH = 200


def turns_of(work: Work, case: Case) -> tuple[Turn, ...]:
    """Return the turns at a ticket, under the rulebook version that it was opened with."""
    book = work.rulebooks.get(case.rulebook, case.rulebook_version)
    return Turns(book, case.workflow, work.rulebooks.calendar).of(case)


def keep_turns(work: Work, case: Case) -> None:
    """Write down the turns at a ticket, in the transaction of the step that made them."""
    store.put_turns(work.tx, case.id, turns_of(work, case))


def keep_again(work: Work, after: str = "") -> str | None:
    """Write down the turns of the next tickets behind `after`; return the last, None at the end."""
    ids = store.tickets_after(work.tx, after, BATCH)
    for case in cases_by_id(work.tx, ids).values():
        store.put_turns(work.tx, case.id, turns_of(work, case))
    return ids[-1] if ids else None
