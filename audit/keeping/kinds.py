"""The records by which the log itself says what it no longer holds, or where it came from.

body.erased        before the body at `index`, that of the record `record`, is overwritten; erasure, basis
retention.pruned   before files of bodies are deleted; first, last, since, bodies_sha256, basis, until
archive.made       after a unit was written and read back; first, last, file, sha256, checkpoint_size
erasure.carried_out    after all that an erasure names is gone; erasure, records, units
segment.sealed     after a block of a closed log was made again (audit/columns)
log.rotated        entry 0 of a log that follows another; previous, and in the envelope the same as `p`

What is said of a closed log is said in the log that runs, and names the other as `log`; without it a record
is about its own log. What is gone can be told apart from a fault as long as these records have their own
bodies. Files of bodies go oldest first, those of closed logs before all others, so `body.erased` goes with or
after what was erased; and `retention.pruned` names all that is gone by then (`first` is 0, what goes now
begins at `since`, of the logs in `gone` nothing is left), so the newest one is enough.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import orjson

from audit.record import Record, canonical, make_record
from core.text import Text
from core.times import local_iso

SOURCE = "sealer"
BODY_ERASED, PRUNED, ARCHIVED, ROTATED = "body.erased", "retention.pruned", "archive.made", "log.rotated"
CARRIED_OUT = "erasure.carried_out"
KEPT = frozenset(
    {
        *(BODY_ERASED, PRUNED, ARCHIVED, ROTATED, CARRIED_OUT, "erasure.asked", "decision.erasure"),
        *("journal.gap", "outbox.refused", "segment.sealed", "heartbeat", "timestamp", "witness.refused"),
    }
)
"""Kinds by which the log explains itself; they hold nothing of anybody and are never erased one by one."""


def body_erased(
    index: int, record_id: str | None, erasure: str, basis: str, now: datetime, log: str | None = None
) -> Record:
    """Make the record that the body at `index` is about to be erased by the decision `erasure`."""
    body = {"index": index, "record": record_id, "erasure": erasure, "basis": basis}
    return make_record(BODY_ERASED, now, SOURCE, {**body, **about(log)})


def about(log: str | None) -> dict[str, str]:
    """Return the field that names the closed log that a record is about; none for the log that runs."""
    return {} if log is None else {"log": log}


def carried_out(erasure: str, records: int, units: Sequence[str], now: datetime) -> Record:
    """Make the record that the bodies of an erasure are gone; `units` of the archive must be made anew."""
    return make_record(
        CARRIED_OUT, now, SOURCE, {"erasure": erasure, "records": records, "units": list(units)}
    )


def pruned(
    since: int,
    last: int,
    sha256: str,
    basis: Text,
    until: datetime,
    now: datetime,
    *,
    log: str | None = None,
    gone: Sequence[str] = (),
) -> Record:
    """Make the record that the bodies from `since` to `last` will be deleted, as those before were.

    `sha256` (hex) is over their files, one behind the other; none of their records is of `until` or later.
    Nothing is left of the bodies of the logs in `gone`, which came before.
    """
    span = {"first": 0, "last": last, "since": since, "bodies_sha256": sha256}
    body = {**span, "basis": basis._asdict(), "until": local_iso(until), "gone": list(gone)}
    return make_record(PRUNED, now, SOURCE, {**body, **about(log)})


def archived(
    first: int,
    last: int,
    file: str,
    sha256: str,
    checkpoint_size: int,
    now: datetime,
    log: str | None = None,
) -> Record:
    """Make the record that an archive unit was written; `sha256` (hex) is over its file."""
    body = {"first": first, "last": last, "file": file, "sha256": sha256, "checkpoint_size": checkpoint_size}
    return make_record(ARCHIVED, now, SOURCE, {**body, **about(log)})


def rotated(previous: str, now: datetime) -> Record:
    """Make entry 0 of a log that follows the one whose last checkpoint is the note `previous`.

    Its envelope holds the note as `p`, so that anybody can follow from the one log to the other.
    """
    made = make_record(ROTATED, now, SOURCE, {"previous": previous})
    envelope: dict[str, Any] = orjson.loads(made.envelope)
    return Record(made.id, made.kind, made.at, canonical({**envelope, "p": previous}), made.body)
