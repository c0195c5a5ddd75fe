"""One log for all tests of this folder: they read it, and what they add is about their own looking."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.audit.console.calls import Calls, told
from tests.cast import bob, dave


@pytest.fixture(scope="package")
def calls(tmp_path_factory: pytest.TempPathFactory, template_database: Path) -> Iterator[Calls]:
    yield from told(tmp_path_factory.mktemp("calls"), template_database)


@pytest.fixture(scope="package")
def auditor(calls: Calls) -> Any:
    return calls.world.browser(dave)


@pytest.fixture(scope="package")
def manager(calls: Calls) -> Any:
    return calls.world.browser(bob)
