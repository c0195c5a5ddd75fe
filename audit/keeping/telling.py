"""Who is told of an erasure: those who may decide, then the department that asked."""

from __future__ import annotations

from datetime import timedelta

from audit.keeping import store
from audit.keeping.model import GRANTED, Erasure
from core.text import Text
from core.work import Work

KIND = "erasure"
"""The kind of the notices."""
NEWS = timedelta(days=7)
"""How long after it was done the department that asked may still be told."""


def tell_asked(work: Work, erasure: Erasure) -> None:
    """Tell the auditors and the platform's managers that one of them, not who asked, is to decide."""
    platform, count = work.settings.platform, len(erasure.targets)
    for department, role in ((platform.auditor, "auditor"), (platform.manager, "platform_manager")):
        _tell(
            work,
            erasure,
            f"asked:{role}",
            (department, role),
            Text(f"删除申请待决定：{count} 条正文", f"Erasure to be decided: bodies of {count} record(s)"),
            Text("由申请人以外的一人决定。", "Somebody else than who asked for it decides."),
        )


def tell_decided(work: Work, erasure: Erasure) -> None:
    """Tell the auditors of the department that asked what was decided."""
    if erasure.state == GRANTED:
        subject = Text("删除申请已批准", "Erasure granted")
        body = Text("正文将在一分钟左右内删除。", "The bodies go within about a minute.")
    else:
        subject = Text("删除申请未获批准", "Erasure refused")
        body = Text("正文保留，理由见申请。", "The bodies stay; the request has the reason.")
    _tell(work, erasure, "decided", (erasure.asked_department, "auditor"), subject, body)


def tell_done(work: Work) -> None:
    """Tell the departments that asked, once each, of what was carried out in the last days."""
    for erasure in store.done_since(work.tx, work.now - NEWS):
        count = (erasure.outcome or {}).get("bodies", 0)
        _tell(
            work,
            erasure,
            "done",
            (erasure.asked_department, "auditor"),
            Text(f"正文已删除：{count} 条", f"Bodies erased: {count}"),
            Text("信封和证明仍在日志中。", "Envelopes and proofs stay in the log."),
        )


def _tell(
    work: Work, erasure: Erasure, step: str, reader: tuple[str, str], subject: Text, body: Text
) -> None:
    work.tell(
        work,
        key=f"erasure:{erasure.id}:{step}",
        about=erasure.id,
        link=f"/records/erasures/{erasure.id}",
        department=reader[0],
        role=reader[1],
        kind=KIND,
        subject=subject,
        body=body,
    )
