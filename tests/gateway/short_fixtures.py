"""Data planes in the test's own process as fixtures; a test module asks for them with `pytest_plugins`."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from ipaddress import ip_network
from pathlib import Path

import pytest

from tests.gateway.plane_kit import Kit
from tests.gateway.short_kit import FINE, ITEMS, Short


def _make_kit(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Kit:
    monkeypatch.setenv("SHUXIANG_TEST_KEY", "provider-secret")
    kit = Kit(folder, trusted_proxies=(ip_network("127.0.0.3/32"),))
    api = replace(kit.settings.connections["api"], total_seconds=0.8)
    kit.settings = replace(kit.settings, connections={**kit.settings.connections, "api": api})
    return kit


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Short]:
    with pytest.MonkeyPatch.context() as patch:
        kit = _make_kit(tmp_path_factory.mktemp("short"), patch)
        with Short(kit) as made:
            yield made
        kit.close()


@pytest.fixture
def short(shared: Short) -> Short:
    """The worker, with a provider that is well and no call under way."""
    shared.say(FINE)
    shared.say(ITEMS, "items")
    assert shared.at_rest()
    return shared


@pytest.fixture
def own(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Iterator[Short]:
    """A worker that the test may break."""
    kit = _make_kit(tmp_path_factory.mktemp("own"), monkeypatch)
    kit.provider.answers["/base/v1/raw"] = FINE
    with Short(kit) as made:
        yield made
    kit.close()
