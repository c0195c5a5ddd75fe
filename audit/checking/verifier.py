#!/usr/bin/env python3
"""核对访问日志的证据。 Checks what an access log hands out: proofs, receipts, checkpoints, archives, exports.

    python verifier.py FILE... --key log.vkey --key log-mldsa.vkey [--witness w.vkey ... --needed K]
    python verifier.py X.tlog-proof --key log.vkey --receipt "..." --receipt-key receipt.vkey --body X.json
    python verifier.py NEW.consistency --old KEPT.checkpoint --key log.vkey

This one file is all there is: copy it, read it, run it. It needs Python 3.9 and the package `cryptography`
(48 or newer for ML-DSA-44), opens no connection, shares no code with the platform, and trusts nobody but the
keys that it is given: get those by another way than the files.

What it reads is public: C2SP signed-note, tlog-checkpoint, tlog-cosignature, tlog-proof; RFC 6962.
To be read in chapters: 1 keys and checkpoints, 2 trees, 3 a record, 4 what was shown earlier, 5 archive
units, 6 exports, 7 reading, 8 the command line; what is checked stands in the functions `check_...`.
Exit status: 0 everything holds, 1 something does not, 2 a file cannot be read or an option is wrong.
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import io
import json
import re
import struct
import sys
import zipfile
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

ED25519, COSIGNER, ML_DSA = 1, 4, 6  # signature types of C2SP signed-note
ALGORITHMS = {ED25519: "Ed25519", COSIGNER: "Ed25519", ML_DSA: "ML-DSA-44"}
PUBLIC_BYTES = {ED25519: 32, COSIGNER: 32, ML_DSA: 1312}
PROOF_FIRST_LINE = "c2sp.org/tlog-proof@v1"
EXPORT_FIRST_LINE = "shuxiang-export/v1"
GONE = "bodies-gone "  # begins the line of an export's manifest that counts them
UNIT_LEVEL = 14  # an archive unit holds 2**14 records
LARGEST = 256 * 1024 * 1024  # nothing that is read is larger
BEIJING = timezone(timedelta(hours=8))  # the time of the platforms, whatever zone this machine is in
EPOCH = datetime(1970, 1, 1, 8, tzinfo=BEIJING)


class Fault(Exception):
    """What is claimed does not hold; the words are Chinese / English."""


class Unreadable(Fault):
    """A file, a key or an option is not of the form that it should have."""


class Misused(Unreadable):
    """A file cannot be opened, or an option is missing: nothing was found out."""


@dataclass(frozen=True)
class Step:
    """One thing that was checked; `name` is Chinese / English."""

    name: str
    ok: bool
    detail: str


@dataclass
class Report:
    """All that was checked of one file, and what it says if it is sound."""

    file: str
    steps: list[Step] = field(default_factory=list)
    facts: dict[str, Any] = field(default_factory=dict)
    readable: bool = True  # False: it is nothing that can be checked, or something else is missing

    @property
    def sound(self) -> bool:
        """Whether something was checked and all of it holds."""
        return bool(self.steps) and all(step.ok for step in self.steps)

    def check(self, name: str, tried: Callable[[], str]) -> None:
        """Add one step: `tried` returns what it found, or raises Fault."""
        try:
            self.steps.append(Step(name, True, tried()))
        except Unreadable:
            raise
        except Fault as fault:
            self.steps.append(Step(name, False, str(fault)))


# --- 1. keys and checkpoints (C2SP signed-note, tlog-checkpoint, tlog-cosignature) -----------------


@dataclass(frozen=True)
class Key:
    """A public key with its name."""

    name: str
    kind: int
    public: bytes

    @property
    def key_id(self) -> bytes:
        """The four bytes by which signature lines name the key."""
        return hashlib.sha256(self.name.encode() + b"\n" + bytes([self.kind]) + self.public).digest()[:4]

    def __str__(self) -> str:
        return f"{self.name} {ALGORITHMS[self.kind]}"


def parse_key(vkey: str) -> Key:
    """Read a verifier key, `name+id+base64(type || public key)`. Raises Unreadable."""
    name, _, rest = vkey.strip().partition("+")
    claimed, _, encoded = rest.partition("+")
    raw = unbase64(encoded)
    if not name or not raw or len(raw) != 1 + PUBLIC_BYTES.get(raw[0], -1):
        raise Unreadable(f"不是公钥：{vkey[:60]} / not a verifier key")
    key = Key(name, raw[0], raw[1:])
    if key.key_id.hex() != claimed:
        raise Unreadable(f"公钥编号与内容不符：{name} / the key's id does not fit it")
    return key


@dataclass(frozen=True)
class Trust:
    """Whom the reader trusts: every key of the log must have signed, and `needed` of the witnesses."""

    log: tuple[Key, ...]
    witnesses: tuple[Key, ...] = ()
    needed: int = 0
    receipts: tuple[Key, ...] = ()


@dataclass(frozen=True)
class Checkpoint:
    """What the log commits itself to: its first `size` entries have this root. Not verified yet."""

    text: str
    origin: str
    size: int
    root: bytes
    signatures: tuple[tuple[str, bytes], ...]


def parse_note(note: str) -> tuple[str, tuple[tuple[str, bytes], ...]]:
    """Split a signed note into its text and, by name, key ids with signatures. Raises Unreadable."""
    head, mark, tail = note.rpartition("\n\n")
    if any(c < " " and c != "\n" for c in note):
        raise Unreadable("含有控制字符，换行符可能被改过 / control characters; were the line ends changed?")
    found = [line.split(" ") for line in tail.split("\n")]
    if not mark or found.pop() != [""] or not all(len(f) == 3 and f[0] == "\u2014" for f in found):
        raise Unreadable("不是签名文本 / not a signed note")
    return head + "\n", tuple((name, unbase64(encoded)) for _, name, encoded in found)


def parse_checkpoint(note: str) -> Checkpoint:
    """Read a checkpoint: a note of origin, size and root. Raises Unreadable."""
    text, signatures = parse_note(note)
    lines = text.split("\n")[:-1]
    if len(lines) < 3 or not all(lines):
        raise Unreadable("不是检查点 / not a checkpoint")
    return Checkpoint(text, lines[0], whole_number(lines[1]), hashes(lines[2:3])[0], signatures)


def signed_by(checkpoint: Checkpoint, keys: Iterable[Key]) -> dict[Key, int]:
    """Return which keys signed, and when each says that it did, in seconds; 0 where it does not say.

    Lines of unknown keys count for nothing. Raises Fault for a wrong signature in the name of a known key.
    """
    known = {(key.name, key.key_id): key for key in keys}
    found: dict[Key, int] = {}
    for name, raw in checkpoint.signatures:
        key = known.get((name, raw[:4]))
        if key is not None:
            timed = 0 if key.kind == ED25519 else 8  # bytes of the time before the signature itself
            found[key] = int.from_bytes(raw[4 : 4 + timed], "big")
            if not is_good(key, raw[4 + timed :], _message(key, found[key], checkpoint)):
                raise Fault(f"签名不对：{key} / the signature is wrong")
    return found


def _message(key: Key, seconds: int, checkpoint: Checkpoint) -> bytes:
    """What a key of its sort signs."""
    if key.kind == ED25519:
        return checkpoint.text.encode()
    if key.kind == COSIGNER:
        return f"cosignature/v1\ntime {seconds}\n{checkpoint.text}".encode()
    name, origin = key.name.encode(), checkpoint.origin.encode()
    if checkpoint.text.count("\n") != 3 or len(name) > 255 or len(origin) > 255:
        raise Fault("ML-DSA-44 签名不涵盖扩展行 / an ML-DSA-44 signature does not cover extension lines")
    by = bytes([len(name)]) + name + struct.pack(">Q", seconds)
    tree = bytes([len(origin)]) + origin + struct.pack(">QQ", 0, checkpoint.size) + checkpoint.root
    return b"subtree/v1\n\0" + by + tree


def is_good(key: Key, signature: bytes, message: bytes) -> bool:
    """Tell whether `signature` is the key's over `message`."""
    try:
        if key.kind == ML_DSA:
            from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PublicKey

            MLDSA44PublicKey.from_public_bytes(key.public).verify(signature, message)
        else:
            Ed25519PublicKey.from_public_bytes(key.public).verify(signature, message)
    except ImportError:
        raise Unreadable(
            "核对 ML-DSA-44 需要 cryptography 48 以上 / ML-DSA-44 needs cryptography 48"
        ) from None
    except (InvalidSignature, ValueError):
        return False
    return True


