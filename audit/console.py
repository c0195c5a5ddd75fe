"""The access log as auditors read it: searched, opened, and each search on record itself."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import orjson

from audit.note import BadNote
from audit.proofs import prove_inclusion, published_checkpoint
from audit.query import Filters, Found, FoundPage, envelope_of
from audit.reading import open_record, search_records
from core.codes import code_in
from core.errors import ConfigError, Conflict, FieldError, Invalid, NotFound
from core.text import Text
from core.times import parse_instant
from core.work import Work
from web.pages import Page, Pages, Seen

pages = Pages("audit")

AUDITOR = frozenset({"auditor"})
PAGE = 50

KINDS = {
    "access": Text("数据调用", "Data call"),
    "access.intent": Text("调用前登记", "Intent to call"),
    "access.start": Text("开始传输", "Transfer begun"),
    "access.end": Text("传输结束", "Transfer ended"),
    "decision.dataset": Text("数据集办理", "Dataset step"),
    "decision.application": Text("申请办理", "Application step"),
    "decision.grant": Text("授权办理", "Grant step"),
    "decision.article": Text("知识办理", "Article step"),
    "knowledge.looked_up": Text("查询知识库", "Knowledge looked up"),
    "knowledge.gap_assigned": Text("交办未答问题", "Unanswered question assigned"),
    "knowledge.gap_closed": Text("办结未答问题", "Unanswered question closed"),
    "grant.opened": Text("授权生效", "Grant opened"),
    "clock.breached": Text("逾期", "Overdue"),
    "client.registered": Text("登记业务系统", "System registered"),
    "client.approved": Text("启用业务系统", "System approved"),
    "client.disabled": Text("停用业务系统", "System disabled"),
    "token.issued": Text("签发访问令牌", "Access token issued"),
    "token.refused": Text("拒发访问令牌", "Access token refused"),
    "token.revoked": Text("吊销访问令牌", "Access token revoked"),
    "attachment.added": Text("添加附件", "Attachment added"),
    "credential.issued": Text("签发凭据", "Credential issued"),
    "credential.revoked": Text("吊销凭据", "Credential revoked"),
    "account.created": Text("建立账号", "Account created"),
    "account.signed_in": Text("登录", "Signed in"),
    "account.signed_out": Text("退出", "Signed out"),
    "account.sign_in_failed": Text("登录失败", "Sign-in failed"),
    "account.password_changed": Text("修改密码", "Password changed"),
    "account.password_reset": Text("重置密码", "Password reset"),
    "account.disabled": Text("停用账号", "Account disabled"),
    "account.enabled": Text("启用账号", "Account enabled"),
    "account.session_ended": Text("结束会话", "Session ended"),
    "account.token_issued": Text("签发令牌", "Token issued"),
    "account.token_ended": Text("作废令牌", "Token ended"),
    "notice.read": Text("阅读通知", "Notice read"),
    "audit.query": Text("查询记录", "Records searched"),
    "report.exported": Text("导出热线报表", "Hotline report exported"),
}
"""What the kinds of records are called on screen; others show as they are written."""

DECISIONS = {
    "permitted": Text("放行", "Permitted"),
    "refused": Text("拒绝", "Refused"),
    "failed": Text("失败", "Failed"),
    "aborted": Text("中断", "Aborted"),
}

_EQUAL = ("kind", "decision", "dataset", "grant")


@pages.show("/records", who=AUDITOR, summary=Text("访问记录", "Access log"))
def records(work: Work, seen: Seen) -> Page:
    """Search the records, the newest first; the search is put on record."""
    context: dict[str, Any] = {
        "kinds": KINDS,
        "decisions": DECISIONS,
        "departments": {d.id: d.name for d in work.settings.departments.values()},
        "found": FoundPage((), None),
        "step_of": lambda body: step_of(work, body),
    }
    try:
        filters = _filters(seen.query)
        cursor = seen.query.get("cursor") or None
        context["found"] = search_records(work, filters, limit=PAGE, cursor=cursor)
    except Invalid as wrong:
        again = Seen(seen.query, seen.form, wrong.errors)
        return Page("audit/records.html", {**context, "seen": again}, 422)
    return Page("audit/records.html", context)


def step_of(work: Work, body: Mapping[str, Any]) -> tuple[Text, Text] | None:
    """Return what a record's step and the state after it are called in the rulebook of its time."""
    try:
        book = work.rulebooks.get(body["rulebook"], body["rulebook_version"])
        flow = book.workflow(body["case_kind"])
        state = flow.states[body["to_state"]].title
    except (KeyError, ConfigError):
        return None
    steps = {t.action: t.title for t in flow.transitions}
    return steps.get(body.get("action"), Text("建立", "Open")), state


def _filters(query: Mapping[str, str]) -> Filters:
    """Read the search form. Raises Invalid with an entry per wrong field."""
    wrong: list[FieldError] = []
    since, until = (_instant(query, name, wrong) for name in ("since", "until"))
    if wrong:
        raise Invalid(wrong)
    equal = {name: query[name].strip() for name in _EQUAL if query.get(name, "").strip()}
    if "dataset" in equal:
        equal["dataset"] = code_in(equal["dataset"])
    return Filters(since, until, query.get("department") or None, equal)


def _instant(query: Mapping[str, str], name: str, wrong: list[FieldError]) -> datetime | None:
    if not query.get(name):
        return None
    try:
        return parse_instant(query[name])
    except ValueError:
        words = Text("应为时间，如 2026-02-13T10:00", "must be an instant such as 2026-02-13T10:00")
        wrong.append(FieldError(f"/{name}", words))
        return None


@pages.show("/records/<id>", who=AUDITOR, summary=Text("一条记录", "One record"))
def one_record(work: Work, seen: Seen, id: str) -> Page:
    """Show a record with its body, and what proves that it stands in the log; that is put on record too."""
    found = open_record(work, id)
    body = {k: v for k, v in found.body.items() if v is not None}
    context = {
        "found": found,
        "body": body,
        "pretty": orjson.dumps(body, option=orjson.OPT_INDENT_2 | orjson.OPT_SORT_KEYS).decode(),
        "kinds": KINDS,
        "decisions": DECISIONS,
        **_evidence(work, found),
    }
    return Page("audit/record.html", context)


def _evidence(work: Work, found: Found) -> dict[str, Any]:
    """Return envelope, proof and checkpoint of a sealed record; nothing while no checkpoint covers it."""
    folder = work.settings.data / "audit"
    if found.log_index is None:
        return {"envelope": None, "proof": None, "checkpoint": None}
    try:
        envelope = envelope_of(folder, found)
        proof = prove_inclusion(folder, found.log_index)
        checkpoint, _ = published_checkpoint(folder)
    except (Conflict, NotFound, BadNote):
        return {"envelope": None, "proof": None, "checkpoint": None}
    return {"envelope": envelope.decode() if envelope else None, "proof": proof, "checkpoint": checkpoint}
