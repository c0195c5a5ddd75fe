"""Whatever happens, a durable record is in the log exactly once, and no two signed trees differ."""

from __future__ import annotations

import asyncio
import fcntl
import os
import shutil
import zlib
from contextlib import closing, suppress
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from audit import sealing, store
from audit.alarms import alarms
from audit.beat import beat_path
from audit.bodies import read_bodies
from audit.files import Inconsistent, tile_reader, write_files
from audit.frames import encode_frame, encode_header, journal_key, read_journal
from audit.journal import Journal
from audit.note import Checkpoint, NoteSigner, open_note
from audit.record import Record
from audit.sealer import seal_once
from audit.segments import segment_path, segments_in
from audit.state import load_state, save_state
from audit.stuck import stuck_alarms
from audit.tiles import ENTRIES, decode_bundle
from core.errors import Unavailable
from tests.audit.logs import ORIGIN, SECRET, SEGMENT, SIGNER, START, Log, access, settings_of


def checkpoint(log: Log) -> Checkpoint:
    note = (log.folder / "log" / "checkpoint").read_text(encoding="utf-8")
    return Checkpoint.parse(open_note(note, [SIGNER.verifier]))


def sealed_bodies(log: Log) -> list[bytes]:
    return [line.body for line in read_bodies(log.folder / "bodies", 0, load_state(log.folder).size)]


def ids(bodies: list[bytes]) -> list[str]:
    return [orjson.loads(body)["id"] for body in bodies]


def test_an_empty_log_publishes_the_empty_tree(log: Log) -> None:
    log.seal()
    assert checkpoint(log).size == 0
    assert log.verify().sound


def test_records_of_both_planes_are_in_the_log_once_and_in_order(log: Log) -> None:
    acts, calls = [access() for _ in range(3)], [access() for _ in range(300)]
    log.put(acts)
    log.journal(calls)
    assert log.seal().size == 303
    assert ids(sealed_bodies(log)) == [r.id for r in [*acts, *calls]]
    assert log.seal().count == 0
    report = log.verify()
    assert (report.sound, report.size, report.bodies, report.is_signed) == (True, 303, 303, True)


def test_the_envelopes_are_the_entries_and_hold_nothing_of_the_body(log: Log) -> None:
    record = access(consumer="dept-carol")
    log.journal([record])
    log.seal()
    entries = decode_bundle(tile_reader(log.folder / "log")(ENTRIES, 0, 1))
    assert entries == [record.envelope]
    assert b"carol" not in entries[0]


def test_partial_tiles_go_when_the_full_one_is_there(log: Log) -> None:
    for count in (100, 100, 100):
        log.put([access() for _ in range(count)])
        log.seal()
    tiles = (p for p in log.folder.rglob("tile/**/*") if p.is_file())
    names = sorted(p.relative_to(log.folder / "log").as_posix() for p in tiles)
    assert names == [
        "tile/0/000",
        "tile/0/001.p/44",
        "tile/1/000.p/1",
        "tile/entries/000",
        "tile/entries/001.p/44",
    ]
    read = tile_reader(log.folder / "log")
    assert read(0, 0, 200) == read(0, 0, 256)[: 200 * 32]


def test_a_drained_journal_of_a_dead_worker_is_deleted_and_a_live_one_is_not(log: Log) -> None:
    async def story() -> None:
        journal = await Journal.open(
            log.journals, "live", secret=SECRET, segment_bytes=SEGMENT, reserve_bytes=0
        )
        await journal.append(access())
        await asyncio.to_thread(log.journal, [access()], "dead")
        await asyncio.to_thread(log.seal)
        await asyncio.to_thread(log.seal)
        assert {p.name.split(".")[0] for p in segments_in(log.journals)} == {"live"}
        assert journal.trouble() is None
        await asyncio.gather(*(journal.append(access()) for _ in range(300)))  # goes through several segments
        await asyncio.to_thread(log.seal)
        assert journal.trouble() is None
        assert len(segments_in(log.journals)) <= 2  # the live one, and the spare once it is made
        await journal.append(access())
        await journal.close()

    asyncio.run(story())
    assert log.seal().size == 303
    assert not segments_in(log.journals)
    log.seal()
    assert load_state(log.folder).journals == {}


def test_only_one_process_seals(log: Log) -> None:
    with closing(log.sealer()), pytest.raises(Unavailable):
        log.sealer()
    with closing(log.sealer()) as second:
        assert second.size == 0


