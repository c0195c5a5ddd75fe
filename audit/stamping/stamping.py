"""When a checkpoint is stamped, and what is kept of the stamp; in the sealer's own thread."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

from audit import store
from audit.note import Checkpoint, split_note
from audit.record import make_record
from audit.stamping.stamper import Stamped, Stamper
from audit.stamping.stamps import Stamp
from audit.witness.anchors import anchor_path, write_anchor
from audit.witness.memory import Memory
from core.db import Database
from core.settings_audit import Timestamps
from core.times import instant_of, local_iso, millis

TIMESTAMP = "timestamp"
"""Kind of the record by which the log itself tells of a stamp."""
_AGAIN = timedelta(minutes=1)


class Stamping:
    """The stamps of one log."""

    def __init__(self, folder: Path, rules: Timestamps, database: Database) -> None:
        """Raises ConfigError when the authority's certificates cannot be read."""
        self._folder = folder
        self._rules = rules
        self._database = database
        self._stamper = Stamper(rules)
        self._not_before: datetime | None = None

    def wait(self, seconds: float) -> None:
        """Wait for the authority's answer, if it was asked, at most `seconds`."""
        self._stamper.wait(seconds)

    def turn(self, memory: Memory, size: int, newest: Path, now: datetime) -> Memory:
        """Take what came, ask for what is due, and return what to remember.

        `size` is the log's, `newest` the file of the newest checkpoint that may be stamped, if there is one.
        """
        stamped = self._stamper.take()
        if stamped is not None:
            memory = self._keep(memory, stamped, size, now)
        if size > memory.stamped and memory.unstamped_since is None:
            memory = replace(memory, unstamped_since=millis(now))
        if self._is_due(memory, now) and newest.exists():
            memory = self._ask(memory, newest.read_bytes(), now)
        return memory

    def _is_due(self, memory: Memory, now: datetime) -> bool:
        if self._not_before is not None and now < self._not_before:
            return False
        last = memory.stamped_at
        return last is None or now - instant_of(last) >= timedelta(minutes=self._rules.every_minutes)

    def _ask(self, memory: Memory, note: bytes, now: datetime) -> Memory:
        """Ask for a stamp over an anchor: exactly these bytes lie beside it for ever."""
        size = Checkpoint.parse(split_note(note.decode())[0]).size
        # A stamp that is there although nobody remembers it came right before a crash; the next is stamped.
        if size <= memory.stamped or anchor_path(self._folder, size, "tsr").exists():
            return memory
        write_anchor(self._folder, size, note)
        self._not_before = now + _AGAIN
        self._stamper.ask(size, anchor_path(self._folder, size).read_bytes(), now)
        return replace(memory, anchored_at=millis(now))

    def _keep(self, memory: Memory, stamped: Stamped, size: int, now: datetime) -> Memory:
        if stamped.stamp is None:
            return replace(memory, stamp_trouble=stamped.trouble)
        write_anchor(self._folder, stamped.size, stamped.response, "tsr")
        self._put_on_record(stamped, stamped.stamp, now)
        since = millis(stamped.asked_at) if size > stamped.size else None
        return replace(
            memory,
            stamped=stamped.size,
            stamped_at=millis(now),
            unstamped_since=since,
            stamp_trouble=None,
        )

    def _put_on_record(self, stamped: Stamped, stamp: Stamp, now: datetime) -> None:
        note = anchor_path(self._folder, stamped.size).read_bytes()
        body = {
            "size": stamped.size,
            "root": split_note(note.decode())[0].split("\n")[2],
            "file": f"anchors/{stamped.size}.tsr",
            "sha256": hashlib.sha256(stamped.response).hexdigest(),
            "checkpoint_sha256": hashlib.sha256(note).hexdigest(),
            "serial": str(stamp.serial),
            "at": local_iso(stamp.at),
        }
        with self._database.begin() as tx:
            store.insert_outbox(tx, make_record(TIMESTAMP, now, "sealer", body))
