"""Deleting bodies that are older than the deployment's rule keeps them, whole files at a time, oldest first.

    1  which files: every record in them is older than the rule, a checkpoint that counts covers them, and
       where an archive is configured they lie in it, byte for byte
    2  `retention.pruned` goes into the log that runs: what will be deleted, its digest, by what rule
    3  once a checkpoint that counts covers that record, ids and log indexes are put aside, so that proofs are
       still found, and the files go, here and in the second copy
    4  once the blocks of columns that held them were made again, it is over

Of several logs the oldest comes first: nothing goes from one while those before it have any bodies. Between
2 and 4 a small file says what is under way; whoever comes next goes on from there.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import orjson

from audit.bodies import PER_FILE, bodies_path
from audit.columns.renewal import ask_renewal, is_awaited
from audit.files import Inconsistent, tile_reader, write_file
from audit.frames import read_journal
from audit.keeping.covered import Covered, Keeping, all_logs, files_of
from audit.keeping.ids import keep_ids
from audit.keeping.kinds import PRUNED, pruned
from audit.keeping.stated import stated
from audit.keeping.units import member
from audit.outbox import delete_refused
from audit.segments import segments_in, sync_folder
from audit.store import insert_outbox
from audit.tiles import ENTRIES, WIDTH, decode_bundle, tiles_of
from core.errors import NotFound
from core.text import Text
from core.times import instant_of, parse_instant

FILES_MOST = 16
"""Files of bodies that one record speaks for, so that each step is small."""


@dataclass(frozen=True, slots=True)
class Old:
    """One file of bodies whose records are all older than the rule keeps them."""

    log: str
    first: int
    last: int
    newest: datetime
    held: Text | None
    """Why it cannot be deleted yet; None when it can."""


@dataclass(frozen=True, slots=True)
class Job:
    """A deletion under way: the bodies from `since` to `last`, on record in `statement`."""

    since: int
    last: int
    until: str
    statement: str
    deleted: bool = False
    """Whether the files are gone and only blocks of columns may still hold what was in them."""


def cutoff(keeping: Keeping, reach: Covered, now: datetime) -> datetime | None:
    """Return the instant before which bodies may go; None where all are kept.

    It counts from what the witnesses' clocks said last where there are any, so that a clock of ours that is
    ahead deletes nothing.
    """
    rule = keeping.settings.audit.retention
    if rule is None:
        return None
    return min(now, reach.at or now) - timedelta(days=rule.bodies_days)


def old_files(keeping: Keeping, reach: Covered, before: datetime) -> Iterator[Old]:
    """Yield, oldest first, the files of bodies whose every record is of before `before`; stop at the first
    that is not, or that no checkpoint covers."""
    for first in files_of(keeping, reach):
        last = keeping.last_of(first)
        newest = _newest(keeping.folder, first, last)
        if newest >= before:
            return
        yield Old(keeping.origin, first, last, newest, _held(keeping, first))


def _newest(folder: Path, first: int, last: int) -> datetime:
    """Return the time of the newest record, as the envelopes say."""
    read = tile_reader(folder / "log")
    bundles = tiles_of(0, last + 1, first // WIDTH)
    entries = (entry for at, width in bundles for entry in decode_bundle(read(ENTRIES, at, width)))
    return instant_of(max(orjson.loads(entry)["t"] for entry in entries))


def _held(keeping: Keeping, first: int) -> Text | None:
    if keeping.settings.audit.archive is None:
        return None
    kept = member(keeping.unit(first), "bodies.jsonl")
    if kept is None:
        return Text("尚未归档", "it is not in the archive yet")
    if kept != bodies_path(keeping.folder / "bodies", first).read_bytes():
        of = "" if keeping.closed is None else f" --log {keeping.closed.slug}"
        again = f"shuxiang audit archive --again {first}{of}"
        return Text(f"归档与正文不一致，请运行 {again}", f"its archive unit holds other bodies: run {again}")
    return None


def begin_pruning(keeping: Keeping, reach: Covered, now: datetime) -> Job | None:
    """Put on record that the oldest files that may go will go; None when there are none.

    Call it only while nothing is under way.
    """
    before, rule = cutoff(keeping, reach, now), keeping.settings.audit.retention
    earlier = _before(keeping)
    if before is None or rule is None or any(_has_bodies(k) for k in earlier):
        return None
    ready: list[Old] = []
    for old in old_files(keeping, reach, before):
        if old.held is not None or len(ready) == FILES_MOST:
            break
        ready.append(old)
    if not ready:
        return None
    since, last = ready[0].first, ready[-1].last
    digest, gone = _digest(keeping.folder, ready), [k.origin for k in earlier]
    made = pruned(since, last, digest, rule.basis, before, now, log=keeping.log, gone=gone)
    job = Job(since, last, before.isoformat(), made.id)
    write_file(_job_path(keeping.folder), orjson.dumps(asdict(job)))
    with keeping.database.begin() as tx:
        insert_outbox(tx, made)
    return job


def _before(keeping: Keeping) -> list[Keeping]:
    """Return the logs before this one."""
    logs = all_logs(keeping)
    return logs[: [log.origin for log in logs].index(keeping.origin)]


def _has_bodies(keeping: Keeping) -> bool:
    return any((keeping.folder / "bodies").glob("*.jsonl"))


def _digest(folder: Path, files: list[Old]) -> str:
    found = hashlib.sha256()
    for old in files:
        found.update(bodies_path(folder / "bodies", old.first).read_bytes())
    return found.hexdigest()


def pruning(keeping: Keeping) -> Job | None:
    """Return the deletion that is under way. Raises Inconsistent when its file cannot be read."""
    path = _job_path(keeping.folder)
    try:
        return Job(**orjson.loads(path.read_bytes()))
    except FileNotFoundError:
        return None
    except (ValueError, TypeError) as wrong:
        raise Inconsistent(f"{path.name} cannot be read: {wrong}") from wrong


def go_on_pruning(keeping: Keeping, job: Job, reach: Covered) -> bool:
    """Delete what `job` says if the log says so by now, and see it to its end; tell whether anything moved.

    One whose record is nowhere, as after a crash before it was written, is over: nothing was deleted. Raises
    Inconsistent when its record says something else.
    """
    if job.deleted:
        return _end(keeping, job)
    try:
        with keeping.database.read() as tx:
            said = stated(tx, keeping.root, job.statement, PRUNED, reach.said)
    except NotFound:
        _job_path(keeping.folder).unlink(missing_ok=True)
        return True
    if said is None:
        return False
    _check(keeping, job, said)
    keep_ids(keeping.folders, job.since, job.last)
    for folder in keeping.folders:
        _delete(folder / "bodies", job)
    until = parse_instant(said["until"])
    _delete_torn(keeping.folder / "journal" / "torn", until)
    delete_refused(keeping.folder / "journal", until)
    ask_renewal(keeping.folder, job.since, job.last)
    write_file(_job_path(keeping.folder), orjson.dumps(asdict(replace(job, deleted=True))))
    return True


def _end(keeping: Keeping, job: Job) -> bool:
    """Forget the job once no block holds what is gone; tell whether that is so."""
    if is_awaited(keeping.folder, job.since, job.last):
        return False
    _job_path(keeping.folder).unlink(missing_ok=True)
    return True


def _check(keeping: Keeping, job: Job, said: Mapping[str, Any]) -> None:
    """Raise Inconsistent unless the record says of this log what the file of the job does."""
    known = said["since"], said["last"], said.get("log")
    if known != (job.since, job.last, keeping.log):
        raise Inconsistent(f"{_job_path(keeping.folder).name} is about other bodies than its record")


def _delete(bodies: Path, job: Job) -> None:
    """Delete the files oldest first, so that what is left is always all from some index on."""
    for first in range(job.since, job.last + 1, PER_FILE):
        bodies_path(bodies, first).unlink(missing_ok=True)
    if bodies.is_dir():
        sync_folder(bodies)


def _delete_torn(torn: Path, before: datetime) -> None:
    """Delete the segments that were put aside as torn once they hold nothing newer."""
    for path in segments_in(torn):
        times = [orjson.loads(frame.envelope)["t"] for frame in read_journal(path)]
        written = instant_of(int(path.stat().st_mtime * 1000))
        if written < before and all(instant_of(ms) < before for ms in times):
            path.unlink()


def _job_path(folder: Path) -> Path:
    return folder / "log" / ".state" / "pruning.json"
