"""What people deploy with: units that systemd takes, a configuration to begin with, a page about both."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

import schemas
from cases.books import refuse_lapsed
from core.settings import load_settings
from core.unsafe import refuse_unsafe
from rules.rulebook import SHIPPED, load_rulebooks

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
UNITS = sorted((DEPLOY / "systemd").glob("*.service"))
MOST_EXPOSED = 15
"""Tenths of what `systemd-analyze security` calls exposure: 0 is none, 100 a service without any bound."""
RUNNABLE = "/opt/shuxiang/.venv/bin/shuxiang"

needs_systemd = pytest.mark.skipif(
    shutil.which("systemd-analyze") is None, reason="systemd-analyze is missing: apt install systemd"
)


def analyze(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = ["systemd-analyze", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


def settings_in(unit: Path, section: str) -> dict[str, list[str]]:
    """Return what a section of a unit says, every value of each name."""
    text = unit.read_text(encoding="utf-8").replace("\\\n", "")
    found: dict[str, list[str]] = {}
    for name, value in re.findall(
        r"^(\w+)=(.*)$", text.partition(f"[{section}]")[2].partition("\n[")[0], re.M
    ):
        found.setdefault(name, []).append(value)
    return found


@needs_systemd
@pytest.mark.parametrize("unit", UNITS, ids=lambda path: path.name)
def test_systemd_takes_every_unit_without_a_word(unit: Path, tmp_path: Path) -> None:
    here = tmp_path / unit.name
    here.write_text(unit.read_text(encoding="utf-8").replace(RUNNABLE, "/bin/true"), encoding="utf-8")
    done = analyze("verify", "--man=no", str(here))
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@needs_systemd
@pytest.mark.parametrize("unit", UNITS, ids=lambda path: path.name)
def test_a_service_may_do_little(unit: Path) -> None:
    done = analyze("security", "--offline=true", f"--threshold={MOST_EXPOSED}", "--no-pager", str(unit))
    assert done.returncode == 0, done.stdout[-500:]


@pytest.mark.parametrize("unit", UNITS, ids=lambda path: path.name)
def test_a_service_runs_as_nobody_in_particular_and_writes_into_its_own_folder_only(unit: Path) -> None:
    said = settings_in(unit, "Service")
    assert said["User"] == said["Group"] == said["StateDirectory"]
    assert said["User"] != ["root"]
    assert said["ProtectSystem"] == ["strict"]
    assert "ReadWritePaths" not in said
    assert (said["NoNewPrivileges"], said["CapabilityBoundingSet"]) == (["yes"], [""])
    assert {"LimitNOFILE", "MemoryMax", "TasksMax", "Restart"} <= set(said)


def test_a_reload_asks_serve_to_read_its_configuration_anew_and_a_stop_leaves_the_order_to_it() -> None:
    said = settings_in(DEPLOY / "systemd" / "shuxiang.service", "Service")
    assert said["ExecReload"] == ["/bin/kill -HUP $MAINPID"]
    assert said["KillMode"] == ["mixed"]
    assert said["ExecStartPre"] == [f"{RUNNABLE} check"]


def test_the_configuration_to_begin_with_may_start(tmp_path: Path) -> None:
    folder = shutil.copytree(DEPLOY / "example", tmp_path / "config")
    settings = load_settings(folder, tmp_path / "data", schemas.errors)
    refuse_unsafe(settings, {})
    refuse_lapsed(settings, load_rulebooks(SHIPPED, settings.platform.rulebooks))
    assert not settings.platform.demo
    assert settings.security.second_factor  # nobody who manages may do without one


def test_the_configuration_to_begin_with_names_the_addresses_of_the_front() -> None:
    front = (DEPLOY / "nginx" / "shuxiang.conf").read_text(encoding="utf-8")
    settings = load_settings(DEPLOY / "example", ROOT / "var", schemas.errors)
    platform = settings.platform
    for listen in (platform.control_listen, platform.gateway_listen):
        assert f"server {listen[0]}:{listen[1]};" in front
    for url in (platform.control_url, platform.gateway_url):
        assert f"server_name {url.removeprefix('https://')};" in front


def test_every_file_that_the_page_names_is_there_and_every_file_is_named() -> None:
    page = (ROOT / "docs" / "deployment.md").read_text(encoding="utf-8")
    named = set(re.findall(r"deploy/[\w./@*-]*\w", page))
    assert all(list(ROOT.glob(name.removesuffix("/"))) for name in named)
    for path in (*UNITS, *(DEPLOY / "systemd").glob("*.conf"), DEPLOY / "nginx" / "shuxiang.conf"):
        assert str(path.relative_to(ROOT)) in page
