from __future__ import annotations

import base64
import struct
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PublicKey
from hypothesis import given, settings
from hypothesis import strategies as st

from audit.note import (
    BadNote,
    Checkpoint,
    Cosigner,
    NoteSigner,
    NoteVerifier,
    add_signatures,
    open_note,
    signatures_of,
    split_note,
)

# The example of the C2SP signed-note specification.
EXAMPLE_VKEY = "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k"
EXAMPLE_NOTE = (
    "This is an example message.\n"
    "\n"
    "— example.com/foo "
    "Uw2QOkn8srV1yJGh2VYRlL1Tnagv1YEq6TfXppzi2ONncAlTgK7Ztg1ERYNZXsYjOBH3mFXmRKuwHjG1Yu72IneyaQM=\n"
)
# The example of the Go package golang.org/x/mod/sumdb/note.
GO_SKEY = "PRIVATE+KEY+PeterNeumann+c74f20a3+AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz"
GO_VKEY = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
GO_TEXT = (
    "If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n"
)
GO_LINE = (
    "— PeterNeumann "
    "x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n"
)
# What a witness of the public network cosigned: a checkpoint of a certificate log, 23 May 2026.
WITNESS_VKEY = "remora.n621.de+da77ade7+BOvN63jn/bLvkieywe8R6UYAtVtNbZpXh34x7onlmtw2"
WITNESSED = (
    "arche2025h1.staging.ct.transparency.dev\n"
    "1432088532\n"
    "U7WM79jrzyhGZ5/GUBTpM7NzwdyfFx61t3RovgcC4Ro=\n"
    "\n"
    "— arche2025h1.staging.ct.transparency.dev zTM8sQAAAZ5W0WdjBAMARjBEAiBjW5IQf9pvsYLfQFX6hoGREPMHbdQ3urbll"
    "zalApkptQIgIpwtEroeW2BXaHAI4kJXFbon5Ch9MNL5zRNZ55lvGt0=\n"
    "— remora.n621.de "
    "2net5wAAAABqEiEgPlfF3V06o0Y+fHM+J5J9s27wgxxcOVSpZ/2g/KSiXCg9DEZI+aVCIobWX9sXTynk5XeU/zZ0WBxtqB0DrAWfBw==\n"
)
# The example of C2SP tlog-cosignature; its keys are not given.
SOFA = (
    "example.com/behind-the-sofa\n"
    "20852163\n"
    "CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n"
    "\n"
    "— example.com/behind-the-sofa "
    "Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URYN7u5/Zhcyv2q1gGzGku9nTo+zyWE+xeMcTOAYQ8=\n"
    "— witness.example.com/w1 "
    "jWbPPwAAAABkGFDLEZMHwSRaJNiIDoe9DYn/zXcrtPHeolMI5OWXEhZCB9dlrDJsX3b2oyin1nPZqhf5nNo0xUe+mbIUBkBIfZ+qnA==\n"
)
VECTORS = Path(__file__).parent / "vectors"
TEXT = Checkpoint("example.com/log", 42, bytes(range(32))).text
AT = datetime(2026, 2, 10, 2, 0, 30, 999_999, tzinfo=UTC)
SORTS = ("ed25519", "ml-dsa-44")
COSIGNERS = {sort: Cosigner("witness.example/w1", sort, bytes(range(32))) for sort in SORTS}


def test_the_specifications_example_opens() -> None:
    verifier = NoteVerifier.parse(EXAMPLE_VKEY)
    assert open_note(EXAMPLE_NOTE, [verifier]) == "This is an example message.\n"
    assert str(verifier) == EXAMPLE_VKEY


def test_we_sign_byte_for_byte_as_the_go_package_does() -> None:
    signer = NoteSigner.parse(GO_SKEY)
    assert signer.sign_note(GO_TEXT) == GO_TEXT + "\n" + GO_LINE
    assert str(signer.verifier) == GO_VKEY
    assert signer.export() == GO_SKEY


