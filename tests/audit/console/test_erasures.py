"""Erasures on pages: asked for by one, decided by another, carried out, and shown with their basis."""

from __future__ import annotations

import io
import zipfile
from datetime import timedelta
from typing import IO, Any

import pytest

from audit.keeping.covered import Keeping
from audit.keeping.erasing import carry_out
from audit.keeping.telling import tell_done
from audit.sealer import seal_once
from audit.store import insert_outbox
from notices.inbox import list_notices
from tests.audit.console.calls import MORNING, Calls, call, send, text_of
from tests.audit.keeping.blocks import make_blocks
from tests.cast import bob, dave

pytestmark = pytest.mark.long

LAW = "《个人信息保护法》第四十七条"


def test_a_body_is_erased_by_two_and_its_record_says_on_what_basis(
    calls: Calls, auditor: Any, manager: Any
) -> None:
    world, made = calls.world, call(MORNING, purpose="secret-purpose", consumer="education")
    with world.database.begin() as tx:
        insert_outbox(tx, made)
    seal_once(world.settings, world.database, world.now)
    form = f"/records/erasures/new?record={made.id}"
    assert made.id in auditor.get(form).text
    asked = send(auditor, form, "/records/erasures", records=f" {made.id}\n", basis=LAW, document="审 1 号")
    assert asked.status_code == 303
    page = asked.headers["Location"]
    assert "由另一人决定" in auditor.get(page).text
    assert f'href="{page}"' in inbox_of(manager)
    seen = manager.get(page).text
    assert "secret-purpose" in seen
    assert "10.0.0.1" not in seen
    assert send(manager, page, f"{page}/decision").status_code == 422
    assert send(manager, page, f"{page}/decision", decision="grant", remark="同意").status_code == 303
    for _ in range(3):
        seal_once(world.settings, world.database, world.now)
        carry_out(Keeping(world.settings, world.database), world.now)
        make_blocks(world.settings.data / "audit", world.database, world.now)
    done = text_of(auditor.get(page).text)
    assert "删除 1 条正文" in done
    with world.work(bob) as work:
        tell_done(work)
        tell_done(work)
    with world.work(dave) as work:
        told = [line.notice.subject.zh for line in list_notices(work, kind="erasure", limit=10).lines]
    assert told == ["正文已删除：1 条", "删除申请已批准", "删除申请待决定：1 条正文"]
    html = auditor.get(f"/records/{made.id}").text
    assert LAW in html
    assert f'href="{page}"' in html
    assert "secret-purpose" not in html
    verified = send(auditor, f"/records/{made.id}", f"/records/{made.id}/verify").text
    assert "记录在日志中" in verified
    gone = auditor.get(f"/records/{made.id}/body")
    assert gone.status_code == 410
    assert LAW in gone.text
    assert auditor.get(f"/records/{made.id}/proof").status_code == 200
    for page in ("?kind=access", "/questions/find_records?asked=yes&kind=access"):
        listed = auditor.get(f"/records{page}").text
        assert "正文已删除" in listed
        assert "令牌不明" not in listed
    since = (world.now - timedelta(days=2)).isoformat().replace("+", "%2B")
    taken = auditor.get(f"/records/export/zip?kind=access&consumer=education&since={since}")
    tell_of_what_is_gone(io.BytesIO(taken.get_data()), gone=0)
    whole = auditor.get(f"/records/export/zip?kind=access&since={since}")
    tell_of_what_is_gone(io.BytesIO(whole.get_data()), gone=1)


def tell_of_what_is_gone(file: IO[bytes], *, gone: int) -> None:
    with zipfile.ZipFile(file) as bundle:
        assert f"\nbodies-gone {gone}\n" in bundle.read("manifest").decode()
        assert (f"其中 {gone} 条正文已删除" in bundle.read("answer.csv").decode()) is bool(gone)


def inbox_of(browser: Any) -> str:
    return str(browser.get("/inbox").text)


def test_what_is_missing_or_wrong_is_named_at_its_field(calls: Calls, auditor: Any) -> None:
    form = "/records/erasures/new"
    empty = send(auditor, form, "/records/erasures")
    assert empty.status_code == 422
    assert all(f'id="f-{name}-error"' in empty.text for name in ("records", "basis", "document"))
    unknown = send(auditor, form, "/records/erasures", records="x", basis=LAW, document="1")
    assert unknown.status_code == 422
    assert "没有这条记录" in unknown.text
    assert auditor.get("/records/erasures?state=x").status_code == 422


def test_the_manager_finds_erasures_and_nothing_else_of_the_log(calls: Calls, manager: Any) -> None:
    html = manager.get("/records/erasures").text
    assert 'href="/records/erasures"' in html
    assert 'href="/records"' not in html
    assert "没有配置保存期限" in html
    assert manager.get("/records/erasures/new").status_code == 403
    assert manager.get(f"/records/{calls.given}").status_code == 403
