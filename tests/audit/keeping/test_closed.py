"""Keeping logs that were closed: the log that runs says what goes, then it goes; every proof still holds."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import Any

import orjson
import pytest

from audit.alarms import alarms
from audit.bodies import erased_line, is_erased, read_bodies
from audit.checking import verifier
from audit.columns.coverage import coverage_now
from audit.columns.maker import SEALED, Maker, announcing, behind
from audit.columns.renewal import requests
from audit.files import Inconsistent
from audit.keeping import erasing, keeper, retention
from audit.keeping.archive import make_unit, missing_units
from audit.keeping.covered import Keeping, all_logs, covered
from audit.keeping.finding import place_of
from audit.keeping.gone import refuse_erased, refuse_pruned
from audit.keeping.keeper import Keeper
from audit.keeping.kinds import BODY_ERASED, PRUNED
from audit.keeping.past import lineage, past_log, past_logs
from audit.keeping.retention import pruning
from audit.keeping.rotation import rotate
from audit.proofs import check_inclusion, entry_at, prove_inclusion
from audit.query import Filters, find_records, record_by_id
from audit.record import canonical, make_record
from audit.state import load_state
from audit.tiles import ENTRIES, decode_bundle, encode_bundle, tile_path
from audit.verify import Report, verify
from audit.verify_records import digest_of
from core.errors import Conflict, Gone, Invalid
from core.settings_audit import Witness, Witnesses
from tests.audit.columns.story import small_blocks
from tests.audit.keeping.blocks import make_blocks
from tests.audit.keeping.test_erasing import BASIS, asked, granted, look
from tests.audit.keeping.test_rotation import NEXT, SLUG, renamed, vkeys
from tests.audit.keeping.test_witnessed import WITNESS, cosign
from tests.audit.keeping.town import RULE, Town
from tests.audit.logs import LASTING, ORIGIN, SIGNER, START, access

pytestmark = pytest.mark.long

LATER = timedelta(days=1200)
THIRD = "audit.example.cn/log-2028"


@pytest.fixture
def records(town: Town, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Twenty records of the log that is closed next, in blocks of sixteen and four."""
    small_blocks(monkeypatch)
    keys = town.settings.key_file("")
    for name, signer in (("log", SIGNER), ("log-mldsa", LASTING)):
        (keys / f"{name}.vkey").write_text(f"{signer.verifier}\n")
    made = [access(START + timedelta(seconds=i), purpose=f"for-{i}") for i in range(20)]
    town.put(made)
    town.seal()
    return [record.id for record in made]


@pytest.fixture
def later(town: Town, records: list[str]) -> Town:
    """The deployment after its log was closed, long after."""
    later = closed(town)
    later.now += LATER
    return later


def closed(town: Town, origin: str = NEXT) -> Town:
    """Close the log and begin the next."""
    later = renamed(town, origin)
    rotate(later.settings, later.database, later.now)
    later.seal()
    return later


def past(town: Town, slug: str = SLUG) -> Path:
    return past_log(town.folder, slug).folder


def keys(town: Town) -> list[str]:
    folders = [town.settings.key_file(""), *(log.folder / "keys" for log in past_logs(town.folder))]
    return [key for folder in folders for key in vkeys(folder)]


def keep(town: Town, rounds: int = 5) -> None:
    """Keep and seal by turns, as the running sealer does."""
    one = Keeper(town.keeping)
    for _ in range(rounds):
        one.turn(town.now)
        make_blocks(town.folder, town.database, town.now)
        town.seal()


def checked(town: Town) -> dict[str, Report]:
    """Every log, checked with what the others say."""
    folders = [town.folder, *(log.folder for log in past_logs(town.folder))]
    reports = [verify(folder, keys(town)) for folder in folders]
    assert all(report.sound for report in reports), "\n".join(map(str, reports))
    return {report.origin: report for report in reports}


def said(town: Town, kind: str) -> list[Any]:
    """What the log that runs says of others, the oldest first."""
    with town.database.read() as tx:
        found = find_records(tx, town.folder, Filters(equal={"kind": kind}), limit=50).items
    return [one.body for one in reversed(found) if "log" in one.body or one.body.get("gone")]


# --- retention --------------------------------------------------------------------------------------


