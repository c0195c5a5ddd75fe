"""What the caller says of the handling: asked by an operator, or said by the citizen alone."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from core.work import Work
from hotline import store
from hotline.book import entry_of
from hotline.measures import lead_of
from hotline.model import CITIZEN, Held, Rating
from rules.rulebook import Rulebook
from rules.values import read_value

SCALE = "satisfaction.scale"


def said_satisfied(book: Rulebook, fields: Mapping[str, Any]) -> dict[str, bool]:
    """Return the fact that the rating of a step stands for; nothing without a rating of the scale."""
    rule = book.fields.get("satisfaction")
    if rule is None or not fields.get("satisfaction"):
        return {}
    entry = entry_of(book, SCALE, read_value(rule, fields["satisfaction"], "/satisfaction"))
    return {"is_satisfied": bool(entry["satisfied"])} if entry is not None else {}


def note_rating(work: Work, book: Rulebook, held: Held, said: Mapping[str, Any]) -> None:
    """Write down what a step says of the latest handling."""
    entry = entry_of(book, SCALE, str(said["satisfaction"]))
    if entry is None:
        return
    earlier = store.ratings_of(work.tx, held.ticket.id)
    rating = Rating(
        ticket_id=held.ticket.id,
        seq=len(earlier) + 1,
        unit=lead_of(held.case) or "",
        satisfaction=str(entry["code"]),
        level=int(entry["level"]),
        satisfied=bool(entry["satisfied"]),
        at=work.now,
        by="citizen" if work.actor.login == CITIZEN.login else "operator",
    )
    store.insert_rating(work.tx, rating)
