"""The two cities' rulebooks, read once: what an entry must hold is asked of them without a database."""

from __future__ import annotations

from typing import NamedTuple

import pytest

from rules.rulebook import SHIPPED, Rulebook, load_rulebooks


class Cities(NamedTuple):
    """The rulebooks of two cities."""

    qianjiang: Rulebook
    ganzhou: Rulebook


@pytest.fixture(scope="session")
def cities() -> Cities:
    """Qianjiang and Ganzhou."""
    books = load_rulebooks(SHIPPED, {}).books
    return Cities(books["sharing/qianjiang"], books["sharing/ganzhou"])
