"""How far the log is beyond anybody's power to change: only below that may anything be deleted."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from audit.note import BadNote, Checkpoint, open_note
from audit.proofs import cosigned_checkpoint, published_checkpoint
from audit.signing import log_signers
from audit.witness.policy import cosigners, fulfils, policy_of
from core.db import Database
from core.errors import NotFound
from core.settings import Settings


@dataclass(frozen=True, slots=True)
class Keeping:
    """What keeping the log works on."""

    settings: Settings
    database: Database

    @property
    def folder(self) -> Path:
        """The audit folder."""
        return self.settings.data / "audit"

    @property
    def origin(self) -> str:
        """The name of the log."""
        return self.settings.platform.log_origin

    @property
    def archive(self) -> Path:
        """Where archive units lie."""
        return self.settings.audit.archive or self.folder / "archive"


@dataclass(frozen=True, slots=True)
class Covered:
    """The checkpoint that what is kept may be judged by; `at` is when witnesses saw it, if any had to."""

    note: str
    checkpoint: Checkpoint
    at: datetime | None

    @property
    def size(self) -> int:
        """How many records it covers."""
        return self.checkpoint.size


def covered(settings: Settings) -> Covered | None:
    """Return the newest checkpoint that fulfils the policy, without a policy the newest; None without any.

    Raises BadNote when it is not signed by the log's keys or not by the witnesses that it needs.
    """
    folder, policy = settings.data / "audit", policy_of(settings)
    try:
        found = cosigned_checkpoint(folder) if policy.needed else published_checkpoint(folder)
    except NotFound:
        found = None
    if found is None:
        return None
    note, checkpoint = found
    open_note(note, log_signers(settings).verifiers)
    if not fulfils(policy, note):
        raise BadNote("the cosigned checkpoint lacks witnesses")
    times = sorted(cosigners(policy, note).values())
    return Covered(note, checkpoint, times[0] if policy.needed else None)
