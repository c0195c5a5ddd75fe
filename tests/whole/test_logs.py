"""Nobody writes a line of the log but us."""

from __future__ import annotations

import logging

import pytest

from core.logs import LONGEST, Lines, one_line


def logged(message: str, *values: object, fault: BaseException | None = None) -> str:
    """The lines that a process writes of one event."""
    trace = (type(fault), fault, fault.__traceback__) if fault is not None else None
    return Lines().format(logging.LogRecord("web", logging.WARNING, "x", 1, message, values, trace))


@pytest.mark.parametrize(
    "active",
    [
        "\n",
        "\r\n",
        "\x1b[2J",
        "\x00",
        "\x85",
        "\u2028",
        "\u2029",
        "\u202e",
        "\u2066",
        "\u200f",
        "\x7f",
        "\udc80",
    ],
)
def test_what_would_end_or_turn_a_line_is_written_as_an_escape(active: str) -> None:
    line = logged("no department %s", f"x{active}2026-02-10T00:00:00 WARNING web: all is well")
    assert active not in line
    assert len(line.splitlines()) == 1
    assert "x\\" in line
    line.encode()  # can be written


def test_words_in_chinese_and_tabs_within_reason_stay_readable() -> None:
    assert one_line("没有这个部门：潜江市 “x”") == "没有这个部门：潜江市 “x”"
    assert one_line("a\tb") == "a\\tb"


def test_a_long_text_is_cut() -> None:
    line = logged("refused %s", "A" * 1_000_000)
    assert len(line) < LONGEST + 200
    assert line.endswith("(1000008 characters)")


def test_a_traceback_cannot_be_mistaken_for_events() -> None:
    try:
        raise ValueError("no\n2026-02-10T00:00:00 WARNING web: all is well\u2028x")
    except ValueError as fault:
        lines = logged("unhandled error", fault=fault).split("\n")
    assert len(lines) > 2
    assert all(line.startswith("  | ") for line in lines[1:])
    assert not any("\u2028" in line for line in lines)
