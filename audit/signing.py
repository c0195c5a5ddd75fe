"""The keys that sign for the log: Ed25519, which every client reads, and ML-DSA-44, which lasts longer.

C2SP tlog-checkpoint asks logs for ML-DSA-44, C2SP tlog-tiles asks public ones for Ed25519; so every
checkpoint bears both.
"""

from __future__ import annotations

import os
from datetime import datetime
from pathlib import Path

from audit.keys import ML_DSA_44, Cosigner, NoteSigner, NoteVerifier
from audit.note import BadNote, Checkpoint, add_signatures
from core.errors import ConfigError, Finding
from core.settings import Settings
from core.text import Text

LOG_KEY, LOG_MLDSA_KEY, RECEIPT_KEY = "log.key", "log-mldsa.key", "receipt.key"


class LogSigners:
    """Both keys of one log."""

    def __init__(self, classical: NoteSigner, lasting: Cosigner) -> None:
        """Raises BadNote unless both are of one name and the second one is of ML-DSA-44."""
        if classical.name != lasting.name or lasting.verifier.kind != ML_DSA_44:
            raise BadNote("a log signs with an Ed25519 and an ML-DSA-44 key of one name")
        self._classical = classical
        self._lasting = lasting

    @property
    def verifiers(self) -> tuple[NoteVerifier, NoteVerifier]:
        """Ed25519 first, as the signatures stand in the note."""
        return self._classical.verifier, self._lasting.verifier

    def sign_checkpoint(self, checkpoint: Checkpoint, at: datetime) -> str:
        """Return the checkpoint as a note signed by both keys; the second says that it was at `at`."""
        note = self._classical.sign_note(checkpoint.text)
        return add_signatures(note, [self._lasting.cosign(checkpoint.text, at)])


def log_signers(settings: Settings) -> LogSigners:
    """Return the keys of the deployment's log. Raises ConfigError when one is missing or malformed."""
    try:
        classical = NoteSigner.parse(settings.key(LOG_KEY).decode())
        return LogSigners(classical, Cosigner.parse(settings.key(LOG_MLDSA_KEY).decode()))
    except ValueError as wrong:
        words = Text(f"日志密钥有误：{wrong}", f"the log's keys are wrong: {wrong}")
        raise ConfigError([Finding(str(settings.key_file("")), "", words)]) from wrong


def make_log_keys(folder: Path, origin: str) -> None:
    """Make the keys that sign for the log `origin` and its receipts, those that are missing in `folder`.

    They have the form of C2SP signed-note: the file .key is secret, .vkey beside it public.
    """
    sorts = ((LOG_KEY, NoteSigner, origin), (LOG_MLDSA_KEY, Cosigner, origin))
    for name, sort, signs in (*sorts, (RECEIPT_KEY, NoteSigner, f"{origin}/receipts")):
        path = folder / name
        if not path.exists():
            signer = sort.generate(signs)
            with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
                file.write(f"{signer.export()}\n".encode())
            path.with_suffix(".vkey").write_text(f"{signer.verifier}\n", encoding="utf-8")
