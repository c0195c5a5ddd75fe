"""Forms and queries of other systems, read without a database."""

from __future__ import annotations

import json
from contextlib import suppress
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.errors import Invalid, NotFound, Refusal
from hotline.open311.asking import SPAN, Form, read_filters, read_submission
from hotline.open311.bounds import MOST_SOURCES, Bound
from hotline.open311.documents import render
from hotline.open311.services import service_definition, topics
from rules.rulebook import SHIPPED, Rulebook, load_rulebooks
from tests.hotline.open311.town import MAIL, PHONE, REQUEST, SAID

NOW = datetime(2026, 2, 10, 2, 0, tzinfo=UTC)
BOOK: Rulebook = load_rulebooks(SHIPPED, {"hotline": "hotline/qianjiang"}).current("hotline")


def form(**changes: str | list[str] | None) -> dict[str, list[str]]:
    """REQUEST as a form, with some arguments changed."""
    given = {**REQUEST, **changes}
    return {k: v if isinstance(v, list) else [v] for k, v in given.items() if v is not None}


def wrong(form: Form) -> list[str]:
    with pytest.raises(Invalid) as refused:
        read_submission(BOOK, form, None)
    return [e.pointer for e in refused.value.errors]


# --- a request --------------------------------------------------------------------------------------


def test_a_request_becomes_the_draft_of_a_ticket() -> None:
    draft, external = read_submission(BOOK, form(), None)
    assert external is None
    assert draft == {
        "category": "roads",
        "summary": "路面塌陷，我住对面302室",
        "description": SAID,
        "location": "园林路12号对面；lat 30.4213, long 112.8992 (WGS84)",
        "caller": {"name": "张三丰", "phone": PHONE, "contact": MAIL},
    }


def test_attributes_classify_say_when_and_ask_for_confidentiality() -> None:
    stated = {
        "attribute[level]": "ordinary",
        "attribute[title]": "园林路\n塌陷",
        "attribute[occurred_at]": "2026-02-09T08:00:00Z",
        "attribute[confidential]": "true",
        "attribute[easting]": "531000",
    }
    draft, _ = read_submission(BOOK, form(**stated), None)
    assert draft["facts"] == {"level": "ordinary"}
    assert draft["summary"] == "园林路 塌陷"
    assert draft["occurred_at"] == "2026-02-09T16:00:00+08:00"
    assert draft["confidential"] is True
    assert "531000" not in str(draft)


def test_names_are_joined_as_their_language_does() -> None:
    told = read_submission(BOOK, form(first_name="Ada", last_name="Lovelace"), None).draft
    assert told["caller"]["name"] == "Ada Lovelace"


def test_who_says_nothing_of_themselves_is_anonymous() -> None:
    nameless = form(first_name=None, last_name=None, phone="  ", email=None)
    assert read_submission(BOOK, nameless, None).draft["anonymous"] is True


def test_pictures_are_kept_as_addresses_in_the_text() -> None:
    pictures = form(media_url=["https://example.org/1.jpg", "https://example.org/2.jpg"])
    said = read_submission(BOOK, pictures, None).draft["description"]
    assert said.endswith("media_url: https://example.org/1.jpg\nmedia_url: https://example.org/2.jpg")


@pytest.mark.parametrize(
    ("changes", "pointer"),
    [
        ({"service_code": None}, "/service_code"),
        ({"description": " "}, "/description"),
        ({"description": "x" * 4001}, "/description"),
        ({"lat": None, "long": None, "address_string": None}, "/lat"),
        ({"lat": None}, "/lat"),
        ({"long": "181"}, "/long"),
        ({"lat": "nan"}, "/lat"),
        ({"lat": "1e400"}, "/lat"),
        ({"address_id": "42"}, "/address_id"),
        ({"phone": [PHONE, PHONE]}, "/phone"),
        ({"media_url": ["https://example.org"] * 11}, "/media_url"),
        ({"attribute[occurred_at]": "yesterday"}, "/attribute[occurred_at]"),
        ({"attribute[occurred_at]": "2026-02-09T08:00:00"}, "/attribute[occurred_at]"),
        ({"attribute[confidential]": "perhaps"}, "/attribute[confidential]"),
        ({"attribute[external_id]": "x" * 81}, "/attribute[external_id]"),
    ],
)
def test_what_is_wrong_is_told_by_its_argument(changes: dict[str, str], pointer: str) -> None:
    assert wrong(form(**changes)) == [pointer]


def test_a_service_that_is_not_open_to_others_is_not_found() -> None:
    with pytest.raises(NotFound):
        read_submission(BOOK, form(service_code="conduct"), None)


