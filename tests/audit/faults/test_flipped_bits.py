"""A flipped bit in any file of the log, a file that is gone and files in each other's place are named."""

from __future__ import annotations

import hashlib
import random
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from audit.bodies import PER_FILE
from audit.columns.blocks import Block
from audit.columns.make import Made, make
from audit.record import make_record
from audit.verify import verify
from tests.audit.faults.story import seal_calls
from tests.audit.logs import SIGNER, START, VKEY, Log

pytestmark = [pytest.mark.long, pytest.mark.takes(24)]

SIZE = PER_FILE + 300
WIDTH = (SIZE + 2) % 256
"""Of the last partial tile; two records tell of other files."""
KINDS = {
    "a full file of bodies": "bodies/000000000000.jsonl",
    "the last bodies": f"bodies/{PER_FILE:012d}.jsonl",
    "a bundle": "log/tile/entries/007",
    "a partial bundle": f"log/tile/entries/065.p/{WIDTH}",
    "leaf hashes": "log/tile/0/007",
    "the last leaf hashes": f"log/tile/0/065.p/{WIDTH}",
    "a tile above": "log/tile/1/000.p/65",
    "the checkpoint": "log/checkpoint",
    "the cosigned checkpoint": "log/cosigned",
    "an anchor": "anchors/*.checkpoint",
    "a time stamp": "anchors/*.tsr",
    "a sealed block of columns": "columns/4096/000000000000.parquet",
    "a block of columns that is not sealed": "columns/4096/000000004096.parquet",
}
FLIPS = 6


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A log with every kind of file."""
    log = Log(tmp_path_factory.mktemp("flips") / "audit")
    seal_calls(log, SIZE)
    made: list[Made] = []
    for first in (0, 4096):
        make(log.folder, Block(first, 4096), SIZE, made.append)
    (log.folder / "anchors").mkdir()
    note = (log.folder / "log" / "checkpoint").read_bytes()
    (log.folder / "anchors" / f"{SIZE}.checkpoint").write_bytes(note)
    stamp = log.folder / "anchors" / f"{SIZE}.tsr"
    stamp.write_bytes(random.Random(1).randbytes(600))
    sealed = {"block": made[0].block.name, "first": 0, "last": 4095, "rows": 4096, "sha256": made[0].sha256}
    stamped = {"file": f"anchors/{SIZE}.tsr", "sha256": hashlib.sha256(stamp.read_bytes()).hexdigest()}
    log.put(
        [
            make_record("segment.sealed", START, "sealer", sealed),
            make_record("timestamp", START, "sealer", {"size": SIZE, **stamped}),
        ]
    )
    log.seal()
    (log.folder / "log" / "cosigned").write_bytes(note)
    assert log.verify().sound, str(log.verify())
    log.database.close()
    return log.folder


@pytest.fixture
def folder(template: Path, tmp_path: Path) -> Iterator[Path]:
    copied = tmp_path / "audit"
    shutil.copytree(template, copied)
    yield copied
    shutil.rmtree(copied)


@pytest.mark.parametrize("kind", KINDS)
def test_a_flipped_bit_and_a_cut_are_named(folder: Path, kind: str) -> None:
    (path,) = folder.glob(KINDS[kind])
    name = _name(kind)
    whole, chance = path.read_bytes(), random.Random(kind)
    for _ in range(FLIPS):
        at = chance.randrange(_signed(path, whole))
        broken = bytearray(whole)
        broken[at] ^= 1 << chance.randrange(8)
        path.write_bytes(broken)
        _is_named(folder, name, f"bit at {at}")
    path.write_bytes(whole[: chance.randrange(len(whole))])
    _is_named(folder, name, "cut")
    path.write_bytes(whole)
    assert verify(folder, VKEY).sound


@pytest.mark.parametrize("kind", sorted(KINDS.keys() - {"the cosigned checkpoint", "an anchor"}))
def test_a_file_that_is_gone_is_named(folder: Path, kind: str) -> None:
    (path,) = folder.glob(KINDS[kind])
    name = _name(kind)
    path.unlink()
    if "columns" in name:
        assert verify(folder, VKEY).sound  # it can be made again
    else:
        _is_named(folder, name, "gone")


SWAPPED = [
    ("bodies/000000000000.jsonl", f"bodies/{PER_FILE:012d}.jsonl"),
    ("log/tile/entries/007", "log/tile/entries/008"),
    ("log/tile/0/007", "log/tile/0/008"),
    ("log/tile/0/007", "log/tile/entries/007"),
    (f"log/tile/0/065.p/{WIDTH}", "log/tile/1/000.p/65"),
    ("columns/4096/000000000000.parquet", "columns/4096/000000004096.parquet"),
]


@pytest.mark.parametrize("names", SWAPPED, ids=" and ".join)
def test_two_files_that_changed_places_are_named(folder: Path, names: tuple[str, str]) -> None:
    here, there = (folder / name for name in names)
    one, other = here.read_bytes(), there.read_bytes()
    here.write_bytes(other)
    there.write_bytes(one)
    for name in names:
        _is_named(folder, name.removeprefix("log/"), "swapped")


def _name(kind: str) -> str:
    """Return how faults name a file, as far as it is known."""
    name = KINDS[kind].partition("*")[0]
    return name if name == "log/cosigned" else name.removeprefix("log/")


def _signed(path: Path, whole: bytes) -> int:
    """Return how much of a file matters: of a note the text and the line of the key that we have."""
    if path.name == "cosigned" or path.name.endswith("checkpoint"):
        return whole.index(b"\n", whole.index(SIGNER.name.encode(), whole.index(b"\n\n")))
    return len(whole)


def _is_named(folder: Path, name: str, what: str) -> None:
    report = verify(folder, VKEY)
    about = {name, name.replace("tile/0/", "tile/entries/"), name.replace("tile/entries/", "tile/0/")}
    assert any(str(fault.file).startswith(tuple(about)) for fault in report.faults), (what, str(report))
    for fault in report.faults:
        assert fault.first is None or 0 <= fault.first <= (fault.last or 0) < report.size
