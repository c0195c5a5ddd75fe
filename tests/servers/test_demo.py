"""`make run`, as a stranger meets it."""

from __future__ import annotations

import json
import re

import pytest

from tests.servers.conftest import Deployment

pytestmark = pytest.mark.servers


def test_the_story_plays_to_its_end_and_again(deployment: Deployment) -> None:
    first = deployment.run("demo", "--story-only")
    assert "潜江市行政区划" in first
    assert "429005001001 城南社区" in first
    assert re.search(r"403 .+ / .+", first)
    assert "permit" in first
    assert "refuse" in first
    assert "inclusion proof" in first
    assert "内部备注：" not in first, "the masked note must not come through"
    passwords = (deployment.data / "first-sign-in.txt").read_text(encoding="utf-8")
    assert len(passwords.splitlines()) == len(deployment.settings.accounts)

    second = deployment.run("demo", "--story-only")
    assert "先前登记" in second
    report = json.loads(deployment.run("audit", "verify", "--json"))
    assert report["sound"]


def test_a_changed_record_body_is_found_offline(deployment: Deployment) -> None:
    deployment.run("demo", "--story-only")
    bodies = sorted((deployment.data / "audit" / "bodies").rglob("*.jsonl"))
    content = bodies[0].read_bytes()
    assert b'"permitted"' in content
    bodies[0].write_bytes(content.replace(b'"permitted"', b'"refused__"', 1))
    report = json.loads(deployment.run("audit", "verify", "--json", expect=1))
    assert not report["sound"]