def test_signatures_of_unknown_keys_do_not_matter_and_wrong_ones_of_known_keys_do() -> None:
    ours, theirs = NoteSigner.generate("ours"), NoteSigner.generate("theirs")
    text = "some text\n"
    both = ours.sign_note(text) + theirs.sign_note(text).removeprefix(text + "\n")
    assert open_note(both, [ours.verifier]) == open_note(both, [theirs.verifier]) == text
    forged = both.replace("some", "same")
    with pytest.raises(BadNote, match="signature of ours is wrong"):
        open_note(forged, [ours.verifier])
    with pytest.raises(BadNote, match="no signature of a known key"):
        open_note(both, [NoteSigner.generate("ours").verifier])


@pytest.mark.parametrize(
    "note",
    [
        "",
        "no signature\n",
        "text\n\n",
        "text\n\n- name AAAAAAA=\n",
        "text\n\n— name not-base64\n",
        "text\n\n— name AAAAAAA=",
        "text\n\n— na+me AAAAAAA=\n",
        "te\txt\n\n— name AAAAAAA=\n",
        "text\n\n— name AAAA\n",
        "text\n\n— na\x01me AAAAAAA=\n",
        "te\ud800xt\n\n— name AAAAAAA=\n",
        "text\n\n— name AAAAAAB=\n",
        "text\n\n" + "— name AAAAAAA=\n" * 101,
    ],
)
def test_what_is_not_a_note_is_refused(note: str) -> None:
    with pytest.raises(BadNote):
        open_note(note, [NoteVerifier.parse(GO_VKEY)])


@pytest.mark.parametrize(
    "key",
    [
        "",
        "name",
        GO_VKEY.replace("c74f20a3", "c74f20a4"),
        GO_VKEY.replace("Peter", "Pete"),
        GO_VKEY[:-4],
        GO_VKEY.replace("+AR", "+AB"),
        "name+c74f20a3+",
        "na\ud800me" + GO_VKEY[len("PeterNeumann") :],
        "name+c74f20a3+Aw==",
        WITNESS_VKEY.replace("+BO", "+AO"),
    ],
)
def test_a_key_that_does_not_fit_its_id_is_refused(key: str) -> None:
    with pytest.raises(BadNote):
        NoteVerifier.parse(key)
    with pytest.raises(BadNote):
        NoteSigner.parse(key)


@given(st.data())
@settings(max_examples=60)
def test_a_note_that_was_changed_opens_with_the_same_text_or_not_at_all(data: st.DataObject) -> None:
    note = WITNESSED if data.draw(st.booleans()) else EXAMPLE_NOTE
    verifiers = [NoteVerifier.parse(vkey) for vkey in (WITNESS_VKEY, EXAMPLE_VKEY)]
    start = data.draw(st.integers(0, len(note)))
    end = data.draw(st.integers(start, min(len(note), start + 3)))
    changed = (
        note[:start] + data.draw(st.text(max_size=3) | st.sampled_from(["\n", "\n\n", "— "])) + note[end:]
    )
    try:
        text = open_note(changed, verifiers)
    except BadNote:
        return
    assert text == open_note(note, verifiers)


@given(st.integers(0, 2**63 - 1), st.binary(min_size=32, max_size=32))
@settings(max_examples=30)
def test_a_checkpoint_reads_back(size: int, root: bytes) -> None:
    checkpoint = Checkpoint("example.com/log", size, root)
    assert Checkpoint.parse(checkpoint.text) == checkpoint
    assert Checkpoint.parse(checkpoint.text + "extension\n") == checkpoint


ROOT = "A" * 43 + "="


