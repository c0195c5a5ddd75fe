"""Whatever is changed in the folder, the check names it."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import orjson
import pytest

from audit.bodies import PER_FILE, erased_line
from audit.columns.blocks import Block, present
from audit.columns.make import make
from audit.columns.renewal import ask_renewal
from audit.keeping.kinds import body_erased, pruned
from audit.merkle import leaf_hash
from audit.note import BadNote, Checkpoint, Cosigner, NoteSigner, add_signatures, split_note
from audit.record import make_record
from audit.state import load_state, save_state
from audit.tiles import decode_bundle, encode_bundle
from audit.verify import BadFile, verify
from audit.verify_progress import load
from core.text import Text
from tests.audit.columns.story import asked, grown, make_all
from tests.audit.faults.story import seal_calls
from tests.audit.logs import ORIGIN, SIGNER, START, VKEY, Log, access

SIZE = 600
NO_SUCH = "no log of this size has this file"


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    log = Log(tmp_path_factory.mktemp("template") / "audit")
    log.put([access(status=200 + i % 3) for i in range(SIZE)])
    log.seal()
    assert log.verify().sound
    log.database.close()
    return log.folder


@pytest.fixture
def sealed(template: Path, tmp_path: Path) -> Iterator[Log]:
    shutil.copytree(template, tmp_path / "audit")
    log = Log(tmp_path / "audit")
    yield log
    log.database.close()


def flip(path: Path, at: int) -> None:
    raw = bytearray(path.read_bytes())
    raw[at] ^= 1
    path.write_bytes(raw)


def edit_body(folder: Path) -> None:
    path = folder / "bodies" / "000000000000.jsonl"
    lines = path.read_bytes().splitlines(keepends=True)
    lines[17] = lines[17].replace(b"permit", b"refuse")
    path.write_bytes(b"".join(lines))


def remove_body(folder: Path) -> None:
    path = folder / "bodies" / "000000000000.jsonl"
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(lines[:500] + lines[501:]))


def bodies_changed(change: Callable[[list[bytes]], object]) -> Callable[[Path], object]:
    def rewrite(folder: Path) -> None:
        path = folder / "bodies" / "000000000000.jsonl"
        lines = path.read_bytes().splitlines(keepends=True)
        change(lines)
        path.write_bytes(b"".join(lines))

    return rewrite


def erase(lines: list[bytes]) -> None:
    lines[40] = erased_line(len(lines[40]) - 1, "00000000-0000-7000-8000-000000000000") + b"\n"


def swap_two(lines: list[bytes]) -> None:
    lines[20], lines[21] = lines[21], lines[20]


swap_bodies = bodies_changed(swap_two)
double_body = bodies_changed(lambda lines: lines.insert(30, lines[30]))
append_body = bodies_changed(lambda lines: lines.append(b'{"k":"x"}\n'))
erase_body = bodies_changed(erase)


def copy(name: str, other: str) -> Callable[[Path], object]:
    return lambda folder: (folder / other).write_bytes((folder / name).read_bytes())


def swap(name: str, other: str) -> Callable[[Path], object]:
    def swapped(folder: Path) -> None:
        here, there = (folder / name).read_bytes(), (folder / other).read_bytes()
        (folder / name).write_bytes(there)
        (folder / other).write_bytes(here)

    return swapped


def anchor(size: int, root: bytes | None = None) -> Callable[[Path], object]:
    """Keep a checkpoint that the log's own key signed, but of which root?"""

    def keep(folder: Path) -> None:
        known = load_state(folder).root if root is None else root
        (folder / "anchors").mkdir()
        note = SIGNER.sign_note(Checkpoint(ORIGIN, size, known).text)
        (folder / "anchors" / f"{size}.checkpoint").write_text(note, encoding="utf-8")

    return keep


good_anchor, other_anchor, longer_anchor = anchor(SIZE), anchor(9, bytes(32)), anchor(700)


def remove_all_bodies(folder: Path) -> None:
    (folder / "bodies" / "000000000000.jsonl").unlink()


def rewrite_bundle(change: Callable[[list[bytes]], None]) -> Callable[[Path], object]:
    """Change the entries, and their leaf hashes too, as somebody would who knows the format."""

    def rewrite(folder: Path) -> None:
        bundle, tile = folder / "log/tile/entries/001", folder / "log/tile/0/001"
        entries = decode_bundle(bundle.read_bytes())
        change(entries)
        bundle.write_bytes(encode_bundle(entries))
        tile.write_bytes(b"".join(map(leaf_hash, entries)))

    return rewrite


