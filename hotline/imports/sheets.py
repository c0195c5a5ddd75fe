"""Reads tables that people hand in: CSV in UTF-8 or GB 18030, and XLSX; bounded, whatever they claim to be.

A workbook is a zip archive: what it would unpack to is looked at before anything is unpacked, and the size
that a sheet declares is not believed.
"""

from __future__ import annotations

import csv
import io
import re
import warnings
import zipfile
import zlib
from collections.abc import Iterator
from datetime import date, datetime, time
from typing import Any

from core.archives import lists_more_than
from core.errors import Invalid, invalid
from hotline.imports.model import LONGEST_CELL, MOST_COLUMNS, MOST_ROWS

MOST_ENTRIES = 500
MOST_UNPACKED = 150 * 1024 * 1024
MOST_RATIO = 200
"""How much smaller than its content a part of a workbook may be; ordinary sheets stay under 40."""
MOST_TEXTS, MOST_CELLS = 400_000, 1_500_000
"""Texts and cells of a workbook: each costs its reader far more time than the bytes in which it is packed."""
MOST_BLANK = 100_000
"""Rows without a word that are skipped before a sheet is taken for endless."""
_ZIP = b"PK\x03\x04"
_DELIMITERS = ",;\t"
_TEXT, _CELL = re.compile(rb"<(?:\w+:)?si[\s>/]"), re.compile(rb"<(?:\w+:)?c[\s>/]")

Cells = tuple[int, list[str]]
"""A row's number, as a spreadsheet counts, and its cells without the blanks around them."""


def format_of(content: bytes) -> str:
    """Return what a file is by its content: xlsx or csv. Raises Invalid for what is neither."""
    if content.startswith(_ZIP):
        return "xlsx"
    if not content.strip():
        raise _unreadable("文件是空的", "the file is empty")
    if b"\0" in content or content.startswith(b"%PDF-") or content.startswith(b"\xd0\xcf\x11\xe0"):
        raise _unreadable("只接受 CSV 或 XLSX 文件", "must be a CSV or XLSX file")
    return "csv"


def read_table(content: bytes) -> Iterator[Cells]:
    """Yield the rows of a table that hold a word, header first.

    Raises Invalid when the file cannot be read, or has too many rows or columns or too long a cell.
    """
    raw = _xlsx(content) if format_of(content) == "xlsx" else _csv(content)
    seen = 0
    for number, cells in raw:
        if not any(cells):
            continue
        seen += 1
        if seen > MOST_ROWS + 1:
            raise _unreadable(f"最多 {MOST_ROWS} 行", f"at most {MOST_ROWS} rows")
        yield number, _bounded(number, cells)


def _bounded(number: int, cells: list[str]) -> list[str]:
    while cells and not cells[-1]:
        cells.pop()
    if len(cells) > MOST_COLUMNS:
        raise _unreadable(
            f"第 {number} 行超过 {MOST_COLUMNS} 列", f"row {number} has over {MOST_COLUMNS} columns"
        )
    if any(len(cell) > LONGEST_CELL for cell in cells):
        raise _unreadable(
            f"第 {number} 行有单元格超过 {LONGEST_CELL} 字",
            f"a cell of row {number} has over {LONGEST_CELL} characters",
        )
    return cells


# --- CSV ------------------------------------------------------------------------------------------


def _csv(content: bytes) -> Iterator[Cells]:
    text = _decoded(content)
    first = text.partition("\n")[0]
    delimiter = max(_DELIMITERS, key=first.count)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    try:
        for cells in reader:
            yield reader.line_num, [cell.strip() for cell in cells]
    except csv.Error as wrong:
        raise _unreadable(
            f"第 {reader.line_num} 行不是有效的 CSV", f"line {reader.line_num} is no valid CSV"
        ) from wrong


