"""What a refusal of intake must say, beside what the step itself asks for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from core.errors import FieldError, Invalid
from core.text import Text
from rules.rulebook import Rulebook
from rules.values import pointer_to

REQUIRES = "refuse.requires"


def check_refusal(book: Rulebook, fields: Mapping[str, Any]) -> None:
    """Raise Invalid for each part of a refusal that the rulebook demands and that is not said."""
    policy = book.policy(REQUIRES)
    wrong = [
        FieldError(
            pointer_to(name),
            Text(
                f"不予受理须写明“{book.fields[name].title.zh}”", f"must be said: {book.fields[name].title.en}"
            ),
            "required",
        )
        for name in policy.value
        if not str(fields.get(name) or "").strip()
    ]
    if wrong:
        raise Invalid(wrong, cite=str(policy.cite))
