"""A record can be found as soon as the call that made it has returned, sealed or not."""

from __future__ import annotations

import asyncio
import itertools
from datetime import timedelta
from typing import Any

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from audit.journal import Journal
from audit.proofs import check_inclusion, entry_at, prove_inclusion
from audit.query import Filters, FoundPage, find_records, record_by_id
from core.errors import Conflict, Invalid, NotFound
from tests.audit.logs import SEGMENT, SIGNER, START, Log, access


def find(log: Log, limit: int = 50, cursor: str | None = None, **filters: Any) -> FoundPage:
    with log.database.read() as tx:
        return find_records(tx, log.folder, Filters(**filters), limit=limit, cursor=cursor)


def ids(page: FoundPage) -> list[str]:
    return [found.id for found in page.items]


def test_a_record_is_found_from_its_acknowledgement_on(log: Log) -> None:
    call, act = access(START), access(START + timedelta(seconds=1))

    async def story() -> None:
        journal = await Journal.open(log.journals, "w", segment_bytes=SEGMENT, reserve_bytes=0)
        await journal.append(call)
        log.put([act])
        page = await asyncio.to_thread(find, log)
        assert [(f.id, f.log_index) for f in page.items] == [(act.id, None), (call.id, None)]
        await asyncio.to_thread(log.seal)
        page = await asyncio.to_thread(find, log)
        assert [(f.id, f.log_index) for f in page.items] == [(act.id, 0), (call.id, 1)]
        await journal.close()

    asyncio.run(story())
    with log.database.read() as tx:
        found = record_by_id(tx, log.folder, call.id)
        assert (found.raw, found.log_index, found.at, found.kind) == (call.body, 1, START, "access")


def test_unknown_ids_and_foreign_cursors_are_refused(log: Log) -> None:
    log.seal()
    with log.database.read() as tx:
        for unknown in ("nonsense", access().id):
            with pytest.raises(NotFound):
                record_by_id(tx, log.folder, unknown)
    with pytest.raises(Invalid):
        find(log, cursor="nonsense")


def test_a_search_before_the_first_sealing_finds_what_waits(log: Log) -> None:
    log.put([access()])
    assert len(find(log).items) == 1


def test_a_department_finds_what_it_used_what_it_provided_and_what_it_did(log: Log) -> None:
    used, provided = access(consumer="d1", provider="d2"), access(consumer="d2", provider="d1")
    acted, other = access(department="d1"), access()
    log.put([used, provided])
    log.seal()
    log.put([acted, other])
    assert sorted(ids(find(log, department="d1"))) == sorted([used.id, provided.id, acted.id])
    assert ids(find(log, department="d1", equal={"consumer": "d1"})) == [used.id]


FIELDS = {
    "consumer": ["d1", "d2"],
    "client": ["c1", "c2"],
    "grant": ["g1", "g2"],
    "dataset": ["1/1", "1/2"],
    "decision": ["permit", "refuse"],
}
DAYS = itertools.count()
bodies = st.fixed_dictionaries({name: st.sampled_from(values) for name, values in FIELDS.items()})


@given(data=st.data())
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_filter_finds_exactly_what_matches_page_by_page(log: Log, data: st.DataObject) -> None:
    start = START + timedelta(days=next(DAYS))  # records of earlier examples are not in the way
    made = [
        access(start + timedelta(seconds=i), **body)
        for i, body in enumerate(data.draw(st.lists(bodies, max_size=12)))
    ]
    split = data.draw(st.integers(0, len(made)))
    log.put(made[:split])
    log.seal()
    log.put(made[split:])
    equal = data.draw(
        st.dictionaries(st.sampled_from(sorted(FIELDS)), st.sampled_from(["d1", "c2", "g1", "1/2", "refuse"]))
    )
    lo, hi = sorted(data.draw(st.tuples(st.integers(0, 13), st.integers(0, 13))))
    since, until = start + timedelta(seconds=lo), start + timedelta(seconds=hi)
    expected = [
        r.id
        for i, r in enumerate(made)
        if lo <= i < hi and all(orjson.loads(r.body).get(k) == v for k, v in equal.items())
    ]
    got: list[str] = []
    cursor = None
    while True:
        page = find(log, limit=3, cursor=cursor, since=since, until=until, equal=equal)
        got += ids(page)
        assert len(page.items) <= 3
        if (cursor := page.next_cursor) is None:
            break
    assert got == expected[::-1]
    log.seal()


def test_a_proof_leads_from_the_envelope_to_the_signed_checkpoint(log: Log) -> None:
    record = access()
    log.put([access() for _ in range(300)])
    log.put([record])
    with pytest.raises(NotFound):
        prove_inclusion(log.folder, 0)
    log.seal()
    proof = prove_inclusion(log.folder, 300)
    assert check_inclusion(proof, record.envelope, SIGNER.verifier) == 300
    assert entry_at(log.folder, 300) == record.envelope
    for forged in (proof.replace("index 300", "index 299"), proof.replace("\n301\n", "\n302\n"), "", "x\n\n"):
        with pytest.raises(ValueError):
            check_inclusion(forged, record.envelope, SIGNER.verifier)
    with pytest.raises(ValueError):
        check_inclusion(proof, access().envelope, SIGNER.verifier)
    with pytest.raises(Conflict):
        prove_inclusion(log.folder, 301)
    log.put([access()])
    log.seal()
    assert check_inclusion(prove_inclusion(log.folder, 300), record.envelope, SIGNER.verifier) == 300
