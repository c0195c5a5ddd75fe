"""The sweep: puts on record what fell due. Nothing depends on its being on time."""

from __future__ import annotations

import logging
from datetime import timedelta

from cases import store
from cases.lateness import note_clocks
from cases.model import Case
from cases.procedure import settle
from cases.timing import watch_at
from cases.turns import keep_turns
from core.errors import Refusal
from core.work import Work

AGAIN = timedelta(hours=1)
"""How long a case rests that could not be acted on."""
_log = logging.getLogger(__name__)


def sweep(work: Work, limit: int = 20) -> int:
    """Put on record what fell due by `work.now`, each thing once; return how many cases were looked at.

    Readers compute state and breach from the clock themselves, so a late sweep makes nothing less true.
    """
    due = store.cases_to_watch(work.tx, work.now, limit)
    for case_id in due:
        case = store.case(work.tx, case_id, lock=True)
        if case is not None:
            _look_at_alone(work, case)
    return len(due)


def _look_at_alone(work: Work, case: Case) -> None:
    """Look at one case; should it be refused, the others go on and it is looked at again in a while."""
    try:
        with work.tx.begin_nested():
            _look_at(work, case)
    except Refusal as refused:
        _log.error("the sweep cannot act on case %s: %s", case.id, refused)
        store.set_watch(work.tx, case.id, work.now + AGAIN)


def _look_at(work: Work, case: Case) -> None:
    settled = settle(work, case)
    if settled.version != case.version:
        work.policy_changed(work.tx)
    if settled.closed_at is None:
        note_clocks(work, settled)
        keep_turns(work, settled)  # a limit that has passed may open a step to somebody
    store.set_watch(work.tx, settled.id, watch_at(work, settled))
