"""Charts are sound XML, tell screen readers what they are, and carry nothing that the content policy bars."""

from __future__ import annotations

from xml.etree import ElementTree

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from web.charts import bar_chart, line_chart, nice, number

VALUES = st.none() | st.integers(0, 10**12) | st.floats(0, 100)
SVG = "{http://www.w3.org/2000/svg}"


def parsed(svg: str) -> ElementTree.Element:
    return ElementTree.fromstring(svg)


@given(st.lists(st.tuples(st.text(max_size=30), st.lists(VALUES, min_size=1, max_size=31)), max_size=3))
@settings(max_examples=60)
def test_lines_of_any_values_are_sound_xml(lines: list[tuple[str, list[int | float | None]]]) -> None:
    labels = [f"02-{day:02d}" for day in range(1, 32)]
    parsed(line_chart("c", "走势 <&>", "表", labels, lines))


@given(st.lists(st.tuples(st.text(max_size=40), VALUES), max_size=12))
@settings(max_examples=60)
def test_bars_with_any_names_are_sound_xml(bars: list[tuple[str, int | float | None]]) -> None:
    parsed(bar_chart("c", "各部门", "表", bars))


def test_a_chart_says_what_it_shows() -> None:
    root = parsed(line_chart("c", "走势", "数值见表", ["1", "2"], [("成功", [1, 2])]))
    assert root.get("role") == "img"
    named = (root.get("aria-labelledby") or "").split()
    words = {e.get("id"): e.text for e in root if e.get("id")}
    assert [words[id] for id in named] == ["走势", "数值见表"]


def test_a_chart_has_no_style_and_no_script_of_its_own() -> None:
    svg = bar_chart("c", "t", "d", [('"><script>alert(1)</script>', 3)])
    assert "<script" not in svg
    assert "style=" not in svg
    assert not [e for e in parsed(svg).iter() if any(name.startswith("on") for name in e.attrib)]


def test_the_longest_bar_is_the_largest_value() -> None:
    root = parsed(bar_chart("c", "t", "d", [("甲", 10), ("乙", 40), ("丙", None)]))
    widths = [float(e.get("width") or 0) for e in root.iter(f"{SVG}rect")]
    assert len(widths) == 2
    assert widths[1] == pytest.approx(4 * widths[0])


def test_a_gap_breaks_a_line_instead_of_being_drawn_as_nothing() -> None:
    root = parsed(line_chart("c", "t", "d", list("12345"), [("x", [1, 2, None, 3, 4])]))
    assert len(list(root.iter(f"{SVG}polyline"))) == 2


@pytest.mark.parametrize(
    ("most", "top"), [(0, 4), (4, 4), (5, 5), (6, 10), (11, 20), (2000, 2000), (2001, 5000)]
)
def test_a_scale_ends_on_a_round_number(most: float, top: float) -> None:
    assert nice(most) == top


def test_numbers_keep_what_matters() -> None:
    assert [number(v) for v in (0, 1234567, 99.5, 99.95)] == ["0", "1,234,567", "99.5", "99.95"]
