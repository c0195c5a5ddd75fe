"""What is not safe does not start, and says why, in both languages."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import replace
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import pytest

from accounts.keys import make_keys
from core.errors import ConfigError, Finding
from core.secret_files import MOST_BYTES, check_place, read_secret_file
from core.settings import Account, Settings
from core.unsafe import refuse_unsafe, warnings
from tests.warm import CONFIG, demo_settings


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    data = tmp_path / "data"
    data.mkdir(mode=0o700)
    made = demo_settings(data)
    make_keys(made)
    return made


def with_platform(settings: Settings, **changes: Any) -> Settings:
    return replace(settings, platform=replace(settings.platform, **changes))


def refusals(settings: Settings, environment: Mapping[str, str] | None = None) -> list[str]:
    """What stops the start: place and reason."""
    findings: tuple[Finding, ...] = ()
    try:
        refuse_unsafe(settings, environment or {})
    except ConfigError as refused:
        findings = refused.findings
    assert all(f.message.zh and f.message.en for f in findings)
    return [f"{Path(f.file).name}#{f.pointer}: {f.message.en}" for f in findings]


FRONT = (ip_network("10.1.0.0/24"),)
PUBLIC: dict[str, Any] = {
    "control_url": "https://data.city.example",
    "gateway_url": "https://share.city.example",
    "control_listen": ("10.1.0.7", 8001),
    "gateway_listen": ("10.1.0.7", 8000),
    "trusted_proxies": FRONT,
    "demo": False,
}
"""A deployment for a city, as it should be."""


def test_the_demo_and_a_deployment_behind_a_front_start(settings: Settings) -> None:
    assert refusals(settings) == []
    assert refusals(with_platform(settings, **PUBLIC)) == []


@pytest.mark.parametrize(
    ("changes", "place", "reason"),
    [
        ({"control_url": "http://data.city.example"}, "platform.yaml#/control_url", "must be https"),
        ({"gateway_url": "http://10.1.0.7:8000"}, "platform.yaml#/gateway_url", "must be https"),
        ({"demo": True}, "platform.yaml#/demo", "this machine alone"),
        ({"trusted_proxies": ()}, "platform.yaml#/control_listen", "without a front for TLS"),
        ({"trusted_proxies": (), "control_listen": ("0.0.0.0", 1)}, "platform.yaml#/control_listen", "front"),
        ({"trusted_proxies": (ip_network("0.0.0.0/0"),)}, "platform.yaml#/trusted_proxies/0", "too wide"),
        ({"trusted_proxies": (*FRONT, ip_network("::/0"))}, "platform.yaml#/trusted_proxies/1", "too wide"),
        ({"trusted_proxies": (ip_network("128.0.0.0/1"),)}, "platform.yaml#/trusted_proxies/0", "too wide"),
        ({"private_listen": ("0.0.0.0", 8002)}, "platform.yaml#/private_listen", "not for every network"),
        ({"control_private_listen": ("::", 9)}, "platform.yaml#/control_private_listen", "every network"),
    ],
)
def test_a_setting_that_is_not_safe_stops_the_start(
    settings: Settings, changes: dict[str, Any], place: str, reason: str
) -> None:
    found = refusals(with_platform(settings, **{**PUBLIC, **changes}))
    assert any(line.startswith(f"{place}: ") and reason in line for line in found), found


@pytest.mark.parametrize(
    ("name", "value"),
    [("AUTHLIB_INSECURE_TRANSPORT", "0"), ("FLASK_DEBUG", "1"), ("SSLKEYLOGFILE", "/tmp/keys")],
)
def test_a_variable_that_opens_a_door_stops_the_start(settings: Settings, name: str, value: str) -> None:
    (found,) = refusals(settings, {name: value})
    assert found.startswith(f"environment#/{name}: {name} ")


def test_a_variable_that_says_no_does_not(settings: Settings) -> None:
    assert refusals(settings, {"FLASK_DEBUG": "0", "SSLKEYLOGFILE": ""}) == []


def test_a_default_account_stops_the_start(settings: Settings) -> None:
    admin = Account("Admin", "管理员", "bigdata", frozenset({"administrator"}))
    (found,) = refusals(replace(settings, accounts=(*settings.accounts, admin)))
    assert "a default account" in found


@pytest.mark.parametrize("folder", ["data", "keys"])
def test_a_folder_that_others_look_into_stops_the_start(settings: Settings, folder: str) -> None:
    path = settings.data if folder == "data" else settings.key_file("")
    path.chmod(0o750)
    (found,) = refusals(settings)
    assert "open to others" in found


def damaged(change: Callable[[Path], object], name: str = "session.key") -> Callable[[Settings], None]:
    return lambda settings: (change(settings.key_file(name)), None)[1]


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (damaged(lambda path: path.chmod(0o640)), "open to others"),
        (damaged(lambda path: path.write_bytes(b"change-me")), "keys of 32 bytes"),
        (damaged(lambda path: path.write_bytes(bytes(32))), "not made at random"),
        (damaged(lambda path: path.write_bytes(b"secret".ljust(32, b"!"))), "not made at random"),
        (damaged(lambda path: path.write_bytes(b"")), "keys of 32 bytes"),
        (damaged(lambda path: path.write_bytes(b"short"), "personal-1.key"), "keys of 32 bytes"),
    ],
)
def test_a_bad_key_file_stops_the_start(
    settings: Settings, damage: Callable[[Settings], None], reason: str
) -> None:
    damage(settings)
    (found,) = refusals(settings)
    assert reason in found
    assert ".key#" in found


def test_who_runs_as_root_in_earnest_is_warned(settings: Settings) -> None:
    earnest = with_platform(settings, **PUBLIC)
    assert len(list(warnings(earnest))) == (os.geteuid() == 0)
    assert list(warnings(settings)) == []


# --- secret files -----------------------------------------------------------------------------------


def secret_in(folder: Path) -> Path:
    path = folder / "upstream.key"
    path.write_bytes(b"s3cret")
    path.chmod(0o600)
    return path


def test_a_link_within_the_folder_is_followed_and_one_that_leads_out_is_not(tmp_path: Path) -> None:
    (tmp_path / "of-a-container").mkdir()
    (tmp_path / "inside").symlink_to(secret_in(tmp_path / "of-a-container"))
    check_place(tmp_path / "inside")
    elsewhere = tmp_path / "secrets"
    elsewhere.mkdir()
    (elsewhere / "outside").symlink_to(tmp_path / "of-a-container" / "upstream.key")
    with pytest.raises(ConfigError, match="leads out of its folder"):
        check_place(elsewhere / "outside")


def test_a_secret_below_a_folder_that_anybody_may_change_is_refused(tmp_path: Path) -> None:
    (tmp_path / "open" / "own").mkdir(parents=True)
    path = secret_in(tmp_path / "open" / "own")
    check_place(path)
    (tmp_path / "open").chmod(0o777)
    with pytest.raises(ConfigError, match="anybody may change the folder"):
        check_place(path)
    (tmp_path / "open").chmod(0o1777)  # as /tmp is
    check_place(path)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may give a file away")
def test_a_secret_of_another_account_is_refused(tmp_path: Path) -> None:
    path = secret_in(tmp_path)
    os.chown(path, 12345, -1)
    with pytest.raises(ConfigError, match="belongs to another account"):
        read_secret_file(path)


def test_what_is_no_plain_file_is_refused_at_once(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe", 0o600)
    with pytest.raises(ConfigError, match="no plain file"):
        read_secret_file(tmp_path / "pipe")
    large = secret_in(tmp_path)
    large.write_bytes(bytes(MOST_BYTES + 1))
    with pytest.raises(ConfigError, match="too large"):
        read_secret_file(large)


@pytest.mark.long
def test_serve_and_check_refuse_and_name_the_reason(tmp_path: Path) -> None:
    for command in ("check", "serve"):
        done = subprocess.run(
            [sys.executable, "-m", "cli", "--config", str(CONFIG), "--data", str(tmp_path / "data"), command],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
            env={**os.environ, "AUTHLIB_INSECURE_TRANSPORT": "1"},
        )
        assert done.returncode == 1
        assert "AUTHLIB_INSECURE_TRANSPORT lets tokens travel in the clear" in done.stdout + done.stderr
