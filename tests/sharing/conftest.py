"""The two cities' rulebooks, for what needs no database, and Qianjiang with its seats filled."""

from __future__ import annotations

from typing import Any

import pytest

from tests.catalog.conftest import cities
from tests.sharing.telling import seated

__all__ = ["cities", "city"]


@pytest.fixture
def city(world: Any) -> Any:
    """Qianjiang, with a department in every seat that its regulation names."""
    return seated(world)
