"""Erasing bodies by decision: an auditor asks, somebody else decides, the platform carries it out.

Envelopes stay, and with them every proof. What is erased, why, and who decided is on record for good.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from audit.columns.engine import engine_of
from audit.keeping import store
from audit.keeping.finding import find_anywhere
from audit.keeping.gone import refuse_pruned_anywhere
from audit.keeping.kinds import KEPT
from audit.keeping.model import ASKED, GRANTED, REFUSED, STATES, Erasure, Target
from audit.keeping.telling import tell_asked, tell_decided
from audit.log import record
from audit.place import log_folder
from core.db import Page
from core.errors import Conflict, FieldError, Gone, Invalid, NotFound, NotPermitted, invalid
from core.ids import new_id
from core.text import Text
from core.times import millis
from core.work import Work

MOST = 200
"""Records that one erasure may name."""
ASKERS, DECIDERS = frozenset({"auditor"}), frozenset({"auditor", "platform_manager"})
"""Who may ask for an erasure, and who may read and decide them; nobody decides what they asked for."""


def request_erasure(work: Work, record_ids: Sequence[str], basis: str, document: str) -> Erasure:
    """Ask that the bodies of records be erased, by the provision `basis` and the paper `document`.

    They may lie in logs that were closed. Raises NotPermitted for others than auditors; Invalid naming each
    record that is not there, is gone, is asked for already, or is of those by which the log explains itself.
    """
    if not work.actor.roles & ASKERS:
        raise NotPermitted("只有审计人员能申请删除", "only an auditor may ask for an erasure")
    _check_number(record_ids)
    made = Erasure(
        id=new_id(millis(work.now)),
        state=ASKED,
        basis=basis,
        document=document,
        asked_by=work.actor.login,
        asked_department=work.actor.department,
        asked_at=work.now,
        targets=_targets(work, record_ids),
    )
    store.insert_erasure(work.tx, made)
    ids = [target.record_id for target in made.targets]
    record(work, "erasure.asked", {"erasure": made.id, "records": ids, "basis": basis, "document": document})
    tell_asked(work, made)
    return made


def _check_number(record_ids: Sequence[str]) -> None:
    if not 1 <= len(record_ids) <= MOST:
        raise invalid("/records", f"应为 1 至 {MOST} 条记录", f"must name 1 to {MOST} records")


def _targets(work: Work, record_ids: Sequence[str]) -> tuple[Target, ...]:
    wrong, targets = [], {}
    for i, record_id in enumerate(record_ids):
        try:
            target = _target(work, record_id)
            targets[target.record_id] = target
        except (NotFound, Gone, Conflict) as refused:
            wrong.append(FieldError(f"/records/{i}", refused.message, refused.code))
    if wrong:
        raise Invalid(wrong)
    return tuple(targets.values())


def _target(work: Work, record_id: str) -> Target:
    folder = log_folder(work.settings)
    refuse_pruned_anywhere(work.tx, engine_of(work.settings), record_id)
    log, found = find_anywhere(work.tx, folder, record_id)
    if found.erased or store.is_wanted(work.tx, found.id):
        raise Conflict("已申请或已删除", "is asked for already, or erased", code="erasure_asked")
    if found.kind in KEPT:
        raise Conflict(
            "日志以此类记录说明自身，不能删除", "by such records the log explains itself", code="never_erased"
        )
    return Target(found.id, work.settings.platform.log_origin if log is None else log.origin, found.log_index)


def decide_erasure(work: Work, erasure_id: str, grant: bool, remark: str | None = None) -> Erasure:
    """Decide on an erasure that somebody else asked for; once granted it is carried out within a minute.

    Raises NotFound; NotPermitted for who may not, or asked for it themselves; Conflict when it was decided.
    """
    erasure = find_erasure(work, erasure_id)
    if erasure.asked_by == work.actor.login:
        raise NotPermitted("经办人不能审批自己提出的事项", "nobody decides on what they requested themselves")
    state = GRANTED if grant else REFUSED
    if not store.decide(work.tx, erasure_id, state, work.actor.login, work.now, remark):
        raise Conflict("已经作出决定", "it was decided already", code="decided_already")
    decision = {"erasure": erasure_id, "decision": state, "document": erasure.document}
    ids = [target.record_id for target in erasure.targets]
    record(work, "decision.erasure", {**decision, "records": ids, "basis": erasure.basis})
    decided = replace(erasure, state=state, decided_by=work.actor.login, decided_at=work.now, remark=remark)
    tell_decided(work, decided)
    return decided


def find_erasure(work: Work, erasure_id: str) -> Erasure:
    """Return one erasure. Raises NotFound, NotPermitted."""
    _check_reader(work)
    found = store.find_erasure(work.tx, erasure_id)
    if found is None:
        raise NotFound("没有这项删除", "no such erasure")
    return found


def list_erasures(work: Work, state: str | None, limit: int, cursor: str | None) -> Page:
    """Return one page of erasures, the newest first. Raises Invalid for an unknown state, NotPermitted."""
    _check_reader(work)
    if state is not None and state not in STATES:
        raise invalid("/state", f"应为 {'、'.join(STATES)} 之一", f"must be one of {', '.join(STATES)}")
    return store.erasures_page(work.tx, state, limit, cursor)


def may_decide(work: Work, erasure: Erasure) -> bool:
    """Tell whether the actor is one of those who may decide on this erasure now."""
    allowed = bool(work.actor.roles & DECIDERS) and erasure.asked_by != work.actor.login
    return allowed and erasure.state == ASKED


def _check_reader(work: Work) -> None:
    if not work.actor.roles & DECIDERS:
        raise NotPermitted("只有审计人员和平台管理部门能查看", "only auditors and the platform's managers")


def state_words(erasure: Erasure) -> Text:
    """Return what an erasure stands at, for people."""
    return STATES[erasure.state]
