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
    ("most", "top"), [(0, 4), (4, 4), (5, 8), (9, 12), (13, 16), (99, 100), (2000, 2000), (2001, 2400)]
)
def test_a_scale_ends_on_a_round_number(most: float, top: float) -> None:
    assert nice(most) == top


@given(st.floats(0, 10**12))
@settings(max_examples=60)
def test_every_mark_of_a_scale_is_a_whole_number(most: float) -> None:
    top = nice(most)
    assert top >= most
    assert (top / 4).is_integer()


@pytest.mark.parametrize("most", [3, 99_999, 10**12])
def test_no_mark_and_no_value_stands_outside_the_drawing(most: int) -> None:
    for svg in (
        line_chart("c", "t", "d", [f"02-{day:02d}" for day in range(1, 32)], [("x", [most] * 31)]),
        bar_chart("c", "t", "d", [("Qianjiang Municipal Bureau of Civil Affairs", most), ("潜江市" * 9, 1)]),
    ):
        for text in parsed(svg).iter(f"{SVG}text"):
            at, words = float(text.get("x") or 0), text.text or ""
            wide = sum(13 if ord(sign) > 0x2E80 else 7.2 for sign in words)
            begins = at - wide * {"start": 0, "middle": 0.5, "end": 1}[text.get("text-anchor") or "start"]
            assert begins >= 0, words
            assert begins + wide <= 720, words


def test_a_name_in_latin_letters_has_room_for_more_of_them() -> None:
    svg = bar_chart("c", "t", "d", [("Qianjiang Health Commission", 1), ("潜江市卫生健康委员会", 1)])
    assert "…" not in svg
    assert "…" in bar_chart("c", "t", "d", [("潜江市" * 9, 1)])


def test_numbers_keep_what_matters() -> None:
    assert [number(v) for v in (0, 1234567, 99.5, 99.95)] == ["0", "1,234,567", "99.5", "99.95"]
