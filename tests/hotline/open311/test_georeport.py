"""Open311 over HTTP: services, requests in and out, keys, tokens; and never a word about the caller."""

from __future__ import annotations

import json
from datetime import timedelta
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest

from cases.store import attachments_of as papers_of
from core.errors import Conflict, Invalid, NotFound
from core.work import SYSTEM
from hotline.open311.keys import list_keys, make_key, revoke_key
from hotline.store import ticket_by_number, ticket_callers, update_ticket
from tests.conftest import World
from tests.hotline.open311.town import MAIL, NAME, PHONE, REQUEST, SAID, errors, get, system, xml

pytestmark = pytest.mark.long

ELEMENTS = [
    *("service_request_id", "status", "status_notes", "service_name", "service_code", "description"),
    *("agency_responsible", "service_notice", "requested_datetime", "updated_datetime", "expected_datetime"),
    *("address", "address_id", "zipcode", "lat", "long", "media_url"),
]


def assert_nobody_is_named(world: World) -> None:
    """Nothing in any file of the deployment tells who asked, or where they are."""
    world.database.close()
    files = [p for p in Path(world.settings.data).rglob("*") if p.is_file()]
    kept = b"".join(p.read_bytes() for p in files) + "".join(map(str, files)).encode()
    for personal in (PHONE, MAIL, NAME, "园林路12号", "30.4213"):
        assert personal.encode() not in kept


def told(world: World, **query: str) -> list[dict[str, Any]]:
    answer = get(world, "/requests.json", **query)
    assert answer.status_code == 200, answer.get_data(as_text=True)
    return list(answer.get_json())


# --- services ---------------------------------------------------------------------------------------


def test_discovery_names_the_endpoint_in_both_formats(hotline: World) -> None:
    client = hotline.app.test_client()
    document = client.get("/open311/discovery.json").get_json()
    assert document == client.get("/open311/v2/discovery.json").get_json()
    endpoint = document["endpoints"][0]
    assert endpoint["url"] == f"{hotline.settings.platform.control_url}/open311/v2"
    assert endpoint["formats"] == ["text/xml", "application/json"]
    assert [e.tag for e in xml(client.get("/open311/discovery.xml"))] == [
        *("changeset", "contact", "key_service", "endpoints")
    ]


def test_services_are_the_topics_that_the_rulebook_opens(hotline: World) -> None:
    listed = xml(get(hotline, "/services.xml"))
    codes = [s.findtext("service_code") for s in listed]
    assert "roads" in codes
    assert "conduct" not in codes
    assert [e.tag for e in listed[0]] == [
        *("service_code", "service_name", "description", "metadata", "type", "keywords", "group")
    ]
    roads = next(s for s in listed if s.findtext("service_code") == "roads")
    assert (roads.findtext("service_name"), roads.findtext("group")) == ("道路设施", "城市管理")
    assert get(hotline, "/services").get_data() == get(hotline, "/services.xml").get_data()


def test_a_definition_has_the_rulebooks_dimensions_and_demands(hotline: World) -> None:
    document = get(hotline, "/services/roads.json").get_json()
    attributes = {a["code"]: a for a in document["attributes"]}
    assert [a["order"] for a in document["attributes"]] == list(range(1, len(attributes) + 1))
    assert "ordinary" in [v["key"] for v in attributes["level"]["values"]]
    assert attributes["occurred_at"]["datatype"] == "datetime"
    assert attributes["caller"]["variable"] is False
    parts = [e.tag for e in xml(get(hotline, "/services/roads.xml")).find("attributes/attribute") or ()]
    assert parts == [
        *(
            "variable",
            "code",
            "datatype",
            "required",
            "datatype_description",
            "order",
            "description",
            "values",
        )
    ]


# --- handing in -------------------------------------------------------------------------------------


