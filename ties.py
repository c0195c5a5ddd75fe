"""How a unit of work reaches what stands further right than its caller (`core.work.Work`).

Each tie loads what it leads to when it is first used: a command that asks one question of the log should not
wait until the hotline is loaded.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any

from core.work import Work

PLACES = {
    "users_of": "gateway.standing:users_of",
    "grants_in_force": "gateway.standing:grants_in_force",
    "last_call": "supervision.rollup:last_call",
    "follow_up": "hotline.supervising.opening:follow_up",
    "filings_of": "matters.filings:filings_of",
    "ticket_open": "hotline.numbers:is_open_number",
    "moved": "hotline.measures:moved",
}
"""The field of the unit of work, and where the function stands: a use case, never a statement of a store."""


def late(place: str) -> Callable[..., Any]:
    """Return a function that stands for the one at `place` (``module:name``), loaded when it is called."""
    module, _, name = place.partition(":")

    def call(*given: Any, **named: Any) -> Any:
        return getattr(import_module(module), name)(*given, **named)

    return call


def tell(work: Work, **parts: Any) -> bool:
    """Post a notice (`notices.model.Draft` has its parts) for a package that stands further left."""
    from notices.model import Draft
    from notices.post import post_notice

    return post_notice(work, Draft(**parts))


TIES: Mapping[str, Any] = {**{name: late(place) for name, place in PLACES.items()}, "tell": tell}