@pytest.mark.parametrize(
    "text",
    [
        "",
        "o\n1\n",
        "o\n1\nAAAA\n",
        f"\n1\n{ROOT}\n",
        f"o\n01\n{ROOT}\n",
        f"o\n-1\n{ROOT}\n",
        f"o\n\n{ROOT}\n",
        f"o\n１\n{ROOT}\n",
        f"o\n{2**63}\n{ROOT}\n",
        f"o\n{'9' * 5000}\n{ROOT}\n",
        f"o\n1\n{ROOT}",
        f"o\n1\n{ROOT}\n\nextension\n",
        f"o\n1\n{ROOT[:-2]}B=\n",
    ],
)
def test_what_is_not_a_checkpoint_is_refused(text: str) -> None:
    with pytest.raises(BadNote):
        Checkpoint.parse(text)


# --- cosignatures ---------------------------------------------------------------------------------


def test_what_a_witness_of_the_public_network_signed_opens() -> None:
    verifier = NoteVerifier.parse(WITNESS_VKEY)
    (found,) = signatures_of(WITNESSED, [verifier])
    assert found == (verifier, datetime(2026, 5, 23, 21, 50, 24, tzinfo=UTC))
    assert str(verifier) == WITNESS_VKEY
    for forged in (
        WITNESSED.replace("532", "533"),
        WITNESSED.replace("2net5wAAAABqEiEg", "2net5wAAAABqEiEh"),
    ):
        with pytest.raises(BadNote, match="signature of remora"):
            open_note(forged, [verifier])


def test_what_another_program_signed_with_ml_dsa_opens() -> None:
    """The vectors are those of the witness of filippo.io/torchwood, made by Go's crypto/mldsa."""
    vkey = (VECTORS / "mldsa.vkey").read_text(encoding="utf-8").strip()
    note = (VECTORS / "mldsa.note").read_text(encoding="utf-8")
    verifier = NoteVerifier.parse(vkey)
    assert str(verifier) == vkey
    assert verifier.key_id.hex() == "b5df45c5"
    assert open_note(note, [verifier]).startswith("example.com/mldsa-log\n1\n")
    assert signatures_of(note, [verifier]) == ((verifier, None),)  # the time 0 says nothing of when
    with pytest.raises(BadNote):
        open_note(note.replace("\n1\n", "\n2\n"), [verifier])


def test_the_specifications_cosigned_checkpoint_reads_as_it_says() -> None:
    text, signatures = split_note(SOFA)
    assert Checkpoint.parse(text).size == 20852163
    name, raw = signatures[1]
    cosigner = NoteVerifier(name, bytes(32), kind=4)
    assert name == "witness.example.com/w1"
    assert len(raw) == 4 + 8 + 64
    assert cosigner.time_of(raw[4:]) == datetime.fromtimestamp(1679315147, UTC)


def signature_of(line: str) -> bytes:
    return base64.b64decode(line.rpartition(" ")[2])


def test_an_ed25519_cosigner_signs_the_bytes_of_the_specification() -> None:
    cosigner = COSIGNERS["ed25519"]
    raw = signature_of(cosigner.cosign(TEXT, AT))
    assert raw[:12] == cosigner.verifier.key_id + struct.pack(">Q", 1770688830)
    message = b"cosignature/v1\ntime 1770688830\n" + TEXT.encode()
    Ed25519PublicKey.from_public_bytes(cosigner.verifier.public).verify(raw[12:], message)


def test_an_ml_dsa_cosigner_signs_the_bytes_of_the_specification() -> None:
    cosigner = COSIGNERS["ml-dsa-44"]
    raw = signature_of(cosigner.cosign(TEXT, AT))
    assert raw[:12] == cosigner.verifier.key_id + struct.pack(">Q", 1770688830)
    assert len(raw) == 4 + 8 + 2420
    message = b"".join(
        (
            bytes.fromhex("737562747265652f76310a00"),
            b"\x12witness.example/w1",
            struct.pack(">Q", 1770688830),
            b"\x0fexample.com/log",
            struct.pack(">QQ", 0, 42),
            bytes(range(32)),
        )
    )
    MLDSA44PublicKey.from_public_bytes(cosigner.verifier.public).verify(raw[12:], message)


