"""An article's life: written by a unit, approved by another person, revised, confirmed, ended."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest

from cases.sweep import sweep
from core.errors import Conflict, Invalid, NotFound, NotPermitted
from core.times import SHANGHAI, parse_instant
from core.work import SYSTEM
from hotline.knowledge.articles import act_on_article, edit_article, write_article
from hotline.knowledge.present import article_view
from hotline.knowledge.reading import find_article, find_open_article, find_valid, note_use
from notices.inbox import list_notices
from tests.cast import carol, mallory
from tests.hotline.knowledge.kit import (
    acted,
    citizen,
    draft,
    hana,
    henry,
    hugo,
    opal,
    published,
    sue,
    vera,
    written,
)


def seen_by(world: Any, actor: Any, code: str) -> dict[str, Any]:
    with world.read(actor) as work:
        return article_view(work, find_article(work, code))


def notices(world: Any, actor: Any) -> list[str]:
    with world.read(actor) as work:
        return [line.notice.subject.zh for line in list_notices(work, limit=50, cursor=None).lines]


def test_a_unit_writes_and_somebody_else_publishes(city: Any) -> None:
    made = written(city)
    assert made.code == "K-2026-000001"
    assert not made.is_live(city.now)
    acted(city, hana, made.code, "submit")
    assert "审核" in "".join(notices(city, sue)) or notices(city, sue)
    live = acted(city, hugo, made.code, "approve")
    assert live.is_live(city.now)
    assert seen_by(city, opal, made.code)["document"]["answer"].startswith("请持本人身份证")


def test_nobody_approves_what_they_wrote_or_submitted(city: Any) -> None:
    made = written(city)
    acted(city, hugo, made.code, "submit")
    for actor in (hana, hugo):
        with pytest.raises(NotPermitted, match="themselves"):
            acted(city, actor, made.code, "approve")
        assert "approve" not in seen_by(city, actor, made.code)["actions"]
    assert "approve" in seen_by(city, sue, made.code)["actions"]
    assert acted(city, sue, made.code, "approve").is_live(city.now)


def test_who_wrote_an_earlier_wording_may_approve_a_later_one(city: Any) -> None:
    code = published(city).code
    with city.work(hugo) as work:
        edit_article(work, code, {"answer": "请到任一合作银行网点补办。"})
    acted(city, hugo, code, "submit")
    assert acted(city, hana, code, "approve").document["answer"] == "请到任一合作银行网点补办。"


def test_a_draft_is_known_to_its_unit_the_reviewers_and_the_auditor_alone(city: Any) -> None:
    code = written(city).code
    for actor in (hana, hugo, sue, vera):
        assert seen_by(city, actor, code)["state"] == "draft"
    for actor in (opal, henry, carol, citizen):
        with pytest.raises(NotFound):
            seen_by(city, actor, code)


def test_what_is_not_public_is_read_by_the_hotlines_people_alone(city: Any) -> None:
    inside, outside = published(city).code, published(city, public=True).code
    assert seen_by(city, opal, inside)["live"]
    with pytest.raises(NotFound):
        seen_by(city, mallory, inside)
    assert seen_by(city, mallory, outside)["live"]
    with city.read(citizen) as work:
        assert find_open_article(work, outside).is_open
        with pytest.raises(NotFound):
            find_open_article(work, inside)


def test_only_units_of_the_hotline_write(city: Any) -> None:
    stranger = type(hana)("stan", "Stan", "statistics", frozenset({"handler"}), "p")
    for actor in (opal, stranger):
        with pytest.raises(NotPermitted), city.work(actor) as work:
            write_article(work, draft(city))


def test_readers_see_the_published_wording_until_the_new_one_is_approved(city: Any) -> None:
    code = published(city).code
    with city.work(hana) as work:
        edited = edit_article(work, code, {"answer": "新的答复"})
    assert edited.is_live(city.now)
    assert seen_by(city, opal, code)["document"]["answer"].startswith("请持本人")
    inside = seen_by(city, hana, code)
    assert inside["document"]["answer"] == "新的答复"
    assert inside["published"]["answer"].startswith("请持本人")
    acted(city, hana, code, "submit")
    with pytest.raises(NotPermitted):
        acted(city, opal, code, "approve")
    assert seen_by(city, opal, code)["document"]["answer"].startswith("请持本人")
    acted(city, sue, code, "approve")
    assert seen_by(city, opal, code)["document"]["answer"] == "新的答复"


def test_a_revision_can_be_sent_back_and_dropped(city: Any) -> None:
    code = published(city).code
    with city.work(hana) as work:
        edit_article(work, code, {"answer": "新的答复"})
    acted(city, hana, code, "submit")
    acted(city, sue, code, "send_back", reason="依据不对")
    dropped = acted(city, hana, code, "discard")
    assert dropped.document["answer"].startswith("请持本人")
    assert dropped.is_live(city.now)
    with city.work(hana) as work:
        again = edit_article(work, code, {"answer": "第三版"})
    assert again.revision == 3


def test_a_wording_that_is_as_it_should_be_begins_no_revision(city: Any) -> None:
    code = published(city).code
    with city.work(hana) as work:
        same = edit_article(work, code, {"question": "社保卡丢了怎么补办"})
    assert (same.case.state, same.revision) == ("published", 1)


def test_an_article_ends_at_its_instant_whoever_watches(city: Any) -> None:
    until = city.now + timedelta(days=20)
    code = published(city, valid_until=until.isoformat()).code
    city.now = until - timedelta(seconds=1)
    with city.work(opal) as work:
        note_use(work, code)
    city.now = until
    for actor in (opal, carol):
        with pytest.raises(NotFound):
            seen_by(city, actor, code)
    with pytest.raises(Invalid, match="valid now") as refused, city.work(opal) as work:
        note_use(work, code)
    assert refused.value.errors[0].pointer == "/article"
    assert seen_by(city, hana, code)["state"] == "expired"


def test_what_is_being_revised_ends_as_well_and_goes_on_as_a_draft(city: Any) -> None:
    until = city.now + timedelta(days=20)
    code = published(city, valid_until=until.isoformat()).code
    with city.work(hana) as work:
        edit_article(work, code, {"answer": "新的答复", "valid_until": None})
    city.now = until
    with city.work(SYSTEM) as work:
        assert sweep(work)
    assert seen_by(city, hana, code)["state"] == "draft"
    acted(city, hana, code, "submit")
    assert acted(city, sue, code, "approve").is_live(until + timedelta(days=900))


def test_an_expired_article_is_written_anew(city: Any) -> None:
    until = city.now + timedelta(days=20)
    code = published(city, valid_until=until.isoformat()).code
    city.now = until + timedelta(hours=1)
    later = (until + timedelta(days=300)).isoformat()
    with city.work(hana) as work:
        edit_article(work, code, {"valid_until": later})
    acted(city, hana, code, "submit")
    assert acted(city, sue, code, "approve").is_live(city.now)


def test_a_wording_whose_time_is_over_is_not_published(city: Any) -> None:
    until = city.now + timedelta(days=2)
    code = written(city, valid_until=until.isoformat()).code
    acted(city, hana, code, "submit")
    city.now = until
    with pytest.raises(Conflict) as refused:
        acted(city, sue, code, "approve")
    assert refused.value.code == "already_over"


def test_an_article_that_is_not_valid_yet_answers_nobody_yet(city: Any) -> None:
    begins = city.now + timedelta(days=3)
    code = published(city, valid_from=begins.isoformat()).code
    with pytest.raises(Invalid), city.read(opal) as work:
        find_valid(work, code)
    city.now = begins
    with city.read(opal) as work:
        assert find_valid(work, code).code == code


def test_its_unit_is_reminded_before_an_article_ends(city: Any) -> None:
    until = datetime(2026, 3, 20, 18, 0, tzinfo=SHANGHAI)
    published(city, valid_until=until.isoformat())
    city.now = parse_instant("2026-03-12T10:00")
    with city.work(SYSTEM) as work:
        sweep(work)
    assert not [s for s in notices(city, hana) if "有效期" in s]
    city.now = parse_instant("2026-03-13T10:00")
    for _ in range(2):
        with city.work(SYSTEM) as work:
            sweep(work)
    assert len([s for s in notices(city, hana) if "有效期" in s]) == 1
    assert not [s for s in notices(city, henry) if "有效期" in s]


def test_its_unit_has_to_confirm_an_article_once_a_year(city: Any) -> None:
    code = published(city).code
    city.now += timedelta(days=370)
    late = {c["name"]: c for c in seen_by(city, hana, code)["clocks"]}["article_confirm"]
    assert late["breached"]
    confirmed = acted(city, hana, code, "confirm")
    assert confirmed.confirmed_at == city.now
    again = {c["name"]: c for c in seen_by(city, hana, code)["clocks"]}["article_confirm"]
    assert not again["breached"]


def test_a_withdrawn_article_answers_nobody_and_stays_withdrawn(city: Any) -> None:
    code = published(city).code
    acted(city, sue, code, "withdraw", reason="政策已废止")
    with pytest.raises(NotFound):
        seen_by(city, opal, code)
    with pytest.raises(Conflict), city.work(hana) as work:
        edit_article(work, code, {"answer": "再写"})


def test_every_wrong_member_is_named(city: Any) -> None:
    wrong = draft(
        city,
        categories=["nonsense"],
        dataset="999999/999999",
        valid_from="2026-05-02T00:00",
        valid_until="2026-05-01T00:00",
    )
    with pytest.raises(Invalid) as refused, city.work(hana) as work:
        write_article(work, wrong)
    assert {e.pointer for e in refused.value.errors} == {"/categories/0", "/dataset", "/valid_until"}
    for year in ("0001", "9999"):
        with pytest.raises(Invalid), city.work(hana) as work:
            write_article(work, draft(city, valid_until=f"{year}-12-31T23:59"))


def test_who_acts_on_what_changed_meanwhile_is_told(city: Any) -> None:
    made = written(city)
    acted(city, hana, made.code, "submit")
    with pytest.raises(Conflict) as refused, city.work(sue) as work:
        act_on_article(work, made.code, "approve", {}, expect_version=made.version)
    assert refused.value.code == "changed_meanwhile"


def test_uses_are_counted_and_do_not_disturb_who_writes(city: Any) -> None:
    made = published(city)
    for _ in range(3):
        with city.work(opal) as work:
            note_use(work, made.code)
    with city.work(hana) as work:
        edited = edit_article(work, made.code, {"answer": "新的答复"}, expect_version=made.version)
    assert edited.uses == 3
