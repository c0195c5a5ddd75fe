"""What is checked of one record when somebody presses "verify", by the program that everybody can have."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path

from audit.checking import verifier
from audit.files import tile_reader
from audit.keys import NoteVerifier
from audit.merkle import inclusion_proof
from audit.proofs import entry_at, prove_inclusion
from audit.query import Found
from audit.stamping.stamps import Authority, BadStamp, check_stamp
from audit.tiles import hash_reader
from audit.witness.anchors import anchor_path, anchored_sizes
from audit.witness.policy import Policy
from core.errors import Conflict, NotFound
from core.text import Text
from core.times import local_iso

SEALED = Text("记录已封入日志", "the record is sealed into the log")
STAMPED = Text("时间戳", "time stamp")
ERASED = Text("正文已依决定删除", "the body was erased by decision")


@dataclass(frozen=True, slots=True)
class Step:
    """One thing that was checked; `detail` says what was found, or in both languages what is wrong."""

    name: Text
    ok: bool
    detail: str


def examine(
    folder: Path,
    verifiers: Collection[NoteVerifier],
    policy: Policy,
    found: Found,
    authority: Authority | None = None,
) -> list[Step]:
    """Check a record of the audit folder from its body up to signatures, witnesses and time stamp.

    `verifiers` are the log's keys, each of which must have signed. What does not apply is no step: witnesses
    where none are needed, a time stamp without an authority or while none covers the record yet.
    """
    try:
        if found.log_index is None:
            return [Step(SEALED, False, "待封存 / waits to be sealed")]
        proof = prove_inclusion(folder, found.log_index)
    except (Conflict, NotFound) as early:
        return [Step(SEALED, False, f"{early.message.zh} / {early.message.en}")]
    except (OSError, ValueError) as wrong:
        return [Step(SEALED, False, f"日志文件缺失或损坏 / a file of the log is missing or damaged: {wrong}")]
    trust = _trust(verifiers, policy)
    given = verifier.Given(body=None if found.erased else found.raw)
    steps = _checked(lambda report: verifier.check_proof(proof, trust, given, report))
    if found.erased:
        steps.append(Step(ERASED, True, str(found.body["erased"])))
    return steps if authority is None else steps + _stamped(folder, found.log_index, verifiers, authority)


def _trust(verifiers: Collection[NoteVerifier], policy: Policy) -> verifier.Trust:
    log, witnesses = (verifier.keys_of(map(str, keys)) for keys in (verifiers, policy.verifiers))
    return verifier.Trust(log, witnesses, policy.needed)


def _checked(check: Callable[[verifier.Report], None]) -> list[Step]:
    report = verifier.Report("")
    try:
        check(report)
    except verifier.Unreadable as wrong:
        report.steps.append(verifier.Step("读取 / reading", False, str(wrong)))
    return [Step(_text(step.name), step.ok, step.detail) for step in report.steps]


def _text(name: str) -> Text:
    zh, _, en = name.partition(" / ")
    return Text(zh, en)


def _stamped(
    folder: Path, index: int, verifiers: Collection[NoteVerifier], authority: Authority
) -> list[Step]:
    """Check the first stamped checkpoint that covers the record: the stamp, and that the record is in it."""
    sizes = (size for size in anchored_sizes(folder) if size > index)
    size = next((size for size in sizes if anchor_path(folder, size, "tsr").exists()), None)
    if size is None:
        return []
    try:
        note = anchor_path(folder, size).read_bytes()
        stamp = check_stamp(anchor_path(folder, size, "tsr").read_bytes(), note, authority)
        _check_covered(folder, index, note.decode(), verifiers)
    except (BadStamp, verifier.Fault, OSError, ValueError, IndexError) as wrong:
        return [Step(STAMPED, False, f"{size}: {wrong}")]
    return [Step(STAMPED, True, f"{size}: {local_iso(stamp.at)}, {stamp.serial}")]


def _check_covered(folder: Path, index: int, note: str, verifiers: Collection[NoteVerifier]) -> None:
    """Raise Fault unless the log's key signed the note, and the record is in its tree."""
    anchor = verifier.parse_checkpoint(note)
    if not verifier.signed_by(anchor, verifier.keys_of(map(str, verifiers))):
        raise verifier.Fault("没有日志的签名 / the log has not signed it")
    path = inclusion_proof(index, anchor.size, hash_reader(anchor.size, tile_reader(folder / "log")))
    leaf = verifier.leaf_hash(entry_at(folder, index))
    if verifier.root_by_path(index, anchor.size, leaf, path) != anchor.root:
        raise verifier.Fault("所盖的检查点没有这条记录 / the stamped checkpoint does not hold the record")
