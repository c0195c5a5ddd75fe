"""A log among its witnesses: what they cosign is published and kept, what they refuse is not passed over."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import orjson
import pytest

from audit.alarms import alarms
from audit.beat import beat_path
from audit.bodies import read_bodies
from audit.files import Inconsistent
from audit.note import Checkpoint, open_note, split_note
from audit.sealer import open_sealer, seal_once
from audit.segments import segments_in
from audit.witness.memory import load_memory
from audit.witness.outside import Outside
from audit.witness.policy import cosigners, fulfils, policy_of
from core.errors import ConfigError
from core.settings import Settings
from core.settings_audit import Audit, Witnesses
from tests.audit.logs import SIGNERS, START, Log, access, settings_of
from tests.audit.witness.stories import Served

pytestmark = pytest.mark.long

Make = Callable[..., Served]


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Make]:
    """Makes witnesses of the log."""
    with ExitStack() as stack:

        def make(name: str) -> Served:
            made = Served(tmp_path / name, f"{name}.example.cn", SIGNERS.verifiers)
            stack.callback(made.close)
            return made

        yield make


def deployed(log: Log, witnesses: Sequence[Served], needed: int = 1, **rules: Any) -> Settings:
    """A deployment that is witnessed."""
    quick = {"every_seconds": 0.1, "timeout_seconds": 5.0, **rules}
    policy = Witnesses(needed, tuple(w.configured for w in witnesses), **quick)
    return replace(settings_of(log.folder), audit=Audit(policy, heartbeat_seconds=0))


class Sealing:
    """A sealer at work, step by step."""

    def __init__(self, log: Log, settings: Settings, stack: ExitStack) -> None:
        self.log = log
        self.sealer = open_sealer(settings, log.database, log.now)
        stack.callback(self.sealer.close)
        self.outside = Outside(settings, log.database, self.sealer)
        stack.callback(self.outside.close)
        self.outside.begin(log.now)

    def seal(self, count: int = 1, seconds: float = 10) -> None:
        """Seal records and wait for the witnesses' answers."""
        self.log.put([access() for _ in range(count)])
        self.step(seconds)

    def step(self, seconds: float = 10) -> None:
        """One turn of the sealer's loop, with all the answers that come."""
        self.log.now += timedelta(seconds=seconds)
        self.sealer.step(self.log.now)
        self.outside.turn(self.log.now)
        self.outside.finish(self.log.now)


@contextmanager
def sealing(log: Log, settings: Settings) -> Iterator[Sealing]:
    with ExitStack() as stack:
        yield Sealing(log, settings, stack)


def published(log: Log, name: str) -> Checkpoint:
    note = (log.folder / "log" / name).read_text()
    return Checkpoint.parse(open_note(note, SIGNERS.verifiers))


# --- what is cosigned -------------------------------------------------------------------------------


def test_a_cosigned_checkpoint_is_published_and_kept(log: Log, served: Make) -> None:
    one = served("one")
    settings = deployed(log, [one])
    with sealing(log, settings) as at_work:
        at_work.seal(3)
    for name in ("cosigned", "checkpoint"):
        note = (log.folder / "log" / name).read_text()
        assert published(log, name).size == 3
        assert list(cosigners(policy_of(settings), note)) == ["one.example.cn"]
    assert (log.folder / "anchors" / "0.checkpoint").exists()
    assert log.verify().sound


def test_two_of_three_must_have_cosigned_the_same_checkpoint(log: Log, served: Make) -> None:
    three = [served(name) for name in ("one", "two", "three")]
    settings = deployed(log, three, needed=2)
    three[0].stop()
    three[1].stop()
    with sealing(log, settings) as at_work:
        at_work.seal()
        assert not (log.folder / "log" / "cosigned").exists()
        assert len(cosigners(policy_of(settings), (log.folder / "log" / "checkpoint").read_text())) == 1
        three[0].start()
        at_work.seal(seconds=100)
        at_work.step()
        note = (log.folder / "log" / "cosigned").read_text()
    assert fulfils(policy_of(settings), note)
    assert published(log, "cosigned").size == 2
    three[1].start()


def test_a_log_without_witnesses_asks_nobody(log: Log) -> None:
    with sealing(log, replace(settings_of(log.folder), audit=Audit())) as at_work:
        at_work.seal()
    assert not (log.folder / "log" / "cosigned").exists()
    assert not (log.folder / "anchors").exists()


def test_the_next_checkpoint_waits_for_the_round_that_is_under_way(log: Log, served: Make) -> None:
    one = served("one")
    with sealing(log, deployed(log, [one], every_seconds=60)) as at_work:
        asked = one.asked
        for _ in range(5):
            log.put([access()])
            log.now += timedelta(seconds=1)
            at_work.sealer.step(log.now)
            at_work.outside.turn(log.now)
        assert one.asked == asked
        at_work.seal(seconds=60)
        assert one.asked == asked + 1
    assert published(log, "cosigned").size == 6


