"""A wrong static file stops the start and is named with file, pointer and a sentence in both languages."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

import schemas
from core.errors import ConfigError, Finding
from core.ids import is_uscc
from core.settings import load_settings
from tests.conftest import CONFIG


def findings(tmp_path: Path, edit: Callable[[Path], None]) -> list[Finding]:
    folder = tmp_path / "config"
    shutil.copytree(CONFIG, folder)
    edit(folder)
    with pytest.raises(ConfigError) as refused:
        load_settings(folder, tmp_path / "data", schemas.errors)
    return list(refused.value.findings)


def replace(name: str, old: str, new: str) -> Callable[[Path], None]:
    def edit(folder: Path) -> None:
        text = (folder / name).read_text(encoding="utf-8")
        assert old in text
        (folder / name).write_text(text.replace(old, new, 1), encoding="utf-8")

    return edit


@pytest.mark.parametrize(
    ("name", "old", "new", "pointer"),
    [
        ("platform.yaml", "gateway_workers: 2", "gateway_workers: many", "/gateway_workers"),
        ("platform.yaml", "manager: bigdata", "manager: nobody", "/manager"),
        ("platform.yaml", "id: qianjiang\n", "", "/id"),
        ("platform.yaml", "127.0.0.1:8000\n", "127.0.0.1:8001\n", "/gateway_listen"),
        ("platform.yaml", "seal_seconds: 0.5", "seal_secs: 0.5", "/seal_secs"),
        ("departments.yaml", "11429005MB100001X", "11429005MB100002X", "/departments/0/uscc"),
        ("departments.yaml", "id: audit", "id: bigdata", "/departments/1/id"),
        ("connections.yaml", "department: civil_affairs", "department: nowhere", "/connections/0/department"),
        (
            "connections.yaml",
            "file:{data}/demo/workday-service.key",
            "s3cret",
            "/connections/1/headers/X-Service-Key",
        ),
        ("connections.yaml", "http://127.0.0.1:8010", "http://①②⑦.0.0.1", "/connections/1/base_url"),
        ("connections.yaml", "http://127.0.0.1:8010", "http://10.0.0.1#@x", "/connections/1/base_url"),
        ("accounts.yaml", "roles: [auditor]", "roles: [king]", "/accounts/6/roles/0"),
        (
            "security.yaml",
            "security_profile: standard",
            "client_certificate_header: X-Client-Cert",
            "/client_certificate_header",
        ),
        (
            "security.yaml",
            "security_profile: standard",
            "client_certificate_verdict_header: X-Client-Verify",
            "/client_certificate_verdict_header",
        ),
        (
            "security.yaml",
            "security_profile: standard",
            "client_certificate_url: http://mtls.example",
            "/client_certificate_url",
        ),
        ("security.yaml", "security_profile: standard", "security_profile: strict", "/security_profile"),
        (
            "datasets/workdays.yaml",
            "connection: workday_api",
            "connection: divisions_db",
            "/distributions/0/connection",
        ),
        (
            "datasets/workdays.yaml",
            "share_class: conditional\n  share",
            "share_class: some\n  share",
            "/dataset/share_class",
        ),
    ],
)
def test_each_fault_is_named(tmp_path: Path, name: str, old: str, new: str, pointer: str) -> None:
    found = findings(tmp_path, replace(name, old, new))
    named = [f for f in found if f.file.endswith(name) and f.pointer == pointer]
    assert named, [str(f) for f in found]
    assert named[0].message.zh
    assert named[0].message.en


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    [fault] = findings(tmp_path, lambda folder: (folder / "departments.yaml").unlink())
    assert fault.file.endswith("departments.yaml")


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    def hidden(folder: Path) -> None:
        (folder / "platform.yaml").unlink()
        (folder / "platform.yaml").mkdir()

    assert any("file cannot be read: Is a directory" in str(f) for f in findings(tmp_path, hidden))


def test_broken_yaml_is_named_with_its_line(tmp_path: Path) -> None:
    [fault] = findings(tmp_path, replace("platform.yaml", "place: {zh", "place: {{zh"))
    assert "platform.yaml:" in fault.file


def test_a_key_given_twice_is_refused(tmp_path: Path) -> None:
    [fault] = findings(tmp_path, replace("platform.yaml", "id: qianjiang", "id: qianjiang\nid: other"))
    assert "twice" in fault.message.en


def test_every_fault_is_reported_at_once(tmp_path: Path) -> None:
    def edit(folder: Path) -> None:
        replace("platform.yaml", "gateway_workers: 2", "gateway_workers: 0")(folder)
        replace("accounts.yaml", "roles: [auditor]", "roles: []")(folder)

    assert len(findings(tmp_path, edit)) == 2


def test_the_sample_credit_codes_of_the_demo_are_well_formed(tmp_path: Path) -> None:
    settings = load_settings(CONFIG, tmp_path, schemas.errors)
    assert len(settings.departments) >= 12
    assert all(is_uscc(d.uscc) for d in settings.departments.values())


def test_a_secret_file_that_others_can_read_is_refused(tmp_path: Path) -> None:
    settings = load_settings(CONFIG, tmp_path, schemas.errors)
    (tmp_path / "demo").mkdir()
    key = tmp_path / "demo" / "workday-service.key"
    key.write_text("secret")
    key.chmod(0o644)
    with pytest.raises(ConfigError) as refused:
        settings.secret("file:{data}/demo/workday-service.key")
    assert "0600" in str(refused.value)
    key.chmod(0o600)
    assert settings.secret("file:{data}/demo/workday-service.key") == "secret"
