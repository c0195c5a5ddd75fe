"""A signed bundle: an answer with the records behind it, and what anybody needs to check them without us.

    answer.csv              the rows
    bodies.jsonl            the body of each record, one a line, as it was written
    envelopes.jsonl         the envelope of each sealed record: the log's entry
    proofs/<id>.tlog-proof  that the entry is in the log (C2SP tlog-proof)
    checkpoint              the log's signed checkpoint
    keys.txt                the verifier keys of the log and of the receipts
    verifier.py             checks proofs, bodies and checkpoints; needs nothing of ours
    manifest                what was asked, and the SHA-256 of every file: a note signed by the receipt key

Rows that are no records (sums, grants) come without bodies and proofs.
"""

from __future__ import annotations

import hashlib
import zipfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import IO, Any

import orjson

from audit.bodies import is_erased
from audit.keeping.finding import folder_of
from audit.keys import NoteSigner
from audit.place import log_folder
from audit.proofs import entry_at, prove_inclusion, published_checkpoint
from audit.query import record_by_id
from audit.questions.model import Answer
from audit.signing import RECEIPT_KEY
from core.errors import Conflict, Gone, NotFound
from core.settings import Settings
from core.times import SHANGHAI, local_iso
from core.work import Work

RECORDS_MOST = 1_000
"""The most rows of a bundle: each record has a proof of its own."""
FIRST_LINE = "shuxiang-export/v1"
MANIFEST = "manifest"
_KEYS = ("log.vkey", "log-mldsa.vkey", "receipt.vkey")
_VERIFIER = Path(__file__).parents[1] / "checking" / "verifier.py"


def write_bundle(file: IO[bytes], work: Work, answer: Answer, table: Callable[[int], bytes]) -> None:
    """Write an answer and what proves it as a ZIP; `table` returns its rows as CSV, given how many bodies
    are gone.

    The same answer makes the same bytes but for the signature's key. Raises NotFound while the log has no
    checkpoint.
    """
    listed: list[str] = []
    evidence = _evidence(work, answer) if answer.question.of_records else Evidence((), 0)
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as bundle:
        for name, content in _files(work, answer, table(evidence.gone), evidence):
            _add(bundle, name, content, answer.asked_at)
            listed.append(f"{hashlib.sha256(content).hexdigest()} {len(content)} {name}")
        note = _signer(work.settings).sign_note(manifest(work.settings, answer, evidence.gone, listed))
        _add(bundle, MANIFEST, note.encode(), answer.asked_at)


def manifest(settings: Settings, answer: Answer, gone: int, listed: list[str]) -> str:
    """Return the text that is signed: format, log, question, bodies that are gone, a line for each file."""
    asked = orjson.dumps(dict(answer.asked), option=orjson.OPT_SORT_KEYS).decode()
    head = [
        FIRST_LINE,
        settings.platform.log_origin,
        answer.question.code,
        asked,
        local_iso(answer.asked_at),
        f"size {answer.coverage.size}",
        f"complete {'yes' if answer.coverage.complete else 'no'}",
        f"rows {answer.rows.num_rows}",
        f"cut {'yes' if answer.is_cut or answer.next_cursor else 'no'}",
        f"bodies-gone {gone}",
    ]
    return "\n".join([*head, *listed]) + "\n"


def _files(work: Work, answer: Answer, table: bytes, evidence: Evidence) -> Iterator[tuple[str, bytes]]:
    note, _ = published_checkpoint(log_folder(work.settings))
    yield "answer.csv", table
    yield from evidence.files
    yield "checkpoint", note.encode()
    yield "keys.txt", "".join(key.read_text(encoding="utf-8") for key in _keys(work, answer)).encode()
    yield "verifier.py", _VERIFIER.read_bytes()


@dataclass(frozen=True, slots=True)
class Evidence:
    """The files that prove the records of an answer, and how many of their bodies are gone."""

    files: Sequence[tuple[str, bytes]]
    gone: int


def _evidence(work: Work, answer: Answer) -> Evidence:
    proofs, bodies, envelopes = [], [], []
    for row in answer.rows.select(["id", "log_index", "log"]).to_pylist():
        folder = folder_of(log_folder(work.settings), row["log"])
        body = _body(work, folder, row)
        if body is not None:
            bodies.append(body + b"\n")
        if row["log_index"] is None:
            continue
        try:
            proof = prove_inclusion(folder, row["log_index"])
            envelopes.append(entry_at(folder, row["log_index"]) + b"\n")
        except Conflict:  # sealed this instant, the checkpoint follows
            continue
        proofs.append((f"proofs/{row['id'] or row['log_index']}.tlog-proof", proof.encode()))
    there = sum(not is_erased(body[:-1]) for body in bodies)
    files = [*proofs, ("bodies.jsonl", b"".join(bodies)), ("envelopes.jsonl", b"".join(envelopes))]
    return Evidence(files, answer.rows.num_rows - there)


def _keys(work: Work, answer: Answer) -> Iterator[Path]:
    """Yield the files of the keys of the log that runs, and of closed logs that records lie in."""
    yield from (work.settings.key_file(name) for name in _KEYS)
    logs = set(answer.rows.column("log").to_pylist()) - {None} if answer.question.of_records else set()
    folders = (folder_of(log_folder(work.settings), log) / "keys" for log in sorted(logs))
    yield from (path for folder in folders for name in _KEYS if (path := folder / name).is_file())


def _body(work: Work, folder: Path, row: dict[str, Any]) -> bytes | None:
    """Return a record's body, None when it was erased."""
    try:
        waits = work.tx if row["log"] is None else None
        return record_by_id(waits, folder, row["id"]).raw if row["id"] else None
    except (NotFound, Gone):
        return None


def _signer(settings: Settings) -> NoteSigner:
    return NoteSigner.parse(settings.key(RECEIPT_KEY).decode())


def _add(bundle: zipfile.ZipFile, name: str, content: bytes, at: datetime) -> None:
    local = at.astimezone(SHANGHAI)
    place = zipfile.ZipInfo(name, local.timetuple()[:6])
    place.compress_type = zipfile.ZIP_DEFLATED
    bundle.writestr(place, content)
