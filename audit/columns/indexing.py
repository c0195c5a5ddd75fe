"""Making the index of a block from its rows: the same rows give the same index, bit for bit."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from audit.columns.index import CODED, NULL, Directory, Group, Numbers, checksum, spelled
from audit.columns.pruning import passes_over_rightly

MANY = 16_384
"""A column with more values than this in a block has checksums."""
_ID = 36
_DASHES = (8, 13, 18, 23)
_DIGITS = [i for i in range(_ID) if i not in _DASHES]
_NO_DIGIT = 255
_VALUES = np.full(256, _NO_DIGIT, np.uint8)
_VALUES[np.frombuffer(b"0123456789abcdef", np.uint8)] = range(16)
_ALL_ONES = 0xFFFFFFFF
_STEP = np.array([zlib.crc32(bytes([i]), _ALL_ONES) ^ _ALL_ONES for i in range(256)], np.uint32)
"""What a byte does to a CRC-32."""
_NOBODY = "0" * 8 + "-0000-0000-0000-" + "0" * 12


class Unindexed(ValueError):
    """A row has an id that is no UUID: its block has no index, and searches read its rows."""


class Indexing:
    """The index of one block, while its row groups go by."""

    def __init__(self, first: int) -> None:
        """`first` is the log index that the block begins at."""
        self._first = first
        self._groups: list[Group] = []
        self._parts: dict[str, list[Numbers]] = {}
        self._codes = {name: _Codes() for name in CODED}
        self._rows = 0

    def add(self, rows: pa.Table) -> None:
        """Take the next row group in. Raises Unindexed."""
        ids = _ids_of(rows.column("id"))
        self._groups.append(_group_of(*ids))
        self._keep("id.upper", ids[0])
        self._keep("id.lower", ids[1])
        self._keep("log_index", _numbers(rows.column("log_index")) - self._first)
        for name in ("offset", "length"):
            self._keep(name, _numbers(rows.column(name)))
        for name, codes in self._codes.items():
            codes.add(rows.column(name))
        self._add_several(rows.column("several"))
        self._rows += rows.num_rows

    @property
    def is_empty(self) -> bool:
        """Whether no row went by."""
        return not self._groups

    def _keep(self, name: str, numbers: Numbers) -> None:
        self._parts.setdefault(name, []).append(numbers)

    def _add_several(self, texts: pa.ChunkedArray) -> None:
        """Note each of the people whom a row names together."""
        few = pc.indices_nonzero(pc.is_valid(texts))
        named = [
            (self._rows + row, checksum(person))
            for row, text in zip(few.to_pylist(), texts.take(few).to_pylist(), strict=True)
            for person in text.split(",")
        ]
        both = np.array(named, np.uint32).reshape(-1, 2)
        self._keep("several.row", both[:, 0])
        self._keep("several.person", both[:, 1])

    def finish(self, at: int, write: Callable[[bytes], object]) -> bytes:
        """Write the index to where the file is `at`, and return what its footer has to say of it."""
        parts: dict[str, tuple[int, str, int]] = {}
        for name, numbers in self._whole():
            raw = numbers.tobytes()
            parts[name] = at, numbers.dtype.str, len(numbers)
            at += len(raw)
            write(raw)
        return Directory(tuple(self._groups), parts, self._first).text()

    def _whole(self) -> Iterator[tuple[str, Numbers]]:
        for name, some in self._parts.items():
            numbers = np.concatenate(some)
            if name.startswith("id."):
                yield name, numbers
            elif name != "log_index" or not np.array_equal(numbers, np.arange(self._rows)):
                yield name, _narrow(numbers)
        for name, codes in self._codes.items():
            yield from codes.whole(name)


class _Codes:
    """The numbers of one column."""

    def __init__(self) -> None:
        self._known: dict[str, int] = {}
        self._is_many = False
        self._codes: list[Numbers] = []

    def add(self, texts: pa.ChunkedArray) -> None:
        """Take the next rows in."""
        encoded = None if self._is_many else texts.combine_chunks().dictionary_encode()
        if encoded is not None:
            for value in encoded.dictionary.to_pylist():
                self._known.setdefault(value, len(self._known) + 1)
            if len(self._known) > MANY:
                self._change()
        if encoded is None or self._is_many:
            self._codes.append(checksums(texts))
            return
        table = np.array([NULL, *map(self._known.__getitem__, encoded.dictionary.to_pylist())], np.uint32)
        self._codes.append(table[_numbers(pc.fill_null(encoded.indices, -1)) + 1])

    def _change(self) -> None:
        """Go over to checksums: there are too many values."""
        self._is_many = True
        table = np.array([NULL, *map(checksum, self._known)], np.uint32)
        self._codes = [table[codes] for codes in self._codes]

    def whole(self, name: str) -> Iterator[tuple[str, Numbers]]:
        """Yield the parts of the column; no numbers where they are the same in every row."""
        codes = np.concatenate(self._codes)
        if self._is_many:
            yield f"code.{name}", codes
            return
        yield f"values.{name}", np.frombuffer(orjson.dumps(list(self._known)), np.uint8)
        if self._known and (len(self._known) > 1 or not codes.all()):
            yield f"code.{name}", _narrow(codes)


def index_fits(path: Path, first: int, directory: Directory | None) -> bool:
    """Tell whether a block's file is looked through by what its rows give: by its index, and by its footer.

    Raises OSError, and ValueError when the file is none of Parquet's.
    """
    with path.open("rb") as raw, pq.ParquetFile(path) as file:
        made: Indexing | None = Indexing(first)
        for group, said in enumerate(map(file.metadata.row_group, range(file.num_row_groups))):
            rows = file.read_row_group(group, use_threads=False)
            if not passes_over_rightly(raw, said, rows):
                return False
            made = _with(made, rows)
        return _is_that_of(raw, directory, None if made is None or made.is_empty else made)


def _with(made: Indexing | None, rows: pa.Table) -> Indexing | None:
    """Take a row group into an index; None where its rows give none."""
    with suppress(Unindexed):
        if made is not None:
            made.add(rows)
            return made
    return None


def _is_that_of(file: BinaryIO, directory: Directory | None, made: Indexing | None) -> bool:
    """Tell whether the index in a block's file is this one."""
    if made is None or directory is None:
        return made is None and directory is None
    at, raw = min(at for at, *_ in directory.parts.values()), list[bytes]()
    if Directory.parse(made.finish(at, raw.append)) != directory:
        return False
    file.seek(at)
    return all(file.read(len(piece)) == piece for piece in raw)


