"""Which rulebooks a deployment may run under."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from cases.books import refuse_lapsed
from core.errors import ConfigError
from rules.rulebook import Rulebook, Rulebooks
from tests.conftest import World
from tests.rules.books import shipped


def lapsed() -> Rulebooks:
    document = json.loads(json.dumps(shipped().get("hotline/ganzhou").document))
    book = Rulebook("hotline/ganzhou", {**document, "status": "lapsed"})
    return replace(shipped(), books={**shipped().books, book.id: book})


def test_a_book_that_has_lapsed_is_for_demonstrations_alone(world: World) -> None:
    chosen = {"sharing": "sharing/qianjiang", "hotline": "hotline/ganzhou"}
    real = replace(world.settings, platform=replace(world.settings.platform, rulebooks=chosen, demo=False))
    shown = replace(real, platform=replace(real.platform, demo=True))
    with pytest.raises(ConfigError, match="has lapsed"):
        refuse_lapsed(real, lapsed())
    refuse_lapsed(shown, lapsed())
    refuse_lapsed(real, shipped())
