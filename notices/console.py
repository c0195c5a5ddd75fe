"""The inbox as people see it, and how its copies fared on their way out."""

from __future__ import annotations

from core.text import Text
from core.work import Work
from notices.inbox import list_notices, read_all, read_notice
from notices.outbox import STATES, list_deliveries, status
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
    """Note that the reader has read a notice, and show the same list again."""
    read_notice(work, notice_id)
    return Go("/inbox?unread=true" if seen.form.get("unread") else "/inbox")


@pages.form("/inbox/read-all", who=SIGNED_IN, summary=Text("全部标为已读", "Mark all as read"))
def read_everything(work: Work, seen: Seen) -> Go:
    """Note that the reader has read whatever is in the inbox now."""
    read_all(work)
    return Go("/inbox", Text("已全部标为已读。", "Everything is marked as read."))


OPERATORS = frozenset({"administrator", "platform_manager"})

CHANNELS = {"email": Text("电子邮件", "E-mail"), "webhook": Text("业务系统接口", "Webhook")}

REASONS = {
    "timeout": Text("对方未在限时内应答", "no answer in time"),
    "no_answer": Text("对方没有有效应答", "no valid answer"),
    "name_unresolved": Text("域名无法解析", "the name does not resolve"),
    "address_prohibited": Text("地址不在允许的网段内", "the address is outside the allowed networks"),
    "tls": Text("加密连接未建立，请检查证书", "no secure connection; check the certificate"),
    "smtp_unreachable": Text("邮件服务器无法连接", "the mail server cannot be reached"),
    "smtp_tls": Text("与邮件服务器的加密连接未建立", "no secure connection to the mail server"),
    "smtp_not_supported": Text(
        "邮件服务器不支持所配置的方式", "the mail server does not support the settings"
    ),
    "smtp_sign_in_refused": Text("邮件服务器拒绝登录", "the mail server refused the sign-in"),
    "smtp_connection_lost": Text("与邮件服务器的连接中断", "the connection to the mail server was lost"),
    "smtp_no_answer": Text("邮件已交出，未得到确认", "handed over, not confirmed"),
    "sender_lost": Text("发送进程中断", "the sender was interrupted"),
    "not_configured": Text("该地址已不在配置中", "no longer configured"),
    "internal": Text("平台内部错误", "a fault of the platform"),
}
"""Why a delivery did not go out, in words; answers of the other side show their code."""


@pages.show("/deliveries", who=OPERATORS, summary=Text("通知发送", "Notices sent on"))
def deliveries(work: Work, seen: Seen) -> Page:
    """Show how the copies of notices fared on their way out, first those that failed."""
    chosen = seen.query.get("state", "failed")
    state = chosen if chosen in STATES else "failed"
    found = list_deliveries(work, state, PAGE, seen.query.get("cursor") or None)
    context = {
        "facts": status(work),
        "states": STATES,
        "state": state,
        "found": found,
        "channels": CHANNELS,
        "reason": _reason,
    }
    return Page("notices/deliveries.html", context)


def _reason(word: str | None) -> Text:
    """Return why a try failed, in words."""
    protocol, _, code = (word or "").partition("_")
    if protocol in ("http", "smtp") and code.isdigit():
        return Text(f"对方应答 {code}", f"the answer was {code}")
    return REASONS.get(word or "", Text("", ""))
