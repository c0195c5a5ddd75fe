"""What records are called on screen, and what happened in a sentence."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from core.text import Text

KINDS = {
    "access": Text("数据调用", "Data call"),
    "access.intent": Text("调用前登记", "Intent to call"),
    "access.start": Text("开始传输", "Transfer begun"),
    "access.end": Text("传输结束", "Transfer ended"),
    "decision.dataset": Text("数据集办理", "Dataset step"),
    "decision.application": Text("申请办理", "Application step"),
    "decision.grant": Text("授权办理", "Grant step"),
    "decision.article": Text("知识办理", "Article step"),
    "decision.matter": Text("事项办理", "Matter step"),
    "decision.ticket": Text("工单办理", "Ticket step"),
    "decision.supervision": Text("督办办理", "Supervision step"),
    "decision.erasure": Text("决定删除申请", "Erasure decided"),
    "knowledge.looked_up": Text("查询知识库", "Knowledge looked up"),
    "knowledge.gap_assigned": Text("交办未答问题", "Unanswered question assigned"),
    "knowledge.gap_closed": Text("办结未答问题", "Unanswered question closed"),
    "grant.opened": Text("授权生效", "Grant opened"),
    "clock.breached": Text("逾期", "Overdue"),
    "client.registered": Text("登记业务系统", "System registered"),
    "client.approved": Text("启用业务系统", "System approved"),
    "client.disabled": Text("停用业务系统", "System disabled"),
    "client.authentication_asked": Text("申请变更认证方式", "Another authentication asked for"),
    "client.authentication_approved": Text("同意变更认证方式", "Another authentication approved"),
    "client.authentication_refused": Text("不同意变更认证方式", "Another authentication refused"),
    "token.issued": Text("签发访问令牌", "Access token issued"),
    "token.refused": Text("拒发访问令牌", "Access token refused"),
    "token.flooded": Text("拒绝过量请求", "Too many requests turned away"),
    "token.revoked": Text("吊销访问令牌", "Access token revoked"),
    "attachment.added": Text("添加附件", "Attachment added"),
    "credential.issued": Text("签发凭据", "Credential issued"),
    "credential.registered": Text("登记公钥或证书", "Key or certificate registered"),
    "credential.revoked": Text("吊销凭据", "Credential revoked"),
    "account.created": Text("建立账号", "Account created"),
    "account.signed_in": Text("登录", "Signed in"),
    "account.second_factor_asked": Text("密码正确，待双因素验证", "Password right, second factor to come"),
    "account.confirmed": Text("再次验证身份", "Confirmed who they are"),
    "account.second_factor_begun": Text("开始设置双因素", "Second factor begun"),
    "account.second_factor_added": Text("设置双因素", "Second factor added"),
    "account.second_factor_removed": Text("移除双因素", "Second factor removed"),
    "account.recovery_codes_made": Text("生成恢复码", "Recovery codes made"),
    "account.recovery_code_used": Text("使用恢复码", "Recovery code used"),
    "account.signed_out": Text("退出", "Signed out"),
    "account.sign_in_failed": Text("登录失败", "Sign-in failed"),
    "account.password_changed": Text("修改密码", "Password changed"),
    "account.password_reset": Text("重置密码", "Password reset"),
    "account.disabled": Text("停用账号", "Account disabled"),
    "account.enabled": Text("启用账号", "Account enabled"),
    "account.roles_changed": Text("更改角色", "Roles changed"),
    "account.roles_proposed": Text("提出角色调整", "Roles proposed"),
    "account.roles_decided": Text("决定角色调整", "Roles decided"),
    "account.last_day_set": Text("设定账号有效期", "Last day of an account set"),
    "account.identity_linked": Text("绑定外部身份", "Identity linked"),
    "account.identity_unlinked": Text("解除外部身份", "Identity unlinked"),
    "account.vouched_for": Text("核实账号", "Account vouched for"),
    "account.session_ended": Text("结束会话", "Session ended"),
    "account.token_issued": Text("签发令牌", "Token issued"),
    "account.token_ended": Text("作废令牌", "Token ended"),
    "notice.read": Text("阅读通知", "Notice read"),
    "quality.checked": Text("检查数据质量", "Data quality checked"),
    "keys.renewed": Text("更换密钥", "Keys renewed"),
    "keys.accepted": Text("认可密钥文件", "Key file accepted"),
    "import.started": Text("开始导入", "Import begun"),
    "import.finished": Text("导入完成", "Import finished"),
    "ticket.lookup": Text("话务员查询数据", "Data looked up for a ticket"),
    "ticket.looked_up": Text("查询工单", "Tickets looked up"),
    "ticket.unmasked": Text("查看来电人信息", "Caller's data shown"),
    "ticket.hinted": Text("提示重复工单", "Hint at a similar ticket"),
    "ticket.batch": Text("批量办理工单", "Tickets handled together"),
    "supervision.assembled": Text("汇总督办", "Supervision assembled"),
    "audit.query": Text("查询日志", "Log searched"),
    "report.exported": Text("导出热线报表", "Hotline report exported"),
    "erasure.asked": Text("申请删除", "Erasure asked for"),
    "erasure.carried_out": Text("删除完成", "Erasure carried out"),
    "body.erased": Text("删除正文", "Body erased"),
    "retention.pruned": Text("到期清理", "Bodies deleted by rule"),
    "archive.made": Text("归档", "Archived"),
    "log.rotated": Text("启用新日志", "New log begun"),
    "segment.sealed": Text("列文件封存", "Block of columns sealed"),
    "heartbeat": Text("心跳", "Heartbeat"),
    "timestamp": Text("加盖时间戳", "Time-stamped"),
    "witness.refused": Text("见证人拒绝共签", "Witness refused"),
    "outbox.refused": Text("剔除的非记录数据", "Row that was no record"),
    "journal.gap": Text("日记段缺失", "Gap in a journal"),
}
"""What the kinds of records are called; others show as they are written."""

DECISIONS = {
    "permitted": Text("放行", "Permitted"),
    "refused": Text("拒绝", "Refused"),
    "failed": Text("失败", "Failed"),
    "aborted": Text("中断", "Aborted"),
}
TONES = {"permitted": "green", "refused": "red", "failed": "amber", "aborted": "amber"}

REASONS = "shuxiang_reasons"
"""Where app.py puts what the reasons of refused calls are called, by code; the log knows no data plane."""

NAMES = "shuxiang_log_names"
"""Where app.py puts what datasets and systems are called: column to a function of the unit of work and of the
values, which returns value to name."""

FIELDS = {
    "consumer": Text("使用部门", "Consumer"),
    "provider": Text("提供部门", "Provider"),
    "department": Text("操作部门", "Department that acted"),
    "roles": Text("操作者角色", "Roles of the actor"),
    "actor": Text("操作者假名", "Actor's pseudonym"),
    "client": Text("业务系统", "System"),
    "address": Text("来源地址", "Address"),
    "grant": Text("授权", "Grant"),
    "dataset": Text("数据集", "Dataset"),
    "operation": Text("操作", "Operation"),
    "method": Text("请求方法", "Method"),
    "purpose": Text("用途", "Purpose"),
    "reason": Text("理由", "Reason"),
    "status": Text("HTTP 状态码", "HTTP status"),
    "rows": Text("数据行数", "Rows of data"),
    "bytes": Text("字节数", "Bytes"),
    "ms": Text("用时（毫秒）", "Time taken (ms)"),
    "subject": Text("所查个人的摘要", "Digest of the person asked for"),
    "case": Text("办件", "Case"),
    "ticket": Text("工单", "Ticket"),
    "trace": Text("跟踪编号", "Trace"),
}
"""The fields of a body that a record's page names, in this order."""


