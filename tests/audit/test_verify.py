"""Whatever is changed in the folder, the check names it."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from audit.merkle import leaf_hash
from audit.note import BadNote, NoteSigner
from audit.tiles import decode_bundle, encode_bundle
from audit.verify import verify
from tests.audit.logs import ORIGIN, VKEY, Log, access

SIZE = 600


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


def remove_all_bodies(folder: Path) -> None:
    (folder / "bodies" / "000000000000.jsonl").unlink()


def rewrite_bundle(change: Callable[[list[bytes]], None]) -> Callable[[Path], None]:
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


def at(name: str, place: int = 100) -> Callable[[Path], None]:
    return lambda folder: flip(folder / name, place)


def remove(name: str) -> Callable[[Path], None]:
    return lambda folder: (folder / name).unlink()


def cut(name: str, size: int) -> Callable[[Path], None]:
    return lambda folder: os.truncate(folder / name, size)


MATRIX: dict[str, tuple[Callable[[Path], None], str]] = {
    "an edited body": (edit_body, "the body does not fit its envelope (record 17)"),
    "a removed body": (remove_body, "the body does not fit its envelope (records 500 to 598)"),
    "a removed body, at the end": (remove_body, "the body is missing (record 599)"),
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
    assert seen == [(256, 600), (512, 600), (600, 600)]
    assert sealed.verify().size == 900