def edit_entry(entries: list[bytes]) -> None:
    entries[3] = entries[3].replace(b"access", b"excess")


def swap_entries(entries: list[bytes]) -> None:
    entries[3], entries[4] = entries[4], entries[3]


def remove_entry(entries: list[bytes]) -> None:
    del entries[3]


def swap_in_bundle_only(folder: Path) -> None:
    path = folder / "log/tile/entries/001"
    entries = decode_bundle(path.read_bytes())
    swap_entries(entries)
    path.write_bytes(encode_bundle(entries))


def at(name: str, place: int = 100) -> Callable[[Path], object]:
    return lambda folder: flip(folder / name, place)


def remove(name: str) -> Callable[[Path], object]:
    return lambda folder: (folder / name).unlink()


def cut(name: str, size: int) -> Callable[[Path], object]:
    return lambda folder: os.truncate(folder / name, size)


MATRIX: dict[str, tuple[Callable[[Path], object], str]] = {
    "an edited body": (edit_body, "the body does not fit its envelope (record 17)"),
    "a removed body": (remove_body, "bodies/000000000000.jsonl: the body is missing (record 500)"),
    "a removed body, behind it": (remove_body, "the body lies in another's place (records 501 to 599)"),
    "swapped bodies": (swap_bodies, "the body lies in another's place (records 20 to 21)"),
    "a doubled body": (double_body, "the body lies in another's place (records 31 to 599)"),
    "a line behind the last body": (append_body, "bodies/000000000000.jsonl: 10 bytes behind the last body"),
    "a file of bodies too many": (copy("bodies/000000000000.jsonl", "bodies/000000016384.jsonl"), NO_SUCH),
    "an erased body without a record": (erase_body, "the body is erased, and no record says so (record 40)"),
    "a tile too many": (copy("log/tile/0/001", "log/tile/0/005"), f"tile/0/005: {NO_SUCH}"),
    "a partial tile of another width": (
        copy("log/tile/0/002.p/88", "log/tile/0/002.p/99"),
        f"tile/0/002.p/99: {NO_SUCH}",
    ),
    "swapped tiles": (
        swap("log/tile/0/000", "log/tile/0/001"),
        "tile/1/000.p/2: hash 0 does not fit tile/0/000",
    ),
    "swapped bundles": (
        swap("log/tile/entries/000", "log/tile/entries/001"),
        "tile/entries/000: the entry does not fit its leaf hash (records 0 to 255)",
    ),
    "an anchor of another tree": (other_anchor, "anchors/9.checkpoint: its root is not that of the tiles"),
    "a bit of an anchor": (
        lambda folder: (good_anchor(folder), flip(folder / "anchors/600.checkpoint", 100)),
        "anchors/600.checkpoint: ",
    ),
    "an anchor that knows more": (
        longer_anchor,
        "anchors/700.checkpoint: knows 700 entries, the checkpoint 600",
    ),
    "a state with another root": (
        lambda folder: save_state(folder, replace(load_state(folder), root=bytes(32))),
        "state.json: has another root than the log",
    ),
    "a missing bodies file": (remove_all_bodies, "the body is missing (records 0 to 599)"),
    "a cut bodies file": (cut("bodies/000000000000.jsonl", 100), "the body is missing (records 0 to 599)"),
    "an edited entry": (rewrite_bundle(edit_entry), "tile/1/000.p/2: hash 1 does not fit tile/0/001"),
    "a removed entry": (rewrite_bundle(remove_entry), "holds 255 entries instead of 256"),
    "reordered entries": (rewrite_bundle(swap_entries), "tile/1/000.p/2: hash 1 does not fit tile/0/001"),
    "reordered entries, bundle only": (
        swap_in_bundle_only,
        "tile/entries/001: the entry does not fit its leaf hash (records 259 to 260)",
    ),
    "a bit of a bundle": (at("log/tile/entries/000", 50), "the entry does not fit its leaf hash (record 0)"),
    "a length in a bundle": (at("log/tile/entries/000", 0), "tile/entries/000: "),
    "a bit of a leaf hash": (at("log/tile/0/000"), "the entry does not fit its leaf hash (record 3)"),
    "a bit of the last leaf hashes": (at("log/tile/0/002.p/88"), "does not fit its leaf hash (record 515)"),
    "a bit of a higher tile": (
        at("log/tile/1/000.p/2", 10),
        "tile/1/000.p/2: hash 0 does not fit tile/0/000",
    ),
    "a missing bundle": (remove("log/tile/entries/001"), "tile/entries/001: missing"),
    "a missing tile": (remove("log/tile/0/001"), "tile/0/001: missing"),
    "a cut tile": (cut("log/tile/0/001", 4000), "tile/0/001: has 4000 bytes instead of 8192"),
    "a log cut off": (remove("log/tile/0/002.p/88"), "tile/0/002.p/88: missing"),
    "a bit of the checkpoint": (at("log/checkpoint", len(ORIGIN) + 8), "checkpoint: "),
    "a missing checkpoint": (remove("log/checkpoint"), "checkpoint: cannot be read"),
    "a missing state": (remove("log/.state/state.json"), "holds 0 entries, the checkpoint 600"),
    "a broken state": (cut("log/.state/state.json", 5), "cannot be read"),
}


