"""Proofs that a record is in the log, and that the log has only grown, as text that anybody can check.

Where witnesses cosigned a checkpoint that does, a proof leads there, since its reader has to trust the
platform least; else it leads to the newest checkpoint.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable
from pathlib import Path

from audit.checkpoint import whole_number
from audit.files import tile_reader
from audit.merkle import consistency_proof, inclusion_proof, leaf_hash, verify_inclusion
from audit.note import BadNote, Checkpoint, NoteVerifier, decode_base64, open_note, split_note
from audit.tiles import ENTRIES, WIDTH, decode_bundle, hash_reader
from core.errors import Conflict, NotFound

_FIRST_LINE = "c2sp.org/tlog-proof@v1"
_PATH_MOST = 63
"""A tree of less than 2**63 leaves has no longer audit path."""


def published_checkpoint(folder: Path) -> tuple[str, Checkpoint]:
    """Return the log's published note and what it says. Raises NotFound before the first was signed."""
    found = _read_note(folder, "checkpoint")
    if found is None:
        raise NotFound("日志尚未签发检查点", "the log has no checkpoint yet")
    return found


def cosigned_checkpoint(folder: Path) -> tuple[str, Checkpoint] | None:
    """Return the newest note that enough witnesses cosigned, and what it says; None while there is none."""
    return _read_note(folder, "cosigned")


def _read_note(folder: Path, name: str) -> tuple[str, Checkpoint] | None:
    try:
        note = (folder / "log" / name).read_text(encoding="utf-8")
    except FileNotFoundError:
        return None
    return note, Checkpoint.parse(split_note(note)[0])


def entry_at(folder: Path, index: int) -> bytes:
    """Return the envelope of record `index`. Raises Conflict when no checkpoint covers it yet."""
    _, checkpoint = published_checkpoint(folder)
    if index >= checkpoint.size:
        raise not_sealed_yet()
    return _entry(folder, index, checkpoint.size)


def prove_inclusion(folder: Path, index: int) -> str:
    """Return the C2SP tlog-proof that record `index` is in the log, with the checkpoint that it leads to.

    Its extra data is the record's envelope. Raises Conflict when no checkpoint covers the record yet.
    """
    note, checkpoint = _newest_beyond(folder, index)
    if index >= checkpoint.size:
        raise not_sealed_yet()
    read = hash_reader(checkpoint.size, tile_reader(folder / "log"))
    path = inclusion_proof(index, checkpoint.size, read)
    extra = base64.b64encode(_entry(folder, index, checkpoint.size)).decode()
    return "\n".join([_FIRST_LINE, f"extra {extra}", f"index {index}", *_lines(path)]) + "\n\n" + note


def prove_consistency(folder: Path, old: int) -> tuple[list[bytes], str]:
    """Return the proof that the log of `old` entries is the beginning of a newer one, and that one's note.

    Raises Conflict when the log is shorter than that: whoever has seen it longer has seen it rolled back.
    """
    note, checkpoint = _newest_beyond(folder, old)
    if old > checkpoint.size:
        raise Conflict(
            f"日志只有 {checkpoint.size} 条记录，少于 {old} 条",
            f"the log has {checkpoint.size} entries, fewer than {old}",
            code="log_is_shorter",
        )
    read = hash_reader(checkpoint.size, tile_reader(folder / "log"))
    return consistency_proof(old, checkpoint.size, read), note


def consistency_text(folder: Path, old: int) -> str:
    """Return the consistency proof as text, of the form that C2SP tlog-witness add-checkpoint takes.

    Raises Conflict when the log is shorter than `old` entries.
    """
    path, note = prove_consistency(folder, old)
    return "\n".join([f"old {old}", *_lines(path)]) + "\n\n" + note


def not_sealed_yet() -> Conflict:
    """Return the answer to who asks for the proof of a record that no checkpoint covers yet."""
    return Conflict(
        "记录已保存，尚未封入日志，请稍后再试",
        "the record is kept but not sealed into the log yet; try again in a moment",
        code="not_sealed_yet",
    )


def _newest_beyond(folder: Path, entries: int) -> tuple[str, Checkpoint]:
    """Return the cosigned checkpoint when its log has more than `entries` entries, else the newest one."""
    cosigned = cosigned_checkpoint(folder)
    if cosigned is not None and cosigned[1].size > entries:
        return cosigned
    return published_checkpoint(folder)


def _entry(folder: Path, index: int, size: int) -> bytes:
    width = min(WIDTH, size - index // WIDTH * WIDTH)
    bundle = tile_reader(folder / "log")(ENTRIES, index // WIDTH, width)
    return decode_bundle(bundle)[index % WIDTH]


def _lines(path: Iterable[bytes]) -> list[str]:
    return [base64.b64encode(step).decode() for step in path]


def check_inclusion(proof: str, envelope: bytes, *verifiers: NoteVerifier) -> int:
    """Return the index at which `proof` shows `envelope` to be in the log; raise BadNote if it does not.

    `verifiers` are the log's keys, of which one at least must have signed.
    """
    head, _, note = proof.partition("\n\n")
    first, *lines = head.split("\n")
    if first != _FIRST_LINE:
        raise BadNote("not a tlog-proof")
    if lines and lines[0].startswith("extra "):
        decode_base64(lines.pop(0)[6:])
    if not lines or not lines[0].startswith("index ") or len(lines) > 1 + _PATH_MOST:
        raise BadNote("the proof names no index, or is too long")
    index = whole_number(lines[0][6:])
    checkpoint = Checkpoint.parse(open_note(note, verifiers))
    path = [decode_base64(line) for line in lines[1:]]
    if not verify_inclusion(index, checkpoint.size, leaf_hash(envelope), path, checkpoint.root):
        raise BadNote("the proof does not lead from the envelope to the checkpoint")
    return index
