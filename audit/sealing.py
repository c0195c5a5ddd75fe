"""Sealing: taking durable records into the tree, and signing for it.

One step, in an order that a crash may cut anywhere:

    read frames and outbox rows -> bodies -> bundles and tiles -> sum the root up again from the files
    -> state, which is the commit -> checkpoint -> outbox rows, anchor -> drained segments deleted

What lies behind the state is removed at the next start; what the state holds and later parts had not seen
yet is made up for. So a record is in the log exactly once, and only what the state holds is ever signed.
"""

from __future__ import annotations

import base64
import logging
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Protocol

import orjson

from audit import outbox, store
from audit.beat import beat
from audit.bodies import append_bodies
from audit.drain import Drained, Gap, drain_journal, find_journals
from audit.files import Inconsistent, write_file, write_files
from audit.note import Checkpoint
from audit.record import make_record
from audit.recovery import check_past, check_state, drop_beyond, drop_partials, read_checkpoint
from audit.segments import segment_path
from audit.signing import LogSigners
from audit.state import Place, State, load_state, save_state
from audit.stuck import Watch
from audit.tiles import tile_path
from audit.tree import Edge, check_growth, grow
from core.db import Database
from core.errors import Unavailable
from core.locks import take
from core.times import instant_of, utc_now

STEP_RECORDS = 16_384
STEP_BYTES = 32 * 1024 * 1024
"""About what one step takes at most, so that memory is bounded whatever has piled up."""
GAP = "journal.gap"
"""Kind of the record by which the log itself states that records may be missing."""


class _Entry(Protocol):
    """What is to be sealed: a row of the outbox, a frame of a journal, a record of the sealer's own."""

    @property
    def envelope(self) -> bytes: ...

    @property
    def body(self) -> bytes: ...


_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Sealed:
    """What one step did: how many records it sealed, the log's size then, and whether more was waiting."""

    count: int
    size: int
    more: bool = False


