"""Which databases the platform refuses to keep its state in, and why."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

import schemas
from core.db import Database
from core.errors import ConfigError
from tests.warm import demo_settings

TLS = "sslmode=verify-full&sslrootcert=/etc/ssl/db.pem"


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("mysql+pymysql://a@127.0.0.1/x", "no such driver here: mysql"),
        ("postgresql+psycopg2://a@127.0.0.1/x", r"no such driver here: postgresql\+psycopg2"),
        ("postgresql+psycopg://a@db.example/x", "not on this machine"),
        ("postgresql+psycopg://a@db.example/x?sslmode=require", "not on this machine"),
        ("postgresql+psycopg://a@127.0.0.1.example/x", "not on this machine"),
        ("postgresql+psycopg://a@/x?host=127.0.0.1:5432&host=10.1.2.3:5432", "not on this machine"),
        ("postgresql+psycopg://a@127.0.0.1,10.1.2.3/x", "not on this machine"),
        ("postgresql+psycopg://a@/x", "names no host"),
        ("postgresql+psycopg://127.0.0.1/x", "lacks the name"),
        ("postgresql+psycopg://a@127.0.0.1", "lacks the name"),
        ("postgresql+psycopg://a@127.0.0.1/x?hostaddr=10.1.2.3", "unknown here: hostaddr"),
        ("postgresql+psycopg://a@127.0.0.1/x?service=other", "unknown here: service"),
        ("postgresql+psycopg://a@127.0.0.1/x?options=-c%20fsync=off", "unknown here: options"),
        ("no address", "not the address of a database"),
    ],
)
def test_an_unfit_address_is_refused_before_anybody_is_asked(url: str, reason: str) -> None:
    with pytest.raises(ConfigError, match=reason):
        Database(url)


@pytest.mark.parametrize(
    "url",
    [
        "postgresql+psycopg://a@127.0.0.1/x",
        "postgresql://a@localhost:5433/x",
        "postgresql+psycopg://a@[::1]/x",
        "postgresql+psycopg://a@/x?host=/run/postgresql",
        f"postgresql+psycopg://a@db.example/x?{TLS}",
        f"postgresql+psycopg://a@/x?host=db1:5432&host=db2:5432&target_session_attrs=read-write&{TLS}",
    ],
)
def test_this_machine_needs_no_tls_and_others_a_certificate_that_is_checked(url: str) -> None:
    Database(url).close()


def test_the_password_comes_by_reference_and_is_shown_to_nobody(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STATE_PASSWORD", "p@ss/w:rd")
    settings = demo_settings(tmp_path)
    given = "postgresql+psycopg://a@127.0.0.1/x"
    platform = replace(settings.platform, database_url=given, database_password="env:STATE_PASSWORD")
    database = Database(replace(settings, platform=platform).database_url)
    assert database.engine.url.password == "p@ss/w:rd"
    assert "p@ss" not in database.name
    database.close()


@pytest.mark.parametrize("url", ["postgresql+psycopg://a:secret@127.0.0.1/x", "sqlite:///x", "mysql://a@b/x"])
def test_platform_yaml_takes_no_password_in_clear_and_no_other_database(url: str) -> None:
    from core.settings import read_yaml
    from tests.warm import CONFIG

    document = read_yaml(CONFIG / "platform.yaml") | {"database_url": url}
    assert [e.pointer for e in schemas.errors("config/platform", document)] == ["/database_url"]
