"""What auditors read, and the record that they read it.

A search goes through the whole log, which takes its time, so it holds no lock: it runs in the reading
transaction of the request, and its record is written afterwards, before the answer leaves.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from audit.columns.engine import engine_of
from audit.keeping.finding import find_anywhere
from audit.keeping.gone import refuse_pruned_anywhere
from audit.log import record
from audit.place import log_folder
from audit.query import Filters, Found, FoundPage, search_all
from core.errors import NotFound
from core.work import Work
from web.kit import before_answering

QUERY = "audit.query"
"""Kind of the record that an auditor's own query leaves."""


def search_records(work: Work, filters: Filters, *, limit: int, cursor: str | None = None) -> FoundPage:
    """Find records of all logs on behalf of a person, and put the query itself on record.

    Raises Invalid for a cursor that is none.
    """
    page = search_all(work.tx, engine_of(work.settings), filters, limit=limit, cursor=cursor)
    _put_on_record(work, filters.asked, len(page.items))
    return page


def open_record(work: Work, record_id: str) -> Found:
    """Return one record of any log on behalf of a person, and put that on record.

    Its body may be erased. Raises NotFound, and Gone where bodies of its time were deleted by rule.
    """
    try:
        _, found = find_anywhere(work.tx, log_folder(work.settings), record_id)
    except NotFound:
        refuse_pruned_anywhere(work.tx, engine_of(work.settings), record_id)
        raise
    _put_on_record(work, {"id": record_id}, 1)
    return found


def _put_on_record(work: Work, query: Mapping[str, Any], rows: int) -> None:
    before_answering(work, lambda later: record(later, QUERY, {"query": query, "rows": rows}))
