"""What stands around the platform's processes opens no way and lends no credentials: `.netrc`, proxies."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.gateway.plane_kit import Kit, url
from tests.gateway.providers import json_answer

pytestmark = pytest.mark.long

ITEM = {"code": "1", "name": "甲", "level": 3}
NOWHERE = "http://127.0.0.1:9"


@pytest.fixture
def kit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Kit]:
    """A data plane whose account has a `.netrc` for every host, and proxies that lead nowhere."""
    netrc = tmp_path / ".netrc"
    netrc.write_text("default login somebody password of-the-account\n", encoding="utf-8")
    netrc.chmod(0o600)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("NETRC", str(netrc))
    for name in ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, NOWHERE)
    made = Kit(tmp_path / "plane")
    made.provider.answers["/base/v1/items/a"] = json_answer(ITEM)
    try:
        yield made.start(1)
    finally:
        made.close()


def test_38_a_provider_is_asked_with_what_its_connection_says_and_nothing_else(kit: Kit) -> None:
    assert kit.call(url("api", "call/one?item=a"), kit.grant("api")).status == 200
    sent = kit.provider.headers_of()
    assert not {"authorization", "proxy-authorization", "cookie", "via"} & set(sent)
    assert "of-the-account" not in str(sent)
