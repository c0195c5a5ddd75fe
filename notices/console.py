"""The inbox as people see it."""

from __future__ import annotations

from core.text import Text
from core.work import Work
from notices.inbox import list_notices, read_all, read_notice
from web.auth import SIGNED_IN
from web.pages import Go, Page, Pages, Seen

pages = Pages("notices")

PAGE = 30


@pages.show("/inbox", who=SIGNED_IN, summary=Text("通知", "Inbox"))
def inbox(work: Work, seen: Seen) -> Page:
    """Show what the reader's department was told, the newest first; with ``?unread=true`` what is unread."""
    unread = seen.query.get("unread") == "true"
    found = list_notices(work, unread=unread, limit=PAGE, cursor=seen.query.get("cursor") or None)
    return Page("notices/inbox.html", {"found": found, "unread": unread})


@pages.form("/inbox/<notice_id>/read", who=SIGNED_IN, summary=Text("标为已读", "Mark as read"))
def read_one(work: Work, seen: Seen, notice_id: str) -> Go:
    """Note that the reader has read a notice, and go on to what it is about if asked to."""
    line = read_notice(work, notice_id)
    return Go(line.notice.link if seen.form.get("open") else "/inbox")


@pages.form("/inbox/read-all", who=SIGNED_IN, summary=Text("全部标为已读", "Mark all as read"))
def read_everything(work: Work, seen: Seen) -> Go:
    """Note that the reader has read whatever is in the inbox now."""
    read_all(work)
    return Go("/inbox", Text("已全部标为已读。", "Everything is marked as read."))
