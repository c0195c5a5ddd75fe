"""While a matter stands in a state that the rulebook flags `disputed`, its data carry a notice."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cases.telling import link_of
from cases.timing import book_of
from catalog.corrections import mark_disputed, settle_disputed
from core.work import Work
from matters.model import Held
from matters.words import names_in


def follow_dispute(work: Work, held: Held, before: str | None, fields: Mapping[str, Any]) -> None:
    """Mark the data when the matter enters such a state, clear them when it leaves.

    `before` is None at first; `fields` is what was said at the opening: the record and the items concerned.
    """
    _, flow = book_of(work, held.case)
    is_disputed = "disputed" in flow.states[held.case.state].flags
    was_disputed = before is not None and "disputed" in flow.states[before].flags
    if is_disputed and not was_disputed:
        for code in held.matter.datasets:
            mark_disputed(
                work,
                held.matter.number,
                code,
                names_in(fields.get("items", "")),
                fields.get("record"),
                link=link_of(held.case),
            )
    elif was_disputed and not is_disputed:
        settle_disputed(work, held.matter.number)
