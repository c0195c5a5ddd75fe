"""The sealer's side of witnesses and stamps: what it shows them, and what it makes of their answers.

All of this runs in the sealer's own thread: it alone writes files. Threads that wait for the network are in
collector.py and stamping/stamper.py. The order at a crash: a cosigned checkpoint is in its file before the
memory says so, and the memory is durable before a journal is deleted on its word.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from audit import store
from audit.files import Inconsistent, write_file
from audit.note import add_signatures, split_note
from audit.place import log_folder
from audit.record import make_record
from audit.sealing import Sealer
from audit.signing import log_signers
from audit.stamping.stamping import Stamping
from audit.state import Place, State
from audit.witness.anchors import check_anchors, is_due, is_new_day, write_anchor
from audit.witness.client import Contradicted, Refused
from audit.witness.collector import Answered, Collector, Offer
from audit.witness.memory import Known, load_memory, of_origin, save_memory
from audit.witness.policy import fulfils, policy_of
from core.db import Database
from core.settings import Settings
from core.times import instant_of, millis

REFUSED = "witness.refused"
"""Kind of the record by which the log itself tells of a witness that does not cosign."""
_ROUNDS_KEPT = 4


class Outside:
    """What stands around one sealer, which must not be closed before it."""

    def __init__(self, settings: Settings, database: Database, sealer: Sealer) -> None:
        """Raises ConfigError for unfit keys, Inconsistent when the log is older than its own anchors."""
        self._folder = log_folder(settings)
        self._database = database
        self._sealer = sealer
        self._policy = policy_of(settings)
        self._settings = settings.audit
        check_anchors(
            self._folder, sealer.state, log_signers(settings).verifiers, settings.platform.log_origin
        )
        self._saved = load_memory(self._folder)
        self._memory = of_origin(self._saved, settings.platform.log_origin)
        self._rounds: dict[int, str] = {}
        self._offered: Offer | None = None
        stamps, witnesses = settings.audit.timestamps, settings.audit.witnesses
        self._stamping = None if stamps is None else Stamping(self._folder, stamps, database)
        self._newest = self._folder / "log" / ("cosigned" if self._policy.needed else "checkpoint")
        self._collector: Collector | None = None
        if self._policy.witnesses:
            sizes = {name: known.size for name, known in self._memory.witnesses.items()}
            self._collector = Collector(self._folder / "log", witnesses, self._policy.witnesses, sizes)
        sealer.deletable = self._deletable

    def close(self) -> None:
        """Stop asking."""
        if self._collector is not None:
            self._collector.close()

    def begin(self, now: datetime) -> None:
        """Ask every witness what it knows before anything is sealed, and wait a bounded time for that.

        Raises Inconsistent when one of them cosigned what this log does not continue: it was put back.
        """
        self.turn(now)
        if self._collector is not None:
            self._collector.wait(self._settings.witnesses.timeout_seconds)
        self.turn(now)
        for name in self._policy.witnesses or ():
            known = self._memory.witnesses.get(name, Known())
            if known.contradicts:
                raise Inconsistent(f"witness {name}: {known.trouble}; it has not cosigned since")

    def finish(self, now: datetime) -> None:
        """Show the last checkpoint and wait a bounded time for every answer. Raises as `turn` does."""
        if self._collector is not None:
            self._offer(now)
            self._collector.wait(self._settings.witnesses.timeout_seconds)
        if self._stamping is not None and self._settings.timestamps is not None:
            self._stamping.wait(self._settings.timestamps.timeout_seconds)
        self.turn(now)

    def turn(self, now: datetime) -> None:
        """Take what came, and ask for what is due. Raises Inconsistent when a witness knows another tree."""
        try:
            if self._collector is not None:
                for answered in self._collector.take():
                    self._hear(answered, now)
                self._note_delay(now)
                if self._is_offer_due(now):
                    self._offer(now)
            if self._stamping is not None:
                self._memory = self._stamping.turn(self._memory, self._sealer.size, self._newest, now)
        finally:
            if self._memory != self._saved:
                save_memory(self._folder, self._memory)
                self._saved = self._memory
        self._sealer.beats = not self._is_too_late(now)

    # --- what the sealer asks -----------------------------------------------------------------------

    def _deletable(self, state: State) -> Mapping[str, Place]:
        """Return how far journals may be deleted: with a policy only what a cosigned checkpoint covers."""
        return self._memory.journals if self._policy.needed else state.journals

    def _is_too_late(self, now: datetime) -> bool:
        hours, since = self._settings.witnesses.stop_hours, self._memory.behind_since
        if hours is None or since is None:
            return False
        return now - instant_of(since) > timedelta(hours=hours)

    # --- showing ------------------------------------------------------------------------------------

    def _is_offer_due(self, now: datetime) -> bool:
        """Tell whether a new round begins: none has, or it is old enough and came to an end."""
        offered, rules = self._offered, self._settings.witnesses
        if offered is None:
            return True
        if offered.size == self._sealer.size:
            return False
        age = (now - instant_of(offered.at)).total_seconds()
        is_done = self._memory.witnessed >= offered.size
        # A step back of the clock must not keep a round open.
        return age < 0 or age >= rules.every_seconds + (0 if is_done else rules.timeout_seconds)

    def _offer(self, now: datetime) -> None:
        state, note = self._sealer.state, self._checkpoint()
        if self._offered is not None and self._offered.size == state.size:
            return  # those who failed ask again by themselves
        self._offered = Offer(note, state.size, state.journals, millis(now))
        self._rounds[state.size] = note
        for old in sorted(self._rounds)[:-_ROUNDS_KEPT]:
            del self._rounds[old]
        if self._collector is not None:
            self._collector.offer(self._offered)

    def _checkpoint(self) -> str:
        return (self._folder / "log" / "checkpoint").read_text(encoding="utf-8")

    def _note_delay(self, now: datetime) -> None:
        if self._sealer.size > self._memory.witnessed and self._memory.behind_since is None:
            self._memory = replace(self._memory, behind_since=millis(now))

    # --- hearing ------------------------------------------------------------------------------------

    def _hear(self, answered: Answered, now: datetime) -> None:
        before = self._memory.witnesses.get(answered.witness, Known())
        trouble = answered.trouble
        if trouble is None:
            self._know(answered.witness, Known(answered.offer.size, millis(now)))
            self._add(answered.offer, answered.lines, now)
            return
        known = replace(before, trouble=str(trouble))
        if isinstance(trouble, Contradicted):
            self._know(answered.witness, replace(known, contradicts=True))
            raise Inconsistent(f"witness {answered.witness}: {trouble}: rolled back?")
        if isinstance(trouble, Refused) and trouble.status != before.refused:
            refusal = {"witness": answered.witness, "status": trouble.status, "size": answered.offer.size}
            self._put_on_record(REFUSED, now, {**refusal, "theirs": trouble.theirs})
            known = replace(known, refused=trouble.status)
        self._know(answered.witness, known)

    def _know(self, name: str, known: Known) -> None:
        self._memory = replace(self._memory, witnesses={**self._memory.witnesses, name: known})

    def _add(self, offer: Offer, lines: Sequence[str], now: datetime) -> None:
        """Put cosignatures beside the log's signatures, and publish what the policy is content with."""
        note = self._rounds.get(offer.size)
        if note is None:
            return  # a round long past
        note = self._rounds[offer.size] = add_signatures(note, lines)
        if split_note(note)[0] == split_note(self._checkpoint())[0]:
            write_file(self._folder / "log" / "checkpoint", note.encode())
        if fulfils(self._policy, note) and offer.size >= self._memory.witnessed:
            self._publish(offer, note.encode(), now)

    def _publish(self, offer: Offer, note: bytes, now: datetime) -> None:
        memory, cosigned = self._memory, self._folder / "log" / "cosigned"
        last = None if memory.witnessed_at is None else instant_of(memory.witnessed_at)
        if last is not None and is_new_day(last, now):
            with suppress(FileNotFoundError):
                write_anchor(self._folder, memory.witnessed, cosigned.read_bytes())
        write_file(cosigned, note)
        since = offer.at if self._sealer.size > offer.size else None
        self._memory = replace(
            memory,
            witnessed=offer.size,
            witnessed_at=millis(now),
            behind_since=since,
            journals=offer.journals,
        )
        if is_due(None if memory.anchored_at is None else instant_of(memory.anchored_at), now):
            self._anchor(offer.size, note, now)

    def _anchor(self, size: int, note: bytes, now: datetime) -> None:
        write_anchor(self._folder, size, note)
        self._memory = replace(self._memory, anchored_at=millis(now))

    def _put_on_record(self, kind: str, now: datetime, body: Mapping[str, Any]) -> None:
        """Hand a record of the sealer's own to its next step, durably."""
        with self._database.begin() as tx:
            store.insert_outbox(tx, make_record(kind, now, "sealer", body))


@contextmanager
def asking(
    settings: Settings, database: Database, sealer: Sealer, clock: Callable[[], datetime]
) -> Iterator[Outside]:
    """Yield what stands around `sealer` once every witness was asked. Raises what `Outside.begin` raises."""
    with closing(Outside(settings, database, sealer)) as outside:
        outside.begin(clock())
        yield outside
