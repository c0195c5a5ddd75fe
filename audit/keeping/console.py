"""The pages of erasures: asking, deciding, following; and what retention would delete next."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from typing import Any

from audit.columns.logs import began_at, closed_folders
from audit.console import pretty, words_of_records
from audit.files import Inconsistent
from audit.keeping.covered import Keeping, all_logs, covered
from audit.keeping.erasure import (
    ASKERS,
    DECIDERS,
    MOST,
    decide_erasure,
    find_erasure,
    list_erasures,
    may_decide,
    request_erasure,
)
from audit.keeping.model import STATES
from audit.keeping.past import past_log
from audit.keeping.retention import Job, Old, cutoff, old_files, pruning
from audit.keeping.shown import MOST as SHOWN_MOST
from audit.keeping.shown import shown_targets
from audit.note import BadNote
from audit.overview.state import fingerprint
from audit.place import log_folder
from core.errors import FieldError, Invalid
from core.text import Text
from core.whole import whole
from core.work import Work
from web.kit import kit
from web.pages import Go, Page, Pages, Seen

pages = Pages("audit_keeping")

PAGE = 50
FILES = 12
"""How many files of bodies whose time is over stand on the page."""
BASIS_MOST, DOCUMENT_MOST, REMARK_MOST = 500, 200, 2000


@dataclass(frozen=True, slots=True)
class Due:
    """What retention would delete: bodies of before `before`, file by file, the oldest log and file first."""

    before: datetime | None
    files: tuple[Old, ...]
    more: bool
    job: Job | None
    """What it is deleting now."""
    trouble: str | None = None


@pages.show("/records/erasures", who=DECIDERS, summary=Text("删除申请", "Erasures"))
def erasures(work: Work, seen: Seen) -> Page:
    """Show the erasures that were asked for, the newest first, and what retention would delete next."""
    context: dict[str, Any] = {"states": STATES, "may_ask": bool(work.actor.roles & ASKERS), "due": due(work)}
    context |= {"rule": work.settings.audit.retention, "page": None}
    try:
        page = list_erasures(work, seen.query.get("state") or None, PAGE, seen.query.get("cursor") or None)
    except Invalid as wrong:
        again = Seen(seen.query, seen.form, wrong.errors)
        return Page("audit/erasures.html", {**context, "seen": again}, 422)
    return Page("audit/erasures.html", {**context, "page": page})


def due(work: Work) -> Due | None:
    """Return what retention would delete next; None where all bodies are kept."""
    keeping = Keeping(work.settings, kit().database)
    if work.settings.audit.retention is None:
        return None
    try:
        reach = covered(keeping)
        before = None if reach is None else cutoff(keeping, reach, work.now)
        if before is None:
            return Due(None, (), False, pruning(keeping))
        logs = all_logs(keeping)
        old = (file for log in logs if (of := covered(log)) for file in old_files(log, of, before))
        files = tuple(islice(old, FILES + 1))
        job = next((job for log in logs if (job := pruning(log)) is not None), None)
    except (BadNote, Inconsistent) as wrong:
        return Due(None, (), False, None, str(wrong))
    return Due(before, files[:FILES], len(files) > FILES, job)


@pages.show("/records/past", who=frozenset({"auditor"}), summary=Text("已关闭的日志", "Closed logs"))
def closed_logs(work: Work, seen: Seen) -> Page:
    """Show the logs that were closed by a rotation, the newest first."""
    folder = log_folder(work.settings)
    found = [past_log(folder, closed.name) for closed in reversed(closed_folders(folder))]
    start = whole(seen.query.get("cursor") or "0", 0, len(found)) or 0
    logs = [(log, began_at(log.folder), log.verifiers) for log in found[start : start + PAGE]]
    cursor = str(start + PAGE) if len(found) > start + PAGE else None
    return Page("audit/past.html", {"logs": logs, "fingerprint": fingerprint, "next_cursor": cursor})


@pages.show("/records/erasures/new", who=ASKERS, summary=Text("申请删除", "Ask for an erasure"))
def new_erasure(work: Work, seen: Seen) -> Page:
    """Show the form to ask that bodies be erased."""
    return Page("audit/erasure_new.html", {"seen": seen.at_fields(), "most": MOST})


@pages.form(
    "/records/erasures", who=ASKERS, summary=Text("提交删除申请", "Ask for an erasure"), again=new_erasure
)
def ask(work: Work, seen: Seen) -> Go:
    """Ask that the bodies of records be erased; somebody else decides."""
    ids = seen.form.get("records", "").split()
    said = {
        "basis": _said(seen, "basis", BASIS_MOST),
        "document": _said(seen, "document", DOCUMENT_MOST),
    }
    wrong = [error for error in said.values() if isinstance(error, FieldError)]
    if not ids:
        wrong.insert(0, FieldError("/records", Text("请填写记录编号", "give the ids of the records")))
    if wrong:
        raise Invalid(wrong)
    made = request_erasure(work, list(dict.fromkeys(ids)), str(said["basis"]), str(said["document"]))
    notice = Text("已提交，等待另一人决定", "It was handed in and waits for somebody else's decision")
    return Go(f"/records/erasures/{made.id}", notice)


def _said(seen: Seen, name: str, most: int) -> str | FieldError:
    text = seen.form.get(name, "").strip()
    if not text:
        return FieldError(f"/{name}", Text("必须填写", "is required"), "required")
    if len(text) > most:
        return FieldError(f"/{name}", Text(f"最多 {most} 个字符", f"may have {most} characters at most"))
    return text


@pages.show("/records/erasures/<id>", who=DECIDERS, summary=Text("一项删除申请", "One erasure"))
def one_erasure(work: Work, seen: Seen, id: str) -> Page:
    """Show an erasure, how far it has come, and the form for whoever may decide."""
    return Page("audit/erasure.html", _context(work, id))


def _context(work: Work, id: str) -> Mapping[str, Any]:
    erasure = find_erasure(work, id)
    return {
        **words_of_records(work),
        "erasure": erasure,
        "shown": shown_targets(work, erasure),
        "states": STATES,
        "pretty": pretty,
        "most": SHOWN_MOST,
        "may_decide": may_decide(work, erasure),
        "own": erasure.asked_by == work.actor.login,
        "opens_records": work.actor.has("auditor"),
    }


@pages.form(
    "/records/erasures/<id>/decision",
    who=DECIDERS,
    summary=Text("决定删除申请", "Decide on an erasure"),
    again=one_erasure,
    step_up=True,
)
def decide(work: Work, seen: Seen, id: str) -> Go:
    """Decide on an erasure that somebody else asked for."""
    verdict, remark = seen.form.get("decision", ""), seen.form.get("remark", "").strip()
    wrong = []
    if verdict not in ("grant", "refuse"):
        wrong.append(FieldError("/decision", Text("请选择", "choose one"), "required"))
    if len(remark) > REMARK_MOST:
        words = Text(f"最多 {REMARK_MOST} 个字符", f"may have {REMARK_MOST} characters at most")
        wrong.append(FieldError("/remark", words))
    if wrong:
        raise Invalid(wrong)
    decide_erasure(work, id, verdict == "grant", remark or None)
    return Go(f"/records/erasures/{id}", Text("决定已记录", "The decision is on record"))
