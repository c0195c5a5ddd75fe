"""Reports as files for spreadsheets: CSV and XLSX, written row by row, never calculated."""

from __future__ import annotations

import csv
import io
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, cast

from xlsxwriter import Workbook

from audit.log import record
from core.cells import MARK, Cell, safe
from core.settings import Settings
from core.text import Text
from core.times import local_iso
from core.work import Work
from hotline.reports.model import DIMENSIONS, Overdue, Row, Wanted
from hotline.reports.names import Names, limit_titles
from hotline.reports.overdue import every_overdue
from hotline.reports.report import Report, sees_all
from rules.rulebook import Rulebook

CSV, XLSX = "csv", "xlsx"
MEDIA = {
    CSV: "text/csv; charset=utf-8",
    XLSX: "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
}
EXPORTED = "report.exported"
"""Kind of the record that an export leaves."""
IN_MEMORY = 4 * 1024 * 1024
"""Bytes of a file that are kept in memory; a larger one lies in the platform's own folder meanwhile."""
COUNTED = {
    "received": Text("受理", "received"),
    "dispatched": Text("派单", "dispatched"),
    "signed_in_time": Text("按时签收", "signed in time"),
    "closed": Text("办结归档", "closed"),
    "due": Text("到期", "due"),
    "closed_in_time": Text("按时办结", "closed in time"),
    "overdue": Text("逾期未结", "overdue"),
    "closed_late": Text("逾期办结", "closed late"),
    "rated": Text("评价", "rated"),
    "satisfied": Text("满意", "satisfied"),
}
"""The columns of counts."""


@dataclass(frozen=True, slots=True)
class Table:
    """A table to be written: a head and rows, which are made while they are written."""

    name: str
    head: Sequence[Cell]
    rows: Iterable[Sequence[Cell]]


def report_table(report: Report) -> Table:
    """Return a report as a table: a row for the whole and each group, each rate with what it is made of."""
    by = report.wanted.by
    rates = [f"{both(r.title)} = {both(r.formula)}" for r in report.rules]
    head = ["期间 period", "截至 as of", both(DIMENSIONS[by]), "名称 name", *map(both, COUNTED.values())]
    fixed: list[Cell] = [report.wanted.period.name, local_iso(report.as_of)]
    rows = [report.whole, *report.rows[by]]
    return Table(
        f"hotline-{by}-{report.wanted.period.name}",
        [*head, *rates],
        [[*fixed, row.key, both(row.title), *_cells(row, report)] for row in rows],
    )


def _cells(row: Row, report: Report) -> list[Cell]:
    counts: Mapping[str, int] = row.counts._asdict()
    return [*(counts[name] for name in COUNTED), *(row.shares[r.code].shown for r in report.rules)]


def overdue_table(work: Work, wanted: Wanted, book: Rulebook) -> Table:
    """Return the limits that were not kept as a table; the office's has the units' reasons."""
    names = Names(work)
    titles = limit_titles(book)
    head = [
        "工单编号 number",
        "摘要 summary",
        *(both(title) for title in DIMENSIONS.values()),
        "时限 limit",
        "截止 due",
        "结束 ended",
        *(["原因 reason"] if sees_all(work) else []),
    ]

    def cells(row: Overdue) -> list[Cell]:
        met = local_iso(row.until) if row.until else None
        limit = both(titles.get(row.limit, Text(row.limit, row.limit)))
        groups = [both(names.of(name, getattr(row, name))) for name in DIMENSIONS]
        said = [row.reason] if sees_all(work) else []
        return [row.number, row.summary, *groups, limit, local_iso(row.due), met, *said]

    name = f"hotline-overdue-{wanted.period.name}"
    return Table(name, head, map(cells, every_overdue(work, wanted)))


def _folder(settings: Settings) -> Path:
    return settings.data / "run" / "exports"


def forget_exports(settings: Settings) -> None:
    """Remove what exports left behind when the process ended in their middle; to be called at its start."""
    shutil.rmtree(_folder(settings), ignore_errors=True)


def written(work: Work, table: Table, form: str) -> IO[bytes]:
    """Write a table as CSV or XLSX and return the file; whoever reads it to its end closes it."""
    folder = _folder(work.settings)
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    file = cast(IO[bytes], tempfile.SpooledTemporaryFile(IN_MEMORY, "w+b", dir=str(folder)))  # noqa: SIM115
    write = _write_csv if form == CSV else _write_xlsx
    write(file, table, str(folder))
    return file


def _write_csv(file: IO[bytes], table: Table, folder: str) -> None:
    """Write CSV in UTF-8 with a byte order mark (RFC 4180); a text like a formula gets an apostrophe."""
    text = io.TextIOWrapper(file, encoding="utf-8", newline="", write_through=True)
    text.write(MARK)
    writer = csv.writer(text)
    for row in _all(table):
        writer.writerow([safe(cell) for cell in row])
    text.detach()


def _write_xlsx(file: IO[bytes], table: Table, folder: str) -> None:
    """Write XLSX: texts as strings whatever they begin with, so that no cell is a formula or a link."""
    options = {"constant_memory": True, "tmpdir": folder, "in_memory": False}
    with Workbook(file, options) as book:
        sheet = book.add_worksheet()
        bold = book.add_format({"bold": True, "text_wrap": True})
        sheet.set_column(0, len(table.head) - 1, 18)
        sheet.freeze_panes(1, 0)
        for at, row in enumerate(_all(table)):
            for column, cell in enumerate(row):
                if isinstance(cell, str):
                    sheet.write_string(at, column, cell, None if at else bold)
                elif cell is not None:
                    sheet.write_number(at, column, cell)


def _all(table: Table) -> Iterator[Sequence[Cell]]:
    yield table.head
    yield from table.rows


def put_on_record(work: Work, wanted: Wanted, what: str, form: str) -> None:
    """Put on record that somebody took a report away."""
    n = wanted.narrowed
    asked = {"by": wanted.by, "unit": n.unit, "category": n.category, "place": n.place, "channel": n.channel}
    query = {name: value for name, value in asked.items() if value is not None}
    period = {"kind": wanted.period.kind, "name": wanted.period.name}
    record(work, EXPORTED, {"report": what, "form": form, "period": period, "query": query})


def both(text: Text) -> str:
    """Return a label in both languages, for a file that everybody opens."""
    return text.zh if text.zh == text.en else f"{text.zh} {text.en}"
