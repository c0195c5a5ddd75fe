"""The log's two keys: both sign, one is enough for going on, and none may be missing."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from accounts.keys import make_keys
from audit.files import Inconsistent
from audit.note import BadNote, Checkpoint, Cosigner, NoteSigner, NoteVerifier, open_note, signatures_of
from audit.sealer import seal_once
from audit.signing import LogSigners, log_signers
from core.errors import ConfigError
from tests.audit.logs import LASTING, ORIGIN, SIGNER, SIGNERS, START, Log, access, settings_of
from tests.conftest import World


def note_of(log: Log) -> str:
    return (log.folder / "log" / "checkpoint").read_text(encoding="utf-8")


def test_a_checkpoint_bears_ed25519_first_and_ml_dsa_with_the_time_second(log: Log) -> None:
    log.put([access()])
    log.seal()
    classical, lasting = SIGNERS.verifiers
    assert signatures_of(note_of(log), [lasting, classical]) == ((classical, None), (lasting, log.now))
    for verifier in SIGNERS.verifiers:
        assert Checkpoint.parse(open_note(note_of(log), [verifier])).size == 1


def test_a_log_goes_on_when_it_is_given_a_second_key_and_signs_anew_with_both(log: Log) -> None:
    log.put([access()])
    log.seal()
    text = open_note(note_of(log), [SIGNER.verifier])
    (log.folder / "log" / "checkpoint").write_text(SIGNER.sign_note(text), encoding="utf-8")
    log.seal()
    assert [s.verifier for s in signatures_of(note_of(log), SIGNERS.verifiers)] == list(SIGNERS.verifiers)


def test_a_restart_leaves_a_checkpoint_alone_that_both_have_signed(log: Log) -> None:
    log.put([access()])
    log.seal()
    before = note_of(log)
    log.now += timedelta(hours=1)
    log.sealer().close()
    assert note_of(log) == before


def test_a_wrong_signature_of_either_key_stops_the_start(log: Log) -> None:
    log.put([access()])
    log.seal()
    checkpoint = Checkpoint.parse(open_note(note_of(log), [SIGNER.verifier]))
    for signers in (
        LogSigners(SIGNER, Cosigner.generate(ORIGIN)),
        LogSigners(NoteSigner.generate(ORIGIN), LASTING),
    ):
        other = signers.sign_checkpoint(Checkpoint(ORIGIN, 1, bytes(32)), START)
        forged = checkpoint.text + other.removeprefix(Checkpoint(ORIGIN, 1, bytes(32)).text)
        (log.folder / "log" / "checkpoint").write_text(forged, encoding="utf-8")
        with pytest.raises(Inconsistent, match="signature"):
            log.sealer()


def test_both_keys_are_of_one_name_and_the_second_is_of_ml_dsa() -> None:
    for lasting in (Cosigner.generate("other"), Cosigner.generate(ORIGIN, "ed25519")):
        with pytest.raises(BadNote):
            LogSigners(SIGNER, lasting)


def test_without_the_second_key_the_sealer_says_to_run_init_and_init_makes_it(world: World) -> None:
    for name in ("log-mldsa.key", "log-mldsa.vkey"):
        world.settings.key_file(name).unlink()
    first = world.settings.key_file("log.key").read_bytes()
    with pytest.raises(ConfigError, match="run shuxiang init"):
        seal_once(world.settings, world.database, world.now)
    make_keys(world.settings)
    seal_once(world.settings, world.database, world.now)
    assert world.settings.key_file("log.key").read_bytes() == first
    public = world.settings.key_file("log-mldsa.vkey").read_text(encoding="utf-8")
    assert NoteVerifier.parse(public) == log_signers(world.settings).verifiers[1]
    assert world.settings.key_file("log-mldsa.key").stat().st_mode & 0o077 == 0


def test_a_key_that_is_none_is_named_at_the_start(tmp_path: Path) -> None:
    settings = settings_of(tmp_path / "audit")
    settings.key_file("log-mldsa.key").write_text(SIGNER.export())
    with pytest.raises(ConfigError, match="cosigner"):
        log_signers(settings)
