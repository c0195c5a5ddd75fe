"""A correction from opening to end: what the data say meanwhile, and what is not said of the person."""

from __future__ import annotations

import hashlib
import re
from html import unescape
from typing import Any

import pytest

from catalog.corrections import open_disputes
from catalog.corrections.model import Dispute
from core.errors import Invalid
from core.work import SYSTEM, Actor
from matters.acting import act_on_matter
from matters.opening import open_matter
from tests.cast import alice, bob, carol, dave
from tests.stories import active_grant

pytestmark = pytest.mark.long

DOUBT = "张三丰的住址有误，电话 13800138000"


def doubted(world: Any, code: str, **draft: Any) -> Any:
    with world.work(carol) as work:
        return open_matter(work, "correction", {"dataset": code, "doubt": DOUBT, **draft})


def step(world: Any, who: Actor, held: Any, action: str, **fields: Any) -> None:
    with world.work(who) as work:
        act_on_matter(work, held.matter.id, action, fields)


def in_doubt(world: Any, held: Any) -> tuple[Dispute, ...]:
    with world.read(SYSTEM) as work:
        return open_disputes(work.tx, held.grant.dataset_id)


def words(world: Any, who: Actor, path: str) -> str:
    answer = world.browser(who).get(path)
    assert answer.status_code == 200
    return re.sub(r"\s+", " ", unescape(re.sub(r"<[^>]+>", "", answer.get_data(as_text=True))))


def test_the_data_are_in_doubt_until_the_provider_has_answered(world: Any) -> None:
    held = active_grant(world)
    assert in_doubt(world, held) == ()
    doubt = doubted(world, held.grant.dataset_code, record={"code": "429005"}, items="name")
    (shown,) = in_doubt(world, held)
    assert (shown.number, shown.items, shown.since) == (doubt.matter.number, ("name",), world.now)
    assert shown.record_digest == hashlib.sha256(f"{shown.number}|code=429005".encode()).hexdigest()
    assert shown.link == f"/matters/{doubt.matter.id}"
    step(world, bob, doubt, "urge")
    assert len(in_doubt(world, held)) == 1
    step(world, alice, doubt, "confirm", result="核对无误")
    assert in_doubt(world, held) == ()


def test_one_correction_ends_without_the_other(world: Any) -> None:
    held = active_grant(world)
    first, second = (doubted(world, held.grant.dataset_code) for _ in range(2))
    step(world, carol, first, "withdraw")
    assert [d.number for d in in_doubt(world, held)] == [second.matter.number]


def test_the_policy_rises_so_that_the_data_plane_looks_again(world: Any) -> None:
    held = active_grant(world)
    versions = [world.counter.read()]
    doubt = doubted(world, held.grant.dataset_code)
    versions.append(world.counter.read())
    step(world, alice, doubt, "correct", result="已更正")
    versions.append(world.counter.read())
    assert versions == sorted(set(versions))


def test_a_record_that_no_attribute_of_the_dataset_names_is_refused_and_nothing_is_opened(world: Any) -> None:
    held = active_grant(world)
    with pytest.raises(Invalid) as refused:
        doubted(world, held.grant.dataset_code, record={"shoe_size": "42"})
    assert [e.pointer for e in refused.value.errors] == ["/record/shoe_size"]
    assert in_doubt(world, held) == ()


# --- the pages ------------------------------------------------------------------------------------


def test_pages_of_the_data_say_so_and_that_people_are_served_as_usual(world: Any) -> None:
    held = active_grant(world, fields=["code", "name"])
    pages = f"/datasets/{held.grant.dataset_code.replace('/', '-')}", f"/grants/{held.grant.id}"
    assert not [p for p in pages if "数据核实中" in words(world, carol, p)]
    doubt = doubted(world, held.grant.dataset_code, items="name")
    for page in pages:
        text = words(world, carol, page)
        assert f"数据核实中：有 1 件数据疑义尚未办结。 {doubt.matter.number}" in text
        assert "持有合法有效证明的，照常办理" in text
        assert "第23条" in text
    step(world, alice, doubt, "correct", result="已更正")
    assert not [p for p in pages if "数据核实中" in words(world, carol, p)]


def test_a_grant_without_the_items_in_doubt_has_no_banner(world: Any) -> None:
    held = active_grant(world, fields=["code"])
    doubted(world, held.grant.dataset_code, items="name")
    assert "数据核实中" not in words(world, carol, f"/grants/{held.grant.id}")


def test_where_the_text_does_not_say_so_nobody_is_told_that_people_are_served_as_usual(ganzhou: Any) -> None:
    held = active_grant(ganzhou, term_days=30)
    doubted(ganzhou, held.grant.dataset_code)
    text = words(ganzhou, carol, f"/datasets/{held.grant.dataset_code.replace('/', '-')}")
    assert "数据核实中" in text
    assert "照常办理" not in text


# --- the person -----------------------------------------------------------------------------------


def test_what_was_said_of_a_person_lies_nowhere_in_the_clear(world: Any) -> None:
    """Neither in the case, nor in the answer that is kept for a repeated request, nor in any other file."""
    held = active_grant(world)
    client = world.client(carol)
    said = {"doubt": DOUBT, "record": {"name": "张三丰"}}
    body = {"kind": "correction", "dataset": held.grant.dataset_code, "fields": said}
    for _ in range(2):
        made = client.post("/api/matters", json=body, headers={"Idempotency-Key": "k"})
        assert made.status_code == 201, made.get_json()
        assert made.get_json()["history"][0]["fields"]["doubt"] == DOUBT
    assert made.headers["Idempotency-Replayed"] == "true"
    files = [p for p in world.settings.data.rglob("*") if p.is_file()]
    forms = [form for word in ("张三丰", "13800138000") for form in (word, ascii(word)[1:-1])]
    assert not [(p, form) for p in files for form in forms if form.encode() in p.read_bytes()]


def test_an_auditor_reads_that_a_person_was_spoken_of_and_not_who(world: Any) -> None:
    doubt = doubted(world, active_grant(world).grant.dataset_code, items="name")
    seen = world.client(dave).get(f"/api/matters/{doubt.matter.id}").get_json()
    assert seen["history"][0]["fields"] == {"doubt": "（已加密） / (sealed)", "items": "name"}
