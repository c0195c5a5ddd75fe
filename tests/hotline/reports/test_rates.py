"""Rates, ranks and what is too small to be told: worked out as the book says, and never a bare percentage."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.text import Text
from hotline.reports.model import Counts, RateRule, Row, Share
from hotline.reports.rates import MEASURES, rankings, rate_rules, shares_of
from hotline.statistics.publishing import KEYS, LEAST, SUMS, coarsened

COMPLETION = RateRule("completion", Text("办结率", "completion"), "closed_in_time", "due", Text("", ""), None)


def row(unit: str, numerator: int, denominator: int) -> Row:
    counts = Counts(closed_in_time=numerator, due=denominator)
    return Row(unit, Text(unit, unit), counts, shares_of([COMPLETION], counts))


def ranks(rows: list[Row], floor: int = 1) -> list[tuple[int, str]]:
    return [(r.rank, r.row.key) for r in rankings([COMPLETION], rows, floor)["completion"]]


def test_a_rate_says_what_it_is_made_of() -> None:
    assert Share(12, 13).shown == "92.3 % = 12/13"
    assert Share(0, 3).shown == "0.0 % = 0/3"
    assert Share(0, 0).shown == "— = 0/0"


def test_units_that_are_equal_share_a_rank_and_the_next_one_is_left_out() -> None:
    rows = [row("a", 1, 2), row("b", 9, 10), row("c", 18, 20), row("d", 0, 4)]
    assert ranks(rows) == [(1, "c"), (1, "b"), (3, "a"), (4, "d")]


def test_what_is_equal_only_when_rounded_is_not_equal() -> None:
    assert ranks([row("a", 999, 1000), row("b", 9989, 10000)]) == [(1, "a"), (2, "b")]
    assert Share(999, 1000).percent == Share(9989, 10000).percent


def test_a_unit_with_too_few_cases_is_not_ranked_nor_the_office_itself() -> None:
    assert ranks([row("a", 4, 4), row("b", 1, 5), row("", 9, 9)], floor=5) == [(1, "b")]


@given(st.lists(st.tuples(st.integers(0, 30), st.integers(0, 30)), max_size=12))
@settings(max_examples=60)
def test_whoever_is_better_ranks_before(cases: list[tuple[int, int]]) -> None:
    rows = [row(f"u{i}", min(pair), max(pair)) for i, pair in enumerate(cases)]
    ranked = rankings([COMPLETION], rows, 1)["completion"]
    shares = [Fraction(*r.share) for r in ranked]
    assert shares == sorted(shares, reverse=True)
    assert [r.rank for r in ranked] == [1 + sum(other > own for other in shares) for own in shares]


@pytest.mark.parametrize("kind", ["city", "qianjiang"])
def test_every_book_makes_its_rates_of_what_is_counted(request: Any, kind: str) -> None:
    rules = rate_rules(request.getfixturevalue(kind).rulebooks.current("hotline"))
    assert [r.code for r in rules] == ["response", "completion", "satisfaction"]
    assert {m for r in rules for m in (r.numerator, r.denominator)} <= MEASURES.keys() & set(Counts._fields)
    assert all(r.formula.zh and r.formula.en and r.cite for r in rules)


# --- statistics that others may use ----------------------------------------------------------------


CELLS = st.fixed_dictionaries(
    {
        "month": st.sampled_from(["2026-01", "2026-02"]),
        "unit": st.sampled_from("ab"),
        "category": st.sampled_from("cde"),
        "place": st.sampled_from("fgh"),
        "channel": st.sampled_from("ij"),
        "tickets": st.integers(1, 9),
    }
)


def lines(cells: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Cells of a query: each with its own keys."""
    unique = {tuple(cell[key] for key in KEYS): cell for cell in cells}
    return [{**dict.fromkeys(SUMS, 0), **cell, "closed": cell["tickets"]} for cell in unique.values()]


@given(st.lists(CELLS, max_size=30))
@settings(max_examples=80)
def test_no_row_tells_of_a_few_and_hardly_a_ticket_is_lost(cells: list[dict[str, Any]]) -> None:
    raw = lines(cells)
    made = coarsened(raw)
    assert all(r["tickets"] >= LEAST for r in made)
    assert len({tuple(r[key] for key in KEYS) for r in made}) == len(made)
    for month in ("2026-01", "2026-02"):
        before, after = (sum(r["closed"] for r in rows if r["month"] == month) for rows in (raw, made))
        assert 0 <= before - after < LEAST


def test_a_large_cell_stays_as_it_is_and_small_ones_lose_their_channel_first() -> None:
    keys = {"month": "2026-01", "unit": "a", "category": "c", "place": "f"}
    made = coarsened(
        lines([{**keys, "channel": "i", "tickets": 5}, *({**keys, "channel": k, "tickets": 2} for k in "jk")])
    )
    assert {(r["channel"], r["place"], r["tickets"]) for r in made} == {("i", "f", 5), ("*", "f", 4)}
