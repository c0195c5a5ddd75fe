"""The reply of a ticket as a sheet to print, with the parts that the rulebook names, in its order."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from cases.model import CO_HANDLER
from cases.sealed import fields_seen
from cases.timing import book_of
from core.text import Text, text_of
from core.work import Work
from hotline.callers import relation_to
from hotline.model import Held
from hotline.progress import REPLY
from rules.citation import Citation
from rules.values import FieldRule

FORMAT = "reply.format"


@dataclass(frozen=True, slots=True)
class Sheet:
    """The latest reply: by whom, when, and what it says."""

    unit: str
    at: datetime
    parts: tuple[tuple[Text, Any], ...]
    """Title and words of each part."""
    cite: Citation


def reply_sheet(work: Work, held: Held) -> Sheet | None:
    """Return the latest reply to whoever sees the caller's own words; None where there is none for them."""
    said = [event for event in held.case.events if REPLY in event.fields and event.role != CO_HANDLER]
    if not said or relation_to(work, held) in ("accused", "other"):
        return None
    book, _ = book_of(work, held.case)
    latest = said[-1]
    policy = book.policy(FORMAT)
    entries = policy.value or [{"code": REPLY, "title": book.fields[REPLY].title}]
    shown = fields_seen(work, held.case, latest.fields)
    parts = [
        (_title(e["title"]), _said(book.fields[e["code"]], shown[e["code"]]))
        for e in entries
        if e["code"] in shown
    ]
    return Sheet(latest.actor_department, latest.at, tuple(parts), policy.cite)


def _said(rule: FieldRule, value: Any) -> Any:
    """Return a value as people read it: a choice by its title."""
    if isinstance(value, bool):
        return Text("是", "yes") if value else Text("否", "no")
    return rule.choices.get(str(value), value)


def _title(title: Any) -> Text:
    return title if isinstance(title, Text) else text_of(title)
