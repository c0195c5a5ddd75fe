"""docs/audit-questions.md says of every question what the question says of itself."""

from __future__ import annotations

import re
from pathlib import Path

from audit.questions.catalogue import QUESTIONS
from audit.questions.model import Question

PAGE = Path(__file__).parents[3] / "docs" / "audit-questions.md"


def described(question: Question) -> str:
    """The section of one question; print it to renew the page."""
    rows = [
        f"| `{p.name}` | {p.title.en} | {p.bounds.en}{'; required' if p.required else ''} |"
        for p in question.parameters
    ]
    return "\n".join(
        [
            f"### `{question.code}` {question.title.zh} {question.title.en}",
            "",
            f"Finds: {question.finds.en}",
            "",
            f"Cannot: {question.misses.en}",
            "",
            "| parameter | | may be |",
            "|---|---|---|",
            *rows,
            "",
        ]
    )


def test_the_page_describes_every_question_as_it_is() -> None:
    text = PAGE.read_text(encoding="utf-8")
    assert re.findall(r"^### `(\w+)`", text, re.MULTILINE) == list(QUESTIONS)
    for question in QUESTIONS.values():
        assert described(question) in text
