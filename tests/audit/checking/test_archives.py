"""Archive units and exports, taken apart by the verifier alone."""

from __future__ import annotations

import hashlib
import zipfile
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest

from audit.bodies import PER_FILE, erased_line
from audit.checking import verifier
from audit.keeping.units import pack, unit_files
from tests.audit.checking.held import RECEIPTS, WITNESSES, Held, hold, trust
from tests.audit.logs import ORIGIN, Log

Files = dict[str, bytes]
NOBODY = "00000000-0000-7000-8000-000000000000"


def judged(held: Held, files: Files, listing: Callable[[Files], Files] | None = None) -> verifier.Report:
    path = held.keep("packed.zip", pack(listing(files) if listing else files))
    return verifier.check_file(path, trust(), verifier.Given())


def failed(report: verifier.Report) -> str:
    return "; ".join(f"{step.name}: {step.detail}" for step in report.steps if not step.ok)


# --- units ------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Held:
    folder = tmp_path_factory.mktemp("large")
    log = Log(folder / "audit")
    try:
        return hold(log, folder / "desk", 2 * PER_FILE + 100)
    finally:
        log.database.close()


@pytest.fixture(scope="module")
def unit(large: Held) -> Files:
    """The second of two units below a checkpoint of some records more."""
    return unit_files(large.log.folder, PER_FILE, large.checkpoint(), {})


def relisted(files: Files) -> Files:
    """The unit with a manifest that fits what was changed in it: nobody signs the manifest."""
    manifest = verifier.parse_json(files["manifest.json"])
    rest = {name: data for name, data in files.items() if name != "manifest.json"}
    manifest["files"] = [
        {"name": name, "size": len(data), "sha256": hashlib.sha256(data).hexdigest()}
        for name, data in rest.items()
    ]
    return {**rest, "manifest.json": verifier.json.dumps(manifest).encode()}


@pytest.mark.long
def test_a_unit_stands_alone(large: Held, unit: Files) -> None:
    report = judged(large, unit)
    assert (report.sound, failed(report)) == (True, "")
    assert (report.facts["first"], report.facts["last"]) == (PER_FILE, 2 * PER_FILE - 1)
    assert judged(large, relisted(unit)).sound


@pytest.mark.long
@pytest.mark.parametrize(
    ("name", "old", "new", "reason"),
    [
        ("bodies.jsonl", b'"n":16389,', b'"n":16388,', "[16389] / these bodies were changed"),
        ("tile/entries/064", b'"k":"access"', b'"k":"accEss"', "does not lead from the envelopes"),
        ("subtree.txt", b"\n", b"\nAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n", "does not"),
        ("subtree.txt", b"=\n", b"=\nAAAA=\n", "not base64"),
        ("checkpoint", b"\n32868\n", b"\n32869\n", "the signature is wrong"),
    ],
)
def test_a_unit_is_refused_when_a_file_is_changed_even_with_the_manifest(
    large: Held, unit: Files, name: str, old: bytes, new: bytes, reason: str
) -> None:
    changed = {**unit, name: unit[name].replace(old, new, 1)}
    assert changed[name] != unit[name]
    assert name in failed(judged(large, changed))
    assert reason in failed(judged(large, relisted(changed)))


@pytest.mark.long
def test_the_unit_of_another_range_is_refused(large: Held, unit: Files) -> None:
    first = unit_files(large.log.folder, 0, large.checkpoint(), {})
    top, _, rest = unit["subtree.txt"].partition(b"\n")
    assert top != first["subtree.txt"].partition(b"\n")[0]
    other = first["subtree.txt"].partition(b"\n")[0] + b"\n" + rest
    assert "does not lead from" in failed(judged(large, relisted({**unit, "subtree.txt": other})))
    moved = {**unit, **{name: first[name] for name in ("bodies.jsonl", "subtree.txt")}}
    assert not judged(large, relisted(moved)).sound
    for number in (b"0", b"16385", b"-16384", b"1e999", b"[]"):
        renamed = unit["manifest.json"].replace(b'"first": 16384', b'"first": ' + number)
        assert not judged(large, {**unit, "manifest.json": renamed}).sound


@pytest.mark.long
def test_a_unit_with_a_body_too_many_or_too_few_is_refused(large: Held, unit: Files) -> None:
    bodies = unit["bodies.jsonl"]
    for wrong in (bodies + large.body(5) + b"\n", bodies[:-1], bodies[: bodies[:-1].rindex(b"\n") + 1]):
        said = failed(judged(large, relisted({**unit, "bodies.jsonl": wrong})))
        assert "a wrong number of bodies" in said