def checksums(texts: pa.ChunkedArray) -> Numbers:
    """Return `checksum` of each text, NULL for none: byte by byte, of all texts of one length at a time."""
    whole = pc.fill_null(texts, "").combine_chunks()
    places = np.frombuffer(whole.buffers()[1], np.int32)[whole.offset :][: len(whole) + 1]
    raw = np.frombuffer(whole.buffers()[2] or b"", np.uint8)
    lengths, found = np.diff(places), np.zeros(len(whole), np.uint32)
    for length in np.unique(lengths).tolist():
        rows = np.flatnonzero(lengths == length)
        sums = np.full(len(rows), _ALL_ONES, np.uint32)
        for at in range(length):
            sums = _STEP[(sums & 0xFF) ^ raw[places[rows] + at]] ^ (sums >> 8)
        found[rows] = np.maximum(~sums, 1)
    found[_numbers(pc.is_null(texts))] = NULL
    return found


# --- numbers --------------------------------------------------------------------------------------


def _numbers(column: Any) -> Numbers:
    found: Numbers = column.to_numpy() if isinstance(column, pa.ChunkedArray) else column.to_numpy(False)
    return found


def _narrow(numbers: Numbers) -> Numbers:
    """Return whole numbers in the least space that holds them all."""
    most = int(numbers.max()) if len(numbers) else 0
    kind = next(kind for kind in ("u1", "<u2", "<u4", "<u8") if most < 1 << 8 * np.dtype(kind).itemsize)
    return numbers.astype(kind)


def _ids_of(texts: pa.ChunkedArray) -> tuple[Numbers, Numbers]:
    """Return the upper and the lower halves of ids, both 0 where there is none. Raises Unindexed."""
    whole = pc.fill_null(texts, _NOBODY).combine_chunks()
    if len(whole) and pc.min_max(pc.binary_length(whole)).as_py() != {"min": _ID, "max": _ID}:
        raise Unindexed("an id is no UUID")
    raw = np.frombuffer(whole.buffers()[2] or b"", np.uint8)
    letters = raw[whole.offset * _ID :][: len(whole) * _ID].reshape(-1, _ID)
    digits = _VALUES[letters[:, _DIGITS]]
    if (digits == _NO_DIGIT).any() or (letters[:, _DASHES] != ord("-")).any():
        raise Unindexed("an id is not spelled as a UUID")
    octets = np.ascontiguousarray(digits[:, ::2] << 4 | digits[:, 1::2])
    halves = octets.view(">u8").astype("<u8")
    upper, lower = halves[:, 0].copy(), halves[:, 1].copy()
    if np.count_nonzero(upper | lower) != len(texts) - texts.null_count:
        raise Unindexed("an id is the one that stands for none")
    return upper, lower


def _group_of(upper: Numbers, lower: Numbers) -> Group:
    rows, some = len(upper), (upper | lower) != 0
    if not some.any():
        return Group(rows, None, None)
    upper, lower = upper[some], lower[some]
    ends = []
    for extreme in (np.min, np.max):
        half = extreme(upper)
        ends.append(spelled(int(half) << 64 | int(extreme(lower[upper == half]))))
    return Group(rows, *ends)
