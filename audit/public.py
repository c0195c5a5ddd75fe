"""The log as everybody sees it, below /audit/: files that prove themselves, and what they are checked with.

    checkpoint cosigned tile/...       C2SP tlog-checkpoint and tlog-tiles
    proof/<record id> consistency      C2SP tlog-proof, and what tlog-witness add-checkpoint takes
    keys verifier.py                   the keys that sign, and a program that checks

All of it holds envelopes, hashes and signatures only.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import orjson

from audit.checkpoint import BadNote, whole_number
from audit.files import tile_reader
from audit.keeping.public_places import public_place
from audit.keys import NoteVerifier
from audit.place import log_folder
from audit.proofs import (
    consistency_text,
    cosigned_checkpoint,
    not_sealed_yet,
    prove_inclusion,
    published_checkpoint,
)
from audit.signing import LOG_KEY, LOG_MLDSA_KEY, RECEIPT_KEY
from audit.tiles import ENTRIES, WIDTH, hashes_at, parse_path
from audit.witness.policy import Policy, policy_of
from core.errors import ConfigError, NotFound, Unavailable, invalid
from core.settings import Settings
from core.text import Text
from core.work import Work
from web.auth import PUBLIC
from web.http import Call, Reply, Routes
from web.public_files import FOR_EVER, FRESH, public_file

routes = Routes("log")

_NOTE = "text/plain; charset=utf-8"
_FEW_MINUTES = "public, max-age=300"
_VERIFIER = Path(__file__).parent / "checking" / "verifier.py"


@routes.add("GET", "/audit/checkpoint", who=PUBLIC, summary=Text("日志检查点", "The log's signed checkpoint"))
def checkpoint(work: Work, call: Call) -> Reply:
    """Return the latest checkpoint as a signed note."""
    note, _ = published_checkpoint(log_folder(work.settings))
    return public_file(note, _NOTE, FRESH)


@routes.add(
    "GET",
    "/audit/cosigned",
    who=PUBLIC,
    summary=Text("见证人共签的最新检查点", "The latest checkpoint that enough witnesses cosigned"),
)
def cosigned(work: Work, call: Call) -> Reply:
    """Return the latest checkpoint that fulfils the deployment's policy of witnesses, as a signed note."""
    found = cosigned_checkpoint(log_folder(work.settings))
    if found is None:
        raise NotFound("尚无见证人共签的检查点", "no checkpoint has been cosigned by enough witnesses yet")
    return public_file(found[0], _NOTE, FRESH)


@routes.add(
    "GET", "/audit/tile/<path:tile>", who=PUBLIC, summary=Text("日志分块", "A tile or an entry bundle")
)
def tile(work: Work, call: Call, tile: str) -> Reply:
    """Return a tile of hashes or a bundle of entries that the checkpoint covers."""
    return tile_file(log_folder(work.settings), tile)


def tile_file(folder: Path, tile: str) -> Reply:
    """Return a tile of the log in an audit folder as a public file. Raises NotFound."""
    _, signed = published_checkpoint(folder)
    try:
        level, index, width = parse_path(f"tile/{tile}")
        if index * WIDTH + width > hashes_at(level, signed.size):
            raise ValueError("beyond the checkpoint")
        raw = tile_reader(folder / "log")(level, index, width)
    except (ValueError, OSError):
        raise NotFound("日志中没有这个分块", "the log has no such tile") from None
    return public_file(raw, "application/octet-stream", FOR_EVER, compress=level == ENTRIES)


@routes.add(
    "GET",
    "/audit/proof/<record_id>",
    who=PUBLIC,
    summary=Text("一条记录的存在性证明", "Proof that a record is in the log"),
)
def public_proof(work: Work, call: Call, record_id: str) -> Reply:
    """Return a C2SP tlog-proof with the record's envelope; whoever was given the record's id may ask.

    The record may be of a closed log, and its body may be gone. 429 while others ask.
    """
    folder, index = public_place(work.tx, log_folder(work.settings), record_id, work.now)
    if index is None:
        raise not_sealed_yet()
    return public_file(prove_inclusion(folder, index), _NOTE, _FEW_MINUTES)


@routes.add(
    "GET",
    "/audit/consistency",
    who=PUBLIC,
    summary=Text("日志只增不改的证明", "Proof that the log has only grown"),
    query={"old": Text("以前所见的日志条数", "how many entries the log had when it was seen before")},
)
def consistency(work: Work, call: Call) -> Reply:
    """Return the consistency proof from `old` entries, with the checkpoint that it leads to."""
    try:
        old = whole_number(call.query.get("old", ""))
    except BadNote:
        raise invalid("/old", "应为非负整数", "must be a whole number, 0 or more") from None
    return public_file(consistency_text(log_folder(work.settings), old), _NOTE, FRESH)


@routes.add(
    "GET",
    "/audit/keys",
    who=PUBLIC,
    summary=Text("日志、回执与见证人的公钥", "Public keys of the log, the receipts and the witnesses"),
    response="response/audit_keys",
)
def keys(work: Work, call: Call) -> Reply:
    """Return the verifier keys, to be compared with those that were handed over by another way."""
    settings = work.settings
    policy = _policy(settings)
    witnesses = [
        {"name": name, "keys": [_key(v) for v in verifiers]}
        for name, verifiers in (policy.witnesses or {}).items()
    ]
    document = {
        "origin": settings.platform.log_origin,
        "log": _own_keys(settings, LOG_KEY, LOG_MLDSA_KEY),
        "receipts": _own_keys(settings, RECEIPT_KEY),
        "witnesses": {"needed": policy.needed, "of": witnesses},
    }
    return public_file(orjson.dumps(document), "application/json; charset=utf-8", FRESH)


@routes.add(
    "GET",
    "/audit/verifier.py",
    who=PUBLIC,
    summary=Text("核对证明的程序", "A program that checks what the log hands out"),
)
def verifier(work: Work, call: Call) -> Reply:
    """Return the verifier as one file of Python that shares no code with the platform."""
    return public_file(_VERIFIER.read_bytes(), "text/x-python; charset=utf-8", _FEW_MINUTES)


def _policy(settings: Settings) -> Policy:
    try:
        return policy_of(settings)
    except ConfigError as wrong:
        raise Unavailable("见证人的公钥无法读取", "the keys of the witnesses cannot be read") from wrong


def _own_keys(settings: Settings, *names: str) -> list[dict[str, Any]]:
    """Return the public halves that are there; an older deployment has its ML-DSA key after the next init."""
    files = [settings.key_file(name).with_suffix(".vkey") for name in names]
    texts = [file.read_text(encoding="utf-8") for file in files if file.is_file()]
    return [_key(NoteVerifier.parse(text)) for text in texts]


def _key(verifier: NoteVerifier) -> dict[str, Any]:
    return {"name": verifier.name, "algorithm": verifier.algorithm, "vkey": str(verifier)}
