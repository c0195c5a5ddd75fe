"""Where the text knows tenants only (GZ art. 3) a platform of its own is warned of and says whose it is."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

from click.testing import CliRunner, Result

from cli import main
from core.text import Text
from tests.conftest import CONFIG

UPPER = "tenant_of: {zh: 张掖市政务数据共享平台, en: Zhangye sharing platform}\n"


def checked(tmp_path: Path, book: str, more: str = "") -> Result:
    """Run `shuxiang check` on the demo's deployment under another book."""
    shutil.copytree(CONFIG, tmp_path / "config")
    platform = tmp_path / "config" / "platform.yaml"
    text = platform.read_text(encoding="utf-8").replace("sharing/qianjiang", book)
    platform.write_text(text + more, encoding="utf-8")
    return CliRunner().invoke(main, ["--config", str(tmp_path / "config"), "--data", str(tmp_path), "check"])


def test_a_platform_of_its_own_is_warned_of_in_ganzhou(tmp_path: Path) -> None:
    result = checked(tmp_path, "sharing/ganzhou")
    assert result.exit_code == 0
    assert "WARNING" in result.output
    assert "第3条" in result.output.replace("\n", "")


def test_a_tenant_that_names_its_platform_is_not(tmp_path: Path) -> None:
    assert "WARNING" not in checked(tmp_path, "sharing/ganzhou", UPPER).output


def test_qianjiang_has_a_platform_of_its_own(tmp_path: Path) -> None:
    assert "WARNING" not in checked(tmp_path, "sharing/qianjiang").output


def test_duties_that_another_hotlines_book_does_not_know_are_warned_of(tmp_path: Path) -> None:
    shutil.copytree(CONFIG, tmp_path / "config")
    platform = tmp_path / "config" / "platform.yaml"
    text = platform.read_text(encoding="utf-8").replace("hotline/qianjiang", "hotline/ganzhou")
    platform.write_text(text, encoding="utf-8")
    line = ["--config", str(tmp_path / "config"), "--data", str(tmp_path), "check"]
    result = CliRunner().invoke(main, line)
    assert result.exit_code == 0
    assert "WARNING" in result.output
    assert "street_lights" in result.output


def test_every_page_says_on_which_platform_it_runs(ganzhou: Any) -> None:
    assert "依托" not in ganzhou.app.test_client().get("/sign-in").text
    upper = Text("张掖市政务数据共享平台", "Zhangye sharing platform")
    platform = replace(ganzhou.settings.platform, tenant_of=upper)
    kit = ganzhou.app.extensions["shuxiang"]
    ganzhou.app.extensions["shuxiang"] = replace(kit, settings=replace(ganzhou.settings, platform=platform))
    assert "依托 张掖市政务数据共享平台 运行" in ganzhou.app.test_client().get("/sign-in").text
