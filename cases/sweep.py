"""The sweep: puts on record what fell due. Nothing depends on its being on time."""

from __future__ import annotations

from audit.log import record
from cases import store
from cases.model import Case
from cases.procedure import settle
from cases.timing import duties, watch_at
from core.work import SYSTEM, Work
from rules.clocks import ClockState


def sweep(work: Work, limit: int = 200) -> int:
    """Put on record what fell due by `work.now`, each thing once; return how many cases were looked at.

    Readers compute state and breach from the clock themselves, so a late sweep makes nothing less true.
    """
    due = store.cases_to_watch(work.tx, work.now, limit)
    for case_id in due:
        case = store.case(work.tx, case_id, lock=True)
        if case is not None:
            _look_at(work, case)
    return len(due)


def _look_at(work: Work, case: Case) -> None:
    settled = settle(work, case)
    if settled.version != case.version:
        work.policy_changed(work.tx)
    recorded = store.recorded_breaches(work.tx, settled.id)
    for clock in duties(work, settled):
        if clock.breached and clock.due and (clock.name, clock.due) not in recorded:
            record_id = record(work.acting_as(SYSTEM), "clock.breached", _breach(settled, clock))
            store.insert_breach(work.tx, settled.id, clock.name, clock.due, work.now, record_id)
    store.set_watch(work.tx, settled.id, watch_at(work, settled))


def _breach(case: Case, clock: ClockState) -> dict[str, object]:
    return {
        "case": case.id,
        "case_kind": case.kind,
        "action": "breach",
        "clock": clock.name,
        "due": clock.due.isoformat() if clock.due else None,
        "provisional": clock.provisional,
        "cite": str(clock.cite),
    }