# --- what waits -------------------------------------------------------------------------------------


def test_journals_are_kept_until_their_records_are_witnessed(log: Log, served: Make) -> None:
    one = served("one")
    with sealing(log, deployed(log, [one])) as at_work:
        one.stop()
        log.journal([access()])
        at_work.step()
        at_work.step()
        assert at_work.sealer.size == 1
        assert segments_in(log.journals)
    assert segments_in(log.journals)
    one.start()
    with sealing(log, deployed(log, [one])) as at_work:
        at_work.step()
        at_work.step()
        assert segments_in(log.journals) == []
    assert log.verify().sound


def test_without_witnesses_an_alarm_is_raised_and_then_calls_stop(log: Log, served: Make) -> None:
    one = served("one")
    settings = deployed(log, [one], alarm_minutes=10, stop_hours=2)
    with sealing(log, settings) as at_work:
        at_work.seal()
        one.stop()
        at_work.seal()
        at_work.seal(seconds=9 * 60)
        assert alarms(settings, log.now) == []
        at_work.seal(seconds=2 * 60)
        first, second = alarms(settings, log.now)
        assert "1 are witnessed" in first.en
        assert "one.example.cn" in second.en
        assert beat_path(log.folder).stat().st_mtime == log.now.timestamp()
        stood = log.now
        at_work.seal(seconds=2 * 3600)
        at_work.seal()
        assert beat_path(log.folder).stat().st_mtime <= (stood + timedelta(hours=2)).timestamp()
        assert "data calls are refused" in alarms(settings, log.now + timedelta(seconds=60))[0].en
        one.start()
        at_work.outside.close()
    with sealing(log, settings) as at_work:
        at_work.step()
        at_work.step()
        assert alarms(settings, log.now) == []


# --- what is refused --------------------------------------------------------------------------------


def records(log: Log, kind: str) -> list[dict[str, Any]]:
    bodies = (orjson.loads(body) for _, _, body in read_bodies(log.folder / "bodies", 0, log.seal().size))
    return [body for body in bodies if body["k"] == kind]


def test_a_witness_that_refuses_is_put_on_record_once(log: Log, served: Make) -> None:
    one, two = served("one"), served("two")
    two.always(403, "text/plain", b"I do not know this key\n")
    settings = deployed(log, [one, two])
    with sealing(log, settings) as at_work:
        at_work.seal()
        at_work.seal()
    with sealing(log, settings) as at_work:
        at_work.seal()
        assert "I do not know this key" in alarms(settings, log.now)[0].en
    two.stop()
    with sealing(log, settings) as at_work:
        at_work.seal()
    two.start()
    with sealing(log, settings) as at_work:
        at_work.seal()
    assert published(log, "cosigned").size > 2
    [refused] = records(log, "witness.refused")
    assert (refused["witness"], refused["status"], refused["theirs"]) == ("two.example.cn", 403, None)


def put_back(log: Log, yesterday: Path) -> None:
    """Put the whole audit folder, with the database in it, back to what it was."""
    log.database.close()
    shutil.rmtree(log.folder)
    shutil.copytree(yesterday, log.folder)
    log.__post_init__()


def test_a_deployment_put_back_to_yesterday_does_not_start(log: Log, served: Make, tmp_path: Path) -> None:
    one = served("one")
    settings = deployed(log, [one])
    with sealing(log, settings) as at_work:
        at_work.seal(2)
    shutil.copytree(log.folder, tmp_path / "yesterday")
    with sealing(log, settings) as at_work:
        at_work.seal(3)
    put_back(log, tmp_path / "yesterday")
    with pytest.raises(
        Inconsistent, match=r"one\.example\.cn.* cosigned 5 entries, the log holds 2: rolled back"
    ):
        seal_once(settings, log.database, log.now)
    assert alarms(settings, log.now)[0].en.startswith("witness one.example.cn knows another log")
    one.stop()
    with pytest.raises(Inconsistent, match="has not cosigned since"):
        seal_once(settings, log.database, log.now)
    one.start()


def test_a_log_that_grew_anew_from_yesterday_is_found_out(log: Log, served: Make, tmp_path: Path) -> None:
    one = served("one")
    settings = deployed(log, [one])
    with sealing(log, settings) as at_work:
        at_work.seal(2)
    shutil.copytree(log.folder, tmp_path / "yesterday")
    with sealing(log, settings) as at_work:
        at_work.seal(3)
    put_back(log, tmp_path / "yesterday")
    one.stop()
    with sealing(log, settings) as at_work:
        at_work.seal(3)  # as many as before, but others
    one.start()
    with pytest.raises(Inconsistent, match="another root of 5 entries"):
        seal_once(settings, log.database, log.now)
    log.put([access()])
    log.seal()
    with pytest.raises(
        Inconsistent, match="the tree of 5 entries that it cosigned is not the beginning of ours"
    ):
        seal_once(settings, log.database, log.now)


