"""Carrying out what was decided to be erased, in steps that may be cut off anywhere and begun again.

    granted -> of each body the log will say that it goes (`body.erased`, by way of the outbox): stated
    stated  -> once a checkpoint that counts covers these records, the bodies go from bodies files, journals
               and the second copy: overwritten
    overwritten -> once the blocks of columns that held them were made again: done

They may lie in logs that were closed; what is said of them is said in the log that runs. Until a body is
overwritten nothing is lost, and overwriting it twice is the same as once.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import datetime
from pathlib import Path

from sqlalchemy import Connection

from audit.bodies import PER_FILE
from audit.columns.renewal import ask_renewal, is_awaited
from audit.files import Inconsistent
from audit.keeping import store
from audit.keeping.covered import Covered, Keeping, all_logs, covered
from audit.keeping.kinds import BODY_ERASED, body_erased, carried_out
from audit.keeping.model import GRANTED, STATED, Erasure, Target
from audit.keeping.places import checked_body, erase_body, erase_frames
from audit.keeping.stated import stated
from audit.keeping.units import units_holding
from audit.proofs import entry_at
from audit.query import record_by_id
from audit.state import load_state
from audit.store import insert_outbox
from core.errors import NotFound

Logs = Mapping[str, Keeping]
"""Every log of the deployment, by name."""


def carry_out(keeping: Keeping, now: datetime) -> list[Erasure]:
    """Take the next step of every erasure that was granted; return those that still wait for something.

    They wait for the sealer, for witnesses, for the second copy or for what makes blocks. Raises Inconsistent
    when a body was changed by somebody or a closed log is not there, BadNote when the checkpoint is not what
    it should be.
    """
    with keeping.database.read() as tx:
        due = store.unfinished(tx)
    reach = covered(keeping) if due else None
    if reach is None:
        return due
    logs = {log.origin: log for log in all_logs(keeping)}
    return [erasure for erasure in due if not _step(keeping, logs, erasure, reach, now)]


def _step(keeping: Keeping, logs: Logs, erasure: Erasure, reach: Covered, now: datetime) -> bool:
    """Go one step further; tell whether the erasure is done."""
    if missing := {target.log for target in erasure.targets} - logs.keys():
        raise Inconsistent(f"erasure {erasure.id} names records of {sorted(missing)}, which is not there")
    if erasure.state == GRANTED:
        _state(keeping, logs, erasure, reach, now)
        return False
    if erasure.state == STATED:
        if not _are_stated(keeping, erasure, reach) or not _overwrite(keeping, logs, erasure):
            return False
        with keeping.database.begin() as tx:
            store.overwrite(tx, erasure.id)
    return _finish(keeping, logs, erasure, now)


def _state(keeping: Keeping, logs: Logs, erasure: Erasure, reach: Covered, now: datetime) -> None:
    """Have the log say of each body that it goes, all at once."""
    with keeping.database.read() as tx:
        targets = [found for t in erasure.targets if (found := _located(tx, logs, t)) is not None]
    running = [target.log_index for target in targets if target.log == keeping.origin]
    if any(index is None or index >= reach.size for index in running):
        return
    for target in targets:
        _check(logs[target.log], target)
    with keeping.database.begin() as tx:
        told = []
        for target in targets:
            of = target.log_index or 0, target.record_id, erasure.id, erasure.basis
            made = body_erased(*of, now, logs[target.log].log)
            insert_outbox(tx, made)
            told.append(replace(target, statement=made.id))
        store.state_targets(tx, erasure.id, told)


def _located(tx: Connection, logs: Logs, target: Target) -> Target | None:
    """Return the target with its place in the log; None when its body is gone already, as retention wants."""
    log = logs[target.log]
    try:
        waits = tx if log.closed is None else None
        return replace(target, log_index=record_by_id(waits, log.folder, target.record_id).log_index)
    except NotFound:
        return None


def _check(keeping: Keeping, target: Target) -> None:
    """Raise Inconsistent unless the body that was located is that of the record which is to be erased."""
    index = target.log_index or 0
    checked_body(keeping.folder / "bodies", index, target.record_id, entry_at(keeping.folder, index))


def _are_stated(keeping: Keeping, erasure: Erasure, reach: Covered) -> bool:
    with keeping.database.read() as tx:
        for target in _stated(erasure):
            try:
                said = stated(tx, keeping.root, str(target.statement), BODY_ERASED, reach.said)
            except NotFound:  # on its way from the outbox into the log
                return False
            if said is None:
                return False
            if (said["index"], said["record"], said["erasure"]) != _about(erasure, target):
                raise Inconsistent(f"the record {target.statement} says that another body is erased")
    return True


def _about(erasure: Erasure, target: Target) -> tuple[int | None, str, str]:
    return target.log_index, target.record_id, erasure.id


def _stated(erasure: Erasure) -> Iterator[Target]:
    return (t for t in erasure.targets if t.statement is not None and t.log_index is not None)


def _overwrite(keeping: Keeping, logs: Logs, erasure: Erasure) -> bool:
    """Take the bodies out of every place and have blocks made again; wait while they are being copied."""
    targets, copy = list(_stated(erasure)), keeping.settings.audit.copy_to
    running = [target.log_index or 0 for target in targets if target.log == keeping.origin]
    if copy is not None and load_state(copy).size <= max(running, default=-1):
        return False
    for target in targets:
        _erase_one(logs[target.log], target.log_index or 0, target.record_id, target.statement or "")
    for target in targets:
        ask_renewal(logs[target.log].folder, target.log_index or 0, target.log_index or 0)
    return True


def _finish(keeping: Keeping, logs: Logs, erasure: Erasure, now: datetime) -> bool:
    """Note that it was done; wait while a block may still hold what the bodies held."""
    targets = list(_stated(erasure))
    places = ((logs[target.log].folder, target.log_index or 0) for target in targets)
    if any(is_awaited(folder, index, index) for folder, index in places):
        return False
    units = units_holding(_places(logs, targets))
    with keeping.database.begin() as tx:
        store.finish(tx, erasure.id, now, {"bodies": len(targets), "units": units})
        insert_outbox(tx, carried_out(erasure.id, len(targets), units, now))
    return True


def _erase_one(keeping: Keeping, index: int, record_id: str, statement: str) -> None:
    envelope = entry_at(keeping.folder, index)
    for folder in keeping.folders:
        erase_body(folder / "bodies", index, record_id, statement, envelope)
    erase_frames(keeping.folder / "journal", record_id, statement, envelope)


def _places(logs: Logs, targets: Iterable[Target]) -> dict[Path, set[int]]:
    """Return the archive units of the records, with the places of these within them."""
    found: dict[Path, set[int]] = {}
    for target in targets:
        place = (target.log_index or 0) % PER_FILE
        unit = logs[target.log].unit((target.log_index or 0) - place)
        found.setdefault(unit, set()).add(place)
    return found
