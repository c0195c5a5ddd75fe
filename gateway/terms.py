"""How long a grant lasts: what was asked for or decided, within what the rulebook allows (GZ art. 5(二)).

Where the regulation sets no term none is invented; a deployment's own default is possible, and labelled.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from core.errors import invalid
from rules.citation import PRODUCT_DEFAULT, SILENT
from rules.durations import Duration, after
from rules.rulebook import Rulebook
from rules.workdays import Calendar

LAST_INSTANT = timedelta(microseconds=999_999)
"""A day that ends at 23:59:59 lasts that whole second."""


@dataclass(frozen=True, slots=True)
class Term:
    """The term of a grant: its length, its last instant, and who set it; all None where it has no end."""

    days: int | None
    valid_until: datetime | None
    set_by: str | None
    """applicant, decider or deployment (a product default, not the regulation's)."""


def check_term(book: Rulebook, calendar: Calendar, days: int | None, now: datetime) -> None:
    """Refuse a term that the rulebook does not allow to ask for. Raises Invalid at ``/term_days``.

    Where the book bounds the term an application states one.
    """
    leaf = book.policy("grant.max_term")
    if leaf.value is None:
        return
    if days is None:
        raise invalid(
            "/term_days",
            "请填写使用期限（天）",
            "state the term in days",
            code="required",
            cite=str(leaf.cite),
        )
    cap = after(now, Duration.parse(leaf.value), calendar)
    end = after(now, Duration(days, "d"), calendar)
    if cap is not None and end is not None and end > cap:
        most = (cap.date() - now.astimezone(cap.tzinfo).date()).days
        raise invalid(
            "/term_days",
            f"最长 {most} 天（至 {cap.date()}）",
            f"{most} days at most (until {cap.date()})",
            code="maximum",
            cite=str(leaf.cite),
        )


def term_of(
    book: Rulebook,
    calendar: Calendar,
    now: datetime,
    *,
    asked: int | None,
    decided: int | None,
    default: int | None,
) -> Term:
    """Return the term of a grant made `now`: as decided, else as asked for, else the deployment's default.

    The rulebook's longest term bounds each of them.
    """
    choices = (("decider", decided), ("applicant", asked), ("deployment", default))
    set_by, days = next(((who, d) for who, d in choices if d is not None), (None, None))
    if days is None:
        return Term(None, None, None)
    end = after(now, Duration(days, "d"), calendar)
    cap = book.policy("grant.max_term").value
    longest = after(now, Duration.parse(cap), calendar) if cap else None
    last = min(t for t in (end, longest) if t is not None)
    return Term(days, last + LAST_INSTANT, set_by)


def term_view(book: Rulebook, facts: Any) -> dict[str, Any]:
    """Return the term of a grant as JSON, with the provision that bounds it or says nothing of it.

    A length that somebody set where the book has no longest term is never `text`.
    """
    leaf = book.policy("grant.max_term")
    cite, set_by = leaf.cite, facts.get("term_set_by")
    kind = cite.kind if leaf.value is not None or set_by is None else SILENT
    return {
        "days": facts.get("term_days"),
        "set_by": set_by,
        "kind": PRODUCT_DEFAULT if set_by == "deployment" else kind,
        "cite": cite.as_json(),
    }
