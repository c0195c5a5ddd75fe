"""Which blocks a log lies in."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from audit.columns.blocks import SIZES, Block, chosen, uncovered, wanted

sizes = st.integers(0, 5 * SIZES[0]) | st.integers(0, 3 * SIZES[2])


@settings(max_examples=40, deadline=None)
@given(sizes)
def test_the_wanted_blocks_hold_each_record_once_but_for_a_short_tail(size: int) -> None:
    blocks = wanted(size)
    ends = [0, *(block.end for block in blocks)]
    assert [block.first for block in blocks] == ends[:-1]
    assert 0 <= size - ends[-1] < SIZES[-1]
    for rows in SIZES[1:]:
        assert sum(block.rows == rows for block in blocks) < 16


@settings(max_examples=40, deadline=None)
@given(sizes, st.integers(0, 6 * SIZES[0]))
def test_no_block_is_wanted_whose_bodies_are_all_gone(size: int, kept: int) -> None:
    assert wanted(size, kept) == [block for block in wanted(size) if block.end > kept]


@settings(max_examples=40, deadline=None)
@given(sizes, st.data())
def test_whatever_blocks_are_there_each_record_is_in_one_chosen_or_in_a_gap(
    size: int, data: st.DataObject
) -> None:
    every = [Block(first, rows) for rows in SIZES for first in range(0, size + SIZES[0], rows)][:4000]
    there = sorted(
        data.draw(st.sets(st.sampled_from(every), max_size=40)) if every else [],
        key=lambda b: (b.first, -b.rows),
    )
    found = chosen(there, size)
    spans = sorted([(b.first, b.end) for b in found] + uncovered(found, size))
    assert [first for first, _ in spans] == [0, *(end for _, end in spans)][: len(spans)]
    assert (spans[-1][1] if spans else 0) == size
