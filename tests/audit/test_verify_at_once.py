"""With hashes made by the thousand a check finds what it finds without, whatever was done to the log."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from audit import verify as verifying
from audit import verify_at_once, verify_records
from audit.bodies import erased_line
from audit.hashing import Bytes, Hasher, hasher
from audit.keeping.kinds import body_erased, pruned
from audit.merkle import leaf_hash, root_of_tile
from audit.record import Record, make_record
from audit.tiles import decode_bundle, encode_bundle
from audit.verify_at_once import check_at_once
from audit.verify_records import Stretch, check_stretch
from core.text import Text
from tests.audit.logs import START, Log, access
from tests.tools import need

SIZE = 3 * 256 + 20
BODIES = "bodies/000000000000.jsonl"
FILES = (
    BODIES,
    *(f"log/tile/{level}/{i:03d}" for level in ("entries", "0") for i in range(3)),
    *("log/tile/entries/003.p/20", "log/tile/0/003.p/20", "log/tile/1/000.p/3"),
)
UNTOUCHED: dict[str, bytes] = {}


def record(number: int) -> Record:
    """One like the others in the first tile; then some of other lengths and kinds, and some that tell."""
    if number < 256:
        return access(status=200 + number % 3)
    told: dict[int, Record] = {
        530: body_erased(40, None, "decision-1", "basis", START),
        520: make_record("journal.gap", START, "sealer", {"journal": "w"}),
        780: pruned(0, 1, "00" * 32, Text("办法", "rule"), START, START),
    }
    usual = make_record(("token.issued", "ticket.rated", "access")[number % 3], START, "w" * (number % 5), {})
    return told.get(number, usual)


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Log:
    need("datafusion")
    made = Log(tmp_path_factory.mktemp("at-once") / "audit")
    made.put([record(number) for number in range(SIZE)])
    made.seal()
    made.database.close()
    UNTOUCHED.update({name: (made.folder / name).read_bytes() for name in FILES})
    return made


@pytest.fixture
def folder(log: Log) -> Iterator[Path]:
    yield log.folder
    put_back(log.folder)


def put_back(folder: Path) -> None:
    for name, content in UNTOUCHED.items():
        (folder / name).write_bytes(content)


def found(check: Callable[[Path, int, int], Stretch], folder: Path, size: int) -> Stretch | str:
    try:
        return check(folder, 0, size)
    except ValueError as wrong:  # a record that tells what nobody can read
        return repr(wrong)


# --- what is done to a log --------------------------------------------------------------------------

Tampering = Callable[[Path], object]
places = st.integers(0, 10**6)


def flip(name: str, place: int, bit: int) -> Tampering:
    def flipped(folder: Path) -> None:
        raw = bytearray((folder / name).read_bytes())
        if raw:
            raw[place % len(raw)] ^= 1 << bit
        (folder / name).write_bytes(raw)

    return flipped


def cut(name: str, place: int) -> Tampering:
    def cut_off(folder: Path) -> None:
        raw = (folder / name).read_bytes()
        (folder / name).write_bytes(raw[: place % (len(raw) + 1)])

    return cut_off


LINES: tuple[Callable[[list[bytes], int], object], ...] = (
    lambda lines, at: lines.pop(at),
    lambda lines, at: lines.insert(at, lines[at]),
    lambda lines, at: lines.__setitem__(at, lines[at - 1]),
    lambda lines, at: lines.__setitem__(slice(at, at + 2), lines[at : at + 2][::-1]),
    lambda lines, at: lines.__setitem__(at, b"{}\n"),
    lambda lines, at: lines.__setitem__(at, erased_line(max(60, len(lines[at]) - 1), "0" * 36) + b"\n"),
    lambda lines, at: lines.append(b'{"k":"a line too many"}\n'),
    lambda lines, at: lines.append(b"no line feed"),
    lambda lines, at: lines.append(lines.pop()[:-1] + b"x"),
)
ENTRIES: tuple[Callable[[bytes], bytes], ...] = (
    lambda entry: entry[:57],
    lambda entry: entry[:57] + b"s",
    lambda entry: entry[:57] + b'token","s":"w","t":1}',
    lambda entry: entry[:57] + b'timestamp","s":"w","t":1}',
    lambda entry: entry[:57] + b'token","s":"w","t":1,"b":"' + b"A" * 43 + b'="}',
    lambda entry: entry[:57] + b'token","s":"w","t":1,"b":1}',
    lambda entry: entry[:57] + b'token","s":"w","t":1,"k":["segment.sealed"]}',
    lambda entry: entry.replace(b"=", b"A"),
    lambda entry: entry + b" " * 300,
    lambda entry: b"",
)


def rewritten_line(change: int, at: int) -> Tampering:
    def rewrite(folder: Path) -> None:
        lines = (folder / BODIES).read_bytes().splitlines(keepends=True)
        if lines:
            LINES[change](lines, at % len(lines))
        (folder / BODIES).write_bytes(b"".join(lines))

    return rewrite


def rewritten_entry(change: int, tile: int, at: int, is_hidden: bool) -> Tampering:
    """Change an entry, and where it is to be hidden the hashes above it too."""

    def rewrite(folder: Path) -> None:
        name = f"log/tile/entries/{tile:03d}"
        entries = decode_bundle(UNTOUCHED[name])
        entries[at % 256] = ENTRIES[change](entries[at % 256])
        (folder / name).write_bytes(encode_bundle(entries))
        if is_hidden:
            leaves = b"".join(map(leaf_hash, entries))
            (folder / f"log/tile/0/{tile:03d}").write_bytes(leaves)
            above = bytearray(UNTOUCHED[FILES[-1]])
            above[32 * tile : 32 * tile + 32] = root_of_tile(leaves)
            (folder / FILES[-1]).write_bytes(above)

    return rewrite


tamperings = st.one_of(
    st.builds(flip, st.sampled_from(FILES), places, st.integers(0, 7)),
    st.builds(cut, st.sampled_from(FILES), places),
    st.builds(rewritten_line, st.integers(0, len(LINES) - 1), places),
    st.builds(rewritten_entry, st.integers(0, len(ENTRIES) - 1), st.integers(0, 2), places, st.booleans()),
)


@given(st.lists(tamperings, max_size=4), st.sampled_from((SIZE, 600, 512)))
@settings(max_examples=60, deadline=None)
def test_both_ways_find_the_same(log: Log, done: list[Tampering], size: int) -> None:
    try:
        for tamper in done:
            tamper(log.folder)
        assert found(check_at_once, log.folder, size) == found(check_stretch, log.folder, size)
    finally:
        put_back(log.folder)


@pytest.mark.parametrize("change", range(len(ENTRIES)))
@pytest.mark.parametrize("tile", [0, 2])
def test_an_entry_that_was_rewritten_with_its_hashes_is_judged_alike(
    folder: Path, change: int, tile: int
) -> None:
    for at in (7, 255):
        rewritten_entry(change, tile, at, is_hidden=True)(folder)
        assert found(check_at_once, folder, SIZE) == found(check_stretch, folder, SIZE)


@pytest.mark.parametrize("place", [0, 1])
def test_a_length_in_a_bundle_is_judged_alike(folder: Path, place: int) -> None:
    step = len(UNTOUCHED[FILES[1]]) // 256
    for entry in (0, 5, 255):
        put_back(folder)
        flip(FILES[1], entry * step + place, 0)(folder)
        assert found(check_at_once, folder, SIZE) == found(check_stretch, folder, SIZE)


def test_an_entry_in_the_bundle_beside_its_own_is_judged_alike(folder: Path) -> None:
    before, behind = (decode_bundle(UNTOUCHED[name]) for name in FILES[1:3])
    (folder / FILES[1]).write_bytes(encode_bundle(before[:-1]))
    (folder / FILES[2]).write_bytes(encode_bundle([before[-1], *behind]))
    assert found(check_at_once, folder, SIZE) == found(check_stretch, folder, SIZE)


@pytest.mark.parametrize("change", range(len(LINES)))
@pytest.mark.parametrize("lines", [768, SIZE])
def test_a_full_file_of_bodies_is_judged_alike(
    folder: Path, change: int, lines: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (verify_at_once, verify_records):
        monkeypatch.setattr(module, "PER_FILE", 768)
    kept = UNTOUCHED[BODIES].splitlines(keepends=True)[:lines]
    for tamper in (None, rewritten_line(change, 700), rewritten_line(change, 767)):
        (folder / BODIES).write_bytes(b"".join(kept))
        if tamper is not None:
            tamper(folder)
        assert found(check_at_once, folder, SIZE) == found(check_stretch, folder, SIZE)


def test_files_that_are_missing_are_missed_alike(folder: Path) -> None:
    for name in FILES:
        (folder / name).unlink()
        assert found(check_at_once, folder, SIZE) == found(check_stretch, folder, SIZE)
        put_back(folder)


# --- who hashes -------------------------------------------------------------------------------------


class Watched(Hasher):
    """Counts the messages that it is given, and is wrong where there are so many columns of them."""

    def __init__(self, wrong_with: int = 0) -> None:
        super().__init__()
        self.messages = 0
        self._wrong_with = wrong_with

    def digests(self, *columns: pa.Array) -> list[Bytes]:
        """Return the digests, each bit of them turned where they are to be wrong."""
        self.messages += sum(map(len, columns))
        made = super().digests(*columns)
        return [np.invert(one) for one in made] if len(columns) == self._wrong_with else made


def test_all_full_tiles_are_hashed_at_once(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    watched = Watched()
    monkeypatch.setattr(verify_at_once, "hasher", lambda: watched)
    assert check_at_once(folder, 0, SIZE) == check_stretch(folder, 0, SIZE)
    assert watched.messages == 2 * 768 + 384 + 192 + 96 + 48 + 24


def test_a_library_that_hashes_wrongly_names_no_fault(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = check_stretch(folder, 0, SIZE)
    for columns in (1, 2):  # nodes are made in one column, bodies and leaves in two
        monkeypatch.setattr(verify_at_once, "hasher", partial(Watched, columns))
        assert check_at_once(folder, 0, SIZE) == expected
    assert not expected.wrong.found


def test_without_the_library_the_check_is_the_same(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = check_at_once(folder, 0, SIZE)
    monkeypatch.setitem(sys.modules, "datafusion", None)
    hasher.cache_clear()
    assert hasher() is None
    assert check_at_once(folder, 0, SIZE) == expected
    monkeypatch.undo()
    hasher.cache_clear()


def test_the_report_on_a_log_is_the_same(log: Log, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for tamper in (lambda _: None, rewritten_line(5, 530), flip(FILES[2], 50, 1), flip(FILES[5], 50, 1)):
        tamper(folder)
        monkeypatch.setattr(verifying, "AT_ONCE", 10**9)
        expected = log.verify()
        monkeypatch.setattr(verifying, "AT_ONCE", 1)
        assert log.verify() == expected
        put_back(folder)
