"""An event that happens twice: the second extension of a ticket, as a script asks for it."""

from __future__ import annotations

import json

from click.testing import CliRunner

from cli import main


def due(*arguments: str) -> dict[str, str]:
    """What the command says, clock by clock."""
    answer = CliRunner().invoke(main, ["rulebook", "due", *arguments, "--json"])
    assert answer.exit_code == 0, answer.output
    return {name: found["due"] for name, found in json.loads(answer.output).items()}


def test_a_second_extension_counts_from_the_first_in_ganzhou() -> None:
    twice = ("--at", "extended=2026-09-29T10:00", "--at", "extended=2026-10-12T10:00")
    asked = ("hotline/ganzhou", "--fact", "type=投诉举报", "--at", "dispatched=2026-09-22T09:50")
    assert due(*asked, *twice[:2])["handle"] == "2026-10-13T23:59:59+08:00"
    assert due(*asked, *twice)["handle"] == "2026-10-20T23:59:59+08:00"


def test_a_second_extension_moves_the_last_day_to_ask_for_one_in_tonghua() -> None:
    once = ("--at", "dispatched=2025-09-23T14:40", "--at", "extended=2025-09-28T10:00")
    asked = ("hotline/tonghua", "--fact", "urgency=复杂", *once)
    assert due(*asked)["extend_apply_by"] == "2025-10-12T23:59:59+08:00"
    assert due(*asked, "--at", "extended=2025-10-11T10:00")["handle"] == "2025-10-20T23:59:59+08:00"
