"""What security.yaml says of identity providers, and what is refused at start."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml

import schemas
from core.errors import ConfigError
from core.settings import load_settings
from tests.conftest import CONFIG

CITY = {
    "id": "city",
    "name": {"zh": "市统一身份认证", "en": "City sign-in"},
    "issuer": "https://id.example",
    "client_id": "shuxiang",
    "client_secret": "env:CITY_SECRET",
}


def loaded(tmp_path: Path, *entries: dict[str, Any], control_url: str = "https://share.example") -> Any:
    config = tmp_path / "config"
    shutil.copytree(CONFIG, config)
    platform = yaml.safe_load((config / "platform.yaml").read_text(encoding="utf-8"))
    platform["control_url"] = control_url
    (config / "platform.yaml").write_text(yaml.safe_dump(platform, allow_unicode=True), encoding="utf-8")
    (config / "security.yaml").write_text(
        yaml.safe_dump({"oidc": list(entries)}, allow_unicode=True), encoding="utf-8"
    )
    return load_settings(config, tmp_path / "data", schemas.errors)


def test_a_provider_is_read_with_its_defaults(tmp_path: Path) -> None:
    (provider,) = loaded(tmp_path, CITY).security.oidc
    assert (provider.issuer, provider.scopes, provider.second_factor) == (
        "https://id.example",
        ("openid",),
        (),
    )
    assert "none" not in provider.algorithms
    assert "HS256" not in provider.algorithms


WRONG: dict[str, tuple[dict[str, Any], ...]] = {
    "twice": (CITY, CITY),
    "without a way to authenticate": ({k: v for k, v in CITY.items() if k != "client_secret"},),
    "with two": ({**CITY, "private_key": "file:key.pem"},),
    "in the clear": ({**CITY, "issuer": "http://id.example"},),
    "with a secret in the file": ({**CITY, "client_secret": "secret"},),
    "without openid": ({**CITY, "scopes": ["profile"]},),
    "with unsigned tokens": ({**CITY, "algorithms": ["none"]},),
}


@pytest.mark.parametrize("entries", WRONG.values(), ids=WRONG)
def test_an_entry_that_is_not_safe_stops_the_start(
    tmp_path: Path, entries: tuple[dict[str, Any], ...]
) -> None:
    with pytest.raises(ConfigError) as refused:
        loaded(tmp_path, *entries)
    assert all("security.yaml" in str(f) and "/oidc/" in str(f) for f in refused.value.findings)


def test_nobody_signs_in_elsewhere_where_the_platform_itself_has_no_tls(tmp_path: Path) -> None:
    with pytest.raises(ConfigError):
        loaded(tmp_path, CITY, control_url="http://127.0.0.1:8000")


def test_a_secret_that_is_missing_stops_the_start(tmp_path: Path, monkeypatch: Any) -> None:
    settings = loaded(tmp_path, CITY)
    monkeypatch.delenv("CITY_SECRET", raising=False)
    with pytest.raises(ConfigError, match="CITY_SECRET"):
        settings.check_secrets()
