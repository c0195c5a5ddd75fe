"""`make run`, as a stranger meets it."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.servers.conftest import Deployment

pytestmark = [pytest.mark.servers, pytest.mark.takes(45)]


@pytest.fixture(scope="module")
def city(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    """The deployment of a stranger who has just cloned the repository."""
    made = Deployment(tmp_path_factory.mktemp("city"))
    yield made
    made.stop()


@pytest.fixture(scope="module")
def story(city: Deployment) -> str:
    """What the first `make run` prints."""
    return city.run("demo", "--story-only")


def test_the_story_plays_to_its_end_and_again(city: Deployment, story: str) -> None:
    assert "潜江市行政区划" in story
    assert "429005001001 城南社区" in story
    assert re.search(r"403 .+ / .+", story)
    assert "permit" in story
    assert "refuse" in story
    assert "inclusion proof" in story
    assert "内部备注：" not in story, "the masked note must not come through"
    passwords = (city.data / "first-sign-in.txt").read_text(encoding="utf-8")
    assert len(passwords.splitlines()) == len(city.settings.accounts)

    second = city.run("demo", "--story-only")
    assert "先前登记" in second
    report = json.loads(city.run("audit", "verify", "--json"))
    assert report["sound"]


def test_a_changed_record_body_is_found_offline(city: Deployment, story: str, tmp_path: Path) -> None:
    vkey = (city.data / "keys" / "log.vkey").read_text(encoding="ascii").strip()
    copy = shutil.copytree(city.data / "audit", tmp_path / "audit")
    assert json.loads(city.run("audit", "verify", str(copy), "--vkey", vkey, "--json"))["sound"]
    bodies = sorted((copy / "bodies").rglob("*.jsonl"))
    content = bodies[0].read_bytes()
    assert b'"permitted"' in content
    bodies[0].write_bytes(content.replace(b'"permitted"', b'"refused__"', 1))
    report = json.loads(city.run("audit", "verify", str(copy), "--vkey", vkey, "--json", expect=1))
    assert not report["sound"]
