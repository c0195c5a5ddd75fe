"""The third city's procedures: one that is new, one with another number and limit."""

from __future__ import annotations

from typing import Any

import pytest

from catalog.corrections import open_disputes
from catalog.datasets import find_dataset
from core.codes import in_url
from core.errors import Invalid, NotPermitted
from gateway.applications import apply_for_fields, find_application
from matters.acting import act_on_matter
from tests.cast import alice, bob, carol, stella
from tests.sharing.telling import (
    all_clocks,
    at,
    breaches,
    clock,
    decided,
    due,
    end_of_workday,
    inbox,
    opened,
    swept,
)
from tests.stories import STATEMENT, active_client
from tests.whole.test_third_city import action, city, state, step
from tests.whole.test_third_city import opened as published

pytestmark = pytest.mark.long

__all__ = ["city"]


def lent(world: Any) -> Any:
    """A loan that has come as far as its provider."""
    world.now = at("2026-02-13T10:00")
    loan = opened(world, carol, "loan", dataset=published(world), wanted="区划图纸")
    step(world, bob, act_on_matter, loan.matter.id, "back")
    return step(world, stella, act_on_matter, loan.matter.id, "agree")


def test_a_procedure_that_only_the_book_knows_runs_from_desk_to_desk(city: Any) -> None:
    loan = lent(city)
    assert loan.matter.number == "ZX-2026-000001"
    assert loan.case.state == state("backed")
    assert due(city, loan, "lend") == end_of_workday("2026-02-13T10:00", 4)
    assert "loan ZX-2026-000001: Agree" in inbox(city, alice, loan)
    with pytest.raises(NotPermitted):
        step(city, bob, act_on_matter, loan.matter.id, "lend", medium="图纸一卷")
    with pytest.raises(Invalid):
        step(city, alice, act_on_matter, loan.matter.id, "lend")
    lending = step(city, alice, act_on_matter, loan.matter.id, "lend", medium="图纸一卷")
    assert due(city, lending, "keep") == "2026-03-15T23:59:59+08:00"
    code = loan.matter.datasets[0]
    with city.read(bob) as work:
        assert [d.number for d in open_disputes(work.tx, find_dataset(work, code).id)] == ["ZX-2026-000001"]
    back = step(city, carol, act_on_matter, loan.matter.id, "give_back")
    assert back.case.closed_at == city.now
    with city.read(bob) as work:
        assert open_disputes(work.tx, find_dataset(work, code).id) == ()


def test_its_missed_limit_is_reported_like_any_other(city: Any) -> None:
    loan = lent(city)
    swept(city, "2026-03-20T10:00")
    swept(city, "2026-04-20T10:00")
    assert breaches(city, loan) == ["lend"]
    [report] = city.client(bob).get("/api/matters?kind=breach_report").get_json()["items"]
    assert report["state"] == state("draft")
    assert report["datasets"] == [in_url(loan.matter.datasets[0])]


def test_it_is_found_opened_and_acted_on_over_http_and_on_pages(city: Any) -> None:
    code = published(city)
    consumer, manager = city.client(carol), city.client(bob)
    known = {p["kind"]: p for p in consumer.get("/api/procedures").get_json()["items"]}
    assert (known["loan"]["may_open"], known["loan"]["open"]["zh"]) == (True, "申请借阅")
    asked = {"kind": "loan", "dataset": in_url(code), "fields": {"wanted": "区划图纸"}}
    made = consumer.post("/api/matters", json=asked)
    assert (made.status_code, made.get_json()["number"]) == (201, "ZX-2026-000001")
    address = made.headers["Location"]
    assert manager.get(address).get_json()["actions"] == [action("back")]
    assert manager.post(f"{address}/actions/{action('back')}", json={}).status_code == 200
    page = city.browser(stella).get(f"/matters/{made.get_json()['id']}").get_data(as_text=True)
    assert f"/actions/{action('agree')}" in page
    assert city.browser(carol).get(f"/matters/new?kind=loan&dataset={in_url(code)}").status_code == 200


def test_a_procedure_that_both_cities_have_goes_by_the_third_books_number_and_limit(city: Any) -> None:
    city.now = at("2026-04-29T09:00")
    doubt = opened(city, carol, "correction", dataset=published(city), doubt="名称有误")
    assert doubt.matter.number == "YY-2026-000001"
    assert due(city, doubt, "correct") == end_of_workday("2026-04-29T09:00", 6)
    swept(city, "2026-06-01T09:00")
    assert breaches(city, doubt) == ["correct"]
    done = step(city, alice, act_on_matter, doubt.matter.id, "correct", result="已更正")
    assert done.case.state == state("corrected")


def test_the_chain_of_an_application_counts_from_the_desk_that_the_book_puts_between(city: Any) -> None:
    """One day to check, then the steering office, and seven days from what it passes on."""
    system, code = active_client(city), published(city)
    city.now = at("2026-02-10T10:00")
    with city.work(carol) as work:
        asked = {"dataset": code, "client": system.client.id, "fields": ["code"], "term_days": 30}
        filed = apply_for_fields(work, {**asked, **STATEMENT})
    assert due(city, filed, "check") == end_of_workday("2026-02-10T10:00", 1)
    accepted = decided(city, bob, filed, action("accept"))
    assert not clock(city, accepted, "check").running
    assert "decide" not in {c.name for c in all_clocks(city, filed)}
    city.now = at("2026-02-13T18:00")
    passed = decided(city, stella, filed, action("pass"))
    assert passed.case.parties["steering_office"] == ["bigdata"]
    assert due(city, passed, "decide") == end_of_workday("2026-02-13T18:00", 7)
    with city.read(alice) as work:
        assert find_application(work, filed.application.id).case.state == state("with_provider")


@pytest.mark.parametrize(("days", "allowed"), [(365, True), (366, False)])
def test_the_cap_is_the_third_books(city: Any, days: int, allowed: bool) -> None:
    system, code = active_client(city), published(city)
    asked = {"dataset": code, "client": system.client.id, "fields": ["code"], **STATEMENT, "term_days": days}
    with city.work(carol) as work:
        if allowed:
            assert apply_for_fields(work, asked).application.document["term_days"] == days
        else:
            with pytest.raises(Invalid):
                apply_for_fields(work, asked)
