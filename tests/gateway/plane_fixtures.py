"""Running data planes as fixtures; a test module asks for them with `pytest_plugins`."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.gateway.plane_kit import Kit


@pytest.fixture(scope="module")
def kit(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kit]:
    """A running data plane for a whole module."""
    made = Kit(tmp_path_factory.mktemp("plane"))
    try:
        yield made.start()
    finally:
        made.close()


@pytest.fixture
def own_kit(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kit]:
    """A data plane that the test starts and may break."""
    made = Kit(tmp_path_factory.mktemp("plane"))
    try:
        yield made
    finally:
        made.close()