class Sealer:
    """The holder of the log's lock. After an exception of `step`, close it and make a new one."""

    def __init__(
        self,
        folder: Path,
        database: Database,
        signers: LogSigners,
        origin: str,
        now: datetime | None = None,
        *,
        secret: bytes,
    ) -> None:
        """Take over the log in the audit folder and bring it in order; `secret` is that of the journals.

        Raises Unavailable when another process holds it, Inconsistent when its files contradict each other
        or when it is older than what was signed or anchored before.
        """
        self._folder = folder
        self._log = folder / "log"
        self._database = database
        self._signers = signers
        self._origin = origin
        self._secret = secret
        self._watch = Watch(folder)
        (self._log / ".state").mkdir(mode=0o755, parents=True, exist_ok=True)
        for private in ("bodies", "columns", "journal"):
            (folder / private).mkdir(mode=0o700, exist_ok=True)
        self.deletable: Callable[[State], Mapping[str, Place]] = lambda state: state.journals
        """How far the journals may be deleted, once they are sealed."""
        self.beats = True
        """Whether steps tell the data plane that all is sealed; it stops soon when they don't."""
        held = Unavailable("另一进程正在封存日志", "another process seals the log")
        self._lock = take(self._log / ".state" / "lock", held)
        try:
            self._state = load_state(folder)
            self._edge = self._recover(now or utc_now())
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Let another process take over."""
        os.close(self._lock)

    @property
    def size(self) -> int:
        """How many records the log holds."""
        return self._state.size

    @property
    def state(self) -> State:
        """What the sealer has committed to."""
        return self._state

    def step(self, now: datetime) -> Sealed:
        """Seal what is durable by now, at most about STEP_RECORDS records, and publish the checkpoint."""
        drained = self._drain()
        self._watch.look(drained, now)
        rows = self._outbox()
        sound = outbox.sound(rows)
        entries: list[_Entry] = [*sound, *self._refuse(rows, now)]
        for part in drained.values():
            entries += part.frames
            entries += [self._report(gap, now) for gap in part.gaps]
        places = {journal: part.place for journal, part in drained.items()}
        if entries or places != self._state.journals:
            self._commit(entries, places, now)
        self._delete_drained()
        more = len(rows) == STEP_RECORDS or any(part.more for part in drained.values())
        if entries:
            self._settle([row.seq for row in rows], now)
        if self.beats:
            beat(self._folder, _oldest(sound, drained, now) if more else now)
        return Sealed(len(entries), self._state.size, more)

    # --- reading ----------------------------------------------------------------------------------

    def _drain(self) -> Mapping[str, Drained]:
        """Read on in every journal; those that are done and deleted are left out and so forgotten."""
        found = find_journals(self._folder / "journal")
        places = {n: p for n, p in self._state.journals.items() if n in found or not p.done}
        names = sorted(found.keys() | places.keys())
        most, most_bytes = STEP_RECORDS // max(1, len(names)) + 1, STEP_BYTES // max(1, len(names))
        return {
            name: drain_journal(
                name, places.get(name, Place()), found.get(name, {}), self._secret, most, most_bytes
            )
            for name in names
        }

    def _outbox(self) -> Sequence[store.OutboxRow]:
        with self._database.read() as tx:
            return store.select_outbox(tx, STEP_RECORDS)

    def _refuse(self, rows: Sequence[store.OutboxRow], now: datetime) -> Iterator[_Entry]:
        """Put rows aside that are no records of ours, and put that on record."""
        for row in rows:
            if (reason := outbox.fault_of(row.envelope, row.body)) is not None:
                _log.error("row %d of the outbox is no record: %s", row.seq, reason)
                yield outbox.put_aside(self._folder / "journal", row, reason, now)

    def _report(self, gap: Gap, now: datetime) -> _Entry:
        """Put it on record that records may be lost, and keep a torn segment from being deleted."""
        _log.error("journal %s, segment %d: %s after %d", gap.journal, gap.segment, gap.reason, gap.after_seq)
        if gap.reason == "torn tail":
            segment = segment_path(self._folder / "journal", gap.journal, gap.segment)
            kept = self._folder / "journal" / "torn" / segment.name
            kept.parent.mkdir(mode=0o700, exist_ok=True)
            if not kept.exists():
                os.link(segment, kept)
        body = {"journal": gap.journal, "segment": gap.segment, "after_seq": gap.after_seq}
        return make_record(GAP, now, "sealer", {**body, "reason": gap.reason})

    # --- writing ----------------------------------------------------------------------------------

    def _commit(
        self,
        entries: Sequence[_Entry],
        places: Mapping[str, Place],
        now: datetime,
    ) -> None:
        """Write bodies, bundles and tiles, check them as written, commit to them, and sign."""
        old = self._state
        end = append_bodies(self._folder / "bodies", old.size, old.bodies_end, [e.body for e in entries])
        edge, files = grow(self._edge, [e.envelope for e in entries])
        write_files(self._log, files)
        if check_growth(old.size, edge.size, self._read_tile) != edge.root:
            raise Inconsistent(f"the files of {edge.size} entries have another root than was summed up")
        state = State(edge.size, edge.root, end, places)
        save_state(self._folder, state)
        self._state, self._edge = state, edge
        if edge.size != old.size:
            self._publish(now)
            drop_partials(self._log, old.size, edge.size)

    def _publish(self, now: datetime) -> None:
        checkpoint = Checkpoint(self._origin, self._state.size, self._state.root)
        write_file(self._log / "checkpoint", self._signers.sign_checkpoint(checkpoint, now).encode())

    def _settle(self, seqs: Sequence[int], now: datetime) -> None:
        """Do what follows from the state: the rows that it holds go, and the anchor moves with them."""
        state = self._state
        with self._database.begin() as tx:
            store.delete_outbox(tx, seqs)
            store.put_anchor(tx, self._origin, state.size, base64.b64encode(state.root).decode(), now)

    def _delete_drained(self) -> None:
        """Delete the segments whose every record is in bodies that the state holds, and as far as is due."""
        places = self.deletable(self._state)
        for name, segments in find_journals(self._folder / "journal").items():
            place = places.get(name)
            for number, path in segments.items():
                if place is not None and (number < place.segment or (place.done and number == place.segment)):
                    path.unlink()

    # --- taking over ------------------------------------------------------------------------------

    def _recover(self, now: datetime) -> Edge:
        state = self._state
        edge = check_state(state, self._read_tile)
        published = read_checkpoint(self._log / "checkpoint", self._signers.verifiers, self._origin)
        if published is not None:
            check_past("checkpoint", published.size, published.root, state, self._read_tile)
        with self._database.read() as tx:
            anchor = store.select_anchor(tx, self._origin)
            if anchor is not None:
                check_past("anchor", anchor[0], base64.b64decode(anchor[1]), state, self._read_tile)
            sealed = outbox.sealed_behind(tx, self._folder, anchor[0] if anchor else 0, state.size)
        drop_beyond(self._folder, state)
        # The last process may have seen this state without its being durable, when a sync failed.
        save_state(self._folder, state)
        if published is None or published.size != state.size or not published.by_all:
            self._publish(now)
        self._settle(sealed, now)
        return edge

    def _read_tile(self, level: int, index: int, width: int) -> bytes:
        return (self._log / tile_path(level, index, width)).read_bytes()


def _oldest(rows: Sequence[store.OutboxRow], drained: Mapping[str, Drained], now: datetime) -> datetime:
    """Return the time of the oldest record; each source is in order, to the clock's last small step.

    It is `now` where there was none but rows that are no records.
    """
    firsts = [row.envelope for row in rows[:1]]
    firsts += [part.frames[0].envelope for part in drained.values() if part.frames]
    times = [instant_of(orjson.loads(envelope)["t"]) for envelope in firsts]
    return min(times, default=now)
