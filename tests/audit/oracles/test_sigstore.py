"""sigstore (PyPI and npm), @noble/post-quantum and pymerkle judge our checkpoints and proofs.

sigstore keeps what we ask of them in private modules: constraints.txt and package-lock.json pin them.
"""

from __future__ import annotations

import base64
import hashlib
import json
import subprocess
from collections.abc import Callable
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from tests.audit.checking.held import Held
from tests.audit.logs import LASTING, ORIGIN, SIGNER, VKEY
from tests.tools import need, need_npm

pytestmark = pytest.mark.long

INDICES = (0, 255, 256, 512, 599)
Facts = dict[str, Any]
Change = Callable[[Facts], None]


def facts_of(proof: str) -> Facts:
    """A tlog-proof taken apart."""
    head, _, note = proof.partition("\n\n")
    _, extra, index, *hashes = head.split("\n")
    size, root = note.split("\n")[1:3]
    return {
        "checkpoint": note,
        "envelope": extra.removeprefix("extra "),
        "index": int(index.removeprefix("index ")),
        "hashes": hashes,
        "size": int(size),
        "root": root,
    }


def swap_a_bit(encoded: str, at: int = 0) -> str:
    raw = bytearray(base64.b64decode(encoded))
    raw[at] ^= 1
    return base64.b64encode(raw).decode()


def other_entry(facts: Facts) -> None:
    facts["envelope"] = swap_a_bit(facts["envelope"], 10)


def other_step(facts: Facts) -> None:
    facts["hashes"][-1] = swap_a_bit(facts["hashes"][-1])


def other_index(facts: Facts) -> None:
    facts["index"] ^= 1


def shorter_path(facts: Facts) -> None:
    facts["hashes"].pop()


def other_origin(facts: Facts) -> None:
    facts["checkpoint"] = facts["checkpoint"].replace(ORIGIN, "audit.example.cn/log2", 1)


def other_root(facts: Facts) -> None:
    facts["checkpoint"] = facts["checkpoint"].replace(facts["root"], swap_a_bit(facts["root"]))
    facts["root"] = swap_a_bit(facts["root"])


CHANGES = [other_entry, other_step, other_index, shorter_path, other_origin, other_root]


def sigstore_python(facts: Facts) -> None:
    """Judge with sigstore from PyPI. Raises its VerificationError."""
    need("sigstore")
    from sigstore._internal.merkle import verify_merkle_inclusion
    from sigstore._internal.rekor.checkpoint import SignedCheckpoint, verify_checkpoint
    from sigstore._internal.trust import Keyring, RekorKeyring
    from sigstore.models import TransparencyLogEntry
    from sigstore_models.common.v1 import PublicKey, PublicKeyDetails
    from sigstore_models.rekor.v1 import TransparencyLogEntry as Inner

    key_id = hashlib.sha256(ORIGIN.encode() + b"\n\x01" + SIGNER.verifier.public).digest()
    document = {
        "logIndex": str(facts["index"]),
        "logId": {"keyId": base64.b64encode(key_id).decode()},
        "kindVersion": {"kind": "shuxiang", "version": "1"},
        "integratedTime": "0",
        "canonicalizedBody": facts["envelope"],
        "inclusionProof": {
            "logIndex": str(facts["index"]),
            "rootHash": facts["root"],
            "treeSize": str(facts["size"]),
            "hashes": facts["hashes"],
            "checkpoint": {"envelope": facts["checkpoint"]},
        },
    }
    entry = TransparencyLogEntry(Inner.from_json(json.dumps(document)))
    signed = SignedCheckpoint.from_text(facts["checkpoint"])
    assert signed.checkpoint.log_size == facts["size"]
    public = PublicKey(raw_bytes=base64.b64encode(spki()), key_details=PublicKeyDetails.PKIX_ED25519)
    verify_merkle_inclusion(entry)
    verify_checkpoint(RekorKeyring(Keyring([public])), entry)


def spki() -> bytes:
    key = Ed25519PublicKey.from_public_bytes(SIGNER.verifier.public)
    return key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def judged_by_npm(held: Held, facts: Facts) -> dict[str, str]:
    """What the packages from npm say."""
    folder = need_npm()
    keys = {"spki": base64.b64encode(spki()).decode(), "vkey": VKEY, "mldsa": str(LASTING.verifier)}
    given = held.keep("facts.json", json.dumps({**facts, **keys}))
    command = [need("node"), str(folder / "check_log.mjs"), str(given)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    said: dict[str, str] = json.loads(done.stdout)
    return said


@pytest.mark.parametrize("index", INDICES)
def test_sigstore_in_python_accepts_our_proofs(held: Held, index: int) -> None:
    sigstore_python(facts_of(held.proof(index)))


@pytest.mark.parametrize("change", CHANGES)
def test_sigstore_in_python_refuses_them_with_anything_changed(held: Held, change: Change) -> None:
    need("sigstore")
    from sigstore.errors import VerificationError

    facts = facts_of(held.proof(256))
    change(facts)
    with pytest.raises(VerificationError):
        sigstore_python(facts)


@pytest.mark.parametrize("index", [0, 599])
def test_sigstore_and_noble_in_javascript_accept_proof_and_both_signatures(held: Held, index: int) -> None:
    assert judged_by_npm(held, facts_of(held.proof(index))) == {"sigstore": "sound", "noble": "sound"}


@pytest.mark.parametrize("change", CHANGES)
def test_sigstore_in_javascript_refuses_them_with_anything_changed(held: Held, change: Change) -> None:
    facts = facts_of(held.proof(256))
    change(facts)
    said = judged_by_npm(held, facts)
    assert said["sigstore"].startswith("refused")
    is_of_the_checkpoint = change in (other_origin, other_root)
    assert (said["noble"] == "refused") is is_of_the_checkpoint


def test_pymerkle_finds_the_same_roots(held: Held) -> None:
    need("pymerkle")
    from pymerkle import InmemoryTree

    tree = InmemoryTree(algorithm="sha256")
    for record in held.records:
        tree.append_entry(record.envelope)
    for name, size in (("kept.checkpoint", 300), ("now", 600)):
        note = held.checkpoint() if name == "now" else (held.desk / name).read_text(encoding="utf-8")
        assert facts_root(note) == (size, tree.get_root(size))
    other = InmemoryTree(algorithm="sha256")
    for record in held.records[:299]:
        other.append_entry(record.envelope)
    other.append_entry(held.records[300].envelope)
    assert other.get_root(300) != tree.get_root(300)


def facts_root(note: str) -> tuple[int, bytes]:
    _, size, root, *_ = note.split("\n")
    return int(size), base64.b64decode(root)
