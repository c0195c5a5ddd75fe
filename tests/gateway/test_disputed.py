"""While a correction is open every answer with the data says so, and that people are served as usual."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime

import pytest

from catalog.corrections import mark_disputed, settle_disputed
from catalog.corrections.model import Dispute
from core.errors import Invalid
from core.work import SYSTEM, Work
from gateway.model import Terms
from gateway.notice import MOST_CHARACTERS, MOST_MEMBERS, notice_of
from gateway.policy import change_policy
from rules.rulebook import SHIPPED, load_rulebooks
from tests.gateway.plane_kit import CODES, Access, Kit, Response, url
from tests.gateway.providers import json_answer
from tests.gateway.structured import Member, Token, read_list

pytestmark = pytest.mark.long

pytest_plugins = ["tests.gateway.plane_fixtures"]

NOW = datetime(2026, 2, 16, 2, 27, 14, tzinfo=UTC)
NUMBER = "C-2026-000001"


@contextmanager
def working(kit: Kit, place: str = "qianjiang") -> Iterator[Work]:
    """What the control plane does with a correction, in one transaction."""
    books = load_rulebooks(SHIPPED, {"sharing": f"sharing/{place}"})
    with kit.database.begin() as tx:
        yield Work(tx, books, SYSTEM, NOW, kit.settings, lambda tx: change_policy(tx, kit.counter))


@contextmanager
def disputed(
    kit: Kit,
    kind: str = "table",
    items: Sequence[str] = (),
    record: Mapping[str, str] | None = None,
    *,
    number: str = NUMBER,
    place: str = "qianjiang",
) -> Iterator[None]:
    with working(kit, place) as work:
        mark_disputed(work, number, CODES[kind], items, record, f"/matters/{number}")
    yield
    with working(kit, place) as work:
        settle_disputed(work, number)


def rows(kit: Kit, access: Access) -> Response:
    answer = kit.call(url("table", "rows?limit=1"), access)
    assert answer.status == 200, answer.body
    return answer


def notice(answer: Response) -> list[Member]:
    return read_list(answer.headers["data-notice"]) if "data-notice" in answer.headers else []


@pytest.fixture(scope="module")
def access(kit: Kit) -> Access:
    return kit.grant("table", parameters={})


def test_an_answer_names_the_correction_from_its_opening_to_the_very_call_after_its_end(
    kit: Kit, access: Access
) -> None:
    assert notice(rows(kit, access)) == []
    with disputed(kit, items=["name", "级别"]):
        (member,) = notice(rows(kit, access))
        assert isinstance(member.value, Token)
        assert member.value == "disputed"
        assert member.parameters == {
            "number": NUMBER,
            "since": NOW,
            "items": "level,name",
            "served-as-usual": True,
            "href": f"{kit.settings.platform.control_url}/matters/{NUMBER}",
        }
    assert notice(rows(kit, access)) == []


def test_only_a_place_whose_text_says_so_has_people_served_as_usual(kit: Kit, access: Access) -> None:
    with disputed(kit, place="ganzhou"):
        (member,) = notice(rows(kit, access))
    assert "served-as-usual" not in member.parameters


def test_a_grant_without_the_items_hears_nothing_and_sees_no_other_items(kit: Kit) -> None:
    code, both = kit.grant("table", fields=["code"]), kit.grant("table", fields=["code", "name"])
    with disputed(kit, items=["name", "secret"], record={"secret": "s1"}):
        assert notice(rows(kit, code)) == []
        (member,) = notice(rows(kit, both))
        assert member.parameters["items"] == "name"
        assert "record" not in member.parameters
        assert "key" not in member.parameters
    with disputed(kit, items=["名称", "something else"]):
        (member,) = notice(rows(kit, code))
        assert "items" not in member.parameters


def test_the_holder_of_the_record_can_tell_that_it_is_meant(kit: Kit, access: Access) -> None:
    with disputed(kit, record={"代码": "00003", "name": "名称&3"}):
        (member,) = notice(rows(kit, access))
    expected = hashlib.sha256(f"{NUMBER}|code=00003&name=%E5%90%8D%E7%A7%B0%263".encode()).digest()
    assert member.parameters["record"] == expected
    assert member.parameters["key"] == "code,name"


def test_who_sees_only_some_records_cannot_guess_at_the_others(kit: Kit) -> None:
    some_rows = kit.grant("table", row_filter={"level": ["3"]}, parameters={})
    some_values = kit.grant("table", parameters={"area": ["42"]})
    with disputed(kit, record={"code": "00003"}):
        members = [notice(rows(kit, access))[0] for access in (some_rows, some_values)]
    assert not [m for m in members if "record" in m.parameters]


def test_a_record_that_is_named_by_no_attribute_is_refused(kit: Kit) -> None:
    with pytest.raises(Invalid) as refused, working(kit) as work:
        mark_disputed(work, NUMBER, CODES["table"], (), {"身份证号": "1", "code": "2"}, "")
    assert [e.pointer for e in refused.value.errors] == ["/record/身份证号"]


def test_every_way_to_the_data_carries_it_and_heads_and_large_answers_do_too(kit: Kit) -> None:
    (kit.files / "a.csv").write_bytes(b"code\n1\n")
    (kit.files / "b.csv").write_bytes(b"x" * 300_000)
    kit.provider.answers["/base/v1/items/a"] = json_answer({"code": "1"})
    table, file, api = (kit.grant(kind) for kind in ("table", "file", "api"))
    etag = kit.call(url("file", "files/a.csv"), file).headers["etag"]
    with (
        disputed(kit, "table"),
        disputed(kit, "file", number="C-2026-000002"),
        disputed(kit, "api", number="C-2026-000003"),
    ):
        got = {
            "rows": kit.call(url("table", "rows"), table),
            "stream": kit.call(url("table", "rows"), table, headers={"Accept": "text/csv"}),
            "list": kit.call(url("file", "files"), file),
            "file": kit.call(url("file", "files/a.csv"), file),
            "large": kit.call(url("file", "files/b.csv"), file),
            "head": kit.call(url("file", "files/a.csv"), file, "HEAD"),
            "same": kit.call(url("file", "files/a.csv"), file, headers={"If-None-Match": etag}),
            "api": kit.call(url("api", "call/one?item=a"), api),
        }
    assert [r.status for r in got.values()] == [200] * 6 + [304, 200]
    assert {way: len(notice(r)) for way, r in got.items()} == dict.fromkeys(got, 1)
    assert got["head"].body == b""


def test_the_record_of_the_call_names_what_the_caller_was_told(kit: Kit, access: Access) -> None:
    before = rows(kit, access)
    with disputed(kit):
        small = rows(kit, access)
        large = kit.call(url("table", "rows"), access, headers={"Accept": "text/csv"})
    assert "disputed" not in kit.record(before.record)
    assert kit.record(small.record)["disputed"] == [NUMBER]
    assert kit.record(large.record)["disputed"] == [NUMBER]
    assert kit.record(large.record)["k"] == "access.start"
    end = next(r for r in kit.records() if r.get("start") == large.record)
    assert end["disputed"] == [NUMBER]


def test_a_refusal_says_nothing_of_it(kit: Kit) -> None:
    revoked, elsewhere = kit.grant("table"), kit.grant("table", networks=["10.0.0.0/8"])
    kit.revoke(revoked.token)
    kit.provider.answers["/base/v1/items/b"] = json_answer({}, 404)
    with disputed(kit), disputed(kit, "api", number="C-2026-000002"):
        refused = [
            kit.call(url("table", "rows")),
            kit.call(url("table", "rows"), revoked),
            kit.call(url("table", "rows"), elsewhere),
            kit.call(url("table", "rows?select=nothing"), kit.grant("table")),
            kit.call(url("api", "call/one?item=b"), kit.grant("api")),
        ]
    assert [r.status for r in refused] == [401, 401, 403, 403, 404]
    assert [r.headers for r in refused if "data-notice" in r.headers] == []


def test_many_corrections_are_named_as_far_as_a_header_goes_and_the_rest_are_counted(
    kit: Kit, access: Access
) -> None:
    numbers = [f"C-2026-{n:06d}" for n in range(1, 26)]
    with working(kit) as work:
        for number in numbers:
            mark_disputed(work, number, CODES["table"], ["name"], None, f"/matters/{number}")
    answer = rows(kit, access)
    with working(kit) as work:
        for number in numbers:
            settle_disputed(work, number)
    *named, more = notice(answer)
    assert [m.parameters["number"] for m in named] == numbers[:4:-1]
    assert (more.value, more.parameters) == ("more", {"count": 5})
    assert len(named) == MOST_MEMBERS
    assert kit.record(answer.record)["disputed"] == numbers[:4:-1]
    assert notice(rows(kit, access)) == []


# --- the header alone -----------------------------------------------------------------------------


def dispute(number: int, items: Sequence[str], link: str = "/matters/1") -> Dispute:
    return Dispute(
        number=f"C-2026-{number:06d}",
        dataset_id="d",
        since=NOW,
        items=tuple(items),
        record_key=("姓名",),
        record_digest="00" * 32,
        served_as_usual=True,
        cite={},
        link=link,
    )


def terms(*fields: str) -> Terms:
    return Terms("table", fields, {}, {}, (), None, (), "", False)


def test_chinese_names_pass_as_display_strings() -> None:
    made = notice_of([dispute(1, ["姓名", 'a"b%'])], terms("姓名", 'a"b%'), "https://数据.example")
    (member,) = read_list(made.header[0][1])
    assert member.parameters["items"] == '姓名,a"b%'
    assert member.parameters["key"] == "姓名"
    assert member.parameters["href"] == "https://数据.example/matters/1"


def test_a_header_stays_within_its_bound_whatever_is_in_doubt() -> None:
    fields = ["汉" * 55 + str(n) for n in range(30)]
    made = notice_of([dispute(n, fields) for n in range(25)], terms("姓名", *fields), "https://x" + "y" * 190)
    *named, more = read_list(made.header[0][1])
    assert len(made.header[0][1]) <= MOST_CHARACTERS + len(", more;count=25")
    assert 1 <= len(named) < MOST_MEMBERS
    assert len(named) + more.parameters["count"] == 25
    assert not [m for m in named if "items" in m.parameters]
    assert len(made.numbers) == len(named)