def test_the_heartbeat_says_up_to_when_all_is_sealed(log: Log) -> None:
    log.seal()
    assert beat_path(log.folder).stat().st_mtime == log.now.timestamp()


def test_one_step_takes_a_bounded_share_of_every_source(log: Log, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sealing, "STEP_RECORDS", 50)
    log.journal([access() for _ in range(200)], "a")
    log.journal([access() for _ in range(10)], "b")
    log.put([access() for _ in range(60)])
    with closing(log.sealer()) as sealer:
        first = sealer.step(log.now)
        assert first.more
        assert first.count <= 102
        assert {orjson.loads(b)["k"] for b in sealed_bodies(log)} == {"access"}
        assert any(p.name.startswith("a.") for p in segments_in(log.journals))
        while sealer.step(log.now).more:
            pass
        assert sealer.size == 270
    assert log.verify().sound
    assert len(set(ids(sealed_bodies(log)))) == 270


# --- crashes: every step may be the last ----------------------------------------------------------


class Crash(BaseException):
    """The process ends here."""


CRASH_POINTS = [
    "append_bodies",
    "write_files",
    "check_growth",
    "save_state",
    "write_file",
    "beat",
]


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("point", CRASH_POINTS)
def test_a_crash_at_any_point_loses_and_doubles_nothing(
    log: Log, monkeypatch: pytest.MonkeyPatch, point: str, when: str
) -> None:
    records = [access() for _ in range(700)]
    log.put(records[:100])
    log.journal(records[100:250])
    log.seal()
    log.put(records[250:400])
    log.journal(records[400:600])
    crashing = log.sealer()
    with monkeypatch.context() as patch:
        real = getattr(sealing, point)

        def crash(*args: object, **kwargs: object) -> None:
            if when == "after":
                real(*args, **kwargs)
            raise Crash

        patch.setattr(sealing, point, crash)
        with pytest.raises(Crash):
            crashing.step(log.now)
    crashing.close()
    before = checkpoint(log)
    with closing(log.sealer()) as recovered:
        assert checkpoint(log).size == recovered.size >= before.size
        log.put(records[600:])
        while recovered.step(log.now).more:
            pass
    assert sorted(ids(sealed_bodies(log))) == sorted(r.id for r in records)
    assert log.verify().sound
    with log.database.read() as tx:
        assert not store.select_outbox(tx, 10)


@given(data=st.data())
@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_an_interrupted_write_leaves_nothing_that_the_next_start_cannot_mend(
    log: Log, monkeypatch: pytest.MonkeyPatch, data: st.DataObject
) -> None:
    """Any one system call that changes a file may be the last one."""
    fresh = [access() for _ in range(data.draw(st.integers(1, 300)))]
    start = load_state(log.folder).size
    log.put(fresh)
    crashing = log.sealer()
    left = data.draw(st.integers(0, 25))
    with monkeypatch.context() as patch:
        for name in ("write", "fdatasync", "rename", "fsync", "link", "truncate"):
            real = getattr(os, name)

            def counted(*args: object, real: object = real, **kwargs: object) -> object:
                nonlocal left
                left -= 1
                if left < 0:
                    raise Crash
                return real(*args, **kwargs)  # type: ignore[operator]

            patch.setattr(os, name, counted)
        with suppress(Crash):
            crashing.step(log.now)
    crashing.close()
    log.seal()
    assert ids(sealed_bodies(log))[start:] == [r.id for r in fresh]
    assert log.verify().sound


# --- refusing to go on ----------------------------------------------------------------------------


def grown(log: Log, *counts: int) -> None:
    for count in counts:
        log.put([access() for _ in range(count)])
        log.seal()


def test_a_log_folder_put_back_to_an_earlier_day_is_refused(log: Log, tmp_path: Path) -> None:
    grown(log, 10)
    shutil.copytree(log.folder / "log", tmp_path / "old-log")
    shutil.copytree(log.folder / "bodies", tmp_path / "old-bodies")
    grown(log, 10)
    shutil.rmtree(log.folder / "log")
    shutil.rmtree(log.folder / "bodies")
    shutil.copytree(tmp_path / "old-log", log.folder / "log")
    shutil.copytree(tmp_path / "old-bodies", log.folder / "bodies")
    with pytest.raises(Inconsistent, match="anchor knows 20 entries, the log holds 10"):
        log.sealer()


