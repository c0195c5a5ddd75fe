"""The questions as Ibis expressions over unbound tables: the same objects for DuckDB and for Spark.

A question is a function from a `Span` and parameters of its own to an expression; nothing in it knows an
engine, a file or the clock. Every answer is in a total order, so that pages of it fit together.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields
from typing import Any

from audit.questions.habits import new_addresses, off_hours, unused_grants, volume_spikes
from audit.questions.parts import Span
from audit.questions.single import (
    accesses_of_citizen,
    find_records,
    orphan_intents,
    searches_by_auditors,
    silent_periods,
)
from audit.questions.sums import calls_per_day, readers_of_dataset, refusals_by_reason, top_consumers, totals
from audit.questions.tables import Expression

_SPAN = [field.name for field in fields(Span)]
_ALL: tuple[Callable[..., Expression], ...] = (
    *(unused_grants, off_hours, volume_spikes, new_addresses),
    *(calls_per_day, top_consumers, totals, refusals_by_reason, readers_of_dataset),
    *(find_records, accesses_of_citizen, orphan_intents, searches_by_auditors, silent_periods),
)
_BY_CODE = {asks.__name__: asks for asks in _ALL}


def expression_of(code: str, **values: Any) -> Expression:
    """Return what a question asks, given its parameters by name; those of a span are handed on as one.

    The catalogue describes them. Raises KeyError for a code that is no question's.
    """
    span = {name: values.pop(name) for name in _SPAN if name in values}
    return _BY_CODE[code](*([Span(**span)] if span else []), **values)
