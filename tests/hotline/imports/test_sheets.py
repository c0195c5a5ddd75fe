"""Tables as they come: encodings, workbooks, and what only looks like a table."""

from __future__ import annotations

import io
import zipfile
from contextlib import suppress
from datetime import datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from openpyxl import Workbook

from core.errors import Invalid
from hotline.imports.model import LONGEST_CELL, MOST_COLUMNS, MOST_ROWS
from hotline.imports.sheets import MOST_CELLS, MOST_TEXTS, read_table
from tests.hotline.imports.tables import csv_of, row, xlsx_of

pytestmark = pytest.mark.long


def refusal(content: bytes) -> str:
    with pytest.raises(Invalid) as wrong:
        list(read_table(content))
    assert [e.pointer for e in wrong.value.errors] == ["/file"]
    return wrong.value.message.zh


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gb18030"])
def test_a_table_is_read_in_the_encodings_that_spreadsheets_write(encoding: str) -> None:
    rows = list(read_table(csv_of([row(1), row(2)], encoding)))
    assert [number for number, _ in rows] == [1, 2, 3]
    assert rows[1][1] == row(1)


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_the_delimiter_is_the_one_of_the_header(delimiter: str) -> None:
    assert list(read_table(f"a{delimiter}b\n1{delimiter}2\n".encode())) == [(1, ["a", "b"]), (2, ["1", "2"])]


def test_a_cell_may_hold_lines_and_blank_rows_are_skipped() -> None:
    content = '来源编号,诉求内容\n,\nA-1,"第一行\n第二行"\n'.encode()
    assert list(read_table(content))[1] == (4, ["A-1", "第一行\n第二行"])


def test_a_workbook_gives_numbers_days_and_truth_as_people_read_them() -> None:
    at = datetime.fromisoformat("2026-02-10T08:30")
    cells = [13987654321.0, 1.5, at, at.date(), True, None, " x "]
    book = list(read_table(xlsx_of([cells])))
    assert book[1] == (
        2,
        ["13987654321", "1.5", "2026-02-10 08:30:00", "2026-02-10", "true", "", "x"],
    )


def test_a_formula_counts_as_what_it_last_came_to() -> None:
    assert list(read_table(xlsx_of([["=1+1", "x"]])))[1] == (2, ["", "x"])


def test_a_file_is_known_by_its_content() -> None:
    assert refusal(b"") == "文件是空的"
    assert refusal(b"%PDF-1.7 ...") == "只接受 CSV 或 XLSX 文件"
    assert refusal(b"\xd0\xcf\x11\xe0old excel") == "只接受 CSV 或 XLSX 文件"
    assert refusal(b"PK\x03\x04 not really") == "不是有效的 XLSX 文件"
    assert refusal(b"a,b\n\xff\xff\xff,2\n") == "编码应为 UTF-8 或 GB 18030"


def test_a_table_has_its_bounds() -> None:
    assert str(MOST_ROWS) in refusal(b"a\n" + b"x\n" * (MOST_ROWS + 1))
    assert str(MOST_COLUMNS) in refusal(("x," * MOST_COLUMNS + "x").encode())
    assert str(LONGEST_CELL) in refusal(b"x" * (LONGEST_CELL + 1))
    assert "CSV" in refusal(b'a,b\n"x"y,2\n')


def archive(parts: dict[str, bytes]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as made:
        for name, content in parts.items():
            made.writestr(name, content)
    return out.getvalue()


def test_a_workbook_that_would_swell_is_not_unpacked() -> None:
    bomb = archive({"xl/workbook.xml": b"<workbook/>", "xl/sharedStrings.xml": b"a" * 60_000_000})
    assert len(bomb) < 100_000
    assert refusal(bomb) == "XLSX 解压后过大"


@pytest.mark.parametrize(
    ("element", "times"), [(b"<si/>", MOST_TEXTS), (b"<x:si >", MOST_TEXTS), (b'<c r="A1">', MOST_CELLS)]
)
def test_a_workbook_of_endless_texts_or_cells_is_refused_before_it_is_read(
    element: bytes, times: int
) -> None:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as book:
        book.writestr("xl/workbook.xml", b"<workbook/>")
        book.writestr("xl/any.xml", element * (times + 1000))
    assert refusal(out.getvalue()) == "XLSX 的单元格过多"


def test_a_part_that_cannot_be_unpacked_is_refused() -> None:
    whole = archive({"xl/workbook.xml": b"<workbook/>" * 50})
    assert refusal(whole.replace(whole[60:70], b"\0" * 10)) == "不是有效的 XLSX 文件"


def test_a_table_with_a_nul_anywhere_is_none() -> None:
    assert refusal(csv_of([row(1)]) + b" " * 5000 + b"\0") == "只接受 CSV 或 XLSX 文件"


def test_an_archive_that_is_no_workbook_is_refused() -> None:
    assert refusal(archive({"a.txt": b"hello"})) == "不是有效的 XLSX 文件"
    assert refusal(archive({"xl/workbook.xml": b"<a>"})) == "不是有效的 XLSX 文件"


def test_entities_of_xml_are_not_expanded() -> None:
    plain = io.BytesIO(xlsx_of([["x"]]))
    with zipfile.ZipFile(plain) as book:
        parts = {name: book.read(name) for name in book.namelist()}
    entity = b'<!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;&a;">]>'
    sheet = parts["xl/worksheets/sheet1.xml"]
    start = sheet.index(b"<worksheet")
    parts["xl/worksheets/sheet1.xml"] = sheet[:start] + entity + sheet[start:]
    assert refusal(archive(parts)) == "不是有效的 XLSX 文件"


def test_the_size_that_a_sheet_declares_is_not_believed() -> None:
    book = Workbook()
    assert book.active is not None
    book.active.append(["a"])
    out = io.BytesIO()
    book.save(out)
    with zipfile.ZipFile(out) as made:
        parts = {name: made.read(name) for name in made.namelist()}
    sheet = "xl/worksheets/sheet1.xml"
    parts[sheet] = parts[sheet].replace(b'ref="A1"', b'ref="A1:XFD1048576"')
    assert list(read_table(archive(parts))) == [(1, ["a"])]


@settings(max_examples=60)
@given(st.binary(max_size=200))
def test_whatever_is_handed_in_is_read_or_refused(content: bytes) -> None:
    with suppress(Invalid):
        assert all(any(cells) for _, cells in read_table(content))
