"""Questions about who uses what: the calls of a span, summed up."""

from __future__ import annotations

import ibis

from audit.questions.parts import Span, ascending, by_decision, day, volume
from audit.questions.tables import ABORTED, DISTINCT, PERMITTED, Expression

_c = ibis._


def calls_per_day(span: Span) -> Expression:
    """Return the calls of each day by how they ended, and what they moved."""
    calls = span.calls()
    daily = calls.mutate(day=day(_c.at)).group_by("day").aggregate(**volume(), **by_decision())
    return daily.order_by("day")


def top_consumers(span: Span, by: str) -> Expression:
    """Return who called most in a period: `by` consumer, client, grant, dataset or provider."""
    calls = span.calls()
    found = calls.group_by(name=_c[by]).aggregate(**volume(), **by_decision(), last=_c.at.max())
    return found.order_by(_c.calls.desc(), _c.name)


def totals(span: Span) -> Expression:
    """Return one row with all calls of a period, and how many systems, grants and datasets had a part."""
    calls = span.calls()
    distinct = {name: _c[column].nunique() for name, column in DISTINCT.items()}
    return calls.aggregate(**volume(), **by_decision(), **distinct)


def refusals_by_reason(span: Span) -> Expression:
    """Return why calls were refused, failed or were cut off in a period, and how many systems met that."""
    calls = span.calls()
    found = (
        calls.filter(_c.decision != PERMITTED)
        .group_by("decision", "reason")
        .aggregate(calls=_c.count(), systems=_c.client.nunique(), first=_c.at.min(), last=_c.at.max())
    )
    return found.order_by(_c.calls.desc(), _c.decision, _c.reason)


def readers_of_dataset(span: Span) -> Expression:
    """Return the systems that were given data of a dataset in a period, and for what purpose."""
    calls = span.calls().filter(_c.decision.isin((PERMITTED, ABORTED)))
    found = calls.group_by("grant", "purpose").aggregate(
        consumer=_c.consumer.max(), client=_c.client.max(), **volume(), first=_c.at.min(), last=_c.at.max()
    )
    shown = found.relocate("consumer", "client")
    return shown.order_by(_c.calls.desc(), *ascending("grant", "purpose"))
