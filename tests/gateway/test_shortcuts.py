"""The short way of a call that was made before: nobody sees a difference but in speed."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any

import pytest

from audit.journal import read_journal
from audit.note import NoteVerifier
from audit.receipt import check_receipt
from audit.record import canonical
from audit.segments import segments_in
from gateway.policy import change_policy
from gateway.store import grants
from tests.gateway.plane_kit import Access, Kit, until
from tests.gateway.short_kit import MANY, Heard, Short, fresh, get

pytestmark = [pytest.mark.long, pytest.mark.takes(6)]

pytest_plugins = ["tests.gateway.short_fixtures"]

# --- the same answer, the same record ---------------------------------------------------------------


def test_the_second_call_goes_the_short_way_and_gets_the_same_answer(short: Short) -> None:
    request, asked, records = get(short.kit.grant("api")), short.provider.count, len(short.kit.records())
    with short.talk() as talk:
        first = talk.ask(request)
        taken = short.taken
        second, third = talk.ask(request), talk.ask(request)
    assert short.taken == taken + 2
    assert first.status == 200
    assert first.body == b"all is well"
    assert first.alike == second.alike == third.alike
    assert [line.split(b":")[0] for line in first.head] == [line.split(b":")[0] for line in second.head]
    assert short.provider.count == asked + 3
    assert len({heard.field("audit-record") for heard in (first, second, third)}) == 3
    one, *others = short.new_records(records)
    assert others == [one, one]
    assert (one["k"], one["decision"], one["bytes"]) == ("access", "permitted", 11)


def test_the_provider_is_asked_in_the_same_words(short: Short) -> None:
    request = get(short.kit.grant("api"), "Accept: text/plain", "Accept-Language: zh", "Cookie: a=b")
    with short.talk() as talk:
        short.prime(talk, request)
    assert short.provider.asked[-1] == short.provider.asked[-2]
    assert b"Cookie" not in short.provider.asked[-1][1]


def test_each_record_is_the_one_that_its_answer_names_and_its_receipt_is_good(short: Short) -> None:
    kit = short.kit
    verifier = NoteVerifier.parse(kit.settings.key_file("receipt.vkey").read_text())
    request = get(kit.grant("api"))
    with short.talk() as talk:
        short.prime(talk, request)
        for _ in range(5):
            heard = talk.ask(request)
            receipt = check_receipt(verifier, heard.field("audit-receipt") or "")
            assert receipt.origin == kit.settings.platform.log_origin
            assert kit.record(heard.field("audit-record") or "")["status"] == 200


def test_the_bytes_of_a_record_are_canonical_whatever_it_says(short: Short) -> None:
    access = short.kit.grant("api", purpose='100% "核对" %s %b %% \\ \u2028')
    with short.talk() as talk:
        short.prime(talk, get(access))
        heard = talk.ask(get(access)).field("audit-record")
    folder = short.kit.settings.data / "audit" / "journal"
    bodies = [frame.body for path in segments_in(folder) for frame in read_journal(path)]
    assert all(body == canonical(json.loads(body)) for body in bodies)
    [made] = [record for record in map(json.loads, bodies) if record["id"] == heard]
    [first, *_] = [record for record in map(json.loads, bodies) if record.get("grant") == made["grant"]]
    assert set(made) == set(first)
    assert made["purpose"] == '100% "核对" %s %b %% \\ \u2028'


def test_a_masked_answer_is_cut_down_to_the_grant(short: Short) -> None:
    access = short.kit.grant("api", fields=["code"], parameters={"area": ["42"]}, row_limit=1)
    request, records = get(access, target=MANY), len(short.kit.records())
    with short.talk() as talk:
        first = talk.ask(request)
        short.prime(talk, request)
        second = talk.ask(request)
    assert first.alike == second.alike
    assert json.loads(second.body) == {"data": {"items": [{"code": "1"}]}}
    assert {record["rows"] for record in short.new_records(records)} == {1}


def test_http_1_0_is_kept_alive_only_where_it_asks_for_it(short: Short) -> None:
    access = short.kit.grant("api")
    with short.talk() as talk:
        kept = get(access, "Connection: keep-alive", version="1.0")
        short.prime(talk, kept)
        assert talk.ask(kept).field("connection") == "keep-alive"
    taken = short.taken
    for _ in range(3):
        with short.talk() as talk:
            assert talk.ask(get(access, version="1.0")).field("connection") == "close"
            assert talk.ended()
    assert short.taken == taken


# --- what no longer stands --------------------------------------------------------------------------


def suspend(kit: Kit, access: Access) -> None:
    kit.set_state(access.grant_id, "suspended")


def revoke(kit: Kit, access: Access) -> None:
    kit.revoke(access.token)


def narrow(kit: Kit, access: Access) -> None:
    with kit.database.begin() as tx:
        one = grants.c.id == access.grant_id
        terms = tx.execute(grants.select().where(one)).one().terms
        tx.execute(grants.update().where(one).values(terms={**terms, "fields": ["code"]}))
        change_policy(tx, kit.counter)


@pytest.mark.parametrize(("fell", "status"), [(suspend, 403), (revoke, 401), (narrow, 403)])
def test_what_is_taken_back_is_refused_on_the_next_call(
    short: Short, fell: Callable[[Kit, Access], None], status: int
) -> None:
    access = short.kit.grant("api")
    with short.talk() as talk:
        short.prime(talk, get(access))
        fell(short.kit, access)
        asked, taken = short.provider.count, short.taken
        refused = talk.ask(get(access))
        assert refused.status == talk.ask(get(access)).status == status
        assert (short.provider.count, short.taken) == (asked, taken)
        assert short.kit.record(refused.field("audit-record") or "")["decision"] == "refused"
        assert talk.ask(fresh(get(access))).alike == refused.alike


def test_a_grant_that_is_given_back_is_judged_again_before_it_goes_the_short_way(short: Short) -> None:
    access, other = short.kit.grant("api"), short.kit.grant("api")
    with short.talk() as talk:
        short.prime(talk, get(access))
        for _ in range(3):
            suspend(short.kit, access)
            assert talk.ask(get(access)).status == 403
            short.kit.set_state(access.grant_id, "active")
            short.prime(talk, get(access))
        suspend(short.kit, other)
        taken, version = short.taken, short.kit.counter.read()
        heard = talk.ask(get(access))
        assert short.taken == taken
        assert short.kit.record(heard.field("audit-record") or "")["policy_version"] == version
        short.prime(talk, get(access))
        heard = talk.ask(get(access))
        assert short.kit.record(heard.field("audit-record") or "")["policy_version"] == version


@pytest.mark.parametrize("terms", [{"seconds": 0.7}, {"token_seconds": 0.7}], ids=str)
def test_token_and_grant_end_at_their_instant(short: Short, terms: dict[str, Any]) -> None:
    began = time.time()
    access = short.kit.grant("api", **terms)
    ends = time.time() + 0.7
    answers: list[tuple[float, int]] = []
    with short.talk() as talk:
        short.prime(talk, get(access))
        while time.time() < ends + 0.1:
            asked_at = time.time()
            answers.append((asked_at, talk.ask(get(access)).status))
            time.sleep(0.005)
    assert {status for at, status in answers if at > ends} <= {401, 403}
    assert answers[-1][1] in (401, 403)
    assert {status for at, status in answers if at < began + 0.65} == {200}


def test_a_policy_that_cannot_be_ascertained_refuses(short: Short) -> None:
    access = short.kit.grant("api")
    with short.talk() as talk:
        short.prime(talk, get(access))
        asked, taken = short.provider.count, short.taken

        def age(worker: Any) -> None:
            worker._permits._polled -= 6.0

        def ask_stale() -> Heard:
            short.inside(age)
            return talk.ask(get(access))

        assert until(lambda: ask_stale().status == 503, 3)
        assert short.provider.count - asked == short.taken - taken  # what came in between a look and the next
        assert until(lambda: talk.ask(get(access)).status == 200, 5)


# --- who asks ---------------------------------------------------------------------------------------


def test_the_same_bytes_from_another_address_are_another_call(short: Short) -> None:
    access = short.kit.grant("api", networks=["127.0.0.1/32"])
    with short.talk() as talk, short.talk("127.0.0.2") as stranger:
        short.prime(talk, get(access))
        asked = short.provider.count
        refused = stranger.ask(get(access))
        assert refused.status == stranger.ask(get(access)).status == 403
        assert short.provider.count == asked
        assert short.kit.record(refused.field("audit-record") or "")["address"] == "127.0.0.2"
        assert talk.ask(get(access)).status == 200


def test_whom_a_proxy_forwards_is_judged_and_recorded_each_by_its_address(short: Short) -> None:
    access = short.kit.grant("api", networks=["127.0.0.2/32", "10.0.0.0/8"])
    here, there = (get(access, f"X-Forwarded-For: {address}") for address in ("10.0.0.1", "192.0.2.1"))
    with short.talk("127.0.0.3") as proxy, short.talk("127.0.0.2") as talk:
        short.prime(proxy, here)
        short.prime(talk, here)
        assert proxy.ask(there).status == proxy.ask(there).status == 403
        for _ in range(2):
            by_proxy, direct = proxy.ask(here), talk.ask(here)
            assert short.kit.record(by_proxy.field("audit-record") or "")["address"] == "10.0.0.1"
            assert short.kit.record(direct.field("audit-record") or "")["address"] == "127.0.0.2"


def test_two_tokens_never_get_each_others_fields(short: Short) -> None:
    grants = {
        fields: short.kit.grant("api", fields=list(fields), parameters={"area": ["42"]})
        for fields in (("code",), ("name",), ("code", "level"))
    }
    with short.talk() as talk:
        for _ in range(4):
            for fields, access in grants.items():
                [item, _] = json.loads(talk.ask(get(access, target=MANY)).body)["data"]["items"]
                assert tuple(sorted(item)) == fields
    assert short.taken