@pytest.mark.parametrize("what", MATRIX)
def test_the_check_names(sealed: Log, what: str) -> None:
    tamper, expected = MATRIX[what]
    tamper(sealed.folder)
    report = sealed.verify()
    assert not report.sound
    assert any(expected in str(fault) for fault in report.faults), [str(f) for f in report.faults]


def test_every_bit_of_the_signed_root_counts(sealed: Log) -> None:
    path = sealed.folder / "log" / "checkpoint"
    note = path.read_text(encoding="utf-8")
    root = note.split("\n")[2]
    forged = ("B" if root[0] != "B" else "C") + root[1:]
    path.write_text(note.replace(root, forged), encoding="utf-8")
    faults = [str(f) for f in sealed.verify().faults]
    assert f"checkpoint: the signature of {ORIGIN} is wrong" in faults
    assert "checkpoint: its root is not that of the tiles" in faults


def test_without_a_key_the_report_says_that_nobody_signed_for_it(sealed: Log) -> None:
    report = verify(sealed.folder)
    assert report.sound
    assert not report.is_signed
    stranger = NoteSigner.generate(ORIGIN).verifier
    assert [f.what for f in verify(sealed.folder, str(stranger)).faults] == ["no signature of a known key"]
    with pytest.raises(BadNote):
        verify(sealed.folder, "no key")


def test_a_log_that_grows_meanwhile_is_checked_up_to_its_checkpoint(sealed: Log) -> None:
    seen: list[tuple[int, int]] = []

    def grow(done: int, size: int) -> None:
        if not seen:
            sealed.put([access() for _ in range(300)])
            sealed.seal()
        seen.append((done, size))

    assert verify(sealed.folder, VKEY, grow).sound
    assert seen == [(600, 600)]
    assert sealed.verify().size == 900


# --- what is gone as the log says -------------------------------------------------------------------


def test_a_body_that_was_erased_on_record_is_told_apart_from_a_fault(sealed: Log) -> None:
    said = body_erased(40, None, "decision-1", "个人信息保护法第四十七条", START)
    sealed.put([said])
    sealed.seal()
    bodies_changed(lambda lines: lines.__setitem__(40, erased_line(len(lines[40]) - 1, said.id) + b"\n"))(
        sealed.folder
    )
    report = sealed.verify()
    assert (report.sound, report.erased, report.bodies) == (True, 1, SIZE)
    erase_body(sealed.folder)  # now it names another record
    assert "no record says so (record 40)" in str(sealed.verify())


def test_the_line_of_an_erased_body_keeps_the_id_of_its_own_record(sealed: Log) -> None:
    def erase_as(own: str | None) -> None:
        def change(lines: list[bytes]) -> None:
            lines[40] = erased_line(len(lines[40]) - 1, said.id, own) + b"\n"

        bodies_changed(change)(sealed.folder)

    said = body_erased(40, access().id, "decision-1", "basis", START)
    sealed.put([said])
    sealed.seal()
    for own, sound in ((orjson.loads(said.body)["record"], True), (access().id, False), (None, False)):
        erase_as(own)
        assert sealed.verify().sound is sound


def test_an_entry_that_ends_before_its_kind_is_named(sealed: Log) -> None:
    def cut_entries(entries: list[bytes]) -> None:
        entries[:] = [entry[:57] for entry in entries]

    rewrite_bundle(cut_entries)(sealed.folder)
    assert any(fault.file.startswith("tile/entries/") for fault in sealed.verify().faults)


