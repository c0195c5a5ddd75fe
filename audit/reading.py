"""What auditors read, and the record that they read it.

A search goes through the whole log, which takes its time, so it holds no lock: it runs in the reading
transaction of the request, and its record is written afterwards, before the answer leaves.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from audit.columns.engine import engine_of
from audit.keeping.gone import refuse_pruned
from audit.log import record
from audit.place import log_folder
from audit.query import Filters, Found, FoundPage, find_records, record_by_id
from core.errors import NotFound
from core.work import Work
from web.kit import before_answering

QUERY = "audit.query"
"""Kind of the record that an auditor's own query leaves."""


def search_records(work: Work, filters: Filters, *, limit: int, cursor: str | None = None) -> FoundPage:
    """Find records on behalf of a person, and put the query itself on record.

    Raises Invalid for a cursor that is none.
    """
    engine = engine_of(work.settings)
    page = find_records(work.tx, _folder(work), filters, limit=limit, cursor=cursor, engine=engine)
    asked = {"since": filters.since, "until": filters.until, "department": filters.department}
    query = {k: v for k, v in {**asked, **filters.equal}.items() if v is not None}
    _put_on_record(work, query, len(page.items))
    return page


def open_record(work: Work, record_id: str) -> Found:
    """Return one record on behalf of a person, and put that on record.

    Its body may be erased. Raises NotFound, and Gone where bodies of its time were deleted by rule.
    """
    try:
        found = record_by_id(work.tx, _folder(work), record_id)
    except NotFound:
        refuse_pruned(work.tx, _folder(work), record_id)
        raise
    _put_on_record(work, {"id": record_id}, 1)
    return found


def _put_on_record(work: Work, query: Mapping[str, Any], rows: int) -> None:
    before_answering(work, lambda later: record(later, QUERY, {"query": query, "rows": rows}))


def _folder(work: Work) -> Path:
    return log_folder(work.settings)
