"""How the log stands, put together for the people who watch over it; nothing is changed."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from audit.columns.blocks import chosen, kept_from
from audit.columns.coverage import Coverage, coverage_now
from audit.columns.engine import engine_of
from audit.columns.footers import sound
from audit.keeping.units import slug_of
from audit.keys import NoteVerifier
from audit.note import BadNote, Checkpoint, open_note, signatures_of
from audit.place import log_folder
from audit.proofs import cosigned_checkpoint, published_checkpoint
from audit.signing import LOG_KEY, LOG_MLDSA_KEY, RECEIPT_KEY
from audit.standing import Standing, standing
from audit.state import load_state
from audit.witness.anchors import anchor_path, anchored_sizes
from audit.witness.memory import Known
from audit.witness.policy import Policy, cosigners, policy_of
from core.errors import NotFound, Unavailable
from core.settings import Settings
from core.text import Text
from core.times import instant_of
from core.work import Work

SHOWN = 12
"""How many anchors and archive units stand on the page, the newest first."""


@dataclass(frozen=True, slots=True)
class Signed:
    """A signed note of the log: what it says, and whose signatures on it hold."""

    note: str
    checkpoint: Checkpoint
    signers: tuple[tuple[str, str, datetime | None], ...]
    """Name, algorithm, and for some keys when it was signed."""
    trouble: str | None
    """Why the log's own signatures do not hold."""


@dataclass(frozen=True, slots=True)
class Seen:
    """One witness: when it cosigned what, and what is wrong with it."""

    name: str
    cosigned_at: datetime | None
    """On the newest cosigned checkpoint."""
    known: Known
    last_at: datetime | None


@dataclass(frozen=True, slots=True)
class Anchor:
    """A checkpoint that is kept for ever, with or without a time stamp."""

    size: int
    stamped: bool


@dataclass(frozen=True, slots=True)
class LogState:
    """Everything that the page of the log's state shows."""

    stands: Standing
    size: int
    lag: float | None
    newest: Signed | None
    cosigned: Signed | None
    policy: Policy
    witnesses: tuple[Seen, ...]
    anchors: tuple[Anchor, ...]
    anchor_count: int
    coverage: Coverage | Unavailable
    """What searches cover, or how far the columns that they need are made."""
    blocks: Mapping[int, int]
    """Rows of a block to how many blocks of that size there are."""
    in_blocks: int
    kept_from: int
    """The first record whose body is still here; earlier ones were deleted by rule."""
    units: tuple[tuple[str, int], ...]
    """Archive units by name, with their bytes."""
    unit_count: int
    keys: tuple[tuple[Text, NoteVerifier], ...]

    @property
    def is_incomplete(self) -> bool:
        """Whether searches are known to miss records."""
        return isinstance(self.coverage, Coverage) and not self.coverage.complete

    @property
    def stamped_at(self) -> datetime | None:
        """When a checkpoint was stamped last."""
        return _at(self.stands.memory.stamped_at)


KEYS = {
    LOG_KEY: Text("日志（Ed25519）", "log (Ed25519)"),
    LOG_MLDSA_KEY: Text("日志（ML-DSA-44）", "log (ML-DSA-44)"),
    RECEIPT_KEY: Text("回执", "receipts"),
}


def log_state(work: Work) -> LogState:
    """Look at the log's files. Raises UNREADABLE, and ConfigError for a witness's key."""
    settings, folder = work.settings, log_folder(work.settings)
    stands, policy, size = standing(settings, work.now), policy_of(settings), load_state(folder).size
    own = tuple(verifier for _, verifier in _keys(settings))
    cosigned = _signed(cosigned_checkpoint(folder), own)
    blocks, sizes = chosen(sound(folder), size), anchored_sizes(folder)
    units = _units(settings)
    return LogState(
        stands=stands,
        size=size,
        lag=None if math.isinf(stands.lag) else max(stands.lag, 0.0),
        newest=_signed(_published(folder), own),
        cosigned=cosigned,
        policy=policy,
        witnesses=_witnesses(stands, policy, cosigned),
        anchors=tuple(Anchor(s, anchor_path(folder, s, "tsr").exists()) for s in reversed(sizes[-SHOWN:])),
        anchor_count=len(sizes),
        coverage=_coverage(work),
        blocks={rows: sum(1 for b in blocks if b.rows == rows) for rows in sorted({b.rows for b in blocks})},
        in_blocks=sum(b.rows for b in blocks),
        kept_from=kept_from(folder),
        units=units[-SHOWN:][::-1],
        unit_count=len(units),
        keys=_keys(settings),
    )


def _coverage(work: Work) -> Coverage | Unavailable:
    try:
        return coverage_now(engine_of(work.settings), work.tx)
    except Unavailable as being_made:
        return being_made


def _published(folder: Path) -> tuple[str, Checkpoint] | None:
    try:
        return published_checkpoint(folder)
    except NotFound:
        return None


def _signed(found: tuple[str, Checkpoint] | None, verifiers: tuple[NoteVerifier, ...]) -> Signed | None:
    if found is None:
        return None
    note, checkpoint = found
    try:
        open_note(note, verifiers)
        signers = tuple((s.verifier.name, s.verifier.algorithm, s.at) for s in signatures_of(note, verifiers))
    except BadNote as wrong:
        return Signed(note, checkpoint, (), str(wrong))
    return Signed(note, checkpoint, signers, None)


def _witnesses(stands: Standing, policy: Policy, cosigned: Signed | None) -> tuple[Seen, ...]:
    try:
        times = {} if cosigned is None else cosigners(policy, cosigned.note)
    except BadNote:
        times = {}
    known = stands.memory.witnesses
    return tuple(
        Seen(name, times.get(name), known.get(name, Known()), _at(known.get(name, Known()).at))
        for name in (policy.witnesses or {})
    )


def _at(ms: int | None) -> datetime | None:
    return None if ms is None else instant_of(ms)


def _units(settings: Settings) -> tuple[tuple[str, int], ...]:
    """Return the archive units of this log, oldest first; what else lies there is left out."""
    archive = settings.audit.archive or log_folder(settings) / "archive"
    found = sorted(archive.glob(f"{slug_of(settings.platform.log_origin)}-*.zip"))
    return tuple((path.name, path.stat().st_size) for path in found)


def _keys(settings: Settings) -> tuple[tuple[Text, NoteVerifier], ...]:
    """Return the public halves that are there."""
    files = ((title, settings.key_file(name).with_suffix(".vkey")) for name, title in KEYS.items())
    texts = ((title, file.read_text(encoding="utf-8")) for title, file in files if file.is_file())
    return tuple((title, NoteVerifier.parse(text)) for title, text in texts)


def fingerprint(verifier: NoteVerifier) -> str:
    """Return SHA-256 of the public key in hexadecimal, in groups of four, to be read out and compared."""
    digest = hashlib.sha256(verifier.public).hexdigest()
    return " ".join(digest[at : at + 4] for at in range(0, len(digest), 4))
