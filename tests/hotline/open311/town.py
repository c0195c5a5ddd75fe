"""A hotline that other systems hand requests in to, and the systems."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from xml.etree import ElementTree

from core.work import SYSTEM
from hotline.open311.keys import make_key
from tests.conftest import World

PHONE, MAIL, NAME = "13812345678", "zhang.sanfeng@example.org", "张三丰"
SAID = "路面塌陷，我住对面302室\n请尽快维修"
REQUEST = {
    "service_code": "roads",
    "lat": "30.4213",
    "long": "112.8992",
    "address_string": "园林路12号对面",
    "first_name": "三丰",
    "last_name": "张",
    "phone": PHONE,
    "email": MAIL,
    "description": SAID,
}
BASE = "/open311/v2"


@dataclass
class Elsewhere:
    """Another system: its key, and what it does with it."""

    world: World
    api_key: str

    def post(self, form: str = "xml", **changes: Any) -> Any:
        """Hand in REQUEST with some arguments changed; None leaves one out."""
        given = {**REQUEST, "api_key": self.api_key, **changes}
        client = self.world.app.test_client()
        return client.post(f"{BASE}/requests.{form}", data={k: v for k, v in given.items() if v is not None})

    def handed_in(self, **changes: Any) -> str:
        """Hand in a request; return the number that it got."""
        return xml(self.post(**changes)).findtext("request/service_request_id") or ""


def system(world: World, name: str = "fixmystreet", *, batch: bool = False) -> Elsewhere:
    """Another system with a key of its own."""
    with world.work(SYSTEM) as work:
        _, secret = make_key(work, name, "open311", batch=batch)
    return Elsewhere(world, secret)


def get(world: World, path: str, **query: str) -> Any:
    """Read as anybody may."""
    return world.app.test_client().get(f"{BASE}{path}", query_string=query)


def xml(answer: Any) -> ElementTree.Element:
    """The XML document of an answer that went well."""
    assert answer.status_code == 200, answer.get_data(as_text=True)
    assert answer.headers["Content-Type"] == "text/xml; charset=utf-8"
    return ElementTree.fromstring(answer.get_data())


def errors(answer: Any) -> list[str]:
    """The descriptions of an error document in JSON, each under the status of the answer."""
    told = answer.get_json()
    assert {one["code"] for one in told} == {answer.status_code}
    return [one["description"] for one in told]