def test_an_id_of_its_own_goes_before_the_idempotency_key() -> None:
    named = form(**{"attribute[fixmystreet_id]": "4711"})
    assert read_submission(BOOK, named, "a-key").external_id == "4711"
    kept = read_submission(BOOK, form(), "a-key").external_id
    assert kept == read_submission(BOOK, form(), "a-key").external_id
    assert kept != read_submission(BOOK, form(), "b-key").external_id


_names = st.sampled_from(
    [*REQUEST, "media_url", "attribute[level]", "attribute[x][]", "attribute[", "api_key"]
)


@settings(max_examples=80)
@given(st.dictionaries(_names, st.lists(st.text(max_size=30), max_size=3), max_size=8))
def test_whatever_is_sent_is_read_or_refused(sent: dict[str, list[str]]) -> None:
    with suppress(Refusal):
        assert read_submission(BOOK, {**form(), **sent}, None).draft["category"] in topics(BOOK)


@pytest.mark.parametrize("place", sorted(p.stem for p in (SHIPPED / "hotline").glob("*.yaml")))
def test_every_rulebook_gives_services_with_definitions(place: str) -> None:
    book = load_rulebooks(SHIPPED, {"hotline": f"hotline/{place}"}).current("hotline")
    assert topics(book)
    for code in topics(book):
        attributes = json.loads(render(service_definition(book, code), "json"))["attributes"]
        codes = [attribute["code"] for attribute in attributes]
        assert len(codes) == len(set(codes))
        assert all(a["values"] for a in attributes if a["datatype"] == "singlevaluelist")


# --- a list -----------------------------------------------------------------------------------------


def test_without_dates_a_list_reaches_ninety_days_back() -> None:
    filters = read_filters({}, NOW)
    assert (filters.start, filters.end) == (NOW - SPAN, NOW)
    assert filters.statuses == {"open", "closed"}
    assert (filters.page, filters.page_size) == (1, 1000)


def test_one_date_brings_the_other_along() -> None:
    until = read_filters({"end_date": ["2026-01-31T00:00:00Z"]}, NOW)
    assert until.end - until.start == SPAN
    since = read_filters({"start_date": ["2025-06-01T00:00:00Z"]}, NOW)
    assert since.end - since.start == SPAN
    lately = read_filters({"start_date": ["2026-02-01T00:00:00 08:00"]}, NOW)
    assert (lately.start, lately.end) == (datetime(2026, 1, 31, 16, tzinfo=UTC), NOW)


@pytest.mark.parametrize(
    ("query", "pointer"),
    [
        ({"start_date": ["2025-01-01T00:00:00Z"], "end_date": ["2025-06-01T00:00:00Z"]}, "/end_date"),
        ({"start_date": ["2025-06-01T00:00:00Z"], "end_date": ["2025-05-01T00:00:00Z"]}, "/end_date"),
        ({"start_date": ["2026-01-01"]}, "/start_date"),
        ({"start_date": ["2026-13-01T00:00:00Z"]}, "/start_date"),
        ({"status": ["done"]}, "/status"),
        ({"page": ["0"]}, "/page"),
        ({"page_size": ["1001"]}, "/page_size"),
        ({"page_size": ["00000000111000000"]}, "/page_size"),
        ({"page": ["00000000111000000"]}, "/page"),
    ],
)
def test_a_query_that_cannot_be_read_is_refused(query: dict[str, list[str]], pointer: str) -> None:
    with pytest.raises(Invalid) as refused:
        read_filters(query, NOW)
    assert [e.pointer for e in refused.value.errors] == [pointer]


def test_numbers_override_everything_else() -> None:
    filters = read_filters({"service_request_id": ["a,b", "a"], "start_date": ["nonsense"]}, NOW)
    assert filters.numbers == ("a", "b")


# --- how often --------------------------------------------------------------------------------------


def test_a_source_waits_once_it_has_asked_too_often() -> None:
    bound = Bound(3)
    assert [bound.count("a", NOW) for _ in range(4)] == [0, 0, 0, 60]
    assert bound.count("b", NOW) == 0
    assert bound.count("a", NOW + timedelta(seconds=45)) == 15
    assert bound.count("a", NOW + timedelta(seconds=60)) == 0


def test_sources_are_forgotten_before_memory_runs_out() -> None:
    bound = Bound(1)
    for number in range(MOST_SOURCES + 5):
        bound.count(str(number), NOW)
    assert len(bound._seen) == MOST_SOURCES
