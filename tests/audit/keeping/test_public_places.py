"""What anybody and the parties to a call get of logs that were closed, and what made-up ids cost."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from audit.keeping import public_places
from audit.keeping.public_places import AT_ONCE, public_place
from audit.keeping.rotation import rotate
from audit.keys import NoteVerifier
from audit.proofs import check_inclusion
from audit.sealer import seal_once
from audit.store import insert_outbox
from audit.usage.parties import open_as_party
from core.errors import Gone, NotFound, TooMany, Unavailable
from core.ids import new_id
from core.times import millis
from tests.audit.keeping.test_erasing import granted, keep
from tests.audit.keeping.test_rotation import SLUG, renamed
from tests.audit.keeping.town import Town
from tests.audit.logs import LASTING, SIGNER, START, access
from tests.cast import alice, carol
from tests.conftest import World

LATER = START + timedelta(days=300)


@pytest.fixture
def calls(town: Town) -> list[str]:
    for name, signer in (("log", SIGNER), ("log-mldsa", LASTING)):
        (town.settings.key_file("") / f"{name}.vkey").write_text(f"{signer.verifier}\n")
    made = [access(START, consumer=carol.department, provider="x") for _ in range(3)]
    town.put(made)
    town.seal()
    return [one.id for one in made]


@pytest.fixture
def rotated(town: Town, calls: list[str]) -> Town:
    """The same town 300 days later, under a new log."""
    later = renamed(replace(town, now=LATER))
    rotate(later.settings, later.database, later.now)
    later.seal()
    return later


def asked(town: Town, record_id: str) -> tuple[Path, int | None]:
    with town.database.read() as tx:
        return public_place(tx, town.folder, record_id, town.now)


def an_id(at: datetime) -> str:
    return new_id(millis(at))


def test_anybody_finds_records_of_both_logs_and_those_that_wait(rotated: Town, calls: list[str]) -> None:
    assert asked(rotated, calls[1]) == (rotated.folder / "past" / SLUG, 1)
    fresh = access(rotated.now)
    rotated.put([fresh])
    assert asked(rotated, fresh.id) == (rotated.folder, None)
    rotated.seal()
    assert asked(rotated, fresh.id) == (rotated.folder, 1)


def test_only_the_log_of_an_ids_time_is_looked_through(
    rotated: Town, calls: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(public_places, "UNCOVERED_MOST", -1)  # looking at any log is refused
    outside = [START - timedelta(days=2), LATER + timedelta(days=2)]
    for unknown in (*map(an_id, outside), "x", calls[0].upper(), "c4a760a8-dbcf-4e14-9f39-61c4e2c45b1e"):
        with pytest.raises(NotFound):
            asked(rotated, unknown)
    with pytest.raises(Unavailable):
        asked(rotated, calls[0])
    monkeypatch.setattr(public_places, "UNCOVERED_MOST", 3)
    assert asked(rotated, calls[0])[1] == 0
    (rotated.folder / "past" / SLUG / "log" / ".state" / "state.json").write_text("damaged")
    with pytest.raises(NotFound):  # the closed log is not even opened
        asked(replace(rotated, now=LATER + timedelta(days=2)), an_id(LATER + timedelta(days=2)))


def test_only_so_many_are_looked_for_at_once(
    town: Town, calls: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(public_places, "_WAIT_SECONDS", 0.01)
    for _ in range(AT_ONCE):
        public_places._turns.acquire()
    try:
        with pytest.raises(TooMany):
            asked(town, calls[0])
    finally:
        public_places._turns.release(AT_ONCE)
    for _ in range(AT_ONCE + 1):  # each gives its turn back, found or not
        with pytest.raises(NotFound):
            asked(town, an_id(START))
    assert asked(town, calls[0])[1] == 0


# --- the parties to a call ------------------------------------------------------------------------


def test_a_department_gets_the_proof_of_its_call_after_the_log_was_closed(world: World) -> None:
    made = access(world.now, consumer=carol.department, provider="x")
    with world.database.begin() as tx:
        insert_outbox(tx, made)
    seal_once(world.settings, world.database, world.now)
    known = [
        NoteVerifier.parse(world.settings.key_file(f"{n}.vkey").read_text()) for n in ("log", "log-mldsa")
    ]
    later = replace(world.settings.platform, log_origin="shuxiang.qianjiang.example/2027")
    world.settings = replace(world.settings, platform=later)
    rotate(world.settings, world.database, world.now)
    proof = world.client(carol).get(f"/api/audit/records/{made.id}/proof")
    assert check_inclusion(proof.text, made.envelope, *known) == 0
    assert world.client(alice).get(f"/api/audit/records/{made.id}/proof").status_code == 404


def test_a_department_is_told_where_the_proof_is_when_the_body_is_gone(town: Town, calls: list[str]) -> None:
    granted(town, [calls[0]])
    keep(town)
    with town.database.begin() as tx, pytest.raises(Gone, match=f"/audit/proof/{calls[0]}"):
        open_as_party(town.work(carol, tx), calls[0])
    assert asked(town, calls[0]) == (town.folder, 0)
