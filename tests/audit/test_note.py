from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from audit.note import BadNote, Checkpoint, NoteSigner, NoteVerifier, open_note

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
    ],
)
def test_a_key_that_does_not_fit_its_id_is_refused(key: str) -> None:
    with pytest.raises(BadNote):
        NoteVerifier.parse(key)
    with pytest.raises(BadNote):
        NoteSigner.parse(key)


@given(st.integers(0, 2**63), st.binary(min_size=32, max_size=32))
@settings(max_examples=30)
def test_a_checkpoint_reads_back(size: int, root: bytes) -> None:
    checkpoint = Checkpoint("example.com/log", size, root)
    assert Checkpoint.parse(checkpoint.text) == checkpoint
    assert Checkpoint.parse(checkpoint.text + "extension\n") == checkpoint


@pytest.mark.parametrize("text", ["", "o\n1\n", "o\n01\nAAAA\n", "o\n1\nAAAA\n", "\n1\n" + "A" * 43 + "=\n"])
def test_what_is_not_a_checkpoint_is_refused(text: str) -> None:
    with pytest.raises(BadNote):
        Checkpoint.parse(text)