def test_a_request_gets_its_number_at_once(hotline: World) -> None:
    answer = xml(system(hotline).post())
    number = answer.findtext("request/service_request_id") or ""
    assert answer.find("request/token") is None
    assert number in (answer.findtext("request/service_notice") or "")
    with hotline.read(SYSTEM) as work:
        ticket = ticket_by_number(work.tx, number)
    assert ticket is not None
    assert (ticket.source, ticket.channel, ticket.category) == ("open311", "open311", "roads")


def test_the_same_request_sent_again_gets_the_same_number(hotline: World) -> None:
    fixmystreet, other = system(hotline), system(hotline, "wechat-app")
    first = fixmystreet.handed_in(**{"attribute[fixmystreet_id]": "4711"})
    assert fixmystreet.handed_in(**{"attribute[fixmystreet_id]": "4711"}) == first
    assert fixmystreet.handed_in(**{"attribute[fixmystreet_id]": "4712"}) != first
    assert other.handed_in(**{"attribute[fixmystreet_id]": "4711"}) != first


def test_an_idempotency_key_does_the_same(hotline: World) -> None:
    elsewhere = system(hotline)
    data = {**REQUEST, "api_key": elsewhere.api_key}
    client = hotline.app.test_client()
    answers = [
        client.post("/open311/v2/requests.json", data=data, headers={"Idempotency-Key": key}).get_json()
        for key in ("one", "one", "two")
    ]
    numbers = [a[0]["service_request_id"] for a in answers]
    assert numbers[0] == numbers[1] != numbers[2]


def test_pictures_sent_along_become_papers_and_other_files_are_said_not_to(hotline: World) -> None:
    picture, program = BytesIO(b"\xff\xd8\xff" + PHONE.encode()), BytesIO(b"MZ")
    files = {"media1": (picture, f"{NAME}.jpg"), "media2": (program, "a.exe")}
    data = {**REQUEST, "api_key": system(hotline).api_key, **files}
    answer = hotline.app.test_client().post("/open311/v2/requests.json", data=data).get_json()[0]
    assert "1 of the files sent along were not kept" in answer["service_notice"]
    with hotline.read(SYSTEM) as work:
        ticket = ticket_by_number(work.tx, answer["service_request_id"])
        assert ticket is not None
        kept = papers_of(work.tx, ticket.id)
    assert [paper.media_type for paper in kept] == ["image/jpeg"]
    assert_nobody_is_named(hotline)


@pytest.mark.parametrize("key", [None, "", "wrong", "x" * 5000])
def test_without_a_key_nothing_is_taken_in(hotline: World, key: str | None) -> None:
    answer = system(hotline).post("json", api_key=key)
    assert answer.status_code == 403
    assert errors(answer) == ["缺少 api_key，或 api_key 无效 / missing or invalid api_key"]
    assert told(hotline) == []


def test_what_is_wrong_is_told_argument_by_argument(hotline: World) -> None:
    elsewhere = system(hotline)
    answer = elsewhere.post("json", phone=None, first_name=None, last_name=None)
    assert answer.status_code == 400
    assert {e.partition(":")[0] for e in errors(answer)} == {"phone", "first_name"}
    unknown = elsewhere.post("json", **{"attribute[level]": "desperate"})
    assert errors(unknown)[0].startswith("attribute[level]: ")
    far = elsewhere.post("json", address_string="x" * 600)
    assert errors(far)[0].startswith("address_string: ")
    assert elsewhere.post("json", service_code="conduct").status_code == 404
    assert elsewhere.post("json", jurisdiction_id="sfgov.org").status_code == 404
    assert elsewhere.post("json", jurisdiction_id=hotline.settings.platform.id).status_code == 200


def test_forms_are_utf8_or_refused(hotline: World) -> None:
    key = system(hotline).api_key
    client = hotline.app.test_client()
    for body in (f"api_key={key}&description=%ff%fe", "description=路"):
        answer = client.post(
            "/open311/v2/requests.json",
            data=body.encode(),
            content_type="application/x-www-form-urlencoded",
        )
        assert errors(answer) == ["请求体应为 UTF-8 编码的表单 / the body must be a form in UTF-8"]
    assert client.post("/open311/v2/requests.json", json={"api_key": key}).status_code == 400


