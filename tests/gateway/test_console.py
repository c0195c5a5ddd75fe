"""The pages of systems, applications and grants, as their users go through them."""

from __future__ import annotations

import io
import json
import re
from typing import Any

import pytest

from catalog.datasets import register_dataset
from gateway.forms import read_values, write_values
from tests.cast import alice, ann, bob, carol, chen, dave, mallory
from tests.gateway.proofs import ec_prover
from tests.stories import OFFERS, STATEMENT, active_client, active_grant, offered, submitted_application

PDF = b"%PDF-1.7\n% a scan\n"


def csrf(browser: Any, path: str) -> str:
    """The token of a page's first form."""
    found = re.search(r'name="csrf_token" value="([^"]+)"', browser.get(path).text)
    assert found, path
    return found[1]


def send(browser: Any, page: str, action: str, form: dict[str, Any]) -> Any:
    """Fill in a form of a page and send it."""
    return browser.post(action, data={"csrf_token": csrf(browser, page), **form})


def test_a_department_registers_a_system_and_sees_its_secret_once(world: Any) -> None:
    consumer, manager = world.browser(carol), world.browser(bob)
    wrong = send(consumer, "/systems/new", "/systems/new", {"name": "系统", "networks": "10.0.0.1/8"})
    assert wrong.status_code == 422
    assert 'href="#f-networks"' in wrong.text
    assert "10.0.0.1/8" in wrong.text
    made = send(consumer, "/systems/new", "/systems/new", {"name": "健康系统", "networks": "10.0.0.0/8\n"})
    assert made.status_code == 303
    place = made.headers["Location"]
    assert "待审核" in consumer.get(place).text
    assert send(manager, place, f"{place}/actions/approve", {}).status_code == 303
    shown = send(consumer, place, f"{place}/credentials", {})
    secret = re.search(r"client_secret</dt><dd>([\w-]{43})", shown.text)
    assert secret
    assert shown.headers["Cache-Control"] == "no-store"
    assert secret[1] not in consumer.get(place).text
    assert "健康系统" in manager.get("/systems?state=active").text
    assert "健康系统" not in world.browser(mallory).get("/systems").text


def test_an_application_is_made_checked_and_granted_on_pages(world: Any) -> None:
    code, system = offered(world, "divisions"), active_client(world)
    consumer, manager = world.browser(carol), world.browser(bob)
    page = f"/applications/new?dataset={code.replace('/', '-')}"
    form = {"dataset": code, "kind": "table", "client": system.client.id, "fields": ["code", "name"]}
    wish = {**form, "purpose": "核对地址", "networks": "10.0.0.0/8"}
    wrong = send(consumer, page, "/applications/new", wish)
    assert wrong.status_code == 422
    assert "核对地址" in wrong.text
    assert 'href="#f-networks"' in wrong.text
    row_filter = "street_code = 429005001、429005002"
    made = send(consumer, page, "/applications/new", {**form, **STATEMENT, "row_filter": row_filter})
    place = made.headers["Location"]
    assert "规范性检查" in manager.get(place).text
    assert send(manager, place, f"{place}/actions/accept", {"version": "2"}).status_code == 303
    decision = {"version": "3", "fields": ["code"], "networks": "127.0.0.1/32", "row_limit": "many"}
    refused = send(manager, place, f"{place}/actions/grant", decision)
    assert refused.status_code == 422
    assert 'href="#f-row_limit"' in refused.text
    granted = send(
        manager,
        place,
        f"{place}/actions/grant",
        {**decision, "row_limit": "50", "note": "同意", "withheld_reason": "名称与用途无关"},
    )
    assert granted.status_code == 303, granted.text
    shown = consumer.get(place).text
    assert "名称与用途无关" in shown
    grant = re.search(r'href="(/grants/[^"]+)"', shown)
    assert grant
    assert "429005001, 429005002" in consumer.get(grant[1]).text
    assert "G-2026-000001" in consumer.get("/grants").text
    assert "A-2026-000001" in consumer.get("/applications?state=granted").text


@pytest.mark.parametrize("city", ["world", "ganzhou"])
def test_a_draft_has_no_application_form(city: str, request: Any) -> None:
    world = request.getfixturevalue(city)
    provider, entry, _ = OFFERS["divisions"]
    with world.work(provider) as work:
        code = register_dataset(work, entry).code
    page = f"/applications/new?dataset={code.replace('/', '-')}"
    consumer = world.browser(carol)
    for address in (page, "/applications/new?dataset=307001-999999"):
        shown = consumer.get(address)
        assert shown.status_code == 404
        assert "没有这个代码的数据集" in shown.text
        assert entry["title"] not in shown.text