def steps_for(seconds: float, at_work: Sealing) -> None:
    """Go on until something is raised: the thread asks again by itself."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        at_work.step(seconds=0.1)


def test_a_witness_that_comes_back_stops_a_log_that_was_put_back(
    log: Log, served: Make, tmp_path: Path
) -> None:
    one = served("one")
    settings = deployed(log, [one])
    shutil.copytree(log.folder, tmp_path / "yesterday")
    with sealing(log, settings) as at_work:
        at_work.seal(3)
    put_back(log, tmp_path / "yesterday")
    one.stop()
    with sealing(log, settings) as at_work:
        at_work.seal()
        one.start()
        with pytest.raises(Inconsistent, match="rolled back"):
            steps_for(10, at_work)
    assert load_memory(log.folder).witnesses["one.example.cn"].contradicts


def test_of_two_logs_shown_to_two_witnesses_neither_gets_both(log: Log, served: Make, tmp_path: Path) -> None:
    one, two = served("one"), served("two")
    (tmp_path / "elsewhere").mkdir()
    other = Log(tmp_path / "elsewhere" / "audit")
    two.stop()
    with sealing(log, deployed(log, [one, two], needed=2)) as at_work:
        at_work.seal(4)
    two.start()
    one.stop()
    with sealing(other, deployed(other, [one, two], needed=2)) as at_work:
        at_work.seal(4)
    one.start()
    for one_of_two in (log, other):
        with pytest.raises(Inconsistent, match="another root of 4 entries"):
            seal_once(deployed(one_of_two, [one, two], needed=2), one_of_two.database, START)
        assert not (one_of_two.folder / "log" / "cosigned").exists()
    other.database.close()


def test_a_log_folder_older_than_its_anchors_does_not_start(log: Log, served: Make, tmp_path: Path) -> None:
    one = served("one")
    settings = deployed(log, [one])
    with sealing(log, settings) as at_work:
        at_work.seal(2)
        at_work.seal(2, seconds=3600)
    anchors = tmp_path / "anchors"
    shutil.copytree(log.folder / "anchors", anchors)
    shutil.rmtree(log.folder)
    log.database.close()
    log.__post_init__()
    one.stop()
    shutil.copytree(anchors, log.folder / "anchors")
    with pytest.raises(Inconsistent, match=r"4\.checkpoint knows 4 entries, the log holds 0"):
        seal_once(settings, log.database, log.now)
    one.start()


# --- anchors ----------------------------------------------------------------------------------------


def test_anchors_are_one_an_hour_and_both_ends_of_a_day(log: Log, served: Make) -> None:
    one = served("one")
    with sealing(log, deployed(log, [one])) as at_work:  # at 10:00 with an empty log
        for _ in range(8):
            at_work.seal(seconds=1200)
        at_work.seal(seconds=12 * 3600)  # the next day
        at_work.seal(seconds=1200)
    names = sorted(int(path.stem) for path in (log.folder / "anchors").iterdir())
    assert names == [0, 3, 6, 8, 9]
    for name in names:
        note = (log.folder / "anchors" / f"{name}.checkpoint").read_text()
        assert Checkpoint.parse(split_note(note)[0]).size == name


# --- the deployment's files ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("key", "words"),
    [
        ("file:nowhere.vkey", "No such file"),
        (str(SIGNERS.verifiers[0]), "must be a cosigner's"),
        ("one.example.cn+00000000+AAAA", "no key of witness"),
    ],
)
def test_an_unfit_key_of_a_witness_stops_the_start(log: Log, served: Make, key: str, words: str) -> None:
    settings = deployed(log, [served("one")])
    [witness] = settings.audit.witnesses.of
    policy = replace(settings.audit.witnesses, of=(replace(witness, key=key),))
    with pytest.raises(ConfigError, match=words):
        policy_of(replace(settings, audit=Audit(policy)))


def test_one_key_does_not_count_for_two_witnesses(log: Log, served: Make) -> None:
    one = served("one")
    settings = deployed(log, [one])
    [witness] = settings.audit.witnesses.of
    twice = replace(settings.audit.witnesses, needed=2, of=(witness, replace(witness, name="two")))
    with pytest.raises(ConfigError, match="given twice"):
        policy_of(replace(settings, audit=Audit(twice)))


def test_a_key_file_below_the_data_folder_may_hold_all_keys_of_a_witness(log: Log, served: Make) -> None:
    one = served("one")
    settings = deployed(log, [one])
    keys = "".join(f"{c.verifier}\n" for c in one.cosigners)
    (settings.data / "one.vkey").write_text(keys)
    [witness] = settings.audit.witnesses.of
    policy = replace(settings.audit.witnesses, of=(replace(witness, key="file:one.vkey"),))
    settings = replace(settings, audit=replace(settings.audit, witnesses=policy))
    with sealing(log, settings) as at_work:
        at_work.seal()
    note = (log.folder / "log" / "cosigned").read_text()
    assert note.count("— one.example.cn ") == 2
    assert len(cosigners(policy_of(settings), note)) == 1
