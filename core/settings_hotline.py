"""What a deployment says of its hotline: the divisions of the place, and who answers for which topic where.

    config/<name>/hotline.yaml      places, duties, bounds (all may be left out)

A division has the code of GB/T 2260 and GB/T 10114: 2, 4 and 6 digits down to the county, 9 to the township
and 12 to the village, filled up with zeros to twelve. One division lies within another when its code begins
with the other's digits.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from core.errors import Finding
from core.text import Text, text_of

LEVELS = (2, 4, 6, 9, 12)
"""Digits that say which division is meant, from the province to the village."""


@dataclass(frozen=True, slots=True)
class Duty:
    """Who answers for a topic in a place; None stands for every topic, or for everywhere."""

    unit: str
    category: str | None
    place: str | None


@dataclass(frozen=True, slots=True)
class Hotline:
    """What `hotline.yaml` says, with the defaults filled in."""

    places: Mapping[str, Text] = field(default_factory=dict)
    """Division code to name."""
    duties: tuple[Duty, ...] = ()
    duplicate_days: int = 30
    """How far back an earlier ticket may be a hint that a new one is about the same matter."""
    code_guesses: int = 10
    """Wrong query codes for one ticket, and from one address, within an hour."""
    citizen_tickets: int = 20
    """Tickets that citizens may hand in on the public page from one address within an hour."""
    inquiries: tuple[Mapping[str, Any], ...] = ()
    """What operators may look up over the gateway, as the file has it (`hotline.inquiries.model`)."""


def significant(code: str) -> str:
    """Return the digits of a division code that say which division it is, without the zeros behind them."""
    for digits in LEVELS:
        if not code[digits:].strip("0"):
            return code[:digits]
    return code


def lies_within(place: str, division: str) -> bool:
    """Tell whether a place is a division or lies within it."""
    return bool(place) and place.startswith(significant(division))


def hotline_of(raw: Mapping[str, Any] | None) -> Hotline:
    """Read what the file says; a deployment without it has neither divisions nor duties."""
    raw = raw or {}
    return Hotline(
        {p["code"]: text_of(p["name"]) for p in raw.get("places", ())},
        tuple(Duty(d["unit"], d.get("category"), d.get("place")) for d in raw.get("duties", ())),
        raw.get("duplicate_days", 30),
        raw.get("code_guesses", 10),
        raw.get("citizen_tickets", 20),
        tuple(raw.get("inquiries", ())),
    )


def hotline_faults(file: Path, raw: Mapping[str, Any], units: Mapping[str, bool]) -> Iterable[Finding]:
    """Yield what no schema can say: duties point at units of the hotline and at divisions that are listed.

    `units` are the departments, each with whether it handles tickets.
    """
    codes = [p["code"] for p in raw.get("places", ())]
    for i, code in enumerate(codes):
        if code in codes[:i]:
            yield _finding(file, f"/places/{i}/code", f"“{code}”重复", f"{code!r} is given twice")
    names = [inquiry["code"] for inquiry in raw.get("inquiries", ())]
    for i, name in enumerate(names):
        if name in names[:i]:
            yield _finding(file, f"/inquiries/{i}/code", f"“{name}”重复", f"{name!r} is given twice")
    for i, duty in enumerate(raw.get("duties", ())):
        if not units.get(duty["unit"], False):
            words = (f"“{duty['unit']}”不是热线承办单位", f"{duty['unit']!r} is no unit of the hotline")
            yield _finding(file, f"/duties/{i}/unit", *words)
        if duty.get("place") is not None and duty["place"] not in codes:
            words = (f"places 中没有“{duty['place']}”", f"{duty['place']!r} is not among the places")
            yield _finding(file, f"/duties/{i}/place", *words)


def _finding(file: Path, pointer: str, zh: str, en: str) -> Finding:
    return Finding(str(file), pointer, Text(zh, en))