def plain(value: Any) -> Any:
    """Return a text with a mark in place of signs that do not show: one of them turns a whole line around."""
    if not isinstance(value, str):
        return value
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in value)


Name = Callable[[str | None], str]
"""What a department is called in the reader's language."""


def told(kind: str, body: Mapping[str, Any], name: Name, step: tuple[Text, Text] | None = None) -> Text:
    """Say in a sentence what a record is about; `step`: what a step and its outcome are called."""
    body = {field: plain(value) for field, value in body.items()}
    if kind in ("access", "access.intent", "access.start", "access.end"):
        return _call(kind, body, name)
    who = name(body["department"]) if body.get("department") else ""
    what = KINDS.get(kind, Text(kind, kind))
    if kind == "audit.query":
        what = _query(body)
    elif step is not None:
        what = Text(f"{step[0].zh} → {step[1].zh}", f"{step[0].en} → {step[1].en}")
    return Text(f"{who}：{what.zh}", f"{who}: {what.en}") if who else what


def _call(kind: str, body: Mapping[str, Any], name: Name) -> Text:
    """A call: who asked whom for what, and what came of it; one whose body is gone says so."""
    if not body.get("consumer") and not body.get("decision"):
        return Text(f"{KINDS[kind].zh}（正文已删除）", f"{KINDS[kind].en} (its body is gone)")
    asked = body.get("operation")
    if not body.get("consumer"):
        who, target = Text("令牌不明者", "Somebody with an unknown token"), Text("平台", "the platform")
    else:
        consumer, provider = name(body["consumer"]), name(body.get("provider"))
        who = Text(consumer, consumer)
        target = Text(f"{provider}的 {body.get('dataset')}", f"{body.get('dataset')} of {provider}")
    what = Text(f"（{asked}）", f" ({asked})") if asked else Text("", "")
    came = _came(kind, body)
    zh = f"{who.zh}调用{target.zh}{what.zh}{came.zh}"
    return Text(zh, f"{who.en} called {target.en}{what.en}{came.en}")


def _came(kind: str, body: Mapping[str, Any]) -> Text:
    if kind == "access.intent":
        return Text("，即将转给提供部门", ", about to be passed on")
    if kind == "access.start":
        return Text("，开始传输", ", and the transfer began")
    decision, rows = body.get("decision"), body.get("rows")
    if decision == "permitted":
        return (
            Text("", "") if rows is None else Text(f"，得到 {rows:,} 行", f" and was given {rows:,} row(s)")
        )
    ends = {
        "refused": Text("，被拒绝", " and was refused"),
        "failed": Text("，没有成功", ", which failed"),
        "aborted": Text("，中途断开", ", cut off on the way"),
    }
    return ends.get(str(decision), Text("", ""))


def _query(body: Mapping[str, Any]) -> Text:
    query, rows = body.get("query") or {}, body.get("rows")
    said = (
        "，".join(f"{k}={plain(v)}" for k, v in query.items()) if isinstance(query, Mapping) else str(query)
    )
    zh = f"查询日志，得到 {rows} 条" if rows is not None else "查询日志"
    en = f"searched the log, {rows} found" if rows is not None else "searched the log"
    return Text(f"{zh}（{said}）", f"{en} ({said})") if said else Text(zh, en)