def test_who_asks_too_often_is_told_when_to_come_back(hotline: World) -> None:
    elsewhere = system(hotline)
    answers = [elsewhere.post("json", api_key="guess").status_code for _ in range(61)]
    assert answers == [403] * 60 + [429]
    late = elsewhere.post("json")
    assert late.headers["Retry-After"] == "60"
    hotline.now += timedelta(minutes=1)
    assert elsewhere.post("json").status_code == 200


# --- tokens -----------------------------------------------------------------------------------------


def test_a_batch_key_gets_a_token_that_brings_the_number_after_intake(hotline: World) -> None:
    elsewhere = system(hotline, batch=True)
    sent = {"attribute[external_id]": "a-1"}
    answer = xml(elsewhere.post(**sent))
    token = answer.findtext("request/token") or ""
    assert answer.find("request/service_request_id") is None
    assert xml(elsewhere.post(**sent)).findtext("request/token") == token
    with hotline.work(SYSTEM) as work:
        number = told(hotline)[0]["service_request_id"]
        ticket = ticket_by_number(work.tx, number)
        assert ticket is not None
        update_ticket(work.tx, ticket.id, accepted_at=None)
    waiting = xml(get(hotline, f"/tokens/{token}.xml"))
    assert [e.tag for e in waiting[0]] == ["token"]
    with hotline.work(SYSTEM) as work:
        update_ticket(work.tx, ticket.id, accepted_at=work.now)
    brought = get(hotline, f"/tokens/{token}.json").get_json()
    assert brought == [{"service_request_id": number, "token": token}]


def test_a_token_that_was_never_given_out_is_not_found(hotline: World) -> None:
    assert get(hotline, "/tokens/unknown.xml").status_code == 404


# --- reading ----------------------------------------------------------------------------------------


def test_a_request_is_read_in_the_elements_of_the_specification(hotline: World) -> None:
    number = system(hotline).handed_in()
    one = xml(get(hotline, f"/requests/{number}.xml"))[0]
    assert [e.tag for e in one] == ELEMENTS
    assert one.findtext("status") == "open"
    assert one.findtext("requested_datetime") == "2026-02-10T10:00:00+08:00"
    assert told(hotline, service_request_id=number) == get(hotline, f"/requests/{number}.json").get_json()


def test_nothing_that_goes_out_tells_who_asked_or_where_they_live(hotline: World) -> None:
    number = system(hotline).handed_in(description=f"{SAID}，找{NAME}，电话{PHONE}，{MAIL}")
    for path in ("/requests.xml", "/requests.json", f"/requests/{number}.json"):
        out = get(hotline, path).get_data(as_text=True)
        assert number in out
        for personal in (PHONE, MAIL, NAME, "园林路12号", "30.4213", "112.8992"):
            assert personal not in out


def test_nothing_in_the_database_or_on_record_tells_who_asked(hotline: World) -> None:
    system(hotline).handed_in(**{"attribute[fixmystreet_id]": "4711"})
    assert_nobody_is_named(hotline)


@pytest.mark.parametrize("hidden", ["confidential", "anonymous", "accused", "masked"])
def test_what_must_not_be_published_is_not_there(hotline: World, hidden: str) -> None:
    number = system(hotline).handed_in()
    with hotline.work(SYSTEM) as work:
        ticket = ticket_by_number(work.tx, number)
        assert ticket is not None
        if hidden in ("confidential", "anonymous"):
            own = ticket_callers.c.ticket_id == ticket.id
            work.tx.execute(ticket_callers.update().where(own).values({hidden: True}))
        else:
            update_ticket(work.tx, ticket.id, **{hidden: "health" if hidden == "accused" else True})
    assert told(hotline) == []
    assert get(hotline, f"/requests/{number}.json").status_code == 404


