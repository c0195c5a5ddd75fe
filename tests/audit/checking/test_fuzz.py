"""Whatever a file holds: nothing altered is taken for true, and nothing trips the verifier."""

from __future__ import annotations

import base64
import io
import json
import random
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from audit import merkle
from audit.checking import verifier
from tests.audit.checking.held import WITNESSES, Held, hold, trust
from tests.audit.logs import Log

pytestmark = pytest.mark.long

COUNT = 300
TRUST = trust(*WITNESSES[:2], needed=2)
often = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
Check = Callable[[bytes], verifier.Report]


@pytest.fixture(scope="module")
def held(tmp_path_factory: pytest.TempPathFactory) -> Held:
    folder = tmp_path_factory.mktemp("held")
    log = Log(folder / "audit")
    try:
        return hold(log, folder / "desk", COUNT)
    finally:
        log.database.close()


@pytest.fixture(scope="module")
def proof(held: Held) -> bytes:
    """A proof of a record in the middle, cosigned by two witnesses."""
    return held.cosigned(held.proof(200), *WITNESSES[:2]).encode()


@pytest.fixture(scope="module")
def consistency(held: Held) -> bytes:
    return held.cosigned(held.consistency(COUNT // 2), *WITNESSES[:2]).encode()


@pytest.fixture
def check(held: Held) -> Check:
    kept = (held.desk / "kept.checkpoint").read_bytes()
    body, receipt = held.body(200), held.receipt(200)

    def checked(data: bytes) -> verifier.Report:
        is_proof = data.startswith(b"c2sp")
        given = verifier.Given(body=body if is_proof else None, receipt=receipt, old=kept)
        return verifier.check_file(held.keep("fuzzed", data), TRUST, given)

    return checked


def test_what_the_fuzzing_starts_from_is_sound(check: Check, proof: bytes, consistency: bytes) -> None:
    assert check(proof).sound
    assert check(consistency).sound


@often
@given(st.data())
def test_no_proof_with_a_byte_changed_is_accepted(check: Check, proof: bytes, data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(proof) - 1))
    byte = data.draw(st.integers(0, 255).filter(lambda b: b != proof[at]))
    assert not check(proof[:at] + bytes([byte]) + proof[at + 1 :]).sound


@often
@given(st.data())
def test_no_consistency_proof_with_a_byte_changed_is_accepted(
    check: Check, consistency: bytes, data: st.DataObject
) -> None:
    at = data.draw(st.integers(0, len(consistency) - 1))
    byte = data.draw(st.integers(0, 255).filter(lambda b: b != consistency[at]))
    assert not check(consistency[:at] + bytes([byte]) + consistency[at + 1 :]).sound


@often
@given(st.data())
def test_a_proof_whose_lines_are_shuffled_says_what_it_said_or_nothing(
    check: Check, proof: bytes, data: st.DataObject
) -> None:
    """The order of signature lines, and lines of strangers, do not matter; all else does."""
    lines = proof.decode().splitlines(keepends=True)
    mixed = data.draw(st.lists(st.sampled_from([*lines, "\n", "index 7\n", "— x AAAAAAA=\n"]), max_size=20))
    cut = data.draw(st.integers(0, len(lines)))
    report = check("".join(lines[:cut] + mixed).encode())
    if report.sound and "index" in report.facts:
        assert report.facts == check(proof).facts


@often
@given(st.data())
def test_a_proof_of_another_index_or_size_leads_nowhere(
    check: Check, proof: bytes, data: st.DataObject
) -> None:
    index = data.draw(st.integers(0, 2**64).filter(lambda i: i != 200))
    report = check(proof.replace(b"index 200\n", f"index {index}\n".encode()))
    assert not report.sound


@often
@given(
    st.one_of(st.binary(max_size=400), st.text(max_size=200).map(lambda text: text.encode(errors="replace")))
)
def test_any_bytes_whatever_are_read_without_a_slip(check: Check, data: bytes) -> None:
    for head in (b"", b"c2sp.org/tlog-proof@v1\n", b"old 3\n", b"PK\x03\x04"):
        assert not check(head + data).sound


@often
@given(
    st.dictionaries(st.sampled_from(["manifest.json", "checkpoint", "bodies.jsonl"]), st.binary(max_size=60))
)
def test_any_archive_whatever_is_read_without_a_slip(check: Check, members: dict[str, bytes]) -> None:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as unit:
        for name, data in members.items():
            unit.writestr(name, data)
    assert not check(packed.getvalue()).sound


@pytest.mark.parametrize(
    "packing", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA]
)
def test_a_damaged_archive_is_never_sound_however_it_was_packed(check: Check, packing: int) -> None:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", packing) as unit:
        unit.writestr("manifest.json", b'{"first":0,"files":[]}' * 50)
    whole, chance = packed.getvalue(), random.Random(packing)
    behind = whole.index(b"manifest.json") + len(b"manifest.json")
    for at in [behind + 12, *(chance.randrange(len(whole)) for _ in range(60))]:
        assert not check(whole[:at] + b"\xff" * 8 + whole[at + 8 :]).sound
    assert not check(b"A" * 50 + b"PK\x05\x06" + struct.pack("<HHHHIIH", 0, 0, 1, 1, 46, 20, 0)).sound


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=8,
)
LISTED = st.lists(
    st.fixed_dictionaries({"name": ANYTHING, "size": ANYTHING, "sha256": ANYTHING}) | ANYTHING, max_size=2
)