def test_a_stamped_checkpoint_has_to_stay_as_it_was_stamped(sealed: Log) -> None:
    text = SIGNER.sign_note(split_note((sealed.folder / "log" / "checkpoint").read_text())[0])
    cosigned = add_signatures(
        text, [Cosigner.generate("w.example/1", "ed25519").cosign(split_note(text)[0], START)]
    )
    anchor, stamp = (sealed.folder / "anchors" / f"{SIZE}.{suffix}" for suffix in ("checkpoint", "tsr"))
    anchor.parent.mkdir()
    anchor.write_text(cosigned)
    stamp.write_bytes(b"response")
    digests = {
        "sha256": sha256(b"response").hexdigest(),
        "checkpoint_sha256": sha256(cosigned.encode()).hexdigest(),
    }
    told = {"size": SIZE, "file": f"anchors/{SIZE}.tsr", **digests}
    sealed.put([make_record("timestamp", START, "sealer", told)])
    sealed.seal()
    assert sealed.verify().sound
    anchor.write_text(text)  # the witness's line is cut out
    assert "the stamped checkpoint is not as the log knows it" in str(sealed.verify())
    anchor.unlink()
    assert f"anchors/{SIZE}.checkpoint: missing" in str(sealed.verify())


def test_a_body_that_is_erased_while_it_is_checked_is_no_fault(sealed: Log) -> None:
    said = body_erased(40, None, "decision-1", "basis", START)

    def erased(lines: list[bytes]) -> None:
        lines[40] = erased_line(len(lines[40]) - 1, said.id) + b"\n"

    bodies_changed(erased)(sealed.folder)  # as if it had come before the check read it

    def grow(done: int, size: int) -> None:
        if size == SIZE:
            sealed.put([said])
            sealed.seal()

    report = verify(sealed.folder, VKEY, grow)
    assert (report.sound, report.erased, report.size) == (True, 1, SIZE + 1)


def test_blocks_of_bodies_that_are_gone_are_neither_sound_nor_counted(large: Log) -> None:
    def invent() -> None:
        make(large.folder, Block(0, 4096), LARGE, lambda made: None)

    first = large.folder / "bodies" / "000000000000.jsonl"
    invent()
    kept = Block(0, 4096).path(large.folder).read_bytes()
    large.put([pruned(0, PER_FILE - 1, "00" * 32, Text("办法", "rule"), START, START)])
    large.seal()
    first.unlink()
    ask_renewal(large.folder, 0, PER_FILE - 1)
    assert large.verify().sound  # whoever makes the blocks has not come to it yet
    make_all(large)
    assert (large.verify().sound, present(large.folder)) == (True, [])
    Block(0, 4096).path(large.folder).write_bytes(kept)
    assert str(large.verify().faults[0]).startswith(
        "columns/4096/000000000000.parquet: the block is not what"
    )
    assert asked(large, f"SELECT count(*) AS n FROM records WHERE log_index < {PER_FILE}") == [{"n": 0}]


def test_bodies_past_their_retention_are_told_apart_from_missing_ones(large: Log) -> None:
    first = large.folder / "bodies" / "000000000000.jsonl"
    kept = first.read_bytes()
    large.put([pruned(0, PER_FILE - 1, "00" * 32, Text("办法", "rule"), START, START)])
    large.seal()
    assert large.verify().pruned == 0  # it is said before it is done
    first.unlink()
    report = large.verify()
    assert (report.sound, report.pruned, report.bodies) == (True, PER_FILE, LARGE - PER_FILE + 1)
    first.write_bytes(kept)
    second = large.folder / "bodies" / f"{PER_FILE:012d}.jsonl"
    second.rename(second.with_suffix(".away"))
    assert f"the body is missing (records {PER_FILE} to {LARGE})" in str(large.verify())


# --- jobs and going on ------------------------------------------------------------------------------

LARGE = PER_FILE + 300


@pytest.fixture(scope="module")
def large_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    log = Log(tmp_path_factory.mktemp("large") / "audit")
    seal_calls(log, LARGE)
    log.database.close()
    return log.folder


@pytest.fixture
def large(large_template: Path, tmp_path: Path) -> Iterator[Log]:
    shutil.copytree(large_template, tmp_path / "large")
    log = Log(tmp_path / "large")
    yield log
    log.database.close()


def test_several_processes_find_what_one_finds(large: Log) -> None:
    flip(large.folder / "log/tile/entries/003", 50)
    flip(large.folder / "log/tile/0/065.p/44", 50)
    flip(large.folder / "bodies" / f"{PER_FILE:012d}.jsonl", 50)
    one, two = verify(large.folder, VKEY), verify(large.folder, VKEY, jobs=2)
    assert one == two
    assert [fault.file for fault in one.faults] == [
        "tile/entries/003",
        "tile/entries/065.p/44",
        f"bodies/{PER_FILE:012d}.jsonl",
        "checkpoint",
    ]


