"""`make run`, as a stranger meets it."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from joserfc.jwk import generate_key

from tests.servers.conftest import Deployment
from tests.whole.test_layers import ROOT

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

    again = city.start("demo")
    try:
        wait_until(lambda: "Ctrl-C" in city.log(), again)
        assert "先前登记" in city.log()
        register_as_in_the_documents(city)
        answer = call_of_the_readme(city)
        assert answer.startswith("HTTP/1.1 200"), answer
        assert "城南社区" in answer
    finally:
        city.stop()
    report = json.loads(city.run("audit", "verify", "--json"))
    assert report["sound"]


def wait_until(told: Callable[[], bool], process: subprocess.Popen[str]) -> None:
    deadline = time.monotonic() + 90
    while not told():
        assert process.poll() is None, "the demo has ended"
        assert time.monotonic() < deadline, "the story did not come to its end"
        time.sleep(0.1)


def register_as_in_the_documents(city: Deployment) -> None:
    """Register one more system of the department, with a key, as docs/systems.md has it; it is the newest."""
    key = generate_key("EC", "P-256").as_dict(private=False)
    draft = {"name": "居民健康档案系统", "networks": ["10.20.0.0/16"], "auth_method": "private_key_jwt"}
    draft_with_key = {**draft, "token_binding": "dpop", "public_key": key}
    city.person("li.na").call("POST", "/api/clients", draft_with_key, expect=201)


def call_of_the_readme(city: Deployment) -> str:
    """Do what the README says under "A call", letter by letter but for the ports; return what it prints."""
    section = (ROOT / "README.md").read_text(encoding="utf-8").partition("\n## A call\n")[2]
    script = section.partition("```sh\n")[2].partition("```")[0]
    platform = city.settings.platform
    for old, new in (
        ("http://127.0.0.1:8001", platform.control_url),
        ("http://127.0.0.1:8000", platform.gateway_url),
        (".venv/bin/python", sys.executable),
        (".venv/bin/shuxiang", f"{sys.executable} -m cli"),
    ):
        assert old in script
        script = script.replace(old, new)
    place = {"SHUXIANG_CONFIG": str(city.config), "SHUXIANG_DATA": str(city.data)}
    command, environment = ["sh", "-c", script], {**os.environ, **place}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    return done.stdout + done.stderr


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
