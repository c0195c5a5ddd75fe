"""The same log as that of the auditors' pages, for the departments."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.audit.console.calls import Calls, told


@pytest.fixture(scope="package")
def calls(tmp_path_factory: pytest.TempPathFactory, template_database: Path) -> Iterator[Calls]:
    yield from told(tmp_path_factory.mktemp("usage"), template_database)
