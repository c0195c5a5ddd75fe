"""Closing the log and beginning the next one, whose first entry is the last checkpoint of the old.

    1  the old log is sealed to its end, and its last checkpoint counts
    2  the next log is made aside, with new keys and entry 0, in audit/rotating; the file `ready` ends that
    3  the parts of the old log move to audit/past/<slug>, its keys to keys/past/<slug>
    4  what was made aside moves into their places; `rotating` goes

Until `ready` is there nothing has changed; from then on each move is done or not, and whoever comes next does
what is missing. Meanwhile neither a sealer nor a data plane starts. Should a record have been written all the
same, it is sealed: into the old log while nothing was moved, else into the next.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

import orjson

from audit import store
from audit.bodies import append_bodies
from audit.columns.maker import Maker, announcing
from audit.drain import unsealed_frames
from audit.files import write_file, write_files
from audit.keeping.covered import Keeping, all_logs, covered
from audit.keeping.keeper import keeping_lock
from audit.keeping.kinds import rotated
from audit.keeping.past import PARTS, PAST
from audit.keeping.retention import pruning
from audit.keeping.store import unfinished
from audit.keeping.units import slug_of
from audit.note import Checkpoint
from audit.place import ASIDE, is_rotating, log_folder
from audit.proofs import published_checkpoint
from audit.sealer import seal_once
from audit.segments import journal_of, segments_in, sync_folder
from audit.signing import LOG_KEY, LOG_MLDSA_KEY, RECEIPT_KEY, make_log_keys
from audit.state import State, load_state, save_state
from audit.tree import Edge, grow
from core.db import Database
from core.errors import Conflict, NotFound, Unavailable
from core.locks import alone
from core.settings import Settings

_KEYS = (LOG_KEY, LOG_MLDSA_KEY, RECEIPT_KEY)


@dataclass(frozen=True, slots=True)
class Rotated:
    """The log that was closed, where it lies now, and the one that followed."""

    old: str
    folder: Path
    size: int
    new: str


def rotate(settings: Settings, database: Database, now: datetime) -> Rotated:
    """Close the log and begin the one that platform.yaml names; or finish doing so.

    Raises Conflict when the name is still the old one, was used before, or something of the old log is not
    finished; Unavailable while the deployment runs or another process seals.
    """
    keeping = Keeping(settings, database)
    with _stopped(settings), keeping_lock(keeping):
        if is_rotating(keeping.folder) and _must_begin_anew(keeping.folder):
            (keeping.folder / ASIDE / "ready").unlink()
            sync_folder(keeping.folder / ASIDE)
        if not is_rotating(keeping.folder):
            _prepare(keeping, now)
        return _move(keeping)


def _stopped(settings: Settings) -> AbstractContextManager[None]:
    """Be sure that the deployment does not run, and that it cannot start."""
    return alone(settings.data / "serve.lock", Unavailable("请先停止平台", "stop the platform first"))


# --- the next log, made aside -----------------------------------------------------------------------


def _prepare(keeping: Keeping, now: datetime) -> None:
    note, old = _finished(keeping, now)
    aside = keeping.folder / ASIDE
    shutil.rmtree(aside, ignore_errors=True)
    (aside / "keys").mkdir(mode=0o700, parents=True)
    make_log_keys(aside / "keys", keeping.origin)
    _write_first(keeping, aside, note, now)
    for folder in (aside / "keys", aside):
        sync_folder(folder)
    said = {"old": old.origin, "slug": slug_of(old.origin), "size": old.size, "new": keeping.origin}
    write_file(aside / "ready", orjson.dumps(said))


def _finished(keeping: Keeping, now: datetime) -> tuple[str, Checkpoint]:
    """Seal the old log to its end and return its last checkpoint. Raises Conflict."""
    try:
        _, known = published_checkpoint(keeping.folder)
    except NotFound as missing:
        raise Conflict("日志还是空的，无需更换", "the log is empty: there is nothing to close") from missing
    if known.origin == keeping.origin:
        raise Conflict(
            "请先在 platform.yaml 中为新日志改写 log_origin",
            f"give the next log a name first: log_origin in platform.yaml is still {known.origin}",
        )
    _check_names(keeping, known.origin)
    own = replace(keeping.settings, platform=replace(keeping.settings.platform, log_origin=known.origin))
    _finish_blocks(own, keeping.database, now)
    _check_end(Keeping(own, keeping.database))
    _drop_journals(keeping.folder)
    return published_checkpoint(keeping.folder)


def _check_names(keeping: Keeping, old: str) -> None:
    """Raise Conflict unless both logs have folders of their own: names that differ may share one."""
    closed, following = slug_of(old), slug_of(keeping.origin)
    if closed.casefold() == following.casefold():
        raise Conflict(
            "log_origin 与现有日志的文件夹名相同，请另取一个",
            f"log_origin and {old} would lie in the same folder, {closed}: choose another name",
        )
    for slug in (closed, following):
        for root in (keeping.folder, keeping.settings.key_file("")):
            if any((root / PAST / slug).glob("*")):  # an empty one is of a rotation that was begun
                raise Conflict("log_origin 已用过", f"log_origin was used before: {PAST}/{slug} is there")


def _drop_journals(folder: Path) -> None:
    """Delete the segments that are sealed to their end, as the sealer would: bodies lie in one place then."""
    places = load_state(folder).journals
    for path in segments_in(folder / "journal"):
        journal, number = journal_of(path)
        place = places.get(journal)
        if place is not None and (number < place.segment or (place.done and number == place.segment)):
            path.unlink()


def _finish_blocks(settings: Settings, database: Database, now: datetime) -> None:
    """Make the last blocks of columns, and seal what the log says of them: nobody makes any later."""
    seal_once(settings, database, now)
    maker = Maker(log_folder(settings), announcing(database, lambda: now), grace=0)
    while maker.step():
        seal_once(settings, database, now)


def _check_end(old: Keeping) -> None:
    """Raise Conflict unless all is sealed, a checkpoint that counts covers it, and nothing is under way."""
    state, reach, copy = load_state(old.folder), covered(old), old.settings.audit.copy_to
    with old.database.read() as tx:
        waits, erasures = store.count_outbox(tx), unfinished(tx)
    if waits or any(True for _ in unsealed_frames(old.folder / "journal", state.journals)):
        raise Conflict("仍有记录未封存", "records wait to be sealed")
    if reach is None or reach.size != state.size:
        raise Conflict(
            "见证人尚未共签最后的检查点", "the witnesses have not cosigned the last checkpoint yet"
        )
    if copy is not None and load_state(copy).size != state.size:
        raise Conflict("日志副本尚未写完", "the second copy of the log is not complete yet")
    if erasures or any(pruning(log) is not None for log in all_logs(old)):
        raise Conflict(
            "仍有删除未执行完，请让平台运行片刻再试",
            "an erasure or a deletion is under way: let the platform run for a moment",
        )


def _write_first(keeping: Keeping, aside: Path, note: str, now: datetime) -> None:
    """Write a log of one entry: the checkpoint that the old one ended with."""
    made = rotated(note, now)
    end = append_bodies(aside / "bodies", 0, 0, [made.body])
    edge, files = grow(Edge(), [made.envelope])
    write_files(aside / "log", files)
    (aside / "log" / ".state").mkdir()
    save_state(aside, State(edge.size, edge.root, end))
    sync_folder(aside / "log")


# --- the moves --------------------------------------------------------------------------------------


def _must_begin_anew(folder: Path) -> bool:
    """Tell whether somebody wrote records since the end of the old log was sealed and before it was moved."""
    return not (folder / PAST / _said(folder)["slug"] / "log").exists() and _is_written_to(folder, folder)


def _is_written_to(folder: Path, log: Path) -> bool:
    """Tell whether the journals of an audit folder hold what the log in `log` does not."""
    return any(True for _ in unsealed_frames(folder / "journal", load_state(log).journals))


def _said(folder: Path) -> dict[str, Any]:
    said: dict[str, Any] = orjson.loads((folder / ASIDE / "ready").read_bytes())
    return said


def _move(keeping: Keeping) -> Rotated:
    aside, keys = keeping.folder / ASIDE, keeping.settings.key_file("")
    said = _said(keeping.folder)
    slug = said["slug"]
    past, copy = keeping.folder / PAST / slug, keeping.settings.audit.copy_to
    for root in (keeping.folder, *([] if copy is None else [copy])):
        _move_all(root, root / PAST / slug, [part for part in PARTS if part != "journal"])
    if not _is_written_to(keeping.folder, past):
        _move_all(keeping.folder, past, ["journal"])
    _move_all(keys, keys / PAST / slug, [name for key in _KEYS for name in (key, _public(key))])
    _keep_public(keys / PAST / slug, past / "keys")
    _place_all(aside / "keys", keys)
    _place_all(aside, keeping.folder)
    shutil.rmtree(aside)
    return Rotated(said["old"], past, said["size"], said["new"])


def _move_all(source: Path, target: Path, names: Iterable[str]) -> None:
    """Move what is there and was not moved before; what has its name since is of the next log."""
    target.mkdir(mode=0o755, parents=True, exist_ok=True)
    for name in names:
        if (source / name).exists() and not (target / name).exists():
            os.rename(source / name, target / name)
    sync_folder(target)
    sync_folder(source)


def _public(key: str) -> str:
    return Path(key).with_suffix(".vkey").name


def _keep_public(keys: Path, target: Path) -> None:
    """Put the verifier keys beside the log that they verify."""
    target.mkdir(mode=0o755, exist_ok=True)
    for name in (_public(key) for key in _KEYS):
        if (keys / name).exists():
            write_file(target / name, (keys / name).read_bytes())


def _place_all(source: Path, target: Path) -> None:
    """Move what was made aside into its place: whatever had that name has been moved away."""
    for path in sorted(source.iterdir()):
        if path.name in (*PARTS, *_KEYS, *map(_public, _KEYS)):
            os.rename(path, target / path.name)
    sync_folder(target)
