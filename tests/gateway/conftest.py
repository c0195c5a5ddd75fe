"""The data plane of a test module: one worker, one provider, grants made by the tests."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.gateway.plane_kit import Kit


@pytest.fixture(scope="module")
def kit(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kit]:
    """A running data plane."""
    made = Kit(tmp_path_factory.mktemp("plane"))
    try:
        yield made.start()
    finally:
        made.close()


@pytest.fixture
def own_kit(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kit]:
    """A data plane that the test may break; it starts it itself."""
    made = Kit(tmp_path_factory.mktemp("plane"))
    try:
        yield made
    finally:
        made.close()
