"""A record can be found as soon as the call that made it has returned, sealed or not."""

from __future__ import annotations

import asyncio
import itertools
from datetime import datetime, timedelta
from typing import Any

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from audit.bodies import bodies_path, erased_line, read_bodies
from audit.columns.renewal import ask_renewal
from audit.journal import Journal
from audit.proofs import check_inclusion, entry_at, prove_inclusion
from audit.query import Filters, FoundPage, find_records, record_by_id
from audit.record import Record
from core.errors import Conflict, Invalid, NotFound
from tests.audit.columns.story import few_checksums, make_all, small_blocks
from tests.audit.logs import SECRET, SEGMENT, SIGNER, START, Log, access


def find(log: Log, limit: int = 50, cursor: str | None = None, **filters: Any) -> FoundPage:
    with log.database.read() as tx:
        return find_records(tx, log.folder, Filters(**filters), limit=limit, cursor=cursor)


def ids(page: FoundPage) -> list[str]:
    return [found.id for found in page.items]


def test_a_record_is_found_from_its_acknowledgement_on(log: Log) -> None:
    call, act = access(START), access(START + timedelta(seconds=1))

    async def story() -> None:
        journal = await Journal.open(log.journals, "w", secret=SECRET, segment_bytes=SEGMENT, reserve_bytes=0)
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
    "consumer": ["d1", "d2", "d3"],
    "provider": ["d1", "d2"],
    "department": ["d1"],
    "client": ["c1", "c2"],
    "grant": ["g1", "g2"],
    "dataset": ["1/1", "1/2"],
    "operation": ["GET /a"],
    "decision": ["permit", "refuse"],
    "reason": ["expired"],
    "subject": ["s1", "s2", "s1,s2", "s11"],
}
HORIZON = 40
"""Minutes over which the records of one example are spread."""
bodies = st.fixed_dictionaries({}, optional={k: st.sampled_from(v) for k, v in FIELDS.items()})
made_then = st.tuples(st.integers(0, HORIZON - 1), bodies)
steps = st.lists(
    st.tuples(st.lists(made_then, max_size=25), st.sampled_from(["outbox", "journal", "seal", "make"])),
    min_size=1,
    max_size=5,
)
DAYS = itertools.count()


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Blocks, row groups and the steps of a search so small that every way of searching is gone."""
    small_blocks(monkeypatch)
    few_checksums(monkeypatch, 2)
    for place, value in (("make.GROUP", 16), ("asked._STRETCH", 2)):
        monkeypatch.setattr(f"audit.columns.{place}", value)


def told(
    log: Log, start: datetime, story: list[tuple[list[tuple[int, dict[str, str]]], str]]
) -> list[Record]:
    """Make records, late and early ones mixed, and leave them wherever the story says."""
    every = []
    for some, then in story:
        records = [access(start + timedelta(minutes=minute), **body) for minute, body in some]
        every += records
        if then == "journal":
            log.journal(records, f"w{next(DAYS)}")
            continue
        log.put(records)
        if then in ("seal", "make"):
            log.seal()
        if then == "make":
            make_all(log)
    return every


def matches(record: Record, department: str | None, equal: dict[str, str]) -> bool:
    body = {**orjson.loads(record.body), "kind": record.kind}
    parties = {body.get(name) for name in ("consumer", "provider", "department")}
    people = body.get("subject") or ""
    named = {people, *people.split(","), *([people] if equal.get("subject") == people else [])}
    same = all(body.get(name) == value for name, value in equal.items() if name != "subject")
    return department in (None, *parties) and same and equal.get("subject", people) in named


@given(data=st.data())
@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_filters_find_exactly_what_matches_wherever_it_lies(
    log: Log, small: None, data: st.DataObject
) -> None:
    start = START + timedelta(days=next(DAYS))  # records of earlier examples are not in the way
    every = told(log, start, data.draw(steps))
    equal = data.draw(
        st.lists(st.sampled_from(sorted(FIELDS)), max_size=2, unique=True).flatmap(
            lambda names: st.fixed_dictionaries({name: st.sampled_from(FIELDS[name]) for name in names})
        )
    )
    department = data.draw(st.none() | st.sampled_from(["d1", "d3"]))
    lo, hi = sorted(data.draw(st.tuples(st.integers(0, HORIZON), st.integers(0, HORIZON))))
    since, until = start + timedelta(minutes=lo), start + timedelta(minutes=hi)
    expected = [r.id for r in every if since <= r.at < until and matches(r, department, equal)]
    got: list[str] = []
    cursor = None
    while True:
        page = find(log, 3, cursor, since=since, until=until, department=department, equal=equal)
        got += ids(page)
        assert len(page.items) <= 3
        if (cursor := page.next_cursor) is None:
            break
    assert got == sorted(expected, reverse=True)
    with log.database.read() as tx:
        for record in every[::7]:
            assert record_by_id(tx, log.folder, record.id).raw == record.body


def test_a_record_is_found_while_its_block_is_made_and_after(log: Log, small: None) -> None:
    made = [access(START + timedelta(seconds=i), grant=f"g{i}") for i in range(70)]
    log.put(made)
    log.seal()
    for _ in range(2):
        with log.database.read() as tx:
            for record in (made[0], made[33], made[69]):
                found = record_by_id(tx, log.folder, record.id)
                assert (found.raw, found.kind, found.at) == (record.body, "access", record.at)
        assert ids(find(log, equal={"grant": "g7"})) == [made[7].id]
        make_all(log)


def test_an_erased_record_is_found_by_its_time_and_kind_and_says_no_more(log: Log, small: None) -> None:
    made = [access(START + timedelta(seconds=i), actor="somebody") for i in range(6)]
    log.put(made)
    log.seal()
    make_all(log)
    line = next(read_bodies(log.folder / "bodies", 2, 3))
    with bodies_path(log.folder / "bodies", 2).open("r+b") as file:
        file.seek(line.offset)
        file.write(erased_line(len(line.body), access().id, made[2].id))
    for _ in range(2):  # its block knows it still, then not any more
        page = find(log, equal={"kind": "access"})
        gone = page.items[3]
        assert (gone.id, gone.erased, gone.kind, gone.at) == (made[2].id, True, "access", made[2].at)
        assert b"somebody" not in gone.raw
        with log.database.read() as tx:
            assert record_by_id(tx, log.folder, made[2].id).erased
        ask_renewal(log.folder, 2, 2)
        make_all(log)
    assert len(find(log, equal={"actor": "somebody"}).items) == 5


def test_a_search_for_a_column_that_is_none_is_an_error_of_ours(log: Log) -> None:
    with pytest.raises(ValueError):
        find(log, equal={"id = id --": "x"})


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


def test_a_department_that_is_not_the_consumer_asked_for_finds_only_what_it_shares(log: Log) -> None:
    shared, own = access(consumer="d3", provider="d1"), access(consumer="d1")
    log.put([shared, own])
    assert ids(find(log, department="d1", equal={"consumer": "d3"})) == [shared.id]


def test_a_record_that_names_several_people_is_found_by_each(log: Log) -> None:
    both = access(subject=f"{'a' * 32},{'b' * 32}")
    log.put([both])
    for person in ("a" * 32, "b" * 32):
        assert ids(find(log, equal={"subject": person})) == [both.id]
    assert find(log, equal={"subject": "a" * 31}).items == ()