def test_a_check_goes_on_where_an_earlier_one_was_and_holds_the_log_to_it(large: Log, tmp_path: Path) -> None:
    kept = tmp_path / "checked"
    assert verify(large.folder, VKEY, resume=kept).sound
    large.put([access() for _ in range(300)])
    large.seal()
    again = verify(large.folder, VKEY, resume=kept)
    assert (again.sound, again.checked_before, again.bodies) == (True, PER_FILE, LARGE + 300)
    # What was checked before is not read again, but the tree has to be the same.
    flip(large.folder / "bodies" / "000000000000.jsonl", 50)
    assert verify(large.folder, VKEY, resume=kept).sound
    assert not verify(large.folder, VKEY).sound
    tile = large.folder / "log/tile/1/000.p/66"
    flip(tile, 50)
    assert "had another root" in str(verify(large.folder, VKEY, resume=kept))
    flip(tile, 50)
    checkpoint = large.folder / "log" / "checkpoint"
    checkpoint.write_text(SIGNER.sign_note(Checkpoint(ORIGIN, 9, bytes(32)).text), encoding="utf-8")
    assert "rolled back?" in str(verify(large.folder, VKEY, resume=kept))
    kept.write_text("{}")
    with pytest.raises(BadFile):
        verify(large.folder, VKEY, resume=kept)


def test_a_check_that_ends_with_faults_leaves_the_auditors_file_as_it_was(large: Log, tmp_path: Path) -> None:
    kept = tmp_path / "checked"
    flip(large.folder / "log/tile/1/000.p/65", 50)
    assert not verify(large.folder, VKEY, resume=kept).sound
    assert not kept.exists()
    flip(large.folder / "log/tile/1/000.p/65", 50)
    assert verify(large.folder, VKEY, resume=kept).sound
    before = kept.read_bytes()
    large.put([access() for _ in range(2)])
    large.seal()
    flip(large.folder / "bodies" / f"{PER_FILE:012d}.jsonl", 50)
    assert not verify(large.folder, VKEY, resume=kept).sound
    assert kept.read_bytes() == before


def test_a_check_that_breaks_off_forgets_nothing_that_was_seen(tmp_path: Path) -> None:
    ours, other, kept = Log(tmp_path / "a"), Log(tmp_path / "b"), tmp_path / "checked"
    grown(ours, 10)
    grown(other, 12)
    assert verify(ours.folder, VKEY, resume=kept).sound
    mixed = Path(shutil.copytree(other.folder, tmp_path / "mixed"))
    leaves = (ours.folder / "log/tile/0/000.p/10").read_bytes()
    tile = mixed / "log/tile/0/000.p/12"
    tile.write_bytes(leaves + tile.read_bytes()[len(leaves) :])

    def break_off(done: int, size: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        verify(mixed, VKEY, break_off, resume=kept)
    assert "had another root" in str(verify(other.folder, VKEY, resume=kept))


def test_a_check_that_was_broken_off_goes_on_where_it_was(large: Log, tmp_path: Path) -> None:
    kept = tmp_path / "checked"

    def break_off(done: int, size: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        verify(large.folder, VKEY, break_off, resume=kept)
    assert verify(large.folder, VKEY, resume=kept).checked_before == PER_FILE


def test_blocks_compared_once_are_compared_again_only_when_they_change(large: Log, tmp_path: Path) -> None:
    kept, block = tmp_path / "checked", Block(0, 4096)
    made = make(large.folder, block, LARGE, lambda made: None)
    said = {"block": block.name, "sha256": made.sha256}
    large.put([make_record("segment.sealed", START, "sealer", said)])
    large.seal()
    assert verify(large.folder, VKEY, resume=kept).sound
    assert load(kept).known.compared == {block.name: made.sha256}  # type: ignore[union-attr]
    assert verify(large.folder, VKEY, resume=kept).sound
    flip(block.path(large.folder), 5000)
    assert "not as the log knows it" in str(verify(large.folder, VKEY, resume=kept))


def test_what_a_running_sealer_writes_is_no_leftover(sealed: Log) -> None:
    append_body(sealed.folder)
    sealer = sealed.sealer()
    append_body(sealed.folder)
    try:
        assert sealed.verify().sound
        path = sealed.folder / "bodies" / "000000000000.jsonl"
        os.utime(path, (1, 1))  # no step takes that long
        assert "20 bytes behind the last body" not in str(sealed.verify())
        assert "10 bytes behind the last body" in str(sealed.verify())
    finally:
        sealer.close()
    sealed.seal()