def test_papers_are_uploaded_on_the_draft_and_downloaded_by_the_decider(ganzhou: Any) -> None:
    code, system = offered(ganzhou, "workdays"), active_client(ganzhou)
    consumer = ganzhou.browser(carol)
    page = f"/applications/new?dataset={code.replace('/', '-')}"
    shown = consumer.get(page).text
    assert "服务接口申请表" in shown
    assert 'name="submit" value="true"' not in shown
    form = {"dataset": code, "kind": "api", "client": system.client.id, "fields": ["date"], **STATEMENT}
    made = send(consumer, page, "/applications/new", {**form, "term_days": "30", "submit": "false"})
    place = made.headers["Location"]
    paper = {"type": "api_application_form", "sealed": "true"}
    wrong = send(consumer, place, f"{place}/attachments", {**paper, "content": (io.BytesIO(b"x"), "a.pdf")})
    assert wrong.status_code == 422
    assert 'href="#f-content"' in wrong.text
    right = {**paper, "content": (io.BytesIO(PDF), "申请表.pdf")}
    assert send(consumer, place, f"{place}/attachments", right).status_code == 303
    assert send(consumer, place, f"{place}/actions/submit", {}).status_code == 303
    provider = ganzhou.browser(ann)
    link = re.search(rf'href="({place}/attachments/[^"]+)"', provider.get(place).text)
    assert link
    got = provider.get(link[1])
    assert got.data == PDF
    assert got.headers["Content-Disposition"].startswith("attachment;")
    assert ganzhou.browser(mallory).get(link[1]).status_code == 404


def test_a_provider_ends_a_grant_on_its_page(ganzhou: Any) -> None:
    held = active_grant(ganzhou, term_days=30)
    provider = ganzhou.browser(alice)
    place = f"/grants/{held.grant.id}"
    assert send(provider, place, f"{place}/actions/terminate", {"reason": "违规"}).status_code == 422
    proof = {"reason": "违规", "evidence": "存取记录"}
    assert send(provider, place, f"{place}/actions/terminate", proof).status_code == 303
    assert "已终止" in provider.get(place).text


@pytest.mark.parametrize("lang", ["zh", "en"])
def test_every_reader_can_open_the_pages_and_strangers_cannot(world: Any, lang: str) -> None:
    filed = submitted_application(world)
    paths = [f"/applications/{filed.application.id}", f"/systems/{filed.application.client_id}"]
    for reader in (carol, bob, dave):
        browser = world.browser(reader)
        for path in (*paths, "/applications", "/grants", "/systems"):
            assert browser.get(f"{path}?lang={lang}").status_code == 200, (reader.login, path)
    for stranger in (mallory, chen):
        assert [world.browser(stranger).get(p).status_code for p in paths] == [404, 404]
    assert world.app.test_client().get(paths[0]).status_code == 303


def test_a_form_without_its_token_does_nothing(world: Any) -> None:
    filed = submitted_application(world)
    answer = world.browser(bob).post(f"/applications/{filed.application.id}/actions/accept", data={})
    assert answer.status_code in (400, 409)
    with world.read(bob) as work:
        from gateway.applications import find_application

        assert find_application(work, filed.application.id).case.state == "checking"


def test_values_are_written_as_they_are_read() -> None:
    typed = "street_code = 1, 2\nlevel\uff1d3\uff0c4"
    assert read_values(typed) == {"street_code": ["1", "2"], "level": ["3", "4"]}
    assert read_values(write_values(read_values(typed))) == read_values(typed)
    assert read_values("nonsense") == {"nonsense": []}


def test_a_system_gets_another_way_of_authentication_on_its_page(world: Any) -> None:
    consumer, manager = world.browser(carol), world.browser(bob)
    system = active_client(world)
    place = f"/systems/{system.client.id}"
    wish = {"auth_method": "private_key_jwt", "token_binding": "dpop"}
    assert send(consumer, place, f"{place}/authentication", wish).status_code == 303
    assert "等待平台管理部门审核" in consumer.get(place).text
    prover = ec_prover()
    burnt = send(consumer, place, f"{place}/keys", {"key": json.dumps({**prover.jwk, "d": "AAAA"})})
    assert burnt.status_code == 422
    assert "这是私钥" in burnt.text
    assert 'href="#f-key"' in burnt.text
    for wrong in ("", "{", "nothing", '{"kty": "EC"}'):
        assert send(consumer, place, f"{place}/keys", {"key": wrong}).status_code == 422
    assert send(consumer, place, f"{place}/keys", {"key": json.dumps(prover.jwk)}).status_code == 303
    assert send(manager, place, f"{place}/actions/approve_authentication", {}).status_code == 303
    shown = consumer.get(place).text
    assert "私钥签名" in shown
    assert prover.thumbprint in shown
    assert "已吊销" in shown  # the secret


def test_a_system_is_registered_with_its_key_on_a_page(world: Any) -> None:
    consumer = world.browser(carol)
    form = {
        "name": "健康系统",
        "networks": "10.0.0.0/8",
        "auth_method": "private_key_jwt",
        "token_binding": "dpop",
    }
    weak = send(consumer, "/systems/new", "/systems/new", {**form, "key": '{"kty": "oct", "k": "AAAA"}'})
    assert (weak.status_code, 'href="#f-key"' in weak.text) == (422, True)
    not_taken = send(consumer, "/systems/new", "/systems/new", {**form, "token_binding": "certificate"})
    assert (not_taken.status_code, 'href="#f-token_binding"' in not_taken.text) == (422, True)
    key = json.dumps(ec_prover().jwk)
    made = send(consumer, "/systems/new", "/systems/new", {**form, "key": key})
    assert made.status_code == 303
    assert "待审核" in consumer.get(made.headers["Location"]).text
