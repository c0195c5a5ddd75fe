"""A client that sends its request slowly holds up nobody but itself."""

from __future__ import annotations

import io
from typing import Any

import pytest

from tests.cast import carol


class SlowBody(io.BytesIO):
    """A body on its way: while it is read, somebody else writes to the database."""

    def __init__(self, world: Any, raw: bytes) -> None:
        super().__init__(raw)
        self.world = world
        self.turns = 0

    def _meanwhile(self) -> None:
        self.world.write_elsewhere()
        self.turns += 1

    def read(self, size: int | None = -1, /) -> bytes:
        self._meanwhile()
        return super().read(size)

    def readinto(self, buffer: Any, /) -> int:
        self._meanwhile()
        return super().readinto(buffer)


@pytest.mark.parametrize(
    ("path", "media_type", "raw"),
    [
        ("/oauth/token", "application/x-www-form-urlencoded", b"grant_type=client_credentials"),
        ("/oauth/introspect", "application/x-www-form-urlencoded", b"token=x"),
        ("/oauth/revoke", "application/x-www-form-urlencoded", b"token=x"),
        ("/api/applications", "application/json", b'{"dataset": "307001/000001"}'),
        ("/sign-in", "application/x-www-form-urlencoded", b"login=carol&password=x"),
    ],
)
def test_others_write_while_a_body_arrives(world: Any, path: str, media_type: str, raw: bytes) -> None:
    client = world.client(carol) if path.startswith("/api/") else world.app.test_client()
    body = SlowBody(world, raw)
    answer = client.post(path, input_stream=body, content_length=len(raw), content_type=media_type)
    assert 400 <= answer.status_code < 500
    assert body.turns > 0
