"""What attacks the running product can fail, and has not passed where nothing was looked at."""

from __future__ import annotations

import json
from typing import Any

import pytest

from checks.scan_running import lists_of, of_sqlmap, of_testssl, of_wapiti, told


def entry(id: str, severity: str) -> dict[str, str]:
    return {"id": id, "severity": severity, "finding": "offered"}


def test_weak_tls_is_told_and_silence_is_not_strength() -> None:
    good = [entry("TLS1_2", "OK"), entry("secure_renego", "WARN")]
    assert list(of_testssl(json.dumps(good))) == []
    assert list(of_testssl(json.dumps([*good, entry("RC4", "HIGH")]))) == ["RC4 HIGH: offered"]
    assert list(of_testssl("[]")) == ["nothing was looked at"]


def test_every_line_of_sqlmap_is_an_argument_that_let_something_in() -> None:
    heading = "Target URL,Place,Parameter,Technique(s),Note(s)\n"
    assert list(of_sqlmap(heading)) == []
    assert list(of_sqlmap(f"{heading}https://x/?q=1,GET,q,BU,\n")) == ["https://x/?q=1,GET,q,BU,"]


def report(pages: int, **found: Any) -> dict[str, Any]:
    groups: dict[str, Any] = {
        "vulnerabilities": found,
        "anomalies": {},
        "additionals": {"HTTP Methods": [{}]},
    }
    return {"infos": {"crawled_pages_nbr": pages}, **groups}


def test_what_wapiti_finds_is_told_and_a_closed_door_is_no_proof(capsys: pytest.CaptureFixture[str]) -> None:
    assert list(of_wapiti(report(146))) == []
    hole = [{"method": "GET", "path": "/datasets", "parameter": "q"}]
    assert list(of_wapiti(report(146, XSS=hole))) == ["XSS: GET /datasets q"]
    assert list(of_wapiti(report(2))) == ["only 2 pages and forms were seen"]
    assert "146 pages" in capsys.readouterr().out


def test_a_tool_that_is_not_there_has_not_passed(capsys: pytest.CaptureFixture[str]) -> None:
    assert told("sqlmap", None) == []
    assert "SKIPPED" in capsys.readouterr().out
    assert told("sqlmap", iter(["q"])) == ["q"]


def test_only_addresses_with_arguments_of_their_own_are_lists() -> None:
    arguments = [{"name": "q", "in": "query"}, {"name": "id", "in": "path"}]
    paths = {
        "/api/tickets": {"get": {"parameters": arguments}},
        "/api/tickets/{id}": {"get": {"parameters": arguments}},
        "/api/me": {"get": {}},
        "/oauth/token": {"post": {}},
    }
    assert lists_of({"paths": paths}) == {"/api/tickets": ["q"]}
