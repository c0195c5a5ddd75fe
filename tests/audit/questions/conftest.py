from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.audit.logs import Log
from tests.audit.questions.story import Story


@pytest.fixture
def story(tmp_path: Path) -> Iterator[Story]:
    log = Log(tmp_path / "audit")
    story = Story(log)
    yield story
    story.close()
    log.database.close()
