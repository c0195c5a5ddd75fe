"""Logs closed by a rotation over HTTP: their public files for everybody, their records for auditors."""

from __future__ import annotations

from typing import Any

from audit.api import AUDITOR, FILTERS, record_view
from audit.columns.engine import engine_of
from audit.keeping.gone import refuse_erased, refuse_pruned
from audit.keeping.ids import kept_index
from audit.keeping.past import PastLog, past_log, past_logs
from audit.log import record
from audit.place import log_folder
from audit.proofs import entry_at, prove_inclusion, published_checkpoint
from audit.public import tile_file
from audit.query import find_records, record_by_id
from audit.reading import QUERY
from audit.searching import read_filters
from audit.usage.parties import read_id
from core.errors import no_cursor
from core.text import Text
from core.whole import whole
from core.work import Work
from web.auth import PUBLIC
from web.http import Call, Reply, Routes, listing
from web.kit import before_answering
from web.public_files import FOR_EVER, public_file

routes = Routes("closed_logs")

_NOTE = "text/plain; charset=utf-8"
_KEYS = ("log.vkey", "log-mldsa.vkey", "receipt.vkey")


@routes.add(
    "GET",
    "/audit/past",
    who=PUBLIC,
    response="response/audit_past",
    paged=True,
    summary=Text("已关闭的日志", "The logs that were closed"),
)
def closed_logs(work: Work, call: Call) -> Reply:
    """List the logs that were closed, by name, with the keys that verify them."""
    found = past_logs(log_folder(work.settings))
    start = whole(call.cursor or "0", 0, len(found))
    if start is None:
        raise no_cursor()
    rows = [_view(log) for log in found[start : start + call.limit]]
    return listing(rows, str(start + call.limit) if len(found) > start + call.limit else None)


@routes.add(
    "GET",
    "/audit/past/<slug>/checkpoint",
    who=PUBLIC,
    summary=Text("已关闭日志的检查点", "The last checkpoint of a closed log"),
)
def closed_checkpoint(work: Work, call: Call, slug: str) -> Reply:
    """Return the checkpoint that a closed log ended with."""
    return public_file(published_checkpoint(_log(work, slug).folder)[0], _NOTE, FOR_EVER)


@routes.add(
    "GET",
    "/audit/past/<slug>/tile/<path:tile>",
    who=PUBLIC,
    summary=Text("已关闭日志的分块", "A tile or an entry bundle of a closed log"),
)
def closed_tile(work: Work, call: Call, slug: str, tile: str) -> Reply:
    """Return a tile of hashes or a bundle of entries of a closed log."""
    return tile_file(_log(work, slug).folder, tile)


@routes.add(
    "GET",
    "/api/audit/past/<slug>/records",
    who=AUDITOR,
    response="response/audit_records",
    query=FILTERS,
    paged=True,
    summary=Text("查询已关闭日志的记录", "Search the records of a closed log"),
)
def closed_records(work: Work, call: Call, slug: str) -> Reply:
    """Return records of a closed log, newest first. The search is put on record."""
    log, filters = _log(work, slug), read_filters(call.query)
    page = find_records(None, log.folder, filters, limit=call.limit, cursor=call.cursor)
    _put_on_record(work, {**filters.asked, "log": log.origin}, len(page.items))
    return listing([record_view(found, _below(slug)) for found in page.items], page.next_cursor)


@routes.add(
    "GET",
    "/api/audit/past/<slug>/records/<record_id>",
    who=AUDITOR,
    response="response/audit_record",
    summary=Text("查看已关闭日志的一条记录", "Read one record of a closed log"),
)
def closed_record(work: Work, call: Call, slug: str, record_id: str) -> Reply:
    """Return a record of a closed log with body and envelope. That is put on record.

    410 says on what basis a body was deleted.
    """
    log, record_id = _log(work, slug), read_id(record_id)
    refuse_pruned(work.tx, engine_of(work.settings), record_id, log)
    found = record_by_id(None, log.folder, record_id)
    _put_on_record(work, {"id": found.id, "log": log.origin}, 1)
    refuse_erased(work.tx, log_folder(work.settings), found)
    envelope = entry_at(log.folder, found.log_index or 0).decode("ascii")
    return Reply({**record_view(found, _below(slug)), "envelope": envelope})


@routes.add(
    "GET",
    "/api/audit/past/<slug>/records/<record_id>/proof",
    who=AUDITOR,
    summary=Text("已关闭日志中一条记录的存在性证明", "Proof that a record is in a closed log"),
)
def closed_proof(work: Work, call: Call, slug: str, record_id: str) -> Reply:
    """Return a C2SP tlog-proof for a record of a closed log, its body gone or not. That is put on record."""
    log, record_id = _log(work, slug), read_id(record_id)
    index = kept_index(log.folder, record_id)
    if index is None:
        index = record_by_id(None, log.folder, record_id).log_index
    _put_on_record(work, {"id": record_id, "log": log.origin}, 1)
    text = prove_inclusion(log.folder, index or 0)
    name = f'attachment; filename="{record_id}.tlog-proof"'
    return Reply(text, media_type=_NOTE, headers={"Content-Disposition": name})


def _log(work: Work, slug: str) -> PastLog:
    return past_log(log_folder(work.settings), slug)


def _below(slug: str) -> str:
    return f"/api/audit/past/{slug}/records"


def _put_on_record(work: Work, query: dict[str, Any], rows: int) -> None:
    before_answering(work, lambda later: record(later, QUERY, {"query": query, "rows": rows}))


def _view(log: PastLog) -> dict[str, Any]:
    files = [log.folder / "keys" / name for name in _KEYS]
    return {
        "slug": log.slug,
        "origin": log.origin,
        "size": log.size,
        "checkpoint": f"/audit/past/{log.slug}/checkpoint",
        "records": _below(log.slug),
        "keys": [file.read_text(encoding="utf-8").strip() for file in files if file.is_file()],
    }
