"""The table for spreadsheets: Chinese stays Chinese, and nothing in it is ever calculated."""

from __future__ import annotations

import csv
import io
from typing import Any

import pytest

from core.cells import safe
from core.periods import period_of
from supervision.sheets import sheet
from supervision.statistics import Wanted, read_statistics
from tests.cast import bob
from tests.stories import offered, submitted_application


def rows_of(text: str) -> list[list[str]]:
    return list(csv.reader(io.StringIO(text.removeprefix("\ufeff"))))


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠"])
def test_a_text_that_a_spreadsheet_would_calculate_gets_an_apostrophe(start: str) -> None:
    assert safe(f"{start}1+1") == f"'{start}1+1"


@pytest.mark.parametrize("cell", ["人口", "a=b", "", 3, -3, 1.5, None])
def test_every_other_cell_stays_as_it_is(cell: Any) -> None:
    assert safe(cell) == cell


def test_a_title_that_somebody_wrote_as_a_formula_does_no_harm(world: Any) -> None:
    offered(world, "divisions", title='=HYPERLINK("http://evil.example","点击")')
    with world.read(bob) as work:
        text = sheet(read_statistics(work, Wanted(period_of("month", world.now.date()))))
    assert text.startswith("\ufeff")
    cells = [cell for row in rows_of(text) for cell in row]
    assert any(cell.startswith("'=HYPERLINK") for cell in cells)
    assert not [cell for cell in cells if cell.startswith(("=", "+", "@"))]


def test_each_row_has_a_cell_for_each_figure(world: Any) -> None:
    submitted_application(world)
    with world.read(bob) as work:
        found = read_statistics(work, Wanted(period_of("month", world.now.date())))
    head, *rows = rows_of(sheet(found))
    assert {len(row) for row in rows} == {len(head)}
    assert len(set(head)) == len(head)
    submitted = head.index("授权办理·提交申请（件） submitted")
    scopes = {row[2]: row[submitted] for row in rows if row[submitted] == "1"}
    assert scopes == {"合计 total": "1", "部门 department": "1", "数据集 dataset": "1"}
