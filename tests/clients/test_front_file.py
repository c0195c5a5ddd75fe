"""The front that people are given agrees with the platform behind it."""

from __future__ import annotations

import re

from tests.clients.front import SHIPPED
from tests.conftest import World


def test_the_front_takes_bodies_as_large_as_the_platform_does(world: World) -> None:
    (megabytes,) = re.findall(r"^client_max_body_size (\d+)m;", SHIPPED.read_text(encoding="utf-8"), re.M)
    assert int(megabytes) * 1024 * 1024 == world.app.config["MAX_CONTENT_LENGTH"]