@often
@given(ANYTHING | st.fixed_dictionaries({"first": ANYTHING, "files": LISTED | ANYTHING}))
def test_any_manifest_whatever_is_read_without_a_slip(check: Check, manifest: object) -> None:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as unit:
        unit.writestr("manifest.json", json.dumps(manifest))
        unit.writestr("checkpoint", b"")
    assert not check(packed.getvalue()).sound


@often
@given(ANYTHING | st.fixed_dictionaries({"body": ANYTHING}))
def test_no_other_body_whatever_fits(held: Held, proof: bytes, body: object) -> None:
    given = verifier.Given(body=json.dumps(body).encode())
    assert not verifier.check_file(held.keep("fuzzed", proof), TRUST, given).sound


@pytest.mark.parametrize("depth", [1, 400, 990, 100_000])
def test_a_body_within_bodies_is_no_trap(held: Held, proof: bytes, depth: int) -> None:
    given = verifier.Given(body=b"[" * depth + b"]" * depth)
    assert not verifier.check_file(held.keep("fuzzed", proof), TRUST, given).sound


@often
@given(st.fixed_dictionaries(dict.fromkeys("bkst", ANYTHING)) | ANYTHING)
def test_any_envelope_whatever_is_told_without_a_slip(held: Held, proof: bytes, envelope: object) -> None:
    extra = base64.b64encode(json.dumps(envelope).encode())
    lines = proof.split(b"\n")
    path = held.keep("fuzzed", b"\n".join([lines[0], b"extra " + extra, *lines[2:]]))
    key = str(held.desk / "log.vkey")
    assert {verifier.main([str(path), "--key", key, *form]) for form in ([], ["--json"])} <= {1, 2}


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 70), st.data())
def test_its_trees_are_the_products_trees_though_written_anew(size: int, data: st.DataObject) -> None:
    leaves = [verifier.leaf_hash(bytes([n])) for n in range(size)]

    def read(level: int, index: int) -> bytes:
        return merkle.root_of_list(leaves[index << level : (index + 1) << level])

    root = merkle.root(size, read)
    assert verifier.root_of(leaves) == root
    index, old = data.draw(st.integers(0, size - 1)), data.draw(st.integers(1, size))
    path = merkle.inclusion_proof(index, size, read)
    assert verifier.root_by_path(index, size, leaves[index], path) == root
    before = merkle.root(old, read)
    steps = merkle.consistency_proof(old, size, read)
    assert verifier.roots_by_path(old, size, before, steps) == (before, root)
    for wrong in (path[:-1] if path else [bytes(32)], [*path, bytes(32)]):
        with pytest.raises(verifier.Fault):
            verifier.root_by_path(index, size, leaves[index], wrong)
    with pytest.raises(verifier.Fault):
        verifier.roots_by_path(old, size, before, [*steps, bytes(32)])


@settings(max_examples=60, deadline=None)
@given(st.text(max_size=60))
def test_any_key_or_receipt_whatever_is_refused_in_words(text: str) -> None:
    for read in (verifier.parse_key, lambda value: verifier.check_receipt(value, TRUST, "x", bytes(32))):
        with pytest.raises(verifier.Fault, match=" / "):
            read(text)


@settings(max_examples=100, deadline=None)
@given(st.integers(0, 10**15))
def test_bundles_lie_where_tlog_tiles_puts_them(index: int) -> None:
    from audit.tiles import ENTRIES, tile_path

    assert verifier.bundle_name(index) == tile_path(ENTRIES, index)


def test_a_folder_is_no_file(check: Check, tmp_path: Path) -> None:
    assert not verifier.check_file(tmp_path, TRUST, verifier.Given()).readable