def test_a_state_behind_its_checkpoint_is_refused(log: Log) -> None:
    grown(log, 10)
    old = load_state(log.folder)
    grown(log, 300)
    save_state(log.folder, old)
    with pytest.raises(Inconsistent):
        log.sealer()
    (log.folder / "log" / ".state" / "state.json").unlink()
    with pytest.raises(Inconsistent, match="checkpoint knows 310 entries, the log holds 0"):
        log.sealer()


def test_a_state_with_another_root_is_refused(log: Log) -> None:
    grown(log, 10)
    save_state(log.folder, replace(load_state(log.folder), root=bytes(32)))
    with pytest.raises(Inconsistent, match="root"):
        log.sealer()


def test_a_checkpoint_of_another_key_or_log_is_refused(log: Log) -> None:
    grown(log, 10)
    path = log.folder / "log" / "checkpoint"
    ours = path.read_text(encoding="utf-8")
    for note in (
        NoteSigner.generate(ORIGIN).sign_note(checkpoint(log).text),
        SIGNER.sign_note(Checkpoint("other", 10, checkpoint(log).root).text),
        SIGNER.sign_note(Checkpoint(ORIGIN, 10, bytes(32)).text),
        SIGNER.sign_note(Checkpoint(ORIGIN, 9, bytes(32)).text),
        "",
    ):
        path.write_text(note, encoding="utf-8")
        with pytest.raises(Inconsistent, match="checkpoint"):
            log.sealer()
    path.write_text(ours, encoding="utf-8")
    log.sealer().close()


def test_a_cut_off_bodies_file_is_refused(log: Log) -> None:
    grown(log, 10)
    bodies = log.folder / "bodies" / "000000000000.jsonl"
    os.truncate(bodies, bodies.stat().st_size - 1)
    with pytest.raises(Inconsistent, match="bytes instead of"):
        log.sealer()


def test_a_tile_that_reads_back_wrong_is_never_signed(log: Log, monkeypatch: pytest.MonkeyPatch) -> None:
    grown(log, 10)
    log.put([access()])
    signed = checkpoint(log)
    with closing(log.sealer()) as sealer:

        def flip(folder: Path, files: dict[str, bytes]) -> None:
            write_files(folder, {name: bytes([raw[0] ^ 1]) + raw[1:] for name, raw in files.items()})

        monkeypatch.setattr(sealing, "write_files", flip)
        with pytest.raises((Inconsistent, ValueError)):
            sealer.step(log.now)
    assert checkpoint(log) == signed
    monkeypatch.undo()
    assert log.seal().size == 11
    assert log.verify().sound


# --- damage to journals ---------------------------------------------------------------------------


def kinds(log: Log) -> list[tuple[str, str | None]]:
    bodies = [orjson.loads(b) for b in sealed_bodies(log)]
    return [(b["k"], b.get("reason")) for b in bodies]


def write_segment(log: Log, number: int, first: int, records: list[Record], tail: bytes = b"") -> None:
    log.journals.mkdir(exist_ok=True)
    frames = [
        encode_frame(first + i, r.envelope, r.body, journal_key(SECRET, "w.1")) for i, r in enumerate(records)
    ]
    segment_path(log.journals, "w.1", number).write_bytes(
        encode_header(first) + b"".join(frames) + tail + bytes(500)
    )


def forged(sort: str, records: list[Record]) -> bytes:
    """A segment of which somebody who lacks the key made the second frame, with a right checksum."""
    key, keys = journal_key(SECRET, "w.1"), {"another key": bytes(32), "another journal": b"", "no key": None}
    keys["another journal"] = journal_key(SECRET, "w.2")
    frames = [encode_frame(i + 1, r.envelope, r.body, key) for i, r in enumerate(records)]
    if sort == "another body":
        body = records[1].body.replace(b"permit", b"refuse")
        tag = frames[1][-16:]
        made = encode_frame(2, records[1].envelope, body, None)
        payload = made[18:-16] + tag
        checksum = zlib.crc32(payload, zlib.crc32((2).to_bytes(8, "big")))
        frames[1] = made[:6] + checksum.to_bytes(4, "big") + made[10:18] + payload
    else:
        frames[1] = encode_frame(2, records[1].envelope, records[1].body, keys[sort])
    return encode_header(1) + b"".join(frames) + bytes(500)


