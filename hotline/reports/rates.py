"""The rates, worked out as the rulebook says: it names two measures, here is what each of them counts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from fractions import Fraction

from core.text import Text, text_of
from hotline.reports.model import SIGN_IN, Counts, Ranked, RateRule, Row, Share
from rules.rulebook import Rulebook

POLICY = "reports.rates"
MEASURES = {
    "received": Text("受理工单：期内登记的工单数", "received: tickets registered in the period"),
    "dispatched": Text(
        "派单：期内派给单位的次数；未签收、签收时限也未过即收回改派的不计",
        "dispatched: dispatches to units in the period, but those taken back before they were signed in "
        "and while there was still time",
    ),
    "signed_in_time": Text(
        "按时签收：上项中在签收时限内签收（或退回）的次数；没有时限的，签收即计",
        "signed in time: those of them signed in (or returned) within the limit; at all where there is none",
    ),
    "closed": Text("办结归档：期内办结的工单数", "closed: tickets closed in the period"),
    "due": Text(
        "到期：办理时限在期内（截至统计时刻）届满的次数；届满前撤单、挂账、并案或改派的不计",
        "due: limits for handling that passed in the period (up to the instant of the report), but those of "
        "matters withdrawn, hung, merged or given to another unit before",
    ),
    "closed_in_time": Text(
        "按时办结：上项中在时限内办理并反馈的次数", "closed in time: those of them handled within the limit"
    ),
    "rated": Text("评价：期内作出的评价数", "rated: ratings given in the period"),
    "satisfied": Text(
        "满意：上项中规则算作满意的评价数", "satisfied: those of them that the rules count as satisfied"
    ),
}
"""What a rate may be made of, each the `Counts` of that name."""
AHEAD = {"dispatched": "sign_ahead", "due": "due_ahead"}
"""Of what a denominator counts, or will: how much is still undecided."""


def rate_rules(book: Rulebook) -> tuple[RateRule, ...]:
    """Return the rates that the rulebook names, in its order."""
    leaf = book.policy(POLICY)
    return tuple(
        RateRule(
            raw["code"],
            text_of(raw["title"]),
            raw["numerator"],
            raw["denominator"],
            text_of(raw["formula"]),
            leaf.cite,
        )
        for raw in leaf.value or ()
    )


def limits_signing_in(book: Rulebook, workflow: str) -> bool:
    """Tell whether the rulebook limits signing in at all: where it does not, nobody can be late."""
    rules = [rule for rule in book.clocks if rule.name == SIGN_IN and rule.workflow == workflow]
    return any(r.lasts or r.by_fact or r.setting or r.due_at for r in rules)


def shares_of(rules: Iterable[RateRule], counts: Counts) -> dict[str, Share]:
    """Work out every rate."""
    return {
        rule.code: Share(getattr(counts, rule.numerator), getattr(counts, rule.denominator)) for rule in rules
    }


def ahead_of(rule: RateRule, counts: Counts) -> int:
    """Return how much of a rate is undecided as yet."""
    field = AHEAD.get(rule.denominator)
    return int(getattr(counts, field)) if field else 0


def rankings(rules: Iterable[RateRule], rows: Sequence[Row], floor: int) -> Mapping[str, tuple[Ranked, ...]]:
    """Rank units by each rate, the best first; equals share a rank and the next is left out.

    A unit with fewer than `floor` cases is not ranked, nor what was never dispatched.
    """
    return {rule.code: _ranked(rule.code, rows, floor) for rule in rules}


def _ranked(rate: str, rows: Sequence[Row], floor: int) -> tuple[Ranked, ...]:
    able = [row for row in rows if row.key and row.shares[rate].denominator >= max(floor, 1)]
    exact = {row.key: Fraction(*row.shares[rate]) for row in able}
    able.sort(key=lambda row: (-exact[row.key], -row.shares[rate].denominator, row.key))
    return tuple(
        Ranked(1 + sum(exact[other.key] > exact[row.key] for other in able), row, row.shares[rate])
        for row in able
    )
