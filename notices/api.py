"""The inbox for scripts."""

from __future__ import annotations

from core.errors import invalid
from core.text import Text
from core.work import Work
from notices.inbox import list_notices, read_all, read_notice, view
from web.auth import SIGNED_IN
from web.http import Call, Reply, Routes, listing

routes = Routes("notices")


@routes.add(
    "GET",
    "/api/notices",
    who=SIGNED_IN,
    summary=Text("通知", "The inbox"),
    response="response/notices",
    query={
        "unread": Text("true 只列未读", "true for unread ones only"),
        "kind": Text("类别", "kind of notice"),
    },
    paged=True,
)
def notices(work: Work, call: Call) -> Reply:
    """Return what the caller's department was told, as far as it is for the caller's roles, newest first."""
    unread = call.query.get("unread", "false")
    if unread not in ("true", "false"):
        raise invalid("/unread", "应为 true 或 false", "must be true or false")
    kind = call.query.get("kind") or None
    found = list_notices(work, kind=kind, unread=unread == "true", limit=call.limit, cursor=call.cursor)
    return listing([view(line) for line in found.lines], found.next_cursor)


@routes.add(
    "POST",
    "/api/notices/<notice_id>/read",
    who=SIGNED_IN,
    summary=Text("标为已读", "Mark a notice as read"),
    request="request/nothing",
    response="response/notice",
)
def read_one(work: Work, call: Call, notice_id: str) -> Reply:
    """Note that the caller has read a notice; to repeat it changes nothing."""
    return Reply(view(read_notice(work, notice_id)))


@routes.add(
    "POST",
    "/api/notices/read-all",
    who=SIGNED_IN,
    summary=Text("全部标为已读", "Mark all notices as read"),
    request="request/nothing",
    response="response/notices_read",
)
def read_everything(work: Work, call: Call) -> Reply:
    """Note that the caller has read whatever is in the inbox now."""
    read_all(work)
    return Reply({"unread": 0})
