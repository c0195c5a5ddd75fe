"""The log at a glance, and the state of the log."""

from __future__ import annotations

from datetime import timedelta
from html import escape as html_escaped
from typing import Any

import pytest

from audit.keys import NoteVerifier
from audit.overview.state import fingerprint
from audit.state import state_path
from tests.audit.console.calls import POISON, Calls, text_of
from tests.audit.console.test_records import newest_query
from tests.cast import carol

pytestmark = pytest.mark.long


def test_a_period_is_summed_up_beside_the_one_before_with_what_stands_out(calls: Calls, auditor: Any) -> None:
    html = auditor.get(
        "/records/overview?period=week&at=2026-02-09&provider=civil_affairs&consumer=health"
    ).text
    shown = text_of(html)
    assert "调用 5 上期 0" in shown
    assert "拒绝 1 上期 0" in shown
    assert newest_query(calls)["statistics"] == "week"
    assert "<script" not in html
    assert html_escaped(POISON).split("&quot;")[0] in html
    row = html.split("非工作时间调用")[1].split("</tr>")[0]
    assert "sys-night" in row
    address = html.split("非工作时间调用")[0].rsplit('href="', 1)[1].split('"')[0].replace("&amp;", "&")
    assert address.startswith("/records/questions/off_hours?asked=yes&")
    assert "sys-night" in auditor.get(address).text


def test_a_period_that_is_none_is_named(auditor: Any) -> None:
    answer = auditor.get("/records/overview?at=1")
    assert answer.status_code == 422
    assert 'id="f-at-error"' in answer.text


@pytest.mark.long
def test_a_period_to_come_has_nothing_yet(auditor: Any) -> None:
    assert "期间尚未开始" in auditor.get("/records/overview?at=2027-01").text


def test_the_state_of_the_log_names_size_signatures_and_keys(calls: Calls, auditor: Any) -> None:
    html = auditor.get("/records/log").text
    shown = text_of(html)
    for name in ("log.vkey", "log-mldsa.vkey", "receipt.vkey"):
        key = NoteVerifier.parse(calls.world.settings.key_file(name).read_text())
        assert fingerprint(key) in shown
    assert "没有配置见证人" in shown
    assert "完整" in shown
    assert newest_query(calls) == {"state": "log"}


def test_the_state_says_when_nobody_seals(calls: Calls, auditor: Any) -> None:
    calls.world.now += timedelta(minutes=10)
    try:
        assert "没有封存，数据调用被拒绝" in text_of(auditor.get("/records/log").text)
    finally:
        calls.world.now -= timedelta(minutes=10)


def test_a_log_that_cannot_be_read_shows_what_is_wrong(calls: Calls, auditor: Any) -> None:
    path = state_path(calls.world.settings.data / "audit")
    before = path.read_bytes()
    path.write_text("{")
    try:
        answer = auditor.get("/records/log")
    finally:
        path.write_bytes(before)
    assert answer.status_code == 200
    assert "state.json" in text_of(answer.text).split("警告")[1]
    assert "已封存记录" not in answer.text


def test_departments_do_not_get_past_the_door(calls: Calls) -> None:
    browser = calls.world.browser(carol)
    for page in ("overview", "log", "erasures", "questions", "export"):
        assert browser.get(f"/records/{page}").status_code == 403
