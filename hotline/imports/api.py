"""Imports over HTTP: hand in a table, follow it, read what was refused."""

from __future__ import annotations

from core.errors import invalid
from core.text import Text
from core.work import Work
from hotline.imports.columns import columns_of
from hotline.imports.jobs import WHO, faults, find_import, list_imports, report_csv, start_import
from hotline.imports.model import MOST_BYTES
from hotline.imports.present import fault_view, import_view
from hotline.imports.rows import titles
from web.http import Call, Reply, Routes, download_headers, listing

routes = Routes("imports")

_QUERY = {
    "source": Text("来源：import 或 superior", "where the rows come from: import (default) or superior"),
    "dry_run": Text("仅检查：true 或 false", "only check the rows: true or false (default)"),
}


@routes.add(
    "POST",
    "/api/hotline/imports",
    who=WHO,
    response="response/import",
    status=201,
    summary=Text("批量导入工单", "Import a table of tickets"),
    query=_QUERY,
    takes_bytes=MOST_BYTES,
)
def hand_in(work: Work, call: Call) -> Reply:
    """Hand in a CSV or XLSX file as the body; it is dealt with soon after, piece by piece."""
    dry_run = call.query.get("dry_run", "false")
    if dry_run not in ("true", "false"):
        raise invalid("/dry_run", "应为 true 或 false", "must be true or false")
    made = start_import(work, call.content, call.query.get("source", "import"), dry_run=dry_run == "true")
    return Reply(import_view(made), headers={"Location": f"/api/hotline/imports/{made.id}"})


@routes.add(
    "GET",
    "/api/hotline/imports",
    who=WHO,
    response="response/imports",
    summary=Text("批量导入列表", "Imports"),
    paged=True,
)
def index(work: Work, call: Call) -> Reply:
    """List the imports of one's department, the newest first."""
    found = list_imports(work, call.limit, call.cursor)
    return listing([import_view(made) for made in found.rows], found.next_cursor)


@routes.add(
    "GET",
    "/api/hotline/imports/<import_id>",
    who=WHO,
    response="response/import",
    summary=Text("批量导入", "One import"),
)
def show(work: Work, call: Call, import_id: str) -> Reply:
    """Show how far an import has come."""
    return Reply(import_view(find_import(work, import_id)))


@routes.add(
    "GET",
    "/api/hotline/imports/<import_id>/report",
    who=WHO,
    response="response/import_report",
    summary=Text("导入退回明细", "What an import refused"),
    paged=True,
)
def report(work: Work, call: Call, import_id: str) -> Reply:
    """List what was refused and why, in the order of the rows; personal data are masked."""
    made = find_import(work, import_id)
    found = faults(work, made, call.limit, call.cursor)
    named = titles(columns_of(work))
    items = [fault_view(fault, named) for fault in found.rows]
    return listing(items, found.next_cursor, {"import": import_view(made)})


@routes.add(
    "GET",
    "/api/hotline/imports/<import_id>/report.csv",
    who=WHO,
    summary=Text("下载导入退回明细（CSV）", "What an import refused, as CSV"),
)
def report_file(work: Work, call: Call, import_id: str) -> Reply:
    """Save what was refused as a table for a spreadsheet."""
    made = find_import(work, import_id)
    name = f"import-{made.id}.csv"
    return Reply(report_csv(work, made), headers=download_headers(name), media_type="text/csv; charset=utf-8")
