"""Search in Chinese and Latin script, with counts and pages; nobody finds what they may not see."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from catalog.datasets import revise_dataset
from catalog.search.find import Found, find_datasets, reindex
from catalog.search.tokens import Term, terms, tokens
from catalog.store import search_documents
from core.errors import Invalid
from tests.cast import alice, ann, bob, carol, dave
from tests.catalog.entries import WITHHELD, acted, published, registered
from tests.conftest import make_world


def search(world: Any, q: str = "", actor: Any = carol, **how: Any) -> Found:
    limits = {k: how.pop(k) for k in ("limit", "cursor") if k in how}
    with world.read(actor) as work:
        return find_datasets(work, {"q": q, **how}, **limits)


def titles(found: Found) -> list[str]:
    return [d.title for d in found.datasets]


# --- tokens ---------------------------------------------------------------------------------------


def test_a_run_of_chinese_becomes_its_pairs_and_its_last_character() -> None:
    assert tokens("住房公积金缴存") == ["住房", "房公", "公积", "积金", "金缴", "缴存", "存"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("PM2.5监测", ["pm2p5", "监测", "测"]),
        ("ABC123", ["abc123"]),
        ("street_code", ["street", "code"]),
        ("水", ["水"]),
        ("公积金，缴存", ["公积", "积金", "金", "缴存", "存"]),
        ("', \" * ( ) :", []),
    ],
)
def test_tokens(text: str, expected: list[str]) -> None:
    assert tokens(text) == expected


def test_a_question_asks_for_pairs_phrases_beginnings_and_whole_words() -> None:
    assert terms("水 低保 公积金 code") == (
        Term(("水",), True),
        Term(("低保",), False),
        Term(("公积", "积金"), False),
        Term(("code",), True),
    )


CHINESE = st.text(alphabet=[chr(c) for c in range(0x4E00, 0x4E40)], min_size=1, max_size=12)


@given(CHINESE, CHINESE)
@settings(max_examples=200)
def test_what_a_question_finds_is_what_a_substring_search_would(text: str, asked: str) -> None:
    held = tokens(text)

    def has(term: Term) -> bool:
        n = len(term.tokens)
        runs = [held[i : i + n] for i in range(len(held) - n + 1)]
        if term.prefix:
            return any(token.startswith(term.tokens[0]) for token in held)
        return list(term.tokens) in runs

    assert all(has(term) for term in terms(asked)) == (asked in text)


# --- finding --------------------------------------------------------------------------------------


def populate(world: Any) -> Any:
    """Four datasets for everybody and a draft."""
    published(world, title="住房公积金缴存信息", theme="全民住房保障")
    world.now += timedelta(minutes=1)
    published(world, title="城镇供水水质监测", keywords=["PM2.5"])
    world.now += timedelta(minutes=1)
    published(
        world,
        title="低保对象名册",
        share_class="conditional",
        share_condition="限医疗救助",
        class_reason="个人信息",
        attributes=[{"name": "code", "title": "公积金账号", "type": "string"}],
    )
    world.now += timedelta(minutes=1)
    acted(world, registered(world, title="涉密线索目录", **WITHHELD), "publish")
    registered(world, title="公积金草稿")
    return world


@pytest.fixture(scope="module")
def city(tmp_path_factory: pytest.TempPathFactory, template_database: Path) -> Iterator[Any]:
    """A populated city that the stories only look at."""
    made = populate(make_world(tmp_path_factory.mktemp("city"), template_database, "sharing/qianjiang"))
    yield made
    made.database.close()


@pytest.mark.parametrize(
    ("q", "found"),
    [
        ("公积金", ["住房公积金缴存信息", "低保对象名册"]),
        ("积金", ["住房公积金缴存信息", "低保对象名册"]),
        ("公积金账号", ["低保对象名册"]),
        ("水", ["城镇供水水质监测"]),
        ("供水 水质", ["城镇供水水质监测"]),
        ("pm2.5", ["城镇供水水质监测"]),
        ("PM2.5", ["城镇供水水质监测"]),
        ("全民住房保障", ["住房公积金缴存信息"]),
        ("307001/000002", ["城镇供水水质监测"]),
        ("金公", []),
    ],
)
def test_words_are_found_in_titles_first_and_anywhere(city: Any, q: str, found: list[str]) -> None:
    assert titles(search(city, q)) == found


def test_full_width_and_capitals_are_the_same(city: Any) -> None:
    assert titles(search(city, "ＣＯＤＥ")) == titles(search(city, "code"))
    assert titles(search(city, "ＣＯＤＥ"))


def test_signs_of_a_query_language_are_only_signs(city: Any) -> None:
    for q in ('"', "公积金 OR 水", "NOT 水", "title:水", "NEAR(水 质)", "水*", "(", "'; DROP TABLE datasets"):
        assert search(city, q).total >= 0


def test_when_nothing_has_all_the_words_some_of_them_do_and_it_is_said(city: Any) -> None:
    found = search(city, "公积金 养鱼")

    assert found.loosened
    assert set(titles(found)) == {"住房公积金缴存信息", "低保对象名册"}
    assert not search(city, "公积金").loosened
    assert not search(city, "养鱼").loosened


def test_everybody_finds_what_they_may_see(city: Any) -> None:
    assert search(city).total == 4
    assert search(city, actor=ann).total == 4
    assert search(city, actor=alice).total == 5
    assert search(city, actor=bob).total == 5
    assert "公积金草稿" in titles(search(city, "公积金", actor=bob))
    assert search(city, "草稿", actor=dave).total == 0


def test_what_went_off_line_is_found_by_its_parties_and_the_auditor(world: Any) -> None:
    city = populate(world)
    dataset = search(city, "水质").datasets[0]
    acted(city, dataset, "take_offline", reason="维护")

    assert search(city, "水质").total == 0
    assert search(city, "水质", actor=dave).total == 1
    assert titles(search(city, actor=alice, state="offline")) == ["城镇供水水质监测"]


def test_filters_narrow_and_counts_tell_what_else_there_is(city: Any) -> None:
    found = search(city, share_class="unconditional")

    assert found.total == 2
    assert found.facets["share_class"] == [("unconditional", 2), ("conditional", 1), ("none", 1)]
    assert found.facets["kind"] == [("table", 2)]
    assert found.facets["theme"] == [("全民住房保障", 1)]
    assert found.facets["provider"] == [("civil_affairs", 2)]
    assert titles(search(city, kind="table", theme="全民住房保障")) == ["住房公积金缴存信息"]
    assert search(city, provider="health").total == 0


@pytest.mark.parametrize("name", ["share_class", "kind", "provider", "state"])
def test_a_filter_value_that_does_not_exist_is_refused(city: Any, name: str) -> None:
    with pytest.raises(Invalid) as refused:
        search(city, **{name: "nothing"})
    assert [e.pointer for e in refused.value.errors] == [f"/{name}"]


@pytest.mark.parametrize("q", ["", "公积金 水"])
def test_pages_show_each_dataset_once(city: Any, q: str) -> None:
    whole = search(city, q)
    seen, cursor = [], None
    while True:
        found = search(city, q, limit=1, cursor=cursor)
        seen += titles(found)
        cursor = found.next_cursor
        if cursor is None:
            break

    assert seen == titles(whole)
    assert len(set(seen)) == whole.total


def test_a_cursor_of_another_list_is_refused(city: Any) -> None:
    cursor = search(city, limit=1).next_cursor

    for wrong in (cursor, "bm9uc2Vuc2U", "W10", "WyJ4IiwgInkiXQ"):
        with pytest.raises(Invalid):
            search(city, "公积金 水" if wrong == cursor else "", limit=1, cursor=wrong)


def test_an_entry_is_found_by_its_new_words_and_no_longer_by_the_old(world: Any) -> None:
    city = populate(world)
    dataset = search(city, "水质").datasets[0]
    with city.work(alice) as work:
        revise_dataset(
            work, dataset.code, {"title": "河道断面名录", "summary": "河道断面的名称和位置信息。"}, "更正"
        )

    assert titles(search(city, "断面")) == ["河道断面名录"]
    assert search(city, "水质").total == 0


def test_what_an_older_tokeniser_made_is_made_anew_once(world: Any) -> None:
    dataset = published(world)
    with world.work(bob) as work:
        work.tx.execute(search_documents.update().values(tokens_version=0))

    for expected in (1, 0):
        with world.work(bob) as work:
            assert reindex(work) == expected
    assert titles(search(world, "区划")) == [dataset.title]
