"""Carrying out what was decided to be erased, in steps that may be cut off anywhere and begun again.

    granted -> of each body the log will say that it goes (`body.erased`, by way of the outbox): stated
    stated  -> once a checkpoint that counts covers these records, the bodies go from bodies files, journals,
               the second copy and, within seconds, the blocks of columns: done

Until a body is overwritten nothing is lost, and overwriting it twice is the same as once.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime

from sqlalchemy import Connection

from audit.columns.renewal import ask_renewal
from audit.keeping import store
from audit.keeping.covered import Covered, Keeping, covered
from audit.keeping.kinds import body_erased, carried_out
from audit.keeping.model import GRANTED, Erasure, Target
from audit.keeping.places import erase_body, erase_frames
from audit.keeping.units import units_holding
from audit.proofs import entry_at
from audit.query import record_by_id
from audit.state import load_state
from audit.store import insert_outbox
from core.errors import Gone, NotFound


def carry_out(keeping: Keeping, now: datetime) -> list[Erasure]:
    """Take the next step of every erasure that was granted; return those that still wait for something.

    They wait for the sealer, for witnesses or for the second copy. Raises Inconsistent when a body
    was changed by somebody, BadNote when the checkpoint is not what it should be.
    """
    with keeping.database.read() as tx:
        due = store.unfinished(tx, keeping.origin)
    reach = covered(keeping.settings) if due else None
    if reach is None:
        return due
    return [erasure for erasure in due if not _step(keeping, erasure, reach, now)]


def _step(keeping: Keeping, erasure: Erasure, reach: Covered, now: datetime) -> bool:
    """Go one step further; tell whether the erasure is done."""
    if erasure.state == GRANTED:
        _state(keeping, erasure, reach, now)
        return False
    if not _are_stated(keeping, erasure, reach):
        return False
    return _erase(keeping, erasure, now)


def _state(keeping: Keeping, erasure: Erasure, reach: Covered, now: datetime) -> None:
    """Have the log say of each body that it goes, all at once."""
    with keeping.database.read() as tx:
        targets = [found for t in erasure.targets if (found := _located(tx, keeping, t)) is not None]
    places = [target.log_index for target in targets]
    if any(index is None or index >= reach.size for index in places):
        return
    with keeping.database.begin() as tx:
        stated = []
        for target in targets:
            made = body_erased(target.log_index or 0, target.record_id, erasure.id, erasure.basis, now)
            insert_outbox(tx, made)
            stated.append(replace(target, statement=made.id))
        store.state_targets(tx, erasure.id, stated)


def _located(tx: Connection, keeping: Keeping, target: Target) -> Target | None:
    """Return the target with its place in the log; None when its body is gone already, as retention wants."""
    try:
        return replace(target, log_index=record_by_id(tx, keeping.folder, target.record_id).log_index)
    except (NotFound, Gone):
        return None


def _are_stated(keeping: Keeping, erasure: Erasure, reach: Covered) -> bool:
    with keeping.database.read() as tx:
        for target in _stated(erasure):
            try:
                index = record_by_id(tx, keeping.folder, str(target.statement)).log_index
            except NotFound:  # on its way from the outbox into the log
                return False
            if index is None or index >= reach.size:
                return False
    return True


def _stated(erasure: Erasure) -> Iterator[Target]:
    return (t for t in erasure.targets if t.statement is not None and t.log_index is not None)


def _erase(keeping: Keeping, erasure: Erasure, now: datetime) -> bool:
    """Take the bodies out of every place and note that it was done; wait while they are being copied."""
    indexes = [target.log_index or 0 for target in _stated(erasure)]
    copy = keeping.settings.audit.copy_to
    if copy is not None and load_state(copy).size <= max(indexes, default=-1):
        return False
    for target in _stated(erasure):
        _erase_one(keeping, target.log_index or 0, target.record_id, target.statement or "")
    for index in indexes:
        ask_renewal(keeping.folder, index, index)
    units = units_holding(keeping.archive, keeping.origin, indexes)
    with keeping.database.begin() as tx:
        store.finish(tx, erasure.id, now, {"bodies": len(indexes), "units": units})
        insert_outbox(tx, carried_out(erasure.id, len(indexes), units, now))
    return True


def _erase_one(keeping: Keeping, index: int, record_id: str, statement: str) -> None:
    copy, envelope = keeping.settings.audit.copy_to, entry_at(keeping.folder, index)
    for folder in (keeping.folder, *([] if copy is None else [copy])):
        erase_body(folder / "bodies", index, record_id, statement, envelope)
    erase_frames(keeping.folder / "journal", record_id, statement, envelope)
