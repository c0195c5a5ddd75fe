"""Finding articles in Chinese, what an operator looks up, and questions that find no answer."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from datetime import timedelta
from typing import Any

import pytest

from catalog.search.tokens import terms
from core.errors import Conflict, Invalid, NotFound, NotPermitted
from hotline.knowledge.articles import edit_article, write_article
from hotline.knowledge.gaps import assign_gap, close_gap, list_gaps
from hotline.knowledge.lookup import look_up
from hotline.knowledge.masking import masked
from hotline.knowledge.reading import find_article, note_use
from hotline.knowledge.search.excerpt import excerpt
from hotline.knowledge.search.find import find_articles, find_open_articles
from tests.hotline.knowledge.kit import (
    acted,
    citizen,
    della,
    draft,
    hana,
    henry,
    opal,
    published,
    sue,
    vera,
    written,
)

pytestmark = pytest.mark.long

HEATING: dict[str, Any] = {
    "question": "供热几点开始",
    "answer": "每年十一月十五日零时开始供热。",
    "keywords": ["暖气"],
    "basis": ["《供热条例》第九条"],
}


def found(world: Any, actor: Any, **asked: str) -> list[str]:
    with world.read(actor) as work:
        return [a.document["question"] for a in find_articles(work, asked).articles]


def looked_up(world: Any, question: str, **more: Any) -> Any:
    with world.work(opal) as work:
        return look_up(work, question, **more)


def gaps(world: Any, actor: Any = della, is_open: bool = True) -> list[Any]:
    with world.read(actor) as work:
        return list(list_gaps(work, is_open, 50, None).rows)


@pytest.mark.parametrize(
    "words",
    [
        "卡",
        "社保",
        "社保卡",
        "补办",
        "挂失",
        "身份证 补办",
        "社会保障卡",
        "人力资源",
        "K-2026-000001",
        "第十二条",
    ],
)
def test_words_of_one_character_and_more_find_an_article(city: Any, words: str) -> None:
    published(city)
    published(city, henry, **HEATING)
    assert found(city, opal, q=words) == ["社保卡丢了怎么补办"]


def test_the_question_says_more_than_the_answer(city: Any) -> None:
    published(city, question="养老金怎么领取", answer="凭社保卡领取。", keywords=[])
    published(city, question="社保卡丢了怎么补办", answer="到网点办理。", keywords=[])
    assert found(city, opal, q="社保卡")[0] == "社保卡丢了怎么补办"


def test_some_of_the_words_do_when_all_find_nothing(city: Any) -> None:
    published(city)
    with city.read(opal) as work:
        some = find_articles(work, {"q": "外地人社保卡过期"})
    assert some.loosened
    assert [a.document["question"] for a in some.articles] == ["社保卡丢了怎么补办"]


def test_the_wording_that_is_being_revised_is_not_found_before_it_is_approved(city: Any) -> None:
    code = published(city).code
    with city.work(hana) as work:
        edit_article(work, code, {"answer": "请使用电子凭证"})
    assert found(city, opal, q="电子凭证") == []
    acted(city, hana, code, "submit")
    acted(city, sue, code, "approve")
    assert found(city, opal, q="电子凭证") == ["社保卡丢了怎么补办"]
    assert found(city, opal, q="合作银行") == []


def test_operators_find_valid_articles_and_units_their_own_drafts_as_well(city: Any) -> None:
    written(city, **HEATING)
    assert [found(city, actor, q="供热") for actor in (opal, henry)] == [[], []]
    assert [found(city, actor, q="供热") for actor in (hana, sue, vera)] == [["供热几点开始"]] * 3


def test_filters_narrow_the_list_and_unknown_values_are_named(city: Any) -> None:
    published(city)
    published(city, henry, **HEATING)
    assert found(city, opal, unit="housing") == ["供热几点开始"]
    assert len(found(city, opal, state="published")) == 2
    for name in ("unit", "category", "state", "sort"):
        with pytest.raises(Invalid) as refused, city.read(opal) as work:
            find_articles(work, {name: "nonsense"})
        assert refused.value.errors[0].pointer == f"/{name}"


def test_the_most_used_come_first_where_that_is_asked_for(city: Any) -> None:
    first = published(city)
    published(city, henry, **HEATING)
    with city.work(opal) as work:
        note_use(work, first.code)
    assert found(city, opal, sort="used")[0] == first.document["question"]


def test_the_list_is_paged_with_and_without_words(city: Any) -> None:
    for i in range(5):
        published(city, question=f"社保卡问题之{'一二三四五'[i]}")
    for asked in ({}, {"q": "社保卡"}, {"sort": "used"}):
        seen: list[str] = []
        cursor: str | None = None
        while True:
            with city.read(opal) as work:
                page = find_articles(work, asked, limit=2, cursor=cursor)
            seen += [a.code for a in page.articles]
            cursor = page.next_cursor
            if cursor is None:
                break
        assert sorted(seen) == [f"K-2026-00000{i}" for i in range(1, 6)]


def test_the_public_finds_what_is_open_and_valid_alone(city: Any) -> None:
    published(city)
    until = (city.now + timedelta(days=5)).isoformat()
    published(city, henry, **HEATING, public=True, valid_until=until)
    with city.read(citizen) as work:
        assert [a.document["question"] for a in find_open_articles(work, {}).articles] == ["供热几点开始"]
    city.now += timedelta(days=5)
    with city.read(citizen) as work:
        assert find_open_articles(work, {}).articles == []


def test_a_passage_shows_the_words_and_marks_them() -> None:
    text = "前言" * 40 + "凭身份证办理补办手续" + "尾声" * 60
    pieces = excerpt(text, terms("补办 身份证"))
    assert [p.text for p in pieces if p.hit] == ["身份证", "补办"]
    assert pieces[0].text == "…"
    assert len("".join(p.text for p in pieces)) <= 122
    assert "".join(p.text for p in excerpt("短", terms("没有"))) == "短"


# --- looking up -----------------------------------------------------------------------------------


def test_a_look_up_answers_and_notes_nothing_when_it_helps(city: Any) -> None:
    published(city)
    answer = looked_up(city, "社保卡补办")
    assert [a.document["question"] for a in answer.found.articles] == ["社保卡丢了怎么补办"]
    assert not answer.noted
    assert gaps(city) == []


def test_what_finds_nothing_is_noted_once_with_its_count(city: Any) -> None:
    for question in ("充电桩补贴怎么申请", "充电桩补贴怎么申请？", "充电桩补贴怎么申请 "):
        assert looked_up(city, question).noted
        city.now += timedelta(hours=1)
    (gap,) = gaps(city)
    assert (gap.words[:5], gap.count, gap.last_at - gap.first_at) == ("充电桩补贴", 3, timedelta(hours=2))


def test_what_shares_only_how_it_is_asked_with_an_article_is_noted_as_well(city: Any) -> None:
    published(city)
    answer = looked_up(city, "充电桩补贴怎么申请")
    assert answer.found.loosened
    assert answer.noted
    assert not looked_up(city, "社保卡丢失补办").noted


def test_an_operator_may_say_that_nothing_found_answers_it(city: Any) -> None:
    published(city)
    assert looked_up(city, "社保卡能不能异地补办", unanswered=True).noted
    assert [g.words for g in gaps(city)] == ["社保卡能不能异地补办"]


@pytest.mark.parametrize(
    ("said", "kept"),
    [
        ("王小明的充电桩补贴", "*的充电桩补贴"),
        ("我叫欧阳建国，充电桩补贴", "我叫*,充电桩补贴"),
        ("李建国先生问充电桩补贴", "*先生问充电桩补贴"),
        ("王芳 充电桩", "* 充电桩"),
        ("充电桩 13812345678", "充电桩 *"),
        ("充电桩 138-1234-5678", "充电桩 *"),
        ("充电桩 １３８１２３４５６７８", "充电桩 *"),
        ("充电桩 一三八一二三四五六七八", "充电桩 *"),
        ("证号42900519900101123X充电桩", "证号*充电桩"),
        ("鄂N12345 充电桩", "鄂* 充电桩"),
        ("邮箱wang@example.cn充电桩", "邮箱*充电桩"),
        ("12345热线几点上班", "12345热线几点上班"),
        ("高温补贴什么时候发", "高温补贴什么时候发"),
        ("何时发放许可证", "何时发放许可证"),
        ("2026年医保缴费", "2026年医保缴费"),
    ],
)
def test_names_and_numbers_of_people_are_taken_out_of_a_question(said: str, kept: str) -> None:
    assert masked(said) == kept


def test_nothing_personal_of_a_look_up_reaches_the_database(city: Any) -> None:
    looked_up(city, "诸葛小花 13987654321 充电桩补贴 锦绣花园3栋", hide=["诸葛小花", "锦绣花园"])
    looked_up(city, "王大锤", unanswered=True)
    with closing(sqlite3.connect(city.settings.data / "state.sqlite")) as other:
        dump = "\n".join(other.iterdump())
    for secret in ("诸葛小花", "13987654321", "锦绣花园", "王大锤"):
        assert secret not in dump
    assert len(gaps(city)) == 1


# --- questions without an answer --------------------------------------------------------------------


def test_a_question_is_given_to_a_unit_that_writes_the_answer(city: Any) -> None:
    looked_up(city, "充电桩补贴怎么申请")
    (gap,) = gaps(city)
    assert gaps(city, henry) == []
    with city.work(della) as work:
        assign_gap(work, gap.id, "housing", expect_version=gap.version)
    with city.read(henry) as work:
        from notices.inbox import list_notices

        (line,) = list_notices(work, kind="knowledge_gap", limit=5, cursor=None).lines
    assert line.notice.link == f"/knowledge/new?answers={gap.id}"
    assert "充电桩" not in str(line.notice)
    assert [g.id for g in gaps(city, henry)] == [gap.id]
    assert gaps(city, hana) == []
    made = written(city, henry, question="充电桩补贴怎么申请", answers=gap.id)
    assert gaps(city)[0].article == made.code
    acted(city, henry, made.code, "submit")
    acted(city, sue, made.code, "approve")
    assert gaps(city) == []
    (closed,) = gaps(city, is_open=False)
    assert (closed.outcome, closed.article) == ("answered", made.code)


def test_a_question_is_closed_with_an_article_that_answers_it_or_as_one_that_needs_none(city: Any) -> None:
    code, unpublished = published(city).code, written(city).code
    for question in ("充电桩补贴怎么申请", "今天天气怎么样"):
        looked_up(city, question)
    weather, charging = gaps(city)
    with pytest.raises(Invalid), city.work(della) as work:
        close_gap(work, charging.id, article=unpublished)
    with city.work(sue) as work:
        assert close_gap(work, charging.id, article=code).outcome == "answered"
        assert close_gap(work, weather.id).outcome == "dismissed"
    with pytest.raises(Conflict), city.work(sue) as work:
        close_gap(work, weather.id)
    looked_up(city, "今天天气怎么样")
    assert [g.words for g in gaps(city)] == ["今天天气怎么样"]


def test_operators_and_units_close_nothing_and_strangers_see_nothing(city: Any) -> None:
    looked_up(city, "充电桩补贴怎么申请")
    (gap,) = gaps(city)
    with pytest.raises(NotPermitted), city.work(opal) as work:
        close_gap(work, gap.id)
    with pytest.raises(NotFound), city.work(henry) as work:
        close_gap(work, gap.id)
    with pytest.raises(NotFound), city.work(henry) as work:
        write_article(work, draft(city, answers=gap.id))
    with pytest.raises(Invalid), city.work(della) as work:
        assign_gap(work, gap.id, "statistics")
    with pytest.raises(Conflict), city.work(della) as work:
        assign_gap(work, gap.id, "housing", expect_version=gap.version + 1)


def test_a_deployment_without_a_hotline_has_no_knowledge_base(world: Any) -> None:
    with pytest.raises(NotFound) as refused, world.read(opal) as work:
        find_article(work, "K-2026-000001")
    assert refused.value.code == "no_hotline"
