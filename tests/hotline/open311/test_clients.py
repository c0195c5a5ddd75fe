"""Open311 as clients of other people speak it: the PyPI package georeport, and FixMyStreet's own way."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from urllib.parse import urlencode
from xml.etree import ElementTree

import pytest
from werkzeug.serving import make_server

from core.work import SYSTEM
from hotline.store import ticket_by_number, update_ticket
from tests.conftest import World
from tests.hotline.open311.town import BASE, system

if not os.environ.get("CI"):
    pytest.importorskip("georeport", reason="the client is not installed: pip install -e '.[dev]'")

from georeport import GeoReport

pytestmark = pytest.mark.long


@pytest.fixture
def address(hotline: World) -> Iterator[str]:
    """Where the hotline listens."""
    server = make_server("127.0.0.1", 0, hotline.app, threaded=True)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}{BASE}"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.mark.parametrize("form", ["json", "xml"])
def test_the_client_of_pypi_finds_services_and_requests(hotline: World, address: str, form: str) -> None:
    number = system(hotline).handed_in()
    system(hotline, "second").handed_in(service_code="waste")
    client = GeoReport(address, jurisdiction=hotline.settings.platform.id, output_format=form)
    services = {s["service_code"]: s for s in client.get_service_list()}
    assert services["roads"]["service_name"] == "道路设施"
    assert client.get_service_definition("roads")["service_code"] == "roads"
    listed = client.get_service_requests(status="open", start_date="2026-02-01T00:00:00+08:00")
    assert {one["service_code"] for one in listed} == {"roads", "waste"}
    assert client.get_service_request(number)["service_request_id"] == number


TOLD = """title:  坑洞

detail: 路中有坑

url: https://fms.example/report/{}

Submitted via FixMyStreet
"""


class FixMyStreet:
    """What FixMyStreet's Open311.pm does: XML alone, arguments in the body, a number or a token to poll."""

    def __init__(self, world: World, api_key: str) -> None:
        self.client = world.app.test_client()
        self.always = {"jurisdiction_id": world.settings.platform.id, "api_key": api_key}

    def get(self, path: str, **query: str) -> ElementTree.Element:
        query["jurisdiction_id"] = self.always["jurisdiction_id"]
        answer = self.client.get(f"{BASE}/{path}?{urlencode(query)}")
        assert answer.status_code == 200, answer.get_data(as_text=True)
        return ElementTree.fromstring(answer.get_data())

    def send(self, report: str, extra: dict[str, str]) -> str:
        """Send a report with the attributes that the service asks for; return its number."""
        body = {
            **self.always,
            "lat": "30.42",
            "long": "112.9",
            "email": "reporter@example.org",
            "phone": "13900001111",
            "first_name": "Wei",
            "last_name": "Zhang",
            "description": TOLD.format(report),
            "media_url": f"https://fms.example/photo/{report}.jpeg",
            "service_code": "roads",
            **{f"attribute[{code}]": value for code, value in extra.items()},
        }
        answer = self.client.post(
            f"{BASE}/requests.xml",
            data=urlencode(body),
            content_type="application/x-www-form-urlencoded",
        )
        assert answer.status_code == 200, answer.get_data(as_text=True)
        request = ElementTree.fromstring(answer.get_data()).find("request")
        assert request is not None
        return request.findtext("service_request_id") or self.number_of(request.findtext("token") or "")

    def number_of(self, token: str) -> str:
        return self.get(f"tokens/{token}.xml").findtext("request/service_request_id") or ""


def test_fixmystreet_reads_services_sends_a_report_and_follows_it(hotline: World) -> None:
    fms = FixMyStreet(hotline, system(hotline).api_key)
    assert "roads" in [s.findtext("service_code") for s in fms.get("services.xml")]
    asked = [a.findtext("code") for a in fms.get("services/roads.xml").iter("attribute")]
    assert "external_id" in asked
    numbers = [
        fms.send(report, {"fixmystreet_id": report, "easting": "531000"}) for report in ("1", "2", "1")
    ]
    assert numbers[0] == numbers[2] != numbers[1]
    followed = fms.get("requests.xml", service_request_id=",".join(numbers[:2]))
    assert {one.findtext("service_request_id") for one in followed} == set(numbers)
    assert all(one.findtext("status_notes") for one in followed)


def test_fixmystreet_polls_the_token_that_a_batch_key_brings(hotline: World) -> None:
    fms = FixMyStreet(hotline, system(hotline, batch=True).api_key)
    number = fms.send("7", {"fixmystreet_id": "7"})
    assert number.startswith("T-")
    with hotline.work(SYSTEM) as work:
        ticket = ticket_by_number(work.tx, number)
        assert ticket is not None
        update_ticket(work.tx, ticket.id, accepted_at=None)
    assert fms.send("7", {"fixmystreet_id": "7"}) == ""  # the office has yet to take it in
