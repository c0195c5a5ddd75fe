"""Checkpoints are stamped by `openssl ts`, and what we keep is believed by `openssl ts -verify`."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import orjson
import pytest

from audit.alarms import alarms
from audit.bodies import read_bodies
from audit.sealer import open_sealer
from audit.stamping.stamps import BadStamp, check_stamp, check_time, make_request, read_authority
from audit.witness.memory import load_memory
from audit.witness.outside import Outside
from core.errors import ConfigError
from core.settings import Settings
from core.settings_audit import Audit, Timestamps
from core.times import parse_instant, utc_now
from tests.audit.logs import Log, access, settings_of
from tests.audit.stamping.authority import Authority, Served

NOTE = b"log.example.cn\n5\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n\n"


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("tsa") / "bureau")


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    with closing(Served(tmp_path / "bureau")) as made:
        yield made


# --- one stamp --------------------------------------------------------------------------------------


def test_a_stamp_by_openssl_is_believed_by_us_and_by_openssl(authority: Authority, tmp_path: Path) -> None:
    request = make_request(NOTE)
    response = authority.stamp(request.as_bytes())
    known = read_authority(authority.folder / "authority.pem")
    stamp = check_stamp(response, NOTE, known, request)
    assert check_stamp(response, NOTE, known) == stamp
    check_time(stamp, utc_now())
    (tmp_path / "tsr").write_bytes(response)
    (tmp_path / "note").write_bytes(NOTE)
    assert authority.believes(tmp_path / "tsr", tmp_path / "note")


def test_what_openssl_does_not_believe_neither_do_we(authority: Authority, tmp_path: Path) -> None:
    request = make_request(NOTE)
    response = authority.stamp(request.as_bytes())
    known = read_authority(authority.folder / "authority.pem")
    with pytest.raises(BadStamp):
        check_stamp(response, NOTE + b"x", known)
    (tmp_path / "note").write_bytes(NOTE)
    for place in range(40, len(response), 97):
        broken = bytearray(response)
        broken[place] ^= 1
        (tmp_path / "tsr").write_bytes(broken)
        if not authority.believes(tmp_path / "tsr", tmp_path / "note"):
            with pytest.raises(BadStamp):
                check_stamp(bytes(broken), NOTE, known)


def test_a_stamp_of_another_authority_or_request_is_refused(authority: Authority, tmp_path: Path) -> None:
    request = make_request(NOTE)
    response = authority.stamp(request.as_bytes())
    stranger = Authority(tmp_path / "stranger")
    with pytest.raises(BadStamp):
        check_stamp(response, NOTE, read_authority(stranger.folder / "authority.pem"), request)
    with pytest.raises(BadStamp, match="Nonce"):
        check_stamp(response, NOTE, read_authority(authority.folder / "authority.pem"), make_request(NOTE))


def test_a_clock_that_is_far_from_ours_is_noticed(authority: Authority) -> None:
    request = make_request(NOTE)
    known = read_authority(authority.folder / "authority.pem")
    stamp = check_stamp(authority.stamp(request.as_bytes()), NOTE, known, request)
    for seconds in (-301, 301):
        with pytest.raises(BadStamp, match="clock"):
            check_time(stamp, stamp.at + timedelta(seconds=seconds))


@pytest.mark.parametrize("name", ["nowhere.pem", "stamper.key", "between.pem"])
def test_a_file_without_a_root_certificate_stops_the_start(authority: Authority, name: str) -> None:
    with pytest.raises(ConfigError):
        read_authority(authority.folder / name)


# --- a log that is stamped --------------------------------------------------------------------------


def deployed(log: Log, served: Served) -> Settings:
    rules = Timestamps(served.url, served.folder / "authority.pem", every_minutes=60, timeout_seconds=20)
    return replace(settings_of(log.folder), audit=Audit(timestamps=rules, heartbeat_seconds=0))


def step(log: Log, settings: Settings, now: datetime) -> None:
    """One life of the sealer: it seals one record, and hears what the authority says."""
    log.put([access()])
    with (
        closing(open_sealer(settings, log.database, now)) as sealer,
        closing(Outside(settings, log.database, sealer)) as outside,
    ):
        sealer.step(now)
        outside.turn(now)
        outside.finish(now)
        sealer.step(now)


def test_a_checkpoint_an_hour_is_stamped_kept_and_put_on_record(log: Log, served: Served) -> None:
    settings, start = deployed(log, served), utc_now()
    for minutes in (0, 20, 40, 61):
        step(log, settings, start + timedelta(minutes=minutes))
    anchors = log.folder / "anchors"
    assert sorted(path.name for path in anchors.iterdir()) == [
        "1.checkpoint",
        "1.tsr",
        "5.checkpoint",
        "5.tsr",
    ]
    for size in (1, 5):
        assert served.believes(anchors / f"{size}.tsr", anchors / f"{size}.checkpoint")
    bodies = [orjson.loads(body) for _, _, body in read_bodies(log.folder / "bodies", 0, log.seal().size)]
    first, second = (body for body in bodies if body["k"] == "timestamp")
    assert (first["size"], second["size"], second["file"]) == (1, 5, "anchors/5.tsr")
    assert second["sha256"] == hashlib.sha256((anchors / "5.tsr").read_bytes()).hexdigest()
    stamped = (anchors / "5.checkpoint").read_bytes()
    assert second["checkpoint_sha256"] == hashlib.sha256(stamped).hexdigest()
    assert abs(parse_instant(second["at"]) - start) < timedelta(minutes=2)
    assert second["root"] == (anchors / "5.checkpoint").read_text().split("\n")[2]
    assert log.verify().sound


def test_a_stamp_that_is_not_believed_is_not_kept_and_raises_an_alarm(log: Log, served: Served) -> None:
    settings, start = deployed(log, served), utc_now()
    served.old = served.stamp(make_request(NOTE).as_bytes())
    step(log, settings, start)
    assert [p.suffix for p in (log.folder / "anchors").iterdir()] == [".checkpoint"]
    assert load_memory(log.folder).stamp_trouble
    assert alarms(settings, start) == []
    served.old, served.status = None, 503
    step(log, settings, start + timedelta(hours=4, seconds=1))
    told = alarms(settings, start + timedelta(hours=4, seconds=1))
    assert "lack a time stamp: the authority answered 503" in told[-1].en
    served.status = 200
    step(log, settings, start + timedelta(hours=4, minutes=2))
    assert alarms(settings, start + timedelta(hours=4, minutes=2)) == []


def test_an_authority_that_is_gone_stops_nothing(log: Log, served: Served) -> None:
    settings = deployed(log, served)
    assert settings.audit.timestamps is not None
    away = replace(settings.audit.timestamps, url="http://127.0.0.1:9/tsa")
    step(log, replace(settings, audit=Audit(timestamps=away, heartbeat_seconds=0)), utc_now())
    assert log.seal().size == 1
    assert "refused" in (load_memory(log.folder).stamp_trouble or "")
