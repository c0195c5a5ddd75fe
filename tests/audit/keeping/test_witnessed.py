"""What witnesses have not seen is neither deleted nor archived; what is gone is told from a fault."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta

import pytest

from audit.bodies import is_erased
from audit.journal import Journal
from audit.keeping.covered import covered
from audit.keeping.erasing import carry_out
from audit.keeping.keeper import archive_step, prune_step
from audit.keeping.retention import cutoff
from audit.keeping.rotation import rotate
from audit.note import BadNote, Cosigner, add_signatures, split_note
from audit.record import make_record
from audit.segments import segments_in
from audit.verify import verify
from core.settings_audit import Witness, Witnesses
from tests.audit.keeping.blocks import make_blocks
from tests.audit.keeping.test_erasing import granted
from tests.audit.keeping.test_rotation import renamed
from tests.audit.keeping.town import RULE, Town
from tests.audit.logs import LASTING, SECRET, SIGNER, START, access

WITNESS = Cosigner("bureau.example/w", "ed25519", bytes(range(64, 96)))
OTHER = Cosigner("other.example/w", "ed25519", bytes(range(96, 128)))
KEYS = [str(SIGNER.verifier), str(LASTING.verifier)]


def watched(town: Town) -> Town:
    of = (Witness(WITNESS.name, "http://127.0.0.1:9", str(WITNESS.verifier)),)
    return town.with_audit(witnesses=Witnesses(1, of, timeout_seconds=0.1))


def cosign(town: Town, at: datetime, cosigner: Cosigner = WITNESS) -> None:
    """Have the newest checkpoint cosigned, as the sealer would publish it."""
    note = (town.folder / "log" / "checkpoint").read_text(encoding="utf-8")
    line = cosigner.cosign(split_note(note)[0], at)
    (town.folder / "log" / "cosigned").write_text(add_signatures(note, [line]), encoding="utf-8")


@pytest.mark.long
def test_without_a_witness_nothing_goes_and_nothing_is_archived(old_town: Town) -> None:
    town = watched(old_town.with_audit(retention=RULE, archive=old_town.settings.data / "units"))
    assert not archive_step(town.keeping, town.now)
    assert not prune_step(town.keeping, town.now)
    cosign(town, town.now)
    assert archive_step(town.keeping, town.now)
    assert prune_step(town.keeping, town.now)
    old_town.seal()  # the record is sealed, and no witness has seen that
    assert not prune_step(town.keeping, town.now)
    cosign(town, town.now)
    assert prune_step(town.keeping, town.now)


@pytest.mark.long
def test_a_clock_that_is_ahead_of_the_witnesses_deletes_nothing(old_town: Town) -> None:
    town = watched(old_town.with_audit(retention=RULE))
    seen = START - timedelta(days=200)
    cosign(town, seen)
    assert not prune_step(town.keeping, START + timedelta(days=9000))
    reach = covered(town.keeping)
    assert reach is not None
    assert cutoff(town.keeping, reach, START + timedelta(days=9000)) == seen - timedelta(
        days=RULE.bodies_days
    )


@pytest.mark.long
def test_a_checkpoint_cosigned_by_somebody_else_does_not_count(old_town: Town) -> None:
    town = watched(old_town.with_audit(retention=RULE))
    cosign(town, town.now, OTHER)
    with pytest.raises(BadNote, match="witnesses"):
        prune_step(town.keeping, town.now)


def test_an_erasure_waits_for_the_witness_too(town: Town) -> None:
    made = access(START)
    town.put([made])
    town.seal()
    granted(town, [made.id])
    strict = watched(town)
    assert carry_out(strict.keeping, town.now)  # not even the record itself is witnessed
    cosign(strict, town.now)
    carry_out(strict.keeping, town.now)
    town.seal()
    carry_out(strict.keeping, town.now)
    assert not is_erased(town.read(made.id).raw)
    cosign(strict, town.now)
    carry_out(strict.keeping, town.now)
    assert is_erased(town.read(made.id).raw)
    make_blocks(town.folder, town.database, town.now)
    assert carry_out(strict.keeping, town.now) == []


def test_a_log_that_is_closed_leaves_no_bodies_in_journals(town: Town) -> None:
    async def write() -> None:
        journal = await Journal.open(
            town.folder / "journal", "w", secret=SECRET, segment_bytes=64 * 1024, reserve_bytes=0, now=START
        )
        await journal.append(make_record("access", START, journal.name, {"purpose": "secret"}))
        await journal.close()

    asyncio.run(write())
    strict = watched(town)
    strict.seal()  # the journal waits for a witness that the sealer has not heard
    assert segments_in(town.folder / "journal")
    cosign(strict, town.now)
    later = renamed(strict)
    folder = rotate(later.settings, later.database, later.now).folder
    assert segments_in(folder / "journal") == []
    assert verify(folder, KEYS).sound


def test_verification_tells_an_erased_body_from_one_that_was_taken_away(town: Town) -> None:
    made = [access(START, purpose=f"for-{i}") for i in range(3)]
    town.put(made)
    town.seal()
    granted(town, [made[1].id])
    for _ in range(3):
        carry_out(town.keeping, town.now)
        town.seal()
    report = verify(town.folder, KEYS)
    assert report.sound, str(report)
    assert report.erased == 1
    path = next((town.folder / "bodies").iterdir())
    lines = path.read_bytes().split(b"\n")
    lines[0] = lines[1][: len(lines[0])].ljust(len(lines[0]))
    path.write_bytes(b"\n".join(lines))
    assert not verify(town.folder, KEYS).sound