def check_checkpoint(checkpoint: Checkpoint, trust: Trust, report: Report) -> None:
    """Check who signed a checkpoint; what it says goes into the report."""
    root = base64.b64encode(checkpoint.root).decode()
    report.facts.update(origin=checkpoint.origin, size=checkpoint.size, root=root)
    report.check("日志签名 / signatures of the log", lambda: _log_signed(checkpoint, trust))
    if trust.needed:
        report.check("见证人共签 / cosignatures of witnesses", lambda: _witnessed(checkpoint, trust))


def _log_signed(checkpoint: Checkpoint, trust: Trust) -> str:
    found = signed_by(checkpoint, trust.log)
    for key in trust.log:
        if key.name != checkpoint.origin:
            raise Fault(f"检查点属于另一份日志：{checkpoint.origin} / the checkpoint is of another log")
        if key not in found:
            raise Fault(f"缺少签名：{key} / this signature is missing")
    return f"{checkpoint.origin}, {checkpoint.size}; {_signers(found)}"


def _witnessed(checkpoint: Checkpoint, trust: Trust) -> str:
    found = signed_by(checkpoint, trust.witnesses)
    names = {key.name for key in found}  # a witness with two keys is one witness
    if len(names) < trust.needed:
        raise Fault(f"见证人不足：{len(names)} < {trust.needed} / too few witnesses cosigned")
    return _signers(found)


