"""What a person or a script typed is read as a value, or refused in words that say what to type instead."""

from __future__ import annotations

from typing import Any

import pytest

from core.errors import Invalid
from core.text import Text
from rules.values import FieldRule, read_value


def read(type: str, raw: Any) -> Any:
    return read_value(FieldRule("what", Text("字", "words"), type, {}, {}), raw, "/what")


def refusal(type: str, raw: Any) -> tuple[str, str]:
    with pytest.raises(Invalid) as refused:
        read(type, raw)
    (error,) = refused.value.errors
    return error.pointer, error.message.en


@pytest.mark.parametrize(
    ("typed", "kept"),
    [
        ("2026-02-10T17:30", "2026-02-10T17:30:00+08:00"),
        ("2026-02-10 17:30:05Z", "2026-02-10T17:30:05+00:00"),
        ("2000-01-01T00:00", "2000-01-01T00:00:00+08:00"),
        ("2099-12-31T23:59", "2099-12-31T23:59:00+08:00"),
    ],
)
def test_an_instant_is_kept_with_its_offset(typed: str, kept: str) -> None:
    assert read("instant", typed) == kept


@pytest.mark.parametrize(
    "typed",
    ["0001-01-01T00:00", "1999-12-31T23:59", "2100-01-01T00:00", "9999-12-31T23:59:59-12:00"],
)
def test_an_instant_far_from_the_present_is_refused(typed: str) -> None:
    assert refusal("instant", typed) == ("/what", "must be in the years 2000 to 2099")


@pytest.mark.parametrize("typed", ["2026-02-10", "20260210", "2026-W07-2", 20260210])
def test_a_day_is_no_instant(typed: Any) -> None:
    pointer, words = refusal("instant", typed)
    assert (pointer, words.partition("; ")[2]) == ("/what", "give date and time, such as 2026-02-10T17:30")


@pytest.mark.parametrize(
    "unseen", ["\0", "\x07", "\x1b", "\x7f", "\x85", "\u202a", "\u202e", "\u2066", "\u2069"]
)
def test_a_text_holds_nothing_that_its_reader_does_not_see(unseen: str) -> None:
    text = f"街道{unseen}名称"
    for type, raw in (
        ("text", text),
        ("department", text),
        ("record", {"code": text}),
        ("record", {text: "429005"}),
        ("list", ["街道", text]),
    ):
        pointer, words = refusal(type, raw)
        assert (pointer, f"U+{ord(unseen):04X}" in words) == ("/what", True)


def test_a_text_may_have_lines_and_tabs() -> None:
    assert read("text", "一\r\n二\t三") == "一\r\n二\t三"
    assert read("record", {"code": "一\n二"}) == {"code": "一\n二"}
