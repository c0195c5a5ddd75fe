"""Limits as a rulebook sets them: what starts and stops them, how long they last, how far they stretch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from core.text import Text
from rules.citation import Citation
from rules.durations import Duration


@dataclass(frozen=True, slots=True)
class Recorded:
    """One event of a case: its name, when the platform recorded it, and what was said with it."""

    name: str
    at: datetime
    fields: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Setting:
    """A limit that a person sets within bounds, in a field of the start event or in a fact of the case."""

    field: str
    unit: str
    """Unit of a bare number."""
    min: Duration | None
    max: Duration | None
    by: tuple[str, ...]
    """Roles that may set it."""


@dataclass(frozen=True, slots=True)
class Extension:
    """How far a limit may be extended, and who says so.

    `each` counts from the due instant that stands, `total` from the original one, `to` from the start.
    """

    event: str
    each: Duration | None
    beyond: str | None
    """The field whose reason lets one extension be longer than `each`, which the text states in principle."""
    count: int | None
    total: Duration | None
    to: Duration | None
    roles: tuple[str, ...]
    requires: tuple[str, ...]
    cite: Citation


@dataclass(frozen=True, slots=True)
class Duty:
    """What a breach obliges somebody to do."""

    title: Text
    opens: str | None
    """The workflow of which the platform opens a case, for a person to sign."""
    cite: Citation


@dataclass(frozen=True, slots=True)
class ByFact:
    """A limit that depends on a fact of the case: the update limit of a dataset says how long it is."""

    fact: str
    lasts: Mapping[str, Duration | None]


@dataclass(frozen=True, slots=True)
class ClockRule:
    """A limit as the regulation sets it. Several rules may share a name; `when` tells them apart."""

    name: str
    title: Text
    workflow: str | None
    """None for a limit that belongs to no case, such as the notice before maintenance."""
    when: Mapping[str, Any]
    starts: tuple[str, ...]
    stops: tuple[str, ...]
    restarts: bool
    """Whether a start event begins the limit anew while it still runs (a new dispatch does)."""
    on_days_off: bool
    """Whether it runs only when it starts on a day off or on the eve of one."""
    obliges: bool
    """False for a term or an allowance: when it is over nobody has failed a duty."""
    before_event: str | None
    """Counts backwards from this event, which lies ahead."""
    before_due: str | None
    """Counts backwards from the due instant of another clock."""
    lasts: Duration | None
    """None where the text gives no number ("promptly"): the age is shown and nothing is ever breached."""
    by_fact: ByFact | None
    counts_from: str | None
    """The field of the start event with the instant that counts in the record's place (never a later one)."""
    due_at: str | None
    """The field of the start event, or the fact of the case, that names the due instant itself."""
    setting: Setting | None
    not_after: tuple[str, ...]
    """Clocks whose due instant this one may not pass."""
    extension: Extension | None
    warn: Duration | None
    """How long before the due instant to warn, counted backwards."""
    on_breach: Duty | None
    tells: tuple[str, ...]
    """Roles that are told when it falls due, beside those who could have stopped it."""
    cite: Citation
