"""What docs/systems.md tells a department's developer to write works as it stands there."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from werkzeug.serving import make_server

from core.settings_security import FAPI2, Security
from tests.conftest import World
from tests.gateway.plane_kit import Kit, url
from tests.gateway.proofs import ec_prover
from tests.gateway.providers import json_answer
from tests.gateway.signing import keyed
from tests.stories import System, active_grant

pytestmark = pytest.mark.long

PAGE = Path(__file__).parents[2] / "docs" / "systems.md"
KEY = ec_prover()
ITEM = {"code": "1", "name": "甲", "level": 3}


@pytest.fixture
def city(world: World) -> Iterator[World]:
    """A city under FAPI 2.0 on a port of this host, now."""
    world.now = datetime.now(UTC)
    server = make_server("127.0.0.1", 0, lambda environ, start: world.app(environ, start), threaded=True)
    platform = replace(world.settings.platform, control_url=f"http://127.0.0.1:{server.server_port}")
    world.settings = replace(world.settings, platform=platform, security=Security(security_profile=FAPI2))
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield world
    server.shutdown()
    thread.join()


def program(folder: Path, issuer: str, client_id: str) -> dict[str, Any]:
    """Run the page's program with a system's own values in place of the page's."""
    (source,) = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), flags=re.DOTALL)
    pem = KEY.private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    (folder / "health.pem").write_bytes(pem)
    source = source.replace("health.pem", str(folder / "health.pem"))
    source = re.sub(
        'ISSUER, CLIENT_ID = "[^"]+", "[^"]+"', f'ISSUER, CLIENT_ID = "{issuer}", "{client_id}"', source
    )
    names: dict[str, Any] = {}
    exec(compile(source, str(PAGE), "exec"), names)
    return names


def test_the_pages_program_gets_a_token_and_another(city: World, tmp_path: Path) -> None:
    client = keyed(city, KEY)
    held = active_grant(city, system=System(client, ""))
    theirs = program(tmp_path, city.settings.platform.control_url, client.id)
    first, second = theirs["token"](held.grant.number), theirs["token"](held.grant.number)
    assert (first["token_type"], first["expires_in"]) == ("DPoP", 300)
    assert first["access_token"] != second["access_token"]
    refused = theirs["token"]("G-2020-000001")
    assert refused["error"] == "invalid_authorization_details"


def test_the_pages_program_calls_the_data_plane(tmp_path: Path) -> None:
    kit = Kit(tmp_path / "plane", security=Security(security_profile=FAPI2))
    kit.provider.answers["/base/v1/items/a"] = json_answer(ITEM)
    try:
        kit.start(1)
        access = kit.grant("api", cnf=f"jkt:{KEY.thumbprint}")
        theirs = program(tmp_path, kit.settings.platform.control_url, "any")
        place = kit.settings.platform.gateway_url + url("api", "call/one?item=a")
        for _ in range(2):
            assert json.load(theirs["call"](place, access.token)) == ITEM
    finally:
        kit.close()
