"""Proofs that a record is in the log, as files that anybody can check (C2SP tlog-proof)."""

from __future__ import annotations

import base64
from pathlib import Path

from audit.files import tile_reader
from audit.merkle import inclusion_proof, leaf_hash, verify_inclusion
from audit.note import BadNote, Checkpoint, NoteVerifier, decode_base64, open_note, split_note
from audit.tiles import ENTRIES, WIDTH, decode_bundle, hash_reader
from core.errors import Conflict, NotFound

_FIRST_LINE = "c2sp.org/tlog-proof@v1"


def published_checkpoint(folder: Path) -> tuple[str, Checkpoint]:
    """Return the log's published note and what it says. Raises NotFound before the first was signed."""
    try:
        note = (folder / "log" / "checkpoint").read_text(encoding="utf-8")
    except FileNotFoundError as missing:
        raise NotFound("日志尚未签发检查点", "the log has no checkpoint yet") from missing
    return note, Checkpoint.parse(split_note(note)[0])


def entry_at(folder: Path, index: int) -> bytes:
    """Return the envelope of record `index`. Raises Conflict when no checkpoint covers it yet."""
    _, checkpoint = _covering(folder, index)
    width = min(WIDTH, checkpoint.size - index // WIDTH * WIDTH)
    bundle = tile_reader(folder / "log")(ENTRIES, index // WIDTH, width)
    return decode_bundle(bundle)[index % WIDTH]


def prove_inclusion(folder: Path, index: int) -> str:
    """Return the proof that record `index` is in the log, with the checkpoint that it leads to.

    Raises Conflict when no checkpoint covers the record yet.
    """
    note, checkpoint = _covering(folder, index)
    read = hash_reader(checkpoint.size, tile_reader(folder / "log"))
    path = inclusion_proof(index, checkpoint.size, read)
    lines = [_FIRST_LINE, f"index {index}", *(base64.b64encode(h).decode() for h in path)]
    return "\n".join(lines) + "\n\n" + note


def _covering(folder: Path, index: int) -> tuple[str, Checkpoint]:
    note, checkpoint = published_checkpoint(folder)
    if index >= checkpoint.size:
        raise Conflict(
            "记录已保存，尚未封入日志，请稍后再试",
            "the record is kept but not sealed into the log yet; try again in a moment",
            code="not_sealed_yet",
        )
    return note, checkpoint


def check_inclusion(proof: str, envelope: bytes, verifier: NoteVerifier) -> int:
    """Return the index at which `proof` shows `envelope` to be in the log; raise BadNote if it does not."""
    head, _, note = proof.partition("\n\n")
    lines = head.split("\n")
    if lines[0] != _FIRST_LINE:
        raise BadNote("not a tlog-proof")
    rest = [line for line in lines[1:] if not line.startswith("extra ")]
    if not rest or not rest[0].startswith("index ") or not rest[0][6:].isdigit():
        raise BadNote("the proof names no index")
    index = int(rest[0][6:])
    checkpoint = Checkpoint.parse(open_note(note, [verifier]))
    path = [decode_base64(line) for line in rest[1:]]
    if not verify_inclusion(index, checkpoint.size, leaf_hash(envelope), path, checkpoint.root):
        raise BadNote("the proof does not lead from the envelope to the checkpoint")
    return index