def test_bodies_of_a_closed_log_go_by_rule_and_the_log_that_runs_says_so(
    later: Town, records: list[str]
) -> None:
    town, folder = later.with_audit(retention=RULE), past(later)
    size = past_log(town.folder, SLUG).size
    proof, envelope = prove_inclusion(folder, 7), entry_at(folder, 7)
    keep(town)
    assert not list((folder / "bodies").iterdir())
    assert not list((folder / "columns").glob("*/*.parquet"))
    (statement,) = said(town, PRUNED)
    told = {name: statement[name] for name in ("log", "first", "last", "since", "gone")}
    assert told == {"log": ORIGIN, "first": 0, "last": size - 1, "since": 0, "gone": []}
    reports = checked(town)
    assert (reports[ORIGIN].pruned, reports[NEXT].pruned) == (size, 0)
    assert [(s.origin, s.statements) for s in reports[ORIGIN].sources] == [(NEXT, 1)]
    for shown in (proof, prove_inclusion(folder, 7)):
        assert check_inclusion(shown, envelope, SIGNER.verifier) == 7


def test_whoever_checks_the_folder_alone_is_told_what_would_explain_it(
    later: Town, records: list[str], tmp_path: Path
) -> None:
    town = later.with_audit(retention=RULE)
    keep(town)
    (tmp_path / "taken").mkdir()
    alone = past(town).rename(tmp_path / "taken" / "log")
    missing = verify(alone, keys(later)[:2] + vkeys(alone / "keys"))
    assert "--statements" in str(missing)
    assert verify(alone, vkeys(alone / "keys") + keys(town), statements=[town.folder]).sound
    assert not verify(alone, vkeys(alone / "keys"), statements=[town.folder]).sound  # no key for that log
    body = town.folder / "bodies" / f"{0:012d}.jsonl"
    body.write_bytes(body.read_bytes().replace(b'"last":', b'"lasT":'))
    assert not verify(alone, vkeys(alone / "keys") + keys(town), statements=[town.folder]).sound


def test_the_log_that_says_so_must_be_signed_by_its_key(later: Town, records: list[str]) -> None:
    town = later.with_audit(retention=RULE)
    keep(town)
    note = town.folder / "log" / "checkpoint"
    note.write_text(note.read_text().replace(f"\n{town.seal().size}\n", "\n1\n"))
    assert "does not count" in str(verify(past(town), keys(town)))


def test_nothing_goes_before_the_witnesses_have_seen_that_it_will(later: Town, records: list[str]) -> None:
    of = (Witness(WITNESS.name, "http://127.0.0.1:9", str(WITNESS.verifier)),)
    town = later.with_audit(retention=RULE, witnesses=Witnesses(1, of, timeout_seconds=0.1))

    def turn() -> bool:
        Keeper(town.keeping).turn(town.now)
        later.seal()
        return any((past(town) / "bodies").iterdir())

    assert (turn(), said(town, PRUNED)) == (True, [])
    cosign(town, town.now)
    assert turn()
    assert len(said(town, PRUNED)) == 1
    assert turn(), "it is sealed, and no witness has seen that"
    cosign(town, town.now)
    assert not turn()


def test_what_was_pruned_is_answered_410_and_its_proof_is_found_by_id(
    later: Town, records: list[str]
) -> None:
    town, log = later.with_audit(retention=RULE), past_log(later.folder, SLUG)
    keep(town)
    with town.database.read() as tx:
        with pytest.raises(Gone, match="Archive rules, article 3"):
            refuse_pruned(tx, town.engine, records[3], log)
        refuse_pruned(tx, town.engine, access(START).id, log)
        assert place_of(tx, town.folder, records[3]) == (log.folder, 3)
    with pytest.raises(Invalid) as refused:
        asked(town, [records[3]])
    assert refused.value.errors[0].code == "gone"


def test_a_log_is_spoken_for_when_the_one_that_spoke_of_it_is_gone_too(
    later: Town, records: list[str]
) -> None:
    town = later.with_audit(retention=RULE)
    keep(town)
    middle = NEXT.replace("/", "-")
    town = closed(town, THIRD)
    assert checked(town)[ORIGIN].sources[0].origin == NEXT
    assert [log.origin for log in lineage(town.folder)] == [ORIGIN, NEXT]
    town.now += LATER
    keep(town)
    assert not list((past(town, middle) / "bodies").iterdir())
    (statement,) = said(town, PRUNED)
    assert (statement["log"], statement["gone"]) == (NEXT, [ORIGIN])
    reports = checked(town)
    assert [reports[name].pruned == reports[name].size for name in (ORIGIN, NEXT, THIRD)] == [
        True,
        True,
        False,
    ]
    with town.database.read() as tx, pytest.raises(Gone, match="article 3"):
        refuse_pruned(tx, town.engine, records[3], past_log(town.folder, SLUG))