@pytest.mark.long
def test_a_bundle_with_a_byte_behind_its_last_envelope_is_malformed(large: Held, unit: Files) -> None:
    longer = {**unit, "tile/entries/064": unit["tile/entries/064"] + b"\0"}
    assert "a bundle is cut off" in failed(judged(large, relisted(longer)))


@pytest.mark.long
def test_an_erased_body_is_told_and_breaks_nothing(large: Held, unit: Files) -> None:
    lines = unit["bodies.jsonl"].split(b"\n")
    lines[5] = erased_line(len(lines[5]), NOBODY, NOBODY)
    report = judged(large, relisted({**unit, "bodies.jsonl": b"\n".join(lines)}))
    assert report.sound
    assert f"claimed to be erased, not proven here: 1: {PER_FILE + 5} ({NOBODY})" in report.steps[-1].detail
    lines[6] = b'{"erased":"by nobody"}'
    assert not judged(large, relisted({**unit, "bodies.jsonl": b"\n".join(lines)})).sound


# --- exports ----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def held(tmp_path_factory: pytest.TempPathFactory) -> Held:
    folder = tmp_path_factory.mktemp("held")
    log = Log(folder / "audit")
    try:
        return hold(log, folder / "desk", 300)
    finally:
        log.database.close()


def export(held: Held, indices: Iterable[int]) -> Files:
    """A bundle of some records, as a question's answer is exported; its manifest is not signed yet."""
    indices = list(indices)
    return {
        "answer.csv": b"id\n",
        "bodies.jsonl": b"".join(held.body(index) + b"\n" for index in indices),
        **{f"proofs/{index}.tlog-proof": held.proof(index).encode() for index in indices},
        "checkpoint": held.checkpoint().encode(),
    }


def signed(files: Files, origin: str = ORIGIN) -> Files:
    listed = [f"{hashlib.sha256(data).hexdigest()} {len(data)} {name}" for name, data in files.items()]
    text = "\n".join(["shuxiang-export/v1", origin, "refusals", "{}", *listed]) + "\n"
    return {**files, "manifest": RECEIPTS.sign_note(text).encode()}


def test_an_export_is_proven_record_by_record(held: Held) -> None:
    report = judged(held, export(held, [3, 77, 299]), signed)
    assert (report.sound, failed(report)) == (True, "")
    assert report.facts["question"] == "refusals"


@pytest.mark.parametrize("name", ["answer.csv", "bodies.jsonl", "proofs/77.tlog-proof", "checkpoint"])
def test_an_export_is_refused_when_any_file_is_changed(held: Held, name: str) -> None:
    files = signed(export(held, [3, 77]))
    report = judged(held, {**files, name: files[name].replace(b"\n", b" \n", 1)})
    assert not report.sound
    assert name in failed(report) or not report.readable


def test_an_export_with_a_body_too_many_another_signer_or_another_log_is_refused(held: Held) -> None:
    files = export(held, [3, 77])
    more = {**files, "bodies.jsonl": files["bodies.jsonl"] + held.body(5) + b"\n"}
    assert "bodies without a proof" in failed(judged(held, more, signed))
    other = {
        **files,
        "manifest": WITNESSES[0].cosign(held.checkpoint().split("\n\n")[0] + "\n", held.log.now).encode(),
    }
    assert "not a signed note" in failed(judged(held, other))
    moved = files["proofs/77.tlog-proof"].replace(b"index 77\n", b"index 78\n")
    said = failed(judged(held, {**files, "proofs/77.tlog-proof": moved}, signed))
    assert "proofs/77.tlog-proof: " in said
    forged = signed(files)
    forged["manifest"] = forged["manifest"].replace(b"refusals", b"refusal")
    assert "no --receipt-key signed this manifest" in failed(judged(held, forged))
    assert "of another log" in failed(judged(held, signed(files, "other.example/log")))


def test_an_export_tells_an_erased_body_from_those_that_are_proven(held: Held) -> None:
    files = export(held, [3, 77])
    body = held.body(77)
    gone = {**files, "bodies.jsonl": files["bodies.jsonl"].replace(body, erased_line(len(body), NOBODY))}
    report = judged(held, gone, signed)
    assert report.sound
    assert "bodies 1; 自称" in report.steps[-1].detail
    assert f"claimed to be erased, not proven here: 1: {NOBODY}" in report.steps[-1].detail


def test_a_file_put_in_twice_is_noticed(held: Held, tmp_path: Path) -> None:
    path = tmp_path / "twice.zip"
    with zipfile.ZipFile(path, "w") as packed:
        for name, data in signed(export(held, [3])).items():
            packed.writestr(name, data)
        with pytest.warns(UserWarning, match="Duplicate name"):
            packed.writestr("answer.csv", b"id\n")
    assert not verifier.check_file(path, trust(), verifier.Given()).sound