def _signers(found: dict[Key, int]) -> str:
    return "; ".join(f"{key} {instant(at)}".rstrip() for key, at in found.items())


# --- 2. trees (RFC 6962 section 2.1), by the recursive definitions of the text ---------------------


def leaf_hash(entry: bytes) -> bytes:
    """Return the hash of a log entry."""
    return hashlib.sha256(b"\x00" + entry).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """Return the hash of the node above two others."""
    return hashlib.sha256(b"\x01" + left + right).digest()


def split(size: int) -> int:
    """Return how many leaves the left part has: the largest power of two smaller than `size`."""
    return 1 << ((size - 1).bit_length() - 1)


def root_of(leaves: Sequence[bytes]) -> bytes:
    """Return the root over leaf hashes."""
    if len(leaves) < 2:
        return leaves[0] if leaves else hashlib.sha256(b"").digest()
    left = split(len(leaves))
    return node_hash(root_of(leaves[:left]), root_of(leaves[left:]))


def root_by_path(index: int, size: int, leaf: bytes, path: Sequence[bytes]) -> bytes:
    """Return the root to which an audit path leads from a leaf. Raises Fault when it cannot be one."""
    if not 0 <= index < size or bool(path) != (size > 1):
        raise Fault("证明路径与序号、总数不合 / the path does not fit the index and the size")
    if size == 1:
        return leaf
    left, rest, last = split(size), path[:-1], path[-1]
    if index < left:
        return node_hash(root_by_path(index, left, leaf, rest), last)
    return node_hash(last, root_by_path(index - left, size - left, leaf, rest))


def roots_by_path(old: int, new: int, known: bytes | None, path: Sequence[bytes]) -> tuple[bytes, bytes]:
    """Return the old and the new root to which a consistency proof leads, for 0 < old <= new.

    `known` is the old root; within the recursion None, once the part in question is not all of the old tree.
    Raises Fault for a proof of a wrong length.
    """
    ends = [*path, *([] if known is None else [known])]
    if (old == new and len(ends) != 1) or (old != new and not path):
        raise Fault("一致性证明的长度不对 / the consistency proof has a wrong length")
    if old == new:
        return ends[0], ends[0]
    left, rest, last = split(new), path[:-1], path[-1]
    if old <= left:
        before, after = roots_by_path(old, left, known, rest)
        return before, node_hash(after, last)
    before, after = roots_by_path(old - left, new - left, None, rest)
    return node_hash(last, before), node_hash(last, after)


# --- 3. a record is in the log (C2SP tlog-proof), its body and its receipt -------------------------


@dataclass(frozen=True)
class Given:
    """What the reader holds besides the file."""

    envelope: bytes | None = None
    body: bytes | None = None
    receipt: str | None = None
    old: bytes | None = None


def check_proof(text: str, trust: Trust, given: Given, report: Report) -> None:
    """Check a `.tlog-proof`, whose `extra` line holds the envelope, and what else the reader holds of it."""
    head, _, note = text.partition("\n\n")
    lines = head.split("\n")[1:]
    extra = lines.pop(0)[6:] if lines and lines[0].startswith("extra ") else None
    if not lines or not lines[0].startswith("index "):
        raise Unreadable("不是 tlog-proof / not a tlog-proof")
    index, path, checkpoint = whole_number(lines[0][6:]), hashes(lines[1:]), parse_checkpoint(note)
    if given.envelope is None and extra is None:
        raise Misused("证明不含信封，请用 --envelope 给出 / the proof holds no envelope: give --envelope")
    envelope = unbase64(extra or "") if given.envelope is None else given.envelope
    leaf, said = leaf_hash(envelope), parse_envelope(envelope)
    check_checkpoint(checkpoint, trust, report)
    report.facts.update(index=index, envelope=said)
    report.check("记录在日志中 / the record is in the log", lambda: _included(index, leaf, path, checkpoint))
    if given.body is not None:
        body = given.body
        report.check("正文与信封相符 / the body fits the envelope", lambda: _body_fits(body, said["b"]))
    if given.receipt is not None:
        value = given.receipt
        report.check("回执 / the receipt", lambda: check_receipt(value, trust, checkpoint.origin, leaf))


