"""Reads a provider's files: CSV and JSON lines row by row, of others only that they are there and how old.

A file is opened by its name inside the folder, and never through a link. CSV has one header line with the
attributes' names; it may be UTF-8 (with or without a mark) or GB 18030, which is told from the whole content.
"""

from __future__ import annotations

import codecs
import csv
import os
import stat
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from fnmatch import fnmatchcase
from io import StringIO
from typing import Any, BinaryIO

import orjson
import pyarrow as pa
import pyarrow.csv as arrow_csv

from catalog.quality.sources import Piece, Source, Unreadable, pieces_of
from core.settings import Connection

FILES_MOST = 1_000
HEADER_BYTES = 256 * 1024
LINE_BYTES = 16 * 1024 * 1024
BLOCK = 4 * 1024 * 1024
_LINES = (".jsonl", ".ndjson")


def file_sources(
    connection: Connection, detail: Mapping[str, Any], names: Sequence[str]
) -> Generator[Source]:
    """Yield the files of a distribution in the order of their names, each opened while it is looked at."""
    folder = str(connection.folder)
    try:
        listed = sorted(entry.name for entry in os.scandir(folder))
    except OSError:
        yield _faulty("", Unreadable("文件夹无法读取", "the folder cannot be read"))
        return
    matched = [n for n in listed if not n.startswith(".") and any(fnmatchcase(n, p) for p in detail["files"])]
    for name in matched[:FILES_MOST]:
        yield from _file(folder, name, names)
    if not matched:
        yield _faulty("", Unreadable("没有符合名称的文件", "no file has one of the names"))


def _faulty(name: str, why: Unreadable) -> Source:
    return Source(name, (), fault=why.reason)


def _file(folder: str, name: str, names: Sequence[str]) -> Iterator[Source]:
    try:
        with os.fdopen(_open(folder, name), "rb") as file:
            yield _source(name, file, names)
    except OSError:
        yield _faulty(name, Unreadable("文件无法打开", "the file cannot be opened"))


def _open(folder: str, name: str) -> int:
    place = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fd = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=place)
    finally:
        os.close(place)
    if not stat.S_ISREG(os.fstat(fd).st_mode):
        os.close(fd)
        raise OSError("not a plain file")
    return fd


def _source(name: str, file: BinaryIO, names: Sequence[str]) -> Source:
    info = os.fstat(file.fileno())
    source = Source(name, (), bytes=info.st_size, modified=datetime.fromtimestamp(info.st_mtime, UTC))
    if info.st_size == 0:
        source.fault = Unreadable("文件是空的", "the file is empty").reason
        return source
    try:
        if name.lower().endswith(".csv"):
            _csv(source, file, names)
        elif name.lower().endswith(_LINES):
            _json_lines(source, file, names)
        else:
            source.read = False
    except Unreadable as why:
        source.fault = why.reason
    return source


# --- CSV ------------------------------------------------------------------------------------------


def _csv(source: Source, file: BinaryIO, names: Sequence[str]) -> None:
    source.encoding = _encoding(file)
    header = _header(file, source.encoding)
    repeated = next((name for name in header if name in names and header.count(name) > 1), None)
    if repeated is not None:
        raise Unreadable(f"列名“{repeated}”出现多次", f"the column {repeated!r} is there more than once")
    source.columns = tuple(i for i, name in enumerate(names) if name in header)
    source.pieces = _csv_pieces(source, file, header, names)


def _encoding(file: BinaryIO) -> str:
    """Return the encoding in which the whole file can be read."""
    for name in ("utf-8-sig", "gb18030"):
        decoder = codecs.getincrementaldecoder(name)()
        file.seek(0)
        with suppress(UnicodeDecodeError):
            while block := file.read(BLOCK):
                decoder.decode(block)
            decoder.decode(b"", final=True)
            return name
    raise Unreadable("编码既不是 UTF-8 也不是 GB 18030", "the encoding is neither UTF-8 nor GB 18030")


def _header(file: BinaryIO, encoding: str) -> list[str]:
    file.seek(0)
    text = codecs.getincrementaldecoder(encoding)().decode(file.read(HEADER_BYTES))
    with suppress(csv.Error):
        return [name.strip() for name in next(csv.reader(StringIO(text, newline="")), [])]
    raise Unreadable("首行不是列名", "the first line holds no column names")


def _csv_pieces(source: Source, file: BinaryIO, header: list[str], names: Sequence[str]) -> Iterator[Piece]:
    def malformed(_row: Any) -> str:
        source.malformed += 1
        return "skip"

    file.seek(0)
    unique = [f"{i}" for i in range(len(header))]  # names that occur twice, or hold anything
    place = {name: unique[i] for i, name in enumerate(header)}
    wanted = [place[names[i]] for i in source.columns]
    encoding = "utf8" if source.encoding == "utf-8-sig" else source.encoding
    first = 1
    try:
        reader = arrow_csv.open_csv(
            file,
            arrow_csv.ReadOptions(
                encoding=encoding,
                column_names=unique,
                skip_rows_after_names=1,
                block_size=BLOCK,
            ),
            arrow_csv.ParseOptions(newlines_in_values=True, invalid_row_handler=malformed),
            arrow_csv.ConvertOptions(include_columns=wanted, column_types=dict.fromkeys(unique, pa.string())),
        )
        for batch in reader:
            columns = dict(zip(source.columns, batch.columns, strict=True))
            yield Piece(first, batch.num_rows, columns)
            first += batch.num_rows
    except (pa.ArrowException, UnicodeError, OSError):  # what it says quotes the row
        raise Unreadable("文件内容不是有效的 CSV", "the file is not valid CSV") from None


# --- JSON lines -----------------------------------------------------------------------------------


def _json_lines(source: Source, file: BinaryIO, names: Sequence[str]) -> None:
    """An attribute has a column when some row of the first thousand names it."""
    source.encoding = "utf-8"
    file.seek(0)
    seen: set[str] = set()
    for _, row in zip(range(1000), _objects(Source("", ()), file), strict=False):
        seen |= row.keys()
    source.columns = tuple(i for i, name in enumerate(names) if name in seen)
    file.seek(0)
    values = ([row.get(names[i]) for i in source.columns] for row in _objects(source, file))
    source.pieces = pieces_of(values, source.columns)


def _objects(source: Source, file: BinaryIO) -> Iterator[dict[str, Any]]:
    while line := file.readline(LINE_BYTES):
        if not line.strip():
            continue
        try:
            row = orjson.loads(line)
        except orjson.JSONDecodeError:
            row = None
        if isinstance(row, dict):
            yield row
        else:
            source.malformed += 1