def test_a_younger_log_waits_for_the_older_one(later: Town, records: list[str], tmp_path: Path) -> None:
    town = closed(later, THIRD).with_audit(retention=RULE, archive=tmp_path / "units")
    town.now += LATER
    first, second, _ = all_logs(town.keeping)
    reach = covered(second)
    assert reach is not None
    make_unit(second, 0, reach, tmp_path / "units", town.now)
    assert retention.begin_pruning(second, reach, town.now) is None
    reach = covered(first)
    assert reach is not None
    make_unit(first, 0, reach, tmp_path / "units", town.now)
    assert retention.begin_pruning(first, reach, town.now) is not None


def test_while_a_deletion_is_under_way_no_log_is_closed(later: Town, records: list[str]) -> None:
    town = later.with_audit(retention=RULE)
    Keeper(town.keeping).turn(town.now)
    with pytest.raises(Conflict, match="under way"):
        closed(town, THIRD)


# --- erasure ----------------------------------------------------------------------------------------


def test_one_erasure_reaches_bodies_of_closed_logs_and_of_the_one_that_runs(
    later: Town, records: list[str]
) -> None:
    fresh, folder = access(START, purpose="fresh"), past(later)
    later.put([fresh])
    later.seal()
    wanted = granted(later, [records[2], fresh.id])
    keep(later)
    done = look(later, wanted)
    assert (done.state, done.outcome) == ("done", {"bodies": 2, "units": []})
    assert {t.log for t in done.targets} == {ORIGIN, NEXT}
    erased = [is_erased(line.body) for line in read_bodies(folder / "bodies", 0, 5)]
    assert erased == [False, False, True, False, False]
    (statement,) = said(later, BODY_ERASED)
    assert (statement["log"], statement["record"], statement["index"]) == (ORIGIN, records[2], 2)
    reports = checked(later)
    assert (reports[ORIGIN].erased, reports[NEXT].erased) == (1, 1)
    with later.database.read() as tx, pytest.raises(Gone, match=BASIS):
        refuse_erased(tx, later.folder, record_by_id(None, folder, records[2]))


def test_blocks_of_a_closed_log_are_made_again_on_record(later: Town, records: list[str]) -> None:
    folder = past(later)
    later.put([access(START) for _ in range(20)])
    later.seal()
    own = Maker(later.folder, announcing(later.database, lambda: later.now), grace=0)
    while own.step():
        later.seal()
    granted(later, [records[2]])
    keep(later)
    assert requests(folder) == []
    assert not any(b"for-2" in path.read_bytes() for path in folder.rglob("*") if path.is_file())
    (sealed,) = said(later, SEALED)
    assert (sealed["log"], sealed["block"]) == (ORIGIN, "16/000000000000.parquet")
    assert checked(later)[ORIGIN].sources[0].statements == 2
    assert not verify(folder, keys(later), statements=[]).sound
    with later.database.read() as tx:
        assert coverage_now(later.engine, tx).complete  # a block of that name in the log that runs is another
    filters = Filters(equal={"consumer": "dept-carol"})
    found = find_records(None, folder, filters, limit=50).items
    assert len([one for one in found if not one.erased]) == 19


def test_blocks_of_a_closed_log_that_an_earlier_version_made_are_made_again(later: Town) -> None:
    folder = past(later)
    made = {path: path.read_bytes() for path in (folder / "columns").glob("*/*.parquet")}
    for path, raw in made.items():
        path.write_bytes(raw.replace(b"shuxiang.columns", b"shuxiang.earlier"))
    assert behind(folder) > 0
    for _ in made:
        keep(later)
    assert behind(folder) == 0
    assert {path: path.read_bytes() for path in made} == made


def test_what_is_said_of_one_log_excuses_nothing_in_another(later: Town, records: list[str]) -> None:
    later.put([access(START) for _ in range(5)])
    granted(later, [records[2]])
    keep(later)
    erase(later.folder, 2, said(later, BODY_ERASED)[0]["id"])
    assert "no record says so (record 2)" in str(verify(later.folder, keys(later)))


