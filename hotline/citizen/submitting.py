"""A citizen hands in a request, under a channel that the rulebook opens to citizens."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from core.errors import NotFound
from core.text import Text, text_of
from core.work import Work
from hotline.book import hotline_book, value_of
from hotline.intake import take_in
from hotline.model import CITIZEN
from hotline.papers import Sent, keep_sent
from schemas import validate

SOURCE = "citizen"
CALLER = ("name", "phone", "address")
WORDS = ("channel", "summary", "description", "category", "place", "location", "occurred_at")
BOXES = ("anonymous", "confidential", "consent")


class Submitted(NamedTuple):
    """What the citizen is told: the number, the query code (this once), and how many files were not kept."""

    number: str
    code: str
    left_out: int


def channels(work: Work) -> dict[str, Text]:
    """Return the channels by which citizens hand in requests themselves.

    Raises NotFound where the rulebook has none, or the deployment no hotline.
    """
    listed = value_of(hotline_book(work), "channels") or ()
    found = {str(entry["code"]): text_of(entry["title"]) for entry in listed if entry["citizen"]}
    if not found:
        raise NotFound(
            "本地热线不接受网上自助提交，请拨打 12345", "this hotline takes no requests on its pages"
        )
    return found


def read_request(typed: Mapping[str, str], known: Mapping[str, Text]) -> dict[str, Any]:
    """Return what was typed as a draft (schema request/ticket); with one channel nobody has to choose."""
    given = {name: text.strip() for name, text in typed.items() if text.strip()}
    draft: dict[str, Any] = {"channel": next(iter(known)), "summary": ""}
    draft |= {name: given[name] for name in WORDS if name in given}
    draft |= {name: True for name in BOXES if name in given}
    caller = {name: given[f"caller.{name}"] for name in CALLER if f"caller.{name}" in given}
    return {**draft, **({"caller": caller} if caller else {})}


def submit(work: Work, draft: Mapping[str, Any], files: Sequence[Sent], address: str) -> Submitted:
    """Take in what a citizen handed in. Raises Invalid with pointers into the draft."""
    channels(work)
    validate("request/ticket", draft)
    own = work.acting_as(CITIZEN)
    taken = take_in(own, {**draft, "source": SOURCE, "ip": address})
    return Submitted(taken.held.ticket.number, taken.code, keep_sent(own, taken.held, files))
