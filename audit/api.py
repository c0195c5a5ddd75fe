"""The records over HTTP: for auditors, and their proofs for the parties too.

What everybody may see is in audit/public.py, what a department used and gave in audit/usage/api.py.
"""

from __future__ import annotations

from typing import Any

from audit.keeping.finding import folder_of
from audit.keeping.gone import refuse_erased
from audit.place import log_folder
from audit.proofs import entry_at
from audit.query import Found
from audit.reading import open_record, search_records
from audit.searching import read_filters
from audit.usage.parties import PARTIES, prove_as_party, read_id
from core.errors import Conflict, NotFound
from core.text import Text
from core.times import local_iso
from core.work import Work
from web.http import Call, Reply, Routes, listing

routes = Routes("audit")

AUDITOR = frozenset({"auditor"})

FILTERS = {
    "since": Text("起始时刻", "from this instant on"),
    "until": Text("截止时刻（不含）", "before this instant"),
    "department": Text("涉及的部门", "a department that used, provided or acted"),
    "kind": Text("记录类别", "kind of record"),
    "consumer": Text("使用部门", "the department that used data"),
    "provider": Text("提供部门", "the department that provided data"),
    "client": Text("业务系统", "the system that called"),
    "grant": Text("授权", "the grant"),
    "dataset": Text("政务信息资源代码", "code of the dataset"),
    "operation": Text("操作", "what was asked for"),
    "decision": Text("决定", "what was decided"),
    "reason": Text("理由", "code of the reason"),
    "subject": Text("公民记录摘要", "digest of the person whose record was asked for"),
    "case": Text("办件", "the case"),
    "ticket": Text("工单", "number of the ticket"),
    "actor": Text("操作者假名", "pseudonym of the actor"),
}


@routes.add(
    "GET",
    "/api/audit/records",
    who=AUDITOR,
    summary=Text("查询访问记录", "Search the records"),
    response="response/audit_records",
    query=FILTERS,
    paged=True,
)
def records(work: Work, call: Call) -> Reply:
    """Return records that match all filters, newest first. The search is put on record."""
    page = search_records(work, read_filters(call.query), limit=call.limit, cursor=call.cursor)
    return listing([record_view(found) for found in page.items], page.next_cursor)


@routes.add(
    "GET",
    "/api/audit/records/<record_id>",
    who=AUDITOR,
    summary=Text("查看一条访问记录", "Read one record"),
    response="response/audit_record",
)
def one_record(work: Work, call: Call, record_id: str) -> Reply:
    """Return a record with its body and, once it is sealed, its envelope. That is put on record.

    410 says on what basis a body was deleted.
    """
    found = open_record(work, read_id(record_id))
    refuse_erased(work.tx, log_folder(work.settings), found)
    return Reply({**record_view(found), "envelope": _envelope(work, found)})


@routes.add(
    "GET",
    "/api/audit/records/<record_id>/proof",
    who=AUDITOR | PARTIES,
    summary=Text("一条记录的存在性证明", "Proof that a record is in the log"),
)
def proof(work: Work, call: Call, record_id: str) -> Reply:
    """Return a C2SP tlog-proof, which anybody can check with the record's envelope and the log's key.

    Auditors get that of any record, its body gone or not; departments those of calls that they made or
    answered; 404 for others. That is put on record.
    """
    name, text = prove_as_party(work, record_id)
    saved = {"Content-Disposition": f'attachment; filename="{name}"'}
    return Reply(text, media_type="text/plain; charset=utf-8", headers=saved)


def record_view(found: Found, below: str = "/api/audit/records") -> dict[str, Any]:
    """Return what lists and answers show of a record; `below` is the address of the list that it is in."""
    return {
        "id": found.id,
        "kind": found.kind,
        "at": local_iso(found.at),
        "log_index": found.log_index,
        "log": found.log,
        "url": f"{below}/{found.id}",
        "body": found.body,
    }


def _envelope(work: Work, found: Found) -> str | None:
    try:
        return (
            None
            if found.log_index is None
            else entry_at(folder_of(log_folder(work.settings), found.log), found.log_index).decode("ascii")
        )
    except (Conflict, NotFound):  # sealed this instant, the checkpoint follows
        return None