def test_a_statement_that_is_not_in_the_tree_does_not_count(later: Town, records: list[str]) -> None:
    granted(later, [records[2]])
    keep(later)
    assert checked(later)[ORIGIN].erased == 1
    forged = said(later, BODY_ERASED)[0]
    erase(past(later), 3, forged["id"])
    assert "no record says so (record 3)" in str(verify(past(later), keys(later)))
    made = make_record(
        BODY_ERASED, later.now, "sealer", {**{k: forged[k] for k in ("log", "erasure")}, "index": 3}
    )
    body = made.body.replace(made.id.encode(), forged["id"].encode())
    at = place_of(None, later.folder, forged["id"])[1] or 0
    path = later.folder / "bodies" / f"{0:012d}.jsonl"
    lines = path.read_bytes().split(b"\n")
    lines[at] = body
    path.write_bytes(b"\n".join(lines))
    size = load_state(later.folder).size
    bundle = later.folder / "log" / tile_path(ENTRIES, 0, size)
    entries = decode_bundle(bundle.read_bytes())
    entries[at] = canonical({**orjson.loads(entries[at]), "b": digest_of(body)})
    bundle.write_bytes(encode_bundle(entries))
    assert "no record says so (records 2 to 3)" in str(verify(past(later), keys(later)))


def erase(folder: Path, index: int, statement: str) -> None:
    """Take a body away as the platform does, without its being on record."""
    path = folder / "bodies" / f"{0:012d}.jsonl"
    lines = path.read_bytes().split(b"\n")
    lines[index] = erased_line(len(lines[index]), statement)
    path.write_bytes(b"\n".join(lines))


def test_the_second_copy_of_a_closed_log_loses_the_body_too(
    town: Town, records: list[str], tmp_path: Path
) -> None:
    town = town.with_audit(copy_to=tmp_path / "copy")
    later = closed(town)
    later.now += LATER
    granted(later, [records[4]])
    keep(later)
    copied = tmp_path / "copy" / "past" / SLUG
    left = b"".join(path.read_bytes() for path in (copied / "bodies").iterdir())
    assert (b"for-4" in left, b"for-3" in left) == (False, True)
    keep(later.with_audit(retention=RULE))
    assert not list((copied / "bodies").iterdir())
    assert [path.name for path in (copied / "ids").iterdir()] == [
        path.name for path in (past(later) / "ids").iterdir()
    ]


def test_the_second_copy_of_a_closed_log_stands_alone_with_its_keys_and_ids(
    town: Town, records: list[str], tmp_path: Path
) -> None:
    town = town.with_audit(copy_to=tmp_path / "copy")
    later = closed(town)
    keep(later)
    copied = tmp_path / "copy" / "past" / SLUG
    report = verify(copied, vkeys(copied / "keys"))
    assert (report.faults, report.is_copy) == ([], True)
    later.now += LATER
    keep(later.with_audit(retention=RULE))
    ids = {path.name: path.read_bytes() for path in (past(later) / "ids").iterdir()}
    shutil.rmtree(copied / "ids")  # as where the bodies went before there was a copy
    keep(later.with_audit(retention=RULE))
    assert ids
    assert {path.name: path.read_bytes() for path in (copied / "ids").iterdir()} == ids


# --- cut off ----------------------------------------------------------------------------------------

STEPS = [
    ("pruned", retention, "write_file"),
    ("pruned", retention, "insert_outbox"),
    ("pruned", retention, "keep_ids"),
    ("pruned", retention, "_delete"),
    ("pruned", retention, "ask_renewal"),
    ("pruned", keeper, "renew_columns"),
    ("erased", erasing, "insert_outbox"),
    ("erased", erasing, "_erase_one"),
    ("erased", erasing, "ask_renewal"),
    ("erased", erasing, "units_holding"),
    ("erased", keeper, "renew_columns"),
]


@pytest.mark.long
@pytest.mark.parametrize(("sort", "module", "step"), STEPS)
@pytest.mark.parametrize("after", [False, True])
def test_keeping_a_closed_log_cut_off_anywhere_is_finished_by_whoever_comes_next(
    later: Town,
    records: list[str],
    monkeypatch: pytest.MonkeyPatch,
    sort: str,
    module: Any,
    step: str,
    after: bool,
) -> None:
    """Cut off at the same step once more after it was cut off there, before it or behind it."""
    town, cuts = later, list[str]()
    if sort == "pruned":
        town = later.with_audit(retention=RULE)
    else:
        granted(town, records[1:3])
    original: Callable[..., object] = getattr(module, step)

    def cut(*args: object) -> object:
        if len(cuts) == 2:
            return original(*args)
        cuts.append(step)
        if after:
            original(*args)
        raise KeyboardInterrupt

    monkeypatch.setattr(module, step, cut)
    for _ in range(4):
        with suppress(KeyboardInterrupt):
            keep(town)
        town.seal()
    assert cuts
    report = checked(town)[ORIGIN]
    assert report.erased + report.pruned == (2 if sort == "erased" else report.size)
    assert requests(past(town)) == []
    assert all(pruning(log) is None for log in all_logs(town.keeping))