@pytest.mark.parametrize("sort", ["another key", "another journal", "no key", "another body"])
def test_what_the_writer_of_a_journal_did_not_vouch_for_is_not_sealed_and_named(log: Log, sort: str) -> None:
    log.journals.mkdir()
    path = segment_path(log.journals, "w.1", 1)
    path.write_bytes(forged(sort, [access(), access(), access()]))
    assert len(list(read_journal(path))) == 3  # every checksum is right
    log.seal()
    assert kinds(log) == [("access", None), ("journal.gap", "torn tail")]
    assert [kept.name for kept in segments_in(log.journals / "torn")] == [path.name]


@pytest.mark.parametrize("sort", ["another key", "another body"])
def test_a_forged_frame_in_a_live_segment_is_told_with_its_place_while_its_writer_lives(
    log: Log, sort: str
) -> None:
    log.journals.mkdir()
    path = segment_path(log.journals, "w.1", 1)
    path.write_bytes(forged(sort, [access(), access(), access()]))
    settings, offset = settings_of(log.folder), next(read_journal(path)).end

    def told(now: datetime) -> list[str]:
        return [alarm.en for alarm in alarms(settings, now) if "its writer did not write" in alarm.en]

    with path.open("rb") as held, closing(log.sealer()) as sealer:
        fcntl.flock(held, fcntl.LOCK_EX)  # as the live writer does
        sealer.step(log.now)
        assert told(log.now) == [], "it may be half a write"
        sealer.step(later := log.now + timedelta(seconds=6))
        (alarm,) = told(later)
        assert f"{path.name} its writer did not write what lies at byte {offset}" in alarm
    log.seal()
    assert (told(log.now), kinds(log)[-1]) == ([], ("journal.gap", "torn tail"))


def test_half_a_write_that_is_finished_in_time_raises_no_alarm(log: Log) -> None:
    log.journals.mkdir()
    path = segment_path(log.journals, "w.1", 1)
    whole = encode_header(1) + encode_frame(1, b"{}", b"{}", journal_key(SECRET, "w.1"))
    path.write_bytes(whole[:-20] + bytes(520))
    with path.open("rb") as held, closing(log.sealer()) as sealer:
        fcntl.flock(held, fcntl.LOCK_EX)
        sealer.step(log.now)
        record = access()
        frame = encode_frame(1, record.envelope, record.body, journal_key(SECRET, "w.1"))
        path.write_bytes(encode_header(1) + frame + bytes(500))
        sealer.step(log.now + timedelta(seconds=6))
        assert not list(stuck_alarms(log.folder))
        sealer.step(log.now + timedelta(seconds=60))
        assert (sealer.size, list(stuck_alarms(log.folder))) == (1, [])


def test_a_segment_that_vanished_before_it_was_sealed_is_put_on_record(log: Log) -> None:
    write_segment(log, 1, 1, [access()])
    write_segment(log, 3, 3, [access()])
    log.seal()
    assert kinds(log) == [("access", None), ("access", None), ("journal.gap", "segment missing")]
    log.seal()
    assert len(kinds(log)) == 3
    assert log.verify().gaps == [2]


def test_sealing_at_once_tells_how_far_it_is(log: Log, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sealing, "STEP_RECORDS", 3)
    log.put([access() for _ in range(8)])
    told: list[int] = []
    sealed = seal_once(settings_of(log.folder), log.database, log.now, told.append)
    assert (told, sealed.count, sealed.size) == ([3, 6, 8], 8, 8)


def test_a_torn_tail_is_put_on_record_and_kept(log: Log) -> None:
    write_segment(log, 1, 1, [access()], tail=b"half a frame")
    log.seal()
    log.seal()
    assert kinds(log) == [("access", None), ("journal.gap", "torn tail")]
    assert not segments_in(log.journals)
    assert b"half a frame" in (log.journals / "torn" / "w.1.000001.jnl").read_bytes()


def test_frames_missing_between_two_segments_are_put_on_record(log: Log) -> None:
    write_segment(log, 1, 1, [access()])
    write_segment(log, 2, 7, [access()])
    log.seal()
    assert kinds(log)[-1] == ("journal.gap", "records missing")


def test_the_last_segment_of_a_dead_worker_that_vanished_is_put_on_record(log: Log) -> None:
    async def story() -> None:
        journal = await Journal.open(
            log.journals, "w", secret=SECRET, segment_bytes=SEGMENT, reserve_bytes=0, now=START
        )
        await journal.append(access())
        await asyncio.to_thread(log.seal)
        for path in segments_in(log.journals):
            path.unlink()
        assert any("missing before" in str(f) for f in log.verify().faults)
        await journal.close()

    asyncio.run(story())
    log.seal()
    assert kinds(log)[-1] == ("journal.gap", "segment missing")
