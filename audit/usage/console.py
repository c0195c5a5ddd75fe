"""The pages on which departments see what they used, who used their data, and the proof of each call."""

from __future__ import annotations

from typing import Any

from flask import current_app
from markupsafe import Markup

from audit.console import names_of
from audit.questions.present import coverage_words
from audit.usage.parties import PARTIES, prove_as_party
from audit.usage.reading import (
    CONSUMER,
    OUTCOMES,
    SIDES,
    Usage,
    chosen_by,
    read_calls,
    read_usage,
    sides_of,
    wanted,
)
from audit.wording import DECISIONS, REASONS, TONES
from core.errors import Invalid
from core.periods import KINDS, day_of
from core.text import Text
from core.work import Work
from web.charts import line_chart, number
from web.pages import File, Page, Pages, Seen
from web.words import words

pages = Pages("audit_usage")

PAGE = 50


@pages.show("/usage", who=PARTIES, summary=Text("使用情况", "Usage"))
def usage(work: Work, seen: Seen) -> Page:
    """Show what the reader's department used or gave in a period; that is put on record."""
    context = _context(work)
    try:
        asked = wanted(work, seen.query)
        found = read_usage(work, asked, limit=PAGE, cursor=seen.query.get("cursor") or None)
    except Invalid as wrong:
        again = Seen(seen.query, seen.form, wrong.errors)
        return Page("audit/usage.html", {**context, "seen": again, "found": None}, 422)
    shown = {
        "found": found,
        "choices": chosen_by(asked.side),
        "chart": _chart(found),
        "names": names_of(work, asked.by, [str(line["name"]) for line in found.lines]),
        "basis": coverage_words(found.coverage),
    }
    return Page("audit/usage.html", {**context, **shown})


@pages.show(
    "/usage/records", who=PARTIES, summary=Text("本部门的每次调用", "The single calls of a department")
)
def calls(work: Work, seen: Seen) -> Page:
    """Show the single calls of the reader's department; that is put on record."""
    context = _context(work)
    try:
        asked = wanted(work, seen.query)
        found = read_calls(work, asked, seen.query, limit=PAGE, cursor=seen.query.get("cursor") or None)
    except Invalid as wrong:
        again = Seen(seen.query, seen.form, wrong.errors)
        return Page("audit/usage_records.html", {**context, "seen": again, "found": None}, 422)
    listed = {
        "found": found,
        "systems": names_of(work, "client", [str(item["client"]) for item in found.items]),
        "titles": names_of(work, "dataset", [str(item["dataset"]) for item in found.items]),
    }
    return Page("audit/usage_records.html", {**context, **listed})


@pages.show(
    "/usage/records/<id>/proof", who=PARTIES, summary=Text("下载调用的存在性证明", "Save the proof of a call")
)
def save_proof(work: Work, seen: Seen, id: str) -> File:
    """Save the proof that the record of one's own call is in the log; that is put on record."""
    name, text = prove_as_party(work, id)
    return File(name, "text/plain; charset=utf-8", text.encode())


def _context(work: Work) -> dict[str, Any]:
    return {
        "sides": {side: SIDES[side] for side in sides_of(work)},
        "kinds": KINDS,
        "decisions": DECISIONS,
        "tones": TONES,
        "reasons": current_app.extensions.get(REASONS, {}),
        "outcomes": OUTCOMES,
        "number": number,
        "consumer": CONSUMER,
    }


def _chart(found: Usage) -> Markup | None:
    """Draw the calls of each day up to now, the days without any as none; a single day needs no chart."""
    days = [part.first for part in found.wanted.period.parts() if part.first <= day_of(found.as_of)]
    if found.wanted.period.kind not in ("week", "month") or len(days) < 2:
        return None
    calls = {str(line["day"]): line for line in found.days}
    lines = [
        (words(DECISIONS[name]), [int(calls.get(day.isoformat(), {}).get(name) or 0) for day in days])
        for name in ("permitted", "refused", "failed")
    ]
    title = Text(f"{found.wanted.period.title.zh}每日调用", f"Calls per day, {found.wanted.period.title.en}")
    beside = Text("实线放行，虚线拒绝，点线失败", "Solid: permitted; dashed: refused; dotted: failed")
    labels = [day.isoformat()[5:] for day in days]
    return Markup(line_chart("usage", words(title), words(beside), labels, lines))
