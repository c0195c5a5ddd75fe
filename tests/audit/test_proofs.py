"""Proofs: where they lead, what they hold, and that the trusted checkpoint is preferred."""

from __future__ import annotations

import base64

import pytest

from audit.files import tile_reader
from audit.merkle import root, verify_consistency
from audit.note import BadNote, Checkpoint, open_note
from audit.proofs import check_inclusion, consistency_text, prove_consistency, prove_inclusion
from audit.tiles import hash_reader
from core.errors import Conflict
from tests.audit.logs import LASTING, SIGNER, SIGNERS, Log, access


@pytest.fixture
def grown(log: Log) -> Log:
    """A log of 300 entries whose checkpoint of 270 witnesses have cosigned."""
    for count in (255, 15, 30):
        log.put([access() for _ in range(count)])
        log.seal()
        if count == 15:
            note = (log.folder / "log" / "checkpoint").read_bytes()
            (log.folder / "log" / "cosigned").write_bytes(note)
    return log


def leads_to(note: str) -> Checkpoint:
    return Checkpoint.parse(open_note(note, SIGNERS.verifiers))


@pytest.mark.parametrize(("index", "size"), [(0, 270), (269, 270), (270, 300), (299, 300)])
def test_a_proof_leads_to_the_cosigned_checkpoint_where_that_covers_the_record(
    grown: Log, index: int, size: int
) -> None:
    proof = prove_inclusion(grown.folder, index)
    assert leads_to(proof.partition("\n\n")[2]).size == size
    lines = proof.split("\n")
    assert lines[0] == "c2sp.org/tlog-proof@v1"
    envelope = base64.b64decode(lines[1].removeprefix("extra "))
    for key in (SIGNER, LASTING):
        assert check_inclusion(proof, envelope, key.verifier) == index


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("index 7", "index 8"),
        ("index 7", "index 07"),
        ("index 7", "index -7"),
        ("index 7\n", ""),
        ("extra ", "extra !"),
        ("tlog-proof@v1\n", "tlog-proof@v1\nindex 7\n"),
        ("tlog-proof@v1", "tlog-proof@v2"),
        ("\n\n", "\n" + "A" * 43 + "=\n" + "\n"),
        ("\n\n", ("\n" + "A" * 43 + "=") * 64 + "\n\n"),
    ],
)
def test_a_proof_that_was_changed_proves_nothing(grown: Log, one: str, other: str) -> None:
    proof = prove_inclusion(grown.folder, 7)
    envelope = base64.b64decode(proof.split("\n")[1].removeprefix("extra "))
    assert one in proof
    with pytest.raises(BadNote):
        check_inclusion(proof.replace(one, other, 1), envelope, SIGNER.verifier)


@pytest.mark.parametrize(
    ("old", "size"), [(0, 270), (1, 270), (255, 270), (269, 270), (270, 300), (300, 300)]
)
def test_an_older_log_is_the_beginning_of_the_newer_one(grown: Log, old: int, size: int) -> None:
    path, note = prove_consistency(grown.folder, old)
    newer = leads_to(note)
    assert newer.size == size
    assert verify_consistency(old, size, root_at(grown, old), newer.root, path)
    lines = consistency_text(grown.folder, old).partition("\n\n")[0].split("\n")
    assert lines[0] == f"old {old}"
    assert [base64.b64decode(line) for line in lines[1:]] == path


def root_at(log: Log, size: int) -> bytes:
    return root(size, hash_reader(300, tile_reader(log.folder / "log")))


def test_a_log_that_was_seen_longer_cannot_be_proved(grown: Log) -> None:
    with pytest.raises(Conflict) as refused:
        prove_consistency(grown.folder, 301)
    assert refused.value.code == "log_is_shorter"