# --- archive ----------------------------------------------------------------------------------------


def test_units_of_a_closed_log_stand_under_its_last_checkpoint(
    later: Town, records: list[str], tmp_path: Path
) -> None:
    town = later.with_audit(archive=tmp_path / "units", retention=RULE)
    log: Keeping = all_logs(town.keeping)[0]
    reach = covered(log)
    assert reach is not None
    assert missing_units(log, reach, log.archive) == [0]
    keep(town)
    (path,) = (tmp_path / "units").glob("*.zip")
    assert path.name == f"{SLUG}-000000000000-{reach.size - 1:012d}.zip"
    trust = verifier.Trust(verifier.keys_of(vkeys(past(town) / "keys")))
    report = verifier.check_file(path, trust, verifier.Given())
    assert (report.sound, report.facts["last"]) == (True, reach.size - 1), verifier.told(report)
    assert not list((past(town) / "bodies").iterdir()), "what is archived may go"
    made = find_records(None, town.folder, Filters(equal={"kind": "archive.made"}), limit=5).items
    assert [(one.body["log"], one.body["checkpoint_size"]) for one in made] == [(ORIGIN, reach.size)]


def test_a_unit_that_ends_before_its_log_does_is_refused(later: Town, records: list[str]) -> None:
    from audit.keeping.units import pack, unit_files

    folder = past(later)
    cosigned = (folder / "log" / "checkpoint").read_text()
    files = unit_files(folder, 0, cosigned, {})
    manifest = orjson.loads(files["manifest.json"])
    files["manifest.json"] = orjson.dumps({**manifest, "last": manifest["last"] - 1})
    path = later.folder / "short.zip"
    path.write_bytes(pack(files))
    trust = verifier.Trust(verifier.keys_of(vkeys(folder / "keys")))
    assert not verifier.check_file(path, trust, verifier.Given()).sound


# --- what is wrong ----------------------------------------------------------------------------------


def test_what_keeping_fails_at_is_an_alarm_until_it_succeeds(later: Town, records: list[str]) -> None:
    one, body = Keeper(later.keeping), past(later) / "bodies" / f"{0:012d}.jsonl"
    granted(later, [records[2]])
    whole = body.read_bytes()
    body.write_bytes(whole.replace(b"for-2", b"for-X"))
    for _ in range(3):
        pause = one.attend(later.now)
        later.seal()
    assert pause > 10
    assert any("body 2 does not fit" in alarm.en for alarm in alarms(later.settings, later.now))
    body.write_bytes(whole)
    assert one.attend(later.now) < 10
    assert not any("erasure" in alarm.en for alarm in alarms(later.settings, later.now))


def test_a_closed_log_that_is_not_the_one_that_was_closed_is_left_alone(
    later: Town, records: list[str], tmp_path: Path
) -> None:
    town = later.with_audit(retention=RULE)
    past(town).rename(tmp_path / "taken")
    granted_before = all_logs(town.keeping)
    assert [log.origin for log in granted_before] == [NEXT]
    (tmp_path / "taken").rename(town.folder / "past" / SLUG)
    note = past(town) / "log" / "checkpoint"
    origin, size, *rest = note.read_text().split("\n")
    note.write_text("\n".join([origin, str(int(size) - 1), *rest]))
    with pytest.raises(Inconsistent, match="does not end where"):
        Keeper(town.keeping).turn(town.now)
    note.write_text("\n".join([f"{origin}-x", size, *rest]))
    with pytest.raises(Inconsistent, match="is not there"):
        Keeper(town.keeping).turn(town.now)
    assert list((past(town) / "bodies").iterdir())


def test_an_erasure_of_a_log_that_was_taken_away_is_named(
    later: Town, records: list[str], tmp_path: Path
) -> None:
    granted(later, [records[2]])
    past(later).rename(tmp_path / "taken")
    with pytest.raises(Inconsistent, match="which is not there"):
        Keeper(later.keeping).turn(later.now)