def _included(index: int, leaf: bytes, path: Sequence[bytes], checkpoint: Checkpoint) -> str:
    if root_by_path(index, checkpoint.size, leaf, path) != checkpoint.root:
        raise Fault("由信封算不到检查点的根 / the path does not lead from the envelope to the root")
    return f"{index} / {checkpoint.size}"


def parse_envelope(raw: bytes) -> dict[str, Any]:
    """Read an envelope: b digest of the body, k kind, s source, t milliseconds. Raises Unreadable."""
    found = parse_json(raw)
    if not isinstance(found, dict) or not all(isinstance(found.get(name), str) for name in "bks"):
        raise Unreadable("不是记录的信封 / not the envelope of a record")
    return found


def _body_fits(raw: bytes, wanted: str) -> str:
    """Compare the body, as kept or as JSON that says the same, with the digest in the envelope."""
    if wanted not in (digest(form) for form in _forms(raw)):
        raise Fault("正文被改过，或属于另一条记录 / the body was changed, or is another record's")
    return f"SHA-256 {wanted}"


def _forms(raw: bytes) -> Iterable[bytes]:
    """The bytes as they are, then the JSON in canonical form, or its member `body`, as an API answers."""
    yield raw.rstrip(b"\r\n")
    found = parse_json(raw)
    if isinstance(found, dict):
        found = found.get("body", found)
    try:
        plain = json.dumps(found, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    except RecursionError:
        raise Unreadable("不是记录的正文 / not the body of a record") from None
    yield plain.encode(errors="replace")


def check_receipt(value: str, trust: Trust, origin: str, leaf: bytes) -> str:
    """Check an Audit-Receipt header, `origin leaf source seal-by index/size/path signature`: a promise.

    Records of one write share a signature over the root of the tree that their leaves make.
    """
    parts = re.sub(r"^(?i:audit-receipt): *", "", value.strip()).split(" ")
    if len(parts) != 6:
        raise Unreadable("回执应有六个部分 / a receipt has six parts")
    message, signature = _promised(*parts[:5]), unbase64(parts[5])
    if not any(is_good(key, signature, message) for key in trust.receipts):
        raise Fault("没有 --receipt-key 签过这份回执 / no --receipt-key signed this receipt")
    if (parts[0], unbase64(parts[1])) != (origin, leaf):
        raise Fault("回执属于另一条记录 / the receipt is of another record")
    return f"{parts[2]}, {instant(whole_number(parts[3]) / 1000)}"


def _promised(origin: str, leaf: str, source: str, seal_by: str, place: str) -> bytes:
    """Return what must have been signed for a receipt with these parts. Raises Unreadable and Fault."""
    found = re.fullmatch(r"(\d{1,4})/(\d{1,4})/([A-Za-z0-9+/=]*)", place)
    journal, _, seq = source.rpartition("/")
    if found is None:
        raise Unreadable("回执中的位置应为 序号/总数/路径 / the place in a receipt is index/size/path")
    index, size, path = whole_number(found[1]), whole_number(found[2]), unbase64(found[3])
    if len(path) % 32:
        raise Unreadable("哈希应为 32 字节 / a hash has 32 bytes")
    steps = [path[at : at + 32] for at in range(0, len(path), 32)]
    (known,) = hashes([leaf])
    root = base64.b64encode(root_by_path(index, size, known, steps)).decode()
    first = f"{journal}/{whole_number(seq) - index}"
    lines = ("shuxiang-receipt/v3", origin, first, str(size), str(whole_number(seal_by)), root, "")
    return "\n".join(lines).encode()


# --- 4. nothing that was shown earlier has gone ----------------------------------------------------


def check_consistency(text: str, kept: str, trust: Trust, report: Report) -> None:
    """Check that the log of a checkpoint kept earlier is the beginning of today's."""
    head, _, note = text.partition("\n\n")
    first, *lines = head.split("\n")
    claimed, path, new = whole_number(first[len("old ") :]), hashes(lines), parse_checkpoint(note)
    old = parse_checkpoint(kept.partition("\n\n")[2] if kept.startswith(PROOF_FIRST_LINE) else kept)
    check_checkpoint(new, trust, report)
    report.facts.update(old_size=old.size)
    report.check("旧检查点的签名 / signatures of the old checkpoint", lambda: _log_signed(old, trust))
    name = "旧日志是新日志的开头 / the old log is the beginning of the new one"
    report.check(name, lambda: _consistent(claimed, old, new, path))


def _consistent(claimed: int, old: Checkpoint, new: Checkpoint, path: Sequence[bytes]) -> str:
    if claimed != old.size or old.size > new.size:
        raise Fault("证明不是从这个旧检查点开始的 / the proof does not begin at this old checkpoint")
    empty = not path and old.root == root_of([])
    if not (
        empty if not old.size else roots_by_path(old.size, new.size, old.root, path) == (old.root, new.root)
    ):
        raise Fault("两份日志互相矛盾 / the two logs contradict each other")
    return f"{old.size} -> {new.size}"


# --- 5. archive units: 16,384 records that stand alone ---------------------------------------------


def check_unit(unit: zipfile.ZipFile, trust: Trust, report: Report) -> None:
    """Check an archive unit: its files, and that the log holds exactly these records."""
    try:
        manifest = parse_json(member(unit, "manifest.json"))
        first, last = (whole_number(str(manifest[name])) for name in ("first", "last"))
        wanted = {str(f["name"]): (f["size"], f["sha256"]) for f in manifest["files"]}
    except (KeyError, TypeError):
        raise Unreadable("manifest.json 格式不对 / manifest.json is malformed") from None
    report.check(COMPLETE, lambda: _complete(unit, {**wanted, "manifest.json": None}))
    checkpoint = parse_checkpoint(to_text(member(unit, "checkpoint")))
    check_checkpoint(checkpoint, trust, report)
    report.facts.update(first=first, last=last)
    names = (bundle_name(at, last + 1 - (at << 8)) for at in range(first >> 8, (last >> 8) + 1))
    entries = [entry for bundle in names for entry in parse_bundle(member(unit, bundle))]
    path = hashes(to_text(member(unit, "subtree.txt")).split())
    name = "日志中正是这些信封 / the log holds these envelopes"
    report.check(name, lambda: _subtree_included(entries, (first, last), path, checkpoint))
    bodies = member(unit, "bodies.jsonl").split(b"\n")
    report.check("正文与信封相符 / the bodies fit the envelopes", lambda: _bodies_fit(bodies, entries, first))


COMPLETE = "文件与清单相符 / the files are those of the manifest"


def _complete(archive: zipfile.ZipFile, wanted: dict[str, tuple[int, str] | None]) -> str:
    names = archive.namelist()
    odd = {*names} ^ {*wanted}
    for name in {*wanted} & {*names}:
        data = member(archive, name)
        odd |= {name} if wanted[name] not in (None, (len(data), hashlib.sha256(data).hexdigest())) else set()
    if odd or len(names) != len({*names}):
        raise Fault(f"多出、缺少或改过的文件：{sorted(odd)[:9]} / files too many, missing or changed")
    return str(len(names))


def _subtree_included(
    entries: list[bytes], span: tuple[int, int], path: Sequence[bytes], signed: Checkpoint
) -> str:
    """`path` begins with the hash of the whole range: a node of the tree, and so a leaf of its upper part.

    A smaller range can only be the end of a log that was closed.
    """
    (first, last), count = span, 1 << UNIT_LEVEL
    if first % count or last + 1 != min(first + count, signed.size) or len(entries) != last + 1 - first:
        raise Fault("检查点不涵盖这些记录 / the checkpoint does not cover these records")
    top, upper = root_of([leaf_hash(entry) for entry in entries]), (signed.size + count - 1) // count
    if path[:1] != (top,) or root_by_path(first // count, upper, top, path[1:]) != signed.root:
        raise Fault("由信封算不到检查点的根 / the path does not lead from the envelopes to the root")
    return f"{first} ... {last} / {signed.size}"


def _bodies_fit(bodies: list[bytes], entries: list[bytes], first: int) -> str:
    if len(bodies) != len(entries) + 1 or bodies[-1]:
        raise Fault(f"正文行数不对：{len(bodies) - 1} / a wrong number of bodies")
    odd = {i: ERASED.fullmatch(bodies[i]) for i, e in enumerate(entries) if digest(bodies[i]) != _b(e)}
    changed = [first + i for i, erased in odd.items() if not erased]
    if changed:
        raise Fault(f"正文被改过：{changed[:20]} / these bodies were changed")
    claims = [f"{first + i} ({found[1].decode()})" for i, found in odd.items() if found]
    return f"{len(entries) - len(odd)}{_claimed(claims)}"


def _claimed(claims: list[str]) -> str:
    """Say that bodies are said to be erased: whether a record of the log says so cannot be seen here."""
    if not claims:
        return ""
    which = ", ".join(claims[:20]) + (" ..." if len(claims) > 20 else "")
    return f"; 自称已依法删除、此处未经证明 / claimed to be erased, not proven here: {len(claims)}: {which}"


ERASED = re.compile(rb'\{"erased":"([0-9a-f-]{36})"(?:,"id":"[0-9a-f-]{36}")?\} *')


def _b(envelope: bytes) -> str:
    return str(parse_envelope(envelope)["b"])


def bundle_name(index: int, width: int = 256) -> str:
    """Return where a bundle of 256 envelopes lies, such as tile/entries/x001/234 (C2SP tlog-tiles).

    Of a smaller `width` it is a partial one, the last of its log: tile/entries/x001/234.p/17.
    """
    parts = [
        f"{index // 1000**i % 1000:03d}"
        for i in range(len(str(index)) - 1, -1, -1)
        if i * 3 < len(str(index))
    ]
    partial = f".p/{width}" if width < 256 else ""
    return "/".join(["tile/entries", *(f"x{part}" for part in parts[:-1]), parts[-1]]) + partial


def parse_bundle(raw: bytes) -> list[bytes]:
    """Return the envelopes of a bundle: each behind its length, two bytes. Raises Unreadable."""
    entries, at = [], 0
    while at + 2 <= len(raw):
        length = int.from_bytes(raw[at : at + 2], "big")
        entries.append(raw[at + 2 : at + 2 + length])
        at += 2 + length
    if at != len(raw):
        raise Unreadable("信封包被截断 / a bundle is cut off")
    return entries


def member(unit: zipfile.ZipFile, name: str) -> bytes:
    """Return a file of an archive. Raises Unreadable."""
    try:
        data = unit.read(name) if unit.getinfo(name).file_size <= LARGEST else None
    except Exception:  # each way of packing has errors of its own
        data = None
    if data is None:
        raise Unreadable(
            f"归档中的文件缺失、损坏或过大：{name} / a file of the archive is missing, damaged or too large"
        )
    return data


def is_archive(path: Path) -> bool:
    """Tell whether a file is an archive, or begins as one. Raises Misused where it cannot be opened."""
    try:
        with path.open("rb") as file:
            return file.read(4) == b"PK\3\4" or zipfile.is_zipfile(path)
    except OSError as wrong:
        raise Misused(f"{path}: {wrong.strerror}") from None


def open_archive(path: Path) -> zipfile.ZipFile:
    """Open an archive. Raises Unreadable."""
    try:
        return zipfile.ZipFile(path)
    except Exception:  # its directory may hold anything
        raise Unreadable("归档已损坏 / the archive is damaged") from None


# --- 6. exports: an answer to an auditor's question, with the records behind it --------------------


def check_export(export: zipfile.ZipFile, trust: Trust, report: Report) -> None:
    """Check a signed bundle: its files, and that the log holds the records in it."""
    note = to_text(member(export, "manifest"))
    lines = parse_note(note)[0].split("\n")
    if lines[0] != EXPORT_FIRST_LINE or len(lines) < 4:
        raise Unreadable("不是导出文件 / not an export")
    report.facts.update(question=lines[2], asked=lines[3])
    report.check("清单签名 / signature of the manifest", lambda: _export_signed(note, trust))
    listed = [found for line in lines if (found := re.fullmatch("([0-9a-f]{64}) ([0-9]{1,18}) (.+)", line))]
    wanted = {found[3]: (int(found[2]), found[1]) for found in listed}
    report.check(COMPLETE, lambda: _complete(export, {**wanted, "manifest": None}))
    checkpoint = parse_checkpoint(to_text(member(export, "checkpoint")))
    check_checkpoint(checkpoint, trust, report)
    if checkpoint.origin != lines[1]:
        raise Unreadable("清单属于另一份日志 / the manifest is of another log")
    report.check(
        "记录在日志中 / the records are in the log", lambda: _export_proven(export, [*wanted], trust)
    )
    gone = next((line[len(GONE) :] for line in lines if line.startswith(GONE)), "0")
    if gone != "0":
        report.facts.update(bodies_gone=whole_number(gone))
        report.check("已删除的正文 / bodies that are gone", lambda: f"清单所记 / by the manifest: {gone}")


def _export_signed(note: str, trust: Trust) -> str:
    text, signatures = parse_note(note)
    for name, raw in signatures:
        for key in trust.receipts:
            if (name, raw[:4]) == (key.name, key.key_id) and is_good(key, raw[4:], text.encode()):
                return str(key)
    raise Fault("没有 --receipt-key 签过这份清单 / no --receipt-key signed this manifest")


def _export_proven(export: zipfile.ZipFile, names: list[str], trust: Trust) -> str:
    found = set()
    for name in names:
        if name.startswith("proofs/"):
            proof = Report(name)
            check_proof(to_text(member(export, name)), trust, Given(), proof)
            if not proof.sound:
                raise Fault(f"{name}: {'; '.join(step.detail for step in proof.steps if not step.ok)}")
            found.add(proof.facts["envelope"]["b"])
    bodies = member(export, "bodies.jsonl").splitlines() if "bodies.jsonl" in names else []
    odd = [ERASED.fullmatch(body) for body in bodies if digest(body) not in found]
    if unproven := odd.count(None):
        raise Fault(f"没有证明的正文：{unproven} / bodies without a proof: added, or not sealed yet by then")
    proven = f"{len(found)}; 正文 / bodies {len(bodies) - len(odd)}"
    return proven + _claimed([claim[1].decode() for claim in odd if claim])


# --- 7. reading ------------------------------------------------------------------------------------


def digest(data: bytes) -> str:
    """Return the SHA-256 in base64, as envelopes hold it."""
    return base64.b64encode(hashlib.sha256(data).digest()).decode()


def instant(seconds: float) -> str:
    """Return a time for people, in Beijing time with its offset; nothing for 0."""
    try:
        return (EPOCH + timedelta(seconds=seconds)).isoformat() if seconds else ""
    except OverflowError:
        return f"{seconds} s"


def unbase64(encoded: str) -> bytes:
    """Return what base64 stands for, in its one proper form. Raises Unreadable."""
    try:
        raw = base64.b64decode(encoded, validate=True)
    except ValueError:
        raw = b""
    if base64.b64encode(raw).decode() != encoded:
        raise Unreadable(f"不是 base64：{encoded[:40]!r} / not base64")
    return raw


def whole_number(text: str) -> int:
    """Return a number below 2**63, written without leading zeroes. Raises Unreadable."""
    if not re.fullmatch(r"0|[1-9][0-9]{0,18}", text) or int(text) >= 1 << 63:
        raise Unreadable(f"不是数目：{text[:40]!r} / not a number")
    return int(text)


def hashes(lines: Iterable[str]) -> tuple[bytes, ...]:
    """Return SHA-256 hashes, each given in base64. Raises Unreadable."""
    found = tuple(unbase64(line) for line in lines)
    if any(len(value) != 32 for value in found) or len(found) > 64:
        raise Unreadable("哈希应为 32 字节 / a hash has 32 bytes")
    return found


def parse_json(raw: bytes) -> Any:
    """Read JSON. Raises Unreadable."""
    try:
        return json.loads(raw)
    except (ValueError, RecursionError):
        raise Unreadable("不是 JSON / not JSON") from None


def to_text(raw: bytes) -> str:
    """Read UTF-8. Raises Unreadable."""
    try:
        return raw.decode()
    except UnicodeDecodeError:
        raise Unreadable("不是 UTF-8 文本 / not UTF-8") from None


# --- 8. the command line ---------------------------------------------------------------------------


def check_file(path: Path, trust: Trust, given: Given) -> Report:
    """Check one file of any sort; one that begins as it should and goes on otherwise is damaged."""
    report = Report(path.name, readable=False)
    try:
        _check_sort(path, trust, given, report)
    except Unreadable as fault:
        report.readable = report.readable and not isinstance(fault, Misused)
        report.steps.append(Step("读取 / reading", False, str(fault)))
    return report


def _check_sort(path: Path, trust: Trust, given: Given, report: Report) -> None:
    if is_archive(path):
        report.readable = True
        with open_archive(path) as archive:
            is_unit = "manifest.json" in archive.namelist()
            (check_unit if is_unit else check_export)(archive, trust, report)
        return
    raw = read(path)
    report.readable = raw.startswith((PROOF_FIRST_LINE.encode(), b"old "))
    text = to_text(raw)
    if text.startswith(PROOF_FIRST_LINE):
        check_proof(text, trust, given, report)
    elif not text.startswith("old "):
        checkpoint = parse_checkpoint(text)
        report.readable = True
        check_checkpoint(checkpoint, trust, report)
    elif given.old is None:
        raise Misused("请用 --old 给出以前保存的检查点 / give the checkpoint that you kept: --old")
    else:
        check_consistency(text, to_text(given.old), trust, report)


def read(path: Path) -> bytes:
    """Return a file's bytes. Raises Unreadable."""
    try:
        with path.open("rb") as file:
            data = file.read(LARGEST + 1)
    except OSError as wrong:
        raise Misused(f"{path}: {wrong.strerror}") from None
    if len(data) > LARGEST:
        raise Unreadable(f"文件过大：{path} / too large")
    return data


def keys_of(given: Iterable[str]) -> tuple[Key, ...]:
    """Read verifier keys, each given itself or as a file with one a line. Raises Unreadable."""
    found = []
    for text in given:
        if "+" not in text or (len(text) < 250 and Path(text).is_file()):
            text = to_text(read(Path(text)))
        found += [parse_key(line) for line in text.split("\n") if line.strip()]
    return tuple(found)


def split_views(reports: Iterable[Report]) -> Iterable[str]:
    """Yield where sound files show two trees of one size: the log told different people different things."""
    roots: dict[tuple[str, int], tuple[str, str]] = {}
    for report in reports:
        if report.sound and "root" in report.facts:
            facts = report.facts
            file, root = roots.setdefault((facts["origin"], facts["size"]), (report.file, facts["root"]))
            if root != facts["root"]:
                yield f"{file}, {report.file}: 同一总数有两个根 / two roots of one size {facts['size']}"


def told(report: Report) -> str:
    """Return a report for people."""
    verdict = "已证实 / proven" if report.sound else "未证实 / NOT proven"
    steps = (f"  [{'ok' if step.ok else 'NO'}] {step.name}: {step.detail}" for step in report.steps)
    return "\n".join([f"{report.file}: {verdict}", *steps])


def options() -> argparse.ArgumentParser:
    """Return the command line that `main` reads."""
    parser = argparse.ArgumentParser(prog="verifier.py", description=(__doc__ or "").split("\n\n")[0])
    add = parser.add_argument
    add(
        "files",
        nargs="+",
        type=Path,
        metavar="FILE",
        help="proof, consistency proof, checkpoint, archive unit, export",
    )
    add(
        "--key",
        action="append",
        default=[],
        help="日志公钥或其文件 / the log's verifier key, or a file; each must have signed",
    )
    add("--witness", action="append", default=[], help="见证人公钥 / a witness's verifier key, or a file")
    add("--needed", type=int, help="须有几个见证人共签 / how many witnesses; default: all")
    add("--old", type=Path, help="以前保存的检查点或证明 / a checkpoint or proof kept earlier")
    add("--envelope", type=Path, help="记录的信封 / the record's envelope")
    add("--body", type=Path, help="记录的正文 / the record's body, or the answer of the API")
    add("--receipt", help="Audit-Receipt 回执 / the receipt, or a file")
    add("--receipt-key", action="append", default=[], help="回执公钥 / the receipts' verifier key, or a file")
    add("--json", action="store_true", help="输出 JSON / print JSON")
    return parser


def trusted(asked: argparse.Namespace) -> Trust:
    """Return whom the options say to trust. Raises Unreadable."""
    log, witnesses, receipts = (keys_of(given) for given in (asked.key, asked.witness, asked.receipt_key))
    names = {key.name for key in witnesses}
    needed = len(names) if asked.needed is None else asked.needed
    if not log or any(key.kind == COSIGNER for key in log) or any(key.kind != ED25519 for key in receipts):
        raise Unreadable("请用 --key 给出日志公钥 / give the log's key: --key")
    if (
        not 0 <= needed <= len(names)
        or any(k.kind == ED25519 for k in witnesses)
        or names & {k.name for k in log}
    ):
        raise Unreadable(
            "--witness 与 --needed 不合 / --witness takes cosigners' keys, at least --needed of them"
        )
    return Trust(log, witnesses, needed, receipts)


def holdings(asked: argparse.Namespace) -> Given:
    """Read what the reader holds besides the files. Raises Unreadable."""
    if len(asked.files) > 1 and (asked.envelope or asked.body or asked.receipt):
        raise Unreadable("--envelope --body --receipt 只与一个文件合用 / are for one file at a time")
    envelope, body, old = (path and read(path) for path in (asked.envelope, asked.body, asked.old))
    receipt = asked.receipt
    if receipt and " " not in receipt.strip():
        receipt = to_text(read(Path(receipt)))
    return Given(envelope, body, receipt, old)


def main(arguments: Sequence[str] | None = None) -> int:
    """Check the files that the command line names; return the exit status."""
    return run(options().parse_args(arguments))


def run(asked: argparse.Namespace) -> int:
    """Check what `options` read, and print what was found; return the exit status."""
    try:
        trust, given = trusted(asked), holdings(asked)
    except Unreadable as fault:
        print(fault, file=sys.stderr)
        return 2
    reports = [check_file(path, trust, given) for path in asked.files]
    split = list(split_views(reports))
    if asked.json:
        facts = [{"sound": report.sound, **asdict(report)} for report in reports]
        text = json.dumps({"files": facts, "split_views": split}, ensure_ascii=False, indent=2)
    else:
        text = "\n".join([*map(told, reports), *split])
    print(text.encode(errors="replace").decode())
    if not all(report.readable for report in reports):
        return 2
    return 0 if all(report.sound for report in reports) and not split else 1


if __name__ == "__main__":
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")  # a terminal that cannot show Chinese
    sys.exit(main())