@pytest.mark.parametrize("sort", SORTS)
@given(data=st.data())
@settings(max_examples=15)
def test_a_cosignature_holds_for_its_checkpoint_its_time_and_nothing_else(
    sort: str, data: st.DataObject
) -> None:
    size = data.draw(st.integers(0, 2**63 - 1))
    text = Checkpoint("example.com/log", size, data.draw(st.binary(min_size=32, max_size=32))).text
    seconds = data.draw(st.integers(1, 2**37))
    verifier = COSIGNERS[sort].verifier
    at = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=seconds)
    signature = signature_of(COSIGNERS[sort].cosign(text, at))[4:]
    assert verifier.verify(text.encode(), signature)
    assert verifier.time_of(signature) == at
    changed = bytearray(signature)
    changed[data.draw(st.integers(0, len(signature) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    assert not verifier.verify(text.encode(), bytes(changed))
    assert not verifier.verify(text.encode() + b"x\n", signature)
    assert not verifier.verify(text.encode(), signature[:-1])


@pytest.mark.parametrize("sort", SORTS)
def test_a_cosigners_key_reads_back_and_is_no_key_for_notes(sort: str) -> None:
    cosigner = Cosigner.generate("witness.example/w1", sort)
    again = Cosigner.parse(cosigner.export())
    assert again.verifier == cosigner.verifier == NoteVerifier.parse(str(cosigner.verifier))
    assert cosigner.verifier.algorithm == sort
    with pytest.raises(BadNote):
        NoteSigner.parse(cosigner.export())
    with pytest.raises(BadNote):
        Cosigner.parse(NoteSigner.generate("witness.example/w1").export())
    with pytest.raises(BadNote):
        Cosigner.parse(cosigner.export().replace("/w1", "/w2"))


def test_only_checkpoints_are_cosigned_and_with_ml_dsa_only_plain_ones() -> None:
    for cosigner in COSIGNERS.values():
        with pytest.raises(BadNote):
            cosigner.cosign("some text\n", AT)
    assert COSIGNERS["ed25519"].cosign(TEXT + "extension\n", AT)
    with pytest.raises(BadNote, match="extension lines"):
        COSIGNERS["ml-dsa-44"].cosign(TEXT + "extension\n", AT)
    for log, witness in (("o" * 256, "w"), ("o", "w" * 256)):
        with pytest.raises(BadNote, match="255 bytes"):
            Cosigner.generate(witness).cosign(Checkpoint(log, 1, bytes(32)).text, AT)


def test_an_ml_dsa_signature_does_not_vouch_for_extension_lines() -> None:
    note = add_signatures(
        NoteSigner.generate("log").sign_note(TEXT), [COSIGNERS["ml-dsa-44"].cosign(TEXT, AT)]
    )
    extended = note.replace(TEXT, TEXT + "extension\n")
    with pytest.raises(BadNote, match="wrong"):
        open_note(extended, [COSIGNERS["ml-dsa-44"].verifier])


def test_a_time_beyond_the_calendar_is_no_time() -> None:
    verifier = COSIGNERS["ed25519"].verifier
    assert not verifier.verify(TEXT.encode(), (2**62).to_bytes(8) + bytes(64))
    assert not verifier.verify(TEXT.encode(), bytes(8))


def test_cosignatures_come_behind_those_that_are_there_each_once_and_the_newest_time_counts() -> None:
    signer = NoteSigner.generate("example.com/log")
    witness = COSIGNERS["ed25519"]
    lines = [witness.cosign(TEXT, AT), witness.cosign(TEXT, AT + timedelta(hours=1))]
    note = add_signatures(signer.sign_note(TEXT), [*lines, lines[0]])
    assert note == signer.sign_note(TEXT) + "".join(lines)
    assert add_signatures(note, lines) == note
    assert signatures_of(note, [signer.verifier, witness.verifier]) == (
        (signer.verifier, None),
        (witness.verifier, datetime(2026, 2, 10, 3, 0, 30, tzinfo=UTC)),
    )
    assert signatures_of(note, []) == ()
    with pytest.raises(BadNote):
        add_signatures(note, ["no signature\n"])
