"""The two cities' rulebooks, for what needs no database, and Qianjiang with its seats filled."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.catalog.conftest import cities
from tests.sharing.telling import seated

__all__ = ["cities", "city"]

HERE = Path(__file__).parent


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The stories of one city take their time; the table of rules and what compares the two do not."""
    for item in items:
        if item.path.parent == HERE and item.path.name.startswith(("test_qianjiang", "test_ganzhou")):
            item.add_marker(pytest.mark.long)


@pytest.fixture
def city(world: Any) -> Any:
    """Qianjiang, with a department in every seat that its regulation names."""
    return seated(world)
