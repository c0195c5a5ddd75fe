"""Statistics as a table to open in a spreadsheet: CSV in UTF-8 with a byte order mark (RFC 4180)."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator

from core.cells import MARK, Cell, safe
from core.times import local_iso
from supervision.figures import FAMILIES, UNITS, Figure
from supervision.statistics import Group, Statistics

SHEET_DATASETS = 10_000
"""The most datasets in one table."""


def sheet(found: Statistics) -> str:
    """Return one row for the whole, each department and each dataset; one column for each figure."""
    out = io.StringIO()
    out.write(MARK)
    writer = csv.writer(out)
    figures = [figure for family in found.families for figure in family.figures]
    writer.writerow([safe(cell) for cell in _head(figures)])
    writer.writerows([safe(cell) for cell in row] for row in _rows(found, figures))
    return out.getvalue()


def _head(figures: list[Figure]) -> list[Cell]:
    fixed = ["期间 period", "截至 as of", "范围 scope", "代码 code", "名称 name", "提供部门 provider"]
    return [*fixed, *(_title(figure) for figure in figures)]


def _title(figure: Figure) -> str:
    return f"{FAMILIES[figure.family].zh}·{figure.title.zh}（{UNITS[figure.unit].zh}） {figure.key}"


def _rows(found: Statistics, figures: list[Figure]) -> Iterator[list[Cell]]:
    period = [found.wanted.period.name, local_iso(found.as_of)]
    total = {key: value for family in found.families for key, value in family.total.items()}
    whole = [found.wanted.department, None, None] if found.wanted.department else [None, "合计 total", None]
    yield [*period, "合计 total", *whole, *(total[f.key] for f in figures)]
    for scope, groups in (
        ("部门 department", [family.departments for family in found.families]),
        ("数据集 dataset", [family.datasets for family in found.families]),
    ):
        for same in zip(*groups, strict=True):
            yield [*period, scope, *_name(same[0]), *_values(same, figures)]


def _name(group: Group) -> list[Cell]:
    return [group.id, group.title.zh, group.provider]


def _values(same: tuple[Group, ...], figures: list[Figure]) -> list[Cell]:
    values = {key: value for group in same for key, value in group.values.items()}
    return [values[figure.key] for figure in figures]
