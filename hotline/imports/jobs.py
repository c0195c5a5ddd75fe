"""Imports as people see them: hand in a table, follow it, read what was refused."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator

from audit.log import record
from core.cells import MARK, safe
from core.db import Page
from core.envelope import open_sealed, seal_bytes
from core.errors import Conflict, NotFound, TooLarge, invalid
from core.ids import new_id
from core.text import Text
from core.times import millis
from core.work import Work
from hotline.book import hotline_book
from hotline.imports import store
from hotline.imports.columns import columns_of
from hotline.imports.model import MOST_BYTES, SOURCES, WAITING, Fault, Import
from hotline.imports.rows import titles
from hotline.imports.sheets import format_of

MOST_UNFINISHED = 5
"""Imports of one department that may be on their way at once."""
WHO = frozenset({"operator", "supervisor"})
"""Who hands in tables, and reads what became of them."""
_PAGE = 200


def start_import(work: Work, content: bytes, source: str, *, dry_run: bool = False) -> Import:
    """Keep a table, sealed, to be dealt with by the importer; with `dry_run` its rows are only checked.

    Raises TooLarge, Invalid for what is neither CSV nor XLSX or an unknown source, Conflict while the
    department has MOST_UNFINISHED imports on their way.
    """
    hotline_book(work)
    if len(content) > MOST_BYTES:
        most = MOST_BYTES // (1024 * 1024)
        raise TooLarge(f"文件不得超过 {most} MB", f"the file must not exceed {most} MB")
    if source not in SOURCES:
        raise invalid("/source", f"应为 {'、'.join(SOURCES)} 之一", f"must be one of {', '.join(SOURCES)}")
    if store.count_unfinished(work.tx, work.actor.department) >= MOST_UNFINISHED:
        raise Conflict(
            "还有多个导入未处理完，请稍后再试",
            "several imports are still on their way; try again later",
            code="imports_unfinished",
        )
    made = Import(
        id=new_id(millis(work.now)),
        source=source,
        dry_run=dry_run,
        format=format_of(content),
        state=WAITING,
        department=work.actor.department,
        created_by=work.actor.login,
        created_at=work.now,
    )
    store.insert_import(work.tx, made, seal_bytes(work.settings, content, file_place(made.id)))
    record(work, "import.started", {"import": made.id, "source": source, "dry_run": dry_run})
    return made


def find_import(work: Work, import_id: str) -> Import:
    """Return an import of the actor's department. Raises NotFound for every other, existing or not."""
    found = store.find(work.tx, import_id)
    own = found is not None and (found.department == work.actor.department or work.actor.has("system"))
    if found is None or not own:
        raise NotFound("没有这个导入", "no such import")
    return found


def list_imports(work: Work, limit: int, cursor: str | None) -> Page:
    """Return one page of the imports of the actor's department, the newest first."""
    hotline_book(work)
    return store.imports_page(work.tx, work.actor.department, limit, cursor)


def faults(work: Work, made: Import, limit: int, cursor: str | None) -> Page:
    """Return one page of why rows were refused, in the order of the rows."""
    found = store.faults_page(work.tx, made.id, limit, cursor)
    return Page([_fault(work, row) for row in found.rows], found.next_cursor)


def _fault(work: Work, row: dict[str, object]) -> Fault:
    number, sealed = int(str(row["row"])), row["sealed"]
    value = open_sealed(work.settings, str(sealed), value_place(row)) if sealed else ""
    reason = Text(str(row["reason_zh"]), str(row["reason_en"]))
    return Fault(number, str(row["column"]), str(row["code"]), reason, value)


def file_place(import_id: str) -> str:
    """Return the place to which a sealed table belongs."""
    return f"{import_id}:table"


def chunk_place(import_id: str, first: int) -> str:
    """Return the place to which some sealed rows belong."""
    return f"{import_id}:rows:{first}"


def value_place(row: dict[str, object]) -> str:
    """Return the place to which the value of a refused cell belongs."""
    return f"{row['import_id']}:fault:{row['row']}:{row['seq']}"


# --- the report -------------------------------------------------------------------------------------


def report_csv(work: Work, made: Import) -> bytes:
    """Return why rows were refused as a table for a spreadsheet; no cell of it is ever calculated."""
    out = io.StringIO()
    out.write(MARK)
    writer = csv.writer(out)
    writer.writerow(["行 row", "列 column", "原因", "reason", "代码 code", "所填（已遮盖） value (masked)"])
    writer.writerows([safe(cell) for cell in row] for row in _report_rows(work, made))
    return out.getvalue().encode()


def _report_rows(work: Work, made: Import) -> Iterator[list[str | int]]:
    named = titles(columns_of(work))
    cursor: str | None = None
    while True:
        found = faults(work, made, _PAGE, cursor)
        for fault in found.rows:
            title = named.get(fault.column)
            column = f"{title.zh} {title.en}" if title else fault.column
            yield [fault.row, column, fault.reason.zh, fault.reason.en, fault.code, fault.value]
        cursor = found.next_cursor
        if cursor is None:
            return
