"""The pages of imports: hand in a table, watch it being dealt with, read what was refused."""

from __future__ import annotations

from core.errors import invalid
from core.text import Text
from core.work import Work
from hotline.imports.columns import columns_of, template_csv, template_xlsx
from hotline.imports.jobs import (
    WHO,
    faults,
    find_import,
    list_imports,
    report_csv,
    start_import,
)
from hotline.imports.model import MOST_BYTES, MOST_ROWS, SOURCES
from hotline.imports.present import fault_view, import_view
from hotline.imports.rows import titles
from web.pages import File, Go, Page, Pages, Seen

pages = Pages("imports")

PAGE, REFRESH_SECONDS = 25, 3
_XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"


@pages.show("/hotline/imports", who=WHO, summary=Text("批量导入", "Imports"))
def imports(work: Work, seen: Seen) -> Page:
    """Show the form that hands in a table, and the imports before."""
    found = list_imports(work, PAGE, seen.query.get("cursor"))
    context = {
        "seen": seen,
        "rows": [import_view(made) for made in found.rows],
        "next_cursor": found.next_cursor,
        "columns": columns_of(work),
        "sources": SOURCES,
        "most_rows": MOST_ROWS,
        "most_mb": MOST_BYTES // (1024 * 1024),
    }
    return Page("hotline/imports.html", context)


@pages.form("/hotline/imports", who=WHO, summary=Text("批量导入", "Imports"), again=imports)
def hand_in(work: Work, seen: Seen) -> Go:
    """Hand in a table."""
    file = seen.files.get("file")
    content = file.read(MOST_BYTES + 1) if file is not None else b""
    if not content:
        raise invalid("/file", "请选择 CSV 或 XLSX 文件", "choose a CSV or XLSX file", code="required")
    dry_run = "dry_run" in seen.form
    made = start_import(work, content, seen.form.get("source", ""), dry_run=dry_run)
    return Go(f"/hotline/imports/{made.id}?watch=yes")


@pages.show("/hotline/imports/template.csv", who=WHO, summary=Text("导入模板（CSV）", "Template as CSV"))
def csv_template(work: Work, seen: Seen) -> File:
    """Save an empty table with the columns that the rulebook has."""
    return File("tickets.csv", "text/csv; charset=utf-8", template_csv(columns_of(work)))


@pages.show("/hotline/imports/template.xlsx", who=WHO, summary=Text("导入模板（XLSX）", "Template as XLSX"))
def xlsx_template(work: Work, seen: Seen) -> File:
    """Save an empty workbook with the columns, and what may stand in them."""
    return File("tickets.xlsx", _XLSX, template_xlsx(columns_of(work)))


@pages.show("/hotline/imports/<import_id>", who=WHO, summary=Text("导入进度", "One import"))
def one_import(work: Work, seen: Seen, import_id: str) -> Page:
    """Show how far an import has come, and what was refused; with ``?watch=yes`` the page renews itself."""
    made = find_import(work, import_id)
    found = faults(work, made, PAGE, seen.query.get("cursor"))
    named = titles(columns_of(work))
    watched = "watch" in seen.query and not made.is_finished
    context = {
        "made": import_view(made),
        "finished": made.is_finished,
        "refresh": REFRESH_SECONDS if watched else None,
        "faults": [fault_view(fault, named) for fault in found.rows],
        "next_cursor": found.next_cursor,
    }
    return Page("hotline/imports_one.html", context)


@pages.show(
    "/hotline/imports/<import_id>/report.csv",
    who=WHO,
    summary=Text("下载导入退回明细（CSV）", "What an import refused, as CSV"),
)
def report_file(work: Work, seen: Seen, import_id: str) -> File:
    """Save what was refused as a table for a spreadsheet."""
    made = find_import(work, import_id)
    return File(f"import-{made.id}.csv", "text/csv; charset=utf-8", report_csv(work, made))
