"""Matters over HTTP: what can be opened, opening, listing, acting, papers."""

from __future__ import annotations

from cases.attachments import MOST_BYTES
from cases.decisions import DECISIONS
from core.codes import code_in
from core.errors import FieldError, Invalid, invalid
from core.text import Text
from core.work import Work
from matters.acting import act_on_matter, attach_evidence, find_matter, list_matters, read_evidence
from matters.model import Held, Wanted
from matters.opening import open_matter
from matters.present import matter_row, matter_view, paper_view, procedures_view
from matters.subjects import WORDS
from rules.values import pointer_to
from web.auth import SIGNED_IN
from web.http import Call, Reply, Routes, download_headers, listing

routes = Routes("matters")

FILTERS = {
    "kind": Text("程序", "procedure"),
    "state": Text("状态", "state"),
    "dataset": Text("数据集代码", "dataset code"),
    "grant": Text("授权编号", "grant number"),
    "open": Text("是否未办结（true 或 false）", "whether it is still open (true or false)"),
}
_NO_FIELD = Text(
    "不是填写内容，请写在 fields 之外", "is no field: it says what the matter is about, beside `fields`"
)


def _reply(work: Work, held: Held, status: int = 200) -> Reply:
    headers = {"Location": f"/api/matters/{held.matter.id}"} if status == 201 else {}
    return Reply(matter_view(work, held), status, headers, version=held.case.version)


@routes.add(
    "GET",
    "/api/procedures",
    who=SIGNED_IN,
    response="response/procedures",
    summary=Text("可以发起的程序", "Procedures that can be opened"),
)
def procedures(work: Work, call: Call) -> Reply:
    """List the procedures of the rulebook with what each asks for, and those on which the text is silent."""
    return Reply({"items": procedures_view(work)})


@routes.add(
    "POST",
    "/api/matters",
    who=SIGNED_IN,
    request="request/matter",
    response="response/matter",
    status=201,
    summary=Text("发起事项", "Open a matter"),
)
def open_one(work: Work, call: Call) -> Reply:
    """Open a matter of one of the procedures, about what is named, with the fields of its opening."""
    fields = call.body.get("fields", {})
    wrong = [FieldError(pointer_to("fields", name), _NO_FIELD, "unknown") for name in fields if name in WORDS]
    if wrong:
        raise Invalid(wrong)
    draft = {k: v for k, v in call.body.items() if k not in ("kind", "fields")}
    return _reply(work, open_matter(work, call.body["kind"], {**fields, **draft}), 201)


@routes.add(
    "GET",
    "/api/matters",
    who=SIGNED_IN,
    response="response/matters",
    query=FILTERS,
    paged=True,
    summary=Text("事项列表", "List matters"),
)
def matters(work: Work, call: Call) -> Reply:
    """List the matters that one is a party of, the newest first."""
    asked = {name: call.query.get(name) or None for name in FILTERS}
    if asked["open"] not in (None, "true", "false"):
        raise invalid("/open", "应为 true 或 false", "must be true or false")
    wanted = Wanted(
        asked["kind"],
        asked["state"],
        code_in(asked["dataset"]) if asked["dataset"] else None,
        asked["grant"],
        None if asked["open"] is None else asked["open"] == "true",
    )
    page = list_matters(work, wanted, call.limit, call.cursor)
    return listing([matter_row(work, held) for held in page.rows], page.next_cursor)


@routes.add(
    "GET",
    "/api/matters/<matter_id>",
    who=SIGNED_IN,
    response="response/matter",
    summary=Text("查看事项", "Show a matter"),
)
def matter(work: Work, call: Call, matter_id: str) -> Reply:
    """Show one matter."""
    return _reply(work, find_matter(work, matter_id))


@routes.add(
    "POST",
    "/api/matters/<matter_id>/actions/<action>",
    who=SIGNED_IN,
    response="response/matter",
    summary=Text("办理事项", "Take a step of a matter"),
    step_up=DECISIONS,
)
def act(work: Work, call: Call, matter_id: str, action: str) -> Reply:
    """Take one of the `actions` that the matter offers the caller, with the fields that its form names."""
    return _reply(work, act_on_matter(work, matter_id, action, call.body, call.if_match))


@routes.add(
    "POST",
    "/api/matters/<matter_id>/attachments",
    who=SIGNED_IN,
    response="response/application_attachment",
    status=201,
    query={"name": Text("文件名", "file name")},
    takes_bytes=MOST_BYTES,
    summary=Text("上传附件（请求体为文件内容）", "Add a paper; the body is the file"),
)
def add_paper(work: Work, call: Call, matter_id: str) -> Reply:
    """Add a paper to an open matter."""
    paper = attach_evidence(work, matter_id, name=call.query.get("name", ""), content=call.content)
    view = paper_view(matter_id, paper)
    return Reply(view, 201, {"Location": view["url"]})


@routes.add(
    "GET",
    "/api/matters/<matter_id>/attachments/<attachment_id>",
    who=SIGNED_IN,
    summary=Text("下载附件", "Download a paper"),
)
def paper(work: Work, call: Call, matter_id: str, attachment_id: str) -> Reply:
    """Send the content of a paper, to be saved and never to be shown in place."""
    found, content = read_evidence(work, matter_id, attachment_id)
    return Reply(content, media_type=found.media_type, headers=download_headers(found.name))
