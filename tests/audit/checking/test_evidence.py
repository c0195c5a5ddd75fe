"""What the console's button "verify" shows of one record."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from audit.bodies import erased_line
from audit.checking.evidence import ERASED, STAMPED, Step, examine
from audit.note import Checkpoint, Cosigner, NoteSigner
from audit.query import Found
from audit.signing import LogSigners
from audit.stamping.stamps import make_request, read_authority
from audit.witness.anchors import anchor_path, write_anchor
from audit.witness.policy import Policy
from tests.audit.checking.held import WITNESSES, Held, hold
from tests.audit.logs import ORIGIN, SIGNERS, START, Log
from tests.audit.stamping.authority import Authority

BODY, PATH, SIGNED, COSIGNED = (
    "the body fits the envelope",
    "the record is in the log",
    "signatures of the log",
    "cosignatures of witnesses",
)
TWO = Policy(2, {w.name: (w.verifier,) for w in WITNESSES[:2]})


@pytest.fixture
def held(tmp_path: Path) -> Iterator[Held]:
    log = Log(tmp_path / "audit")
    yield hold(log, tmp_path / "desk", 300)
    log.database.close()


def found(held: Held, index: int) -> Found:
    record = held.records[index]
    return Found(record.id, index, held.body(index), record.kind, record.at)


def look(held: Held, record: Found, policy: Policy | None = None) -> list[Step]:
    return examine(held.log.folder, SIGNERS.verifiers, policy or Policy(), record)


def wrong(steps: list[Step]) -> list[str]:
    return [step.name.en for step in steps if not step.ok]


@pytest.mark.parametrize("index", [0, 255, 299])
def test_each_step_of_a_sound_record_is_good_and_has_words(held: Held, index: int) -> None:
    steps = look(held, found(held, index))
    assert [step.name.en for step in steps] == [SIGNED, PATH, BODY]
    assert wrong(steps) == []
    assert all(step.name.zh and step.detail for step in steps)


def test_a_body_that_was_changed_is_the_one_step_that_fails(held: Held) -> None:
    record = found(held, 7)
    steps = look(held, replace(record, raw=record.raw.replace(b"dept-carol", b"dept-other")))
    assert wrong(steps) == [BODY]


def test_an_erased_body_is_no_fault_and_names_the_record_of_its_erasure(held: Held) -> None:
    record, told = found(held, 7), held.records[8].id
    steps = look(held, replace(record, raw=erased_line(len(record.raw), told, record.id)))
    assert wrong(steps) == []
    assert steps[-1] == Step(ERASED, True, told)


def test_a_changed_envelope_or_hash_breaks_the_way_to_the_root(held: Held) -> None:
    log = held.log.folder / "log"
    for name, at in (("tile/0/001.p/44", 32 * 3), ("tile/entries/001.p/44", 20)):
        path = log / name
        kept = path.read_bytes()
        path.write_bytes(kept[:at] + bytes([kept[at] ^ 1]) + kept[at + 1 :])
        assert PATH in wrong(look(held, found(held, 258 if "/0/" in name else 256)))
        path.write_bytes(kept)
    assert wrong(look(held, found(held, 256))) == []


def test_missing_files_and_signatures_are_said(held: Held) -> None:
    path = held.log.folder / "log" / "checkpoint"
    note = path.read_text(encoding="utf-8")
    path.write_text(note[: note.rindex("— ")], encoding="utf-8")
    assert wrong(look(held, found(held, 7))) == [SIGNED]
    path.write_text(note, encoding="utf-8")
    (held.log.folder / "log/tile/entries/000").unlink()
    assert wrong(look(held, found(held, 7))) == ["the record is sealed into the log"]


def test_witnesses_count_where_the_policy_asks_for_them(held: Held) -> None:
    cosigned = held.log.folder / "log" / "cosigned"
    assert wrong(look(held, found(held, 7), TWO)) == [COSIGNED]
    cosigned.write_text(held.cosigned(held.checkpoint(), WITNESSES[0]), encoding="utf-8")
    assert wrong(look(held, found(held, 7), TWO)) == [COSIGNED]
    cosigned.write_text(held.cosigned(held.checkpoint(), *WITNESSES[:2]), encoding="utf-8")
    steps = look(held, found(held, 7), TWO)
    assert wrong(steps) == []
    assert [step.name.en for step in steps] == [SIGNED, COSIGNED, PATH, BODY]


def test_a_record_that_waits_says_so(held: Held) -> None:
    (step,) = look(held, replace(found(held, 7), log_index=None))
    assert not step.ok
    assert "waits to be sealed" in step.detail
    (step,) = look(held, replace(found(held, 7), log_index=300))
    assert "try again in a moment" in step.detail


def test_a_time_stamp_over_a_checkpoint_that_covers_the_record_is_a_step(held: Held, tmp_path: Path) -> None:
    openssl = Authority(tmp_path / "bureau")
    known = read_authority(openssl.folder / "authority.pem")
    folder = held.log.folder

    def seen(index: int) -> list[Step]:
        return examine(folder, SIGNERS.verifiers, Policy(), found(held, index), known)

    assert [step.name for step in seen(7)][-1] != STAMPED  # none covers it yet
    note = (held.desk / "kept.checkpoint").read_bytes()
    write_anchor(folder, 150, note)
    write_anchor(folder, 150, openssl.stamp(make_request(note).as_bytes()), "tsr")
    assert (seen(149)[-1].name, wrong(seen(149))) == (STAMPED, [])
    assert seen(150)[-1].name != STAMPED
    other = LogSigners(NoteSigner(ORIGIN, bytes(32)), Cosigner(ORIGIN, "ml-dsa-44", bytes(32)))
    forged = other.sign_checkpoint(Checkpoint(ORIGIN, 151, bytes(32)), START).encode()
    write_anchor(folder, 151, forged)
    write_anchor(folder, 151, openssl.stamp(make_request(forged).as_bytes()), "tsr")
    assert "the log has not signed it" in seen(150)[-1].detail
    anew = SIGNERS.sign_checkpoint(Checkpoint(ORIGIN, 152, bytes(32)), START).encode()
    write_anchor(folder, 152, anew)
    write_anchor(folder, 152, openssl.stamp(make_request(anew).as_bytes()), "tsr")
    assert "does not hold the record" in seen(151)[-1].detail
    anchor_path(folder, 150).write_bytes(note.replace(b"\n150\n", b"\n149\n"))
    assert wrong(seen(7)) == [STAMPED.en]
