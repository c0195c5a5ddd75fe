"""Which log is kept, and how far nobody can change it any more: only there may anything be deleted."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

from audit.bodies import PER_FILE
from audit.columns.blocks import kept_from
from audit.keeping.past import PAST, PastLog, lineage
from audit.keeping.units import unit_name
from audit.keys import NoteVerifier
from audit.note import BadNote, Checkpoint, open_note
from audit.place import log_folder
from audit.proofs import cosigned_checkpoint, published_checkpoint
from audit.signing import log_signers
from audit.witness.policy import Policy, cosigners, fulfils, policy_of
from core.db import Database
from core.errors import NotFound
from core.settings import Settings


@dataclass(frozen=True, slots=True)
class Keeping:
    """What keeping works on: the log that runs, or one that was `closed`."""

    settings: Settings
    database: Database
    closed: PastLog | None = None

    @property
    def root(self) -> Path:
        """The audit folder of the log that runs, in which all that is done is said."""
        return log_folder(self.settings)

    @property
    def folder(self) -> Path:
        """The audit folder of the log that is kept."""
        return self.root if self.closed is None else self.closed.folder

    @property
    def folders(self) -> list[Path]:
        """Every folder that holds its bodies: its own, and that in the second copy."""
        copy, log = self.settings.audit.copy_to, self.closed
        return [
            self.folder,
            *([] if copy is None else [copy if log is None else copy / PAST / log.slug]),
        ]

    @property
    def origin(self) -> str:
        """The name of the log."""
        return self.settings.platform.log_origin if self.closed is None else self.closed.origin

    @property
    def log(self) -> str | None:
        """How records name it: not at all while it runs, since they lie in it."""
        return None if self.closed is None else self.closed.origin

    @property
    def archive(self) -> Path:
        """Where archive units lie."""
        return self.settings.audit.archive or self.root / "archive"

    def last_of(self, first: int) -> int:
        """Return the last record of the file of bodies that begins at `first`; a closed log may end in it."""
        last = first + PER_FILE - 1
        return last if self.closed is None else min(last, self.closed.size - 1)

    def unit(self, first: int) -> Path:
        """Return where the archive unit of the records from `first` lies."""
        return self.archive / unit_name(self.origin, first, self.last_of(first))


def all_logs(keeping: Keeping) -> list[Keeping]:
    """Return every log of the deployment, the oldest first, the one that runs last. Raises Inconsistent."""
    running = replace(keeping, closed=None)
    return [*(replace(keeping, closed=log) for log in lineage(keeping.root)), running]


@dataclass(frozen=True, slots=True)
class Covered:
    """The checkpoint that a log may be kept by, and by whose keys it counts."""

    note: str
    checkpoint: Checkpoint
    at: datetime | None
    """When the witnesses saw the newest of the log that runs, if any had to."""
    said: int
    """How many records of the log that runs are covered: what is said there counts."""
    keys: tuple[NoteVerifier, NoteVerifier]
    policy: Policy

    @property
    def size(self) -> int:
        """How many records of the log that is kept it covers."""
        return self.checkpoint.size


def covered(keeping: Keeping) -> Covered | None:
    """Return the newest checkpoint that fulfils the policy, without a policy the newest; None without any.

    Raises BadNote when it is not signed by the log's keys or not by the witnesses that it needs.
    """
    policy, keys = policy_of(keeping.settings), log_signers(keeping.settings).verifiers
    try:
        found = cosigned_checkpoint(keeping.root) if policy.needed else published_checkpoint(keeping.root)
    except NotFound:
        found = None
    if found is None:
        return None
    note, checkpoint = found
    open_note(note, keys)
    if not fulfils(policy, note):
        raise BadNote("the cosigned checkpoint lacks witnesses")
    times = sorted(cosigners(policy, note).values())
    reach = Covered(note, checkpoint, times[0] if policy.needed else None, checkpoint.size, keys, policy)
    return reach if keeping.closed is None else _ended(keeping.closed, reach)


def _ended(log: PastLog, reach: Covered) -> Covered:
    """Return the checkpoint that a closed log ended with: entry 0 of the next log holds it, see `lineage`.

    So it counts even where today's witnesses are not those of its time. Raises BadNote, Inconsistent.
    """
    note, checkpoint = published_checkpoint(log.folder)
    cosigned = cosigned_checkpoint(log.folder)
    if cosigned is not None and cosigned[1] == checkpoint:
        note = cosigned[0]
    open_note(note, log.verifiers)
    policy = reach.policy if fulfils(reach.policy, note) else Policy()
    return replace(reach, note=note, checkpoint=checkpoint, keys=log.verifiers, policy=policy)


def files_of(keeping: Keeping, reach: Covered) -> Iterator[int]:
    """Yield where the files of bodies begin that are there and covered: whole ones, of a closed log all."""
    for first in range(kept_from(keeping.folder), reach.size, PER_FILE):
        if keeping.last_of(first) < reach.size:
            yield first