def _decoded(content: bytes) -> str:
    for encoding in ("utf-8-sig", "gb18030"):
        try:
            return content.decode(encoding)
        except UnicodeDecodeError:
            continue
    raise _unreadable("编码应为 UTF-8 或 GB 18030", "the encoding must be UTF-8 or GB 18030")


# --- XLSX -----------------------------------------------------------------------------------------


def _xlsx(content: bytes) -> Iterator[Cells]:
    """Yield the rows of the first sheet, its values as they were last calculated."""
    _check_archive(content)
    from openpyxl import load_workbook

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about styles and extensions that nothing here reads
            book = load_workbook(io.BytesIO(content), read_only=True, data_only=True, keep_links=False)
            yield from _sheet_rows(book)
    except Invalid:
        raise
    except Exception as wrong:  # a damaged workbook raises whatever its reader trips over
        raise _unreadable("不是有效的 XLSX 文件", "not a valid XLSX file") from wrong


def _sheet_rows(book: Any) -> Iterator[Cells]:
    sheet = book.worksheets[0]
    sheet.reset_dimensions()  # the size that the file declares may be anything
    for number, values in enumerate(sheet.iter_rows(max_col=MOST_COLUMNS + 1, values_only=True), start=1):
        if number > MOST_ROWS + MOST_BLANK:
            raise _unreadable("工作表行数过多", "the sheet has too many rows")
        yield number, [_word(value) for value in values]


def _check_archive(content: bytes) -> None:
    """Refuse an archive that would unpack to more than a table of our size needs. Raises Invalid."""
    if lists_more_than(content, MOST_ENTRIES):
        raise _unreadable("XLSX 解压后过大", "the XLSX file unpacks to too much", "too_large")
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            parts = archive.infolist()
    except (zipfile.BadZipFile, ValueError, NotImplementedError, OSError) as wrong:
        raise _unreadable("不是有效的 XLSX 文件", "not a valid XLSX file") from wrong
    if not any(part.filename == "xl/workbook.xml" for part in parts):
        raise _unreadable("不是有效的 XLSX 文件", "not a valid XLSX file")
    swollen = any(
        p.file_size > 1024 * 1024 and p.file_size > MOST_RATIO * max(p.compress_size, 1) for p in parts
    )
    if swollen or sum(p.file_size for p in parts) > MOST_UNPACKED:
        raise _unreadable("XLSX 解压后过大", "the XLSX file unpacks to too much", "too_large")
    if any(part.flag_bits & 1 for part in parts):
        raise _unreadable("XLSX 文件已加密", "the XLSX file is encrypted")
    _check_numbers(content)


def _check_numbers(content: bytes) -> None:
    """Refuse a workbook of more texts or cells than a table of our size has. Raises Invalid."""
    texts = cells = 0
    for piece in _unpacked(content):
        texts += len(_TEXT.findall(piece))
        cells += len(_CELL.findall(piece))
        if texts > MOST_TEXTS or cells > MOST_CELLS:
            raise _unreadable("XLSX 的单元格过多", "the XLSX file has too many cells", "too_large")


def _unpacked(content: bytes) -> Iterator[bytes]:
    """Yield every part of an archive piece by piece, whatever the parts are called."""
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            for part in archive.infolist():
                with archive.open(part) as file:
                    while piece := file.read(1024 * 1024):
                        yield piece
    except (zipfile.BadZipFile, zlib.error, ValueError, NotImplementedError, OSError, EOFError) as wrong:
        raise _unreadable("不是有效的 XLSX 文件", "not a valid XLSX file") from wrong


def _word(value: Any) -> str:
    """Return a cell as a person reads it: a number without a fraction has no point, a day has no midnight."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e16:
        return str(int(value))
    if isinstance(value, datetime):
        return value.isoformat(sep=" ", timespec="seconds").removesuffix(" 00:00:00")
    if isinstance(value, date | time):
        return value.isoformat()
    return str(value).strip()


def _unreadable(zh: str, en: str, code: str = "format") -> Invalid:
    return invalid("/file", zh, en, code=code)