def test_a_complaint_about_a_person_is_not_there(hotline: World) -> None:
    from hotline.intake import take_in

    draft = {
        "channel": "phone",
        "category": "roads",
        "summary": "施工人员态度恶劣",
        "description": "施工人员李某态度恶劣",
        "accused_person": "李四光",
        "caller": {"name": NAME, "phone": PHONE},
    }
    shown = system(hotline).handed_in()
    hotline.now += timedelta(minutes=1)
    with hotline.work(SYSTEM) as work:
        take_in(work, draft)
    assert [one["service_request_id"] for one in told(hotline)] == [shown]
    pages = [told(hotline, page=str(page), page_size="1") for page in (1, 2)]
    assert [len(page) for page in pages] == [1, 0]  # no page has a gap where it would stand


def test_lists_are_narrowed_by_service_day_status_and_page(hotline: World) -> None:
    elsewhere = system(hotline)
    first = elsewhere.handed_in()
    hotline.now += timedelta(days=1)
    second = elsewhere.handed_in(service_code="waste")
    with hotline.work(SYSTEM) as work:
        ticket = ticket_by_number(work.tx, first)
        assert ticket is not None
        update_ticket(work.tx, ticket.id, closed_at=work.now)

    def numbers(**query: str) -> list[str]:
        return [one["service_request_id"] for one in told(hotline, **query)]

    assert numbers() == [second, first]
    assert numbers(service_code="roads,parks") == [first]
    assert numbers(status="closed") == [first]
    assert numbers(status="open") == [second]
    assert numbers(status="open,closed") == [second, first]
    assert numbers(start_date="2026-02-11T00:00:00+08:00") == [second]
    assert numbers(end_date="2026-02-10T23:00:00+08:00") == [first]
    assert numbers(page="2", page_size="1") == [first]
    assert numbers(service_request_id=f"{first},none", status="open") == [first]
    hotline.now += timedelta(days=200)
    assert numbers() == []


def test_addresses_that_are_not_there_answer_in_the_format_asked_for(hotline: World) -> None:
    assert errors(get(hotline, "/nothing.json")) == ["没有这个地址 / there is nothing at this address"]
    assert get(hotline, "/requests.yaml").status_code == 404
    assert get(hotline, "/requests/T-2026-999999.xml").mimetype == "text/xml"


def test_a_deployment_without_a_hotline_has_no_open311(world: World) -> None:
    for path in ("/open311/discovery.json", "/open311/v2/services.json", "/open311/v2/requests.json"):
        assert world.app.test_client().get(path).status_code == 404


# --- keys -------------------------------------------------------------------------------------------


def test_a_revoked_key_opens_nothing_and_its_name_is_free_again(hotline: World) -> None:
    elsewhere = system(hotline)
    first = elsewhere.handed_in(**{"attribute[external_id]": "1"})
    with hotline.work(SYSTEM) as work:
        revoke_key(work, "fixmystreet")
    assert elsewhere.post().status_code == 403
    renewed = system(hotline)
    assert renewed.handed_in(**{"attribute[external_id]": "1"}) == first
    with hotline.work(SYSTEM) as work:
        assert [bool(k.revoked_at) for k in list_keys(work)] == [True, False]
        with pytest.raises(NotFound):
            revoke_key(work, "another")


def test_a_key_needs_a_plain_name_of_its_own_and_a_channel_of_the_rulebook(hotline: World) -> None:
    with hotline.work(SYSTEM) as work:
        _, secret = make_key(work, "fixmystreet", "open311")
        for name, channel in (("Fix My", "open311"), ("other", "telepathy")):
            with pytest.raises(Invalid):
                make_key(work, name, channel)
        with pytest.raises(Conflict):
            make_key(work, "fixmystreet", "open311")
        assert secret not in json.dumps([str(k) for k in list_keys(work)])
