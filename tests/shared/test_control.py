"""The control plane on PostgreSQL: a database that is gone is a 503 to scripts and people, and comes back."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from accounts.keys import make_keys
from core.db import Database
from core.envelope import check_sealing
from core.errors import ConfigError
from crew import children
from setup_deployment import initialise
from tests import postgresql
from tests.cast import alice, carol
from tests.conftest import START, World
from tests.warm import demo_settings

pytestmark = pytest.mark.long


@pytest.fixture
def world(tmp_path: Path, state: Database) -> World:
    """The demo city on a server that may be stopped."""
    (tmp_path / "data" / "run").mkdir(parents=True)
    settings = demo_settings(tmp_path / "data")
    url = state.engine.url.render_as_string()
    settings = replace(settings, platform=replace(settings.platform, database_url=url))
    make_keys(settings)
    return World(settings, state)


def test_without_its_database_the_control_plane_says_so_and_goes_on_when_it_is_back(
    world: World, server: postgresql.Server
) -> None:
    browser, client = world.browser(alice), world.app.test_client()  # which looks into no database of its own
    client.environ_base["HTTP_AUTHORIZATION"] = world.client(alice).environ_base["HTTP_AUTHORIZATION"]
    assert client.get("/api/datasets").status_code == 200
    server.stop()
    try:
        refused = client.get("/api/datasets")
        assert (refused.status_code, refused.get_json()["code"]) == (503, "unavailable")
        assert refused.headers["Retry-After"] == "5"
        assert browser.get("/datasets").status_code == 503
        assert client.get("/readyz").status_code == 503
    finally:
        server.start()
    assert client.get("/api/datasets").status_code == 200
    assert browser.get("/datasets").status_code == 200


def test_text_that_postgresql_cannot_keep_is_refused_and_no_fault_of_ours(world: World) -> None:
    client = world.client(carol)
    system = {"name": "a\0b", "description": "x" * 3000, "networks": ["127.0.0.0/8"]}
    for words in (system, {**system, "name": "b"}, {**system, "description": "\0"}):
        assert client.post("/api/clients", json=words).status_code == 400
    assert client.get("/api/datasets?q=a%00b").status_code in (200, 400)


def test_a_gateway_host_takes_the_shared_keys_as_they_are_and_makes_its_logs_own(
    world: World, tmp_path: Path
) -> None:
    with world.work(alice) as work:
        from accounts.keyring.checking import note_keys

        note_keys(work)
    platform = replace(world.settings.platform, runs="gateway", log_origin="shuxiang.example/gateway-1")
    host = replace(world.settings, data=tmp_path / "host", platform=platform)
    with pytest.raises(ConfigError, match="key missing"):
        initialise(host, START)
    for name in ("token.key", "pseudonym.key"):
        host.key_file(name).touch(0o600)
        host.key_file(name).write_bytes(bytes(32))
    with pytest.raises(ConfigError, match=r"token\.key"):
        initialise(host, START)
    for name in ("token.key", "pseudonym.key"):
        host.key_file(name).write_bytes(world.settings.key_file(name).read_bytes())
    assert initialise(host, START) == {}
    made = {path.name for path in host.key_file("").iterdir()}
    assert {"receipt.key", "token.key", "pseudonym.key"} <= made
    assert not made & {"session.key", "phone-index.key", "personal-1.key"}
    assert (host.data / "log.sqlite").exists()
    check_sealing(host)
    assert [child.name for child in children(host)] == ["gateway-0", "gateway-1", "sealer"]
