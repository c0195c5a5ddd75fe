"""Personal data at rest: sealed for one place, opened nowhere else, under keys that can be renewed."""

from __future__ import annotations

import secrets
import stat
import traceback
from collections.abc import Callable
from dataclasses import replace

import pytest
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.ciphers import BlockCipherAlgorithm
from hypothesis import HealthCheck, given
from hypothesis import settings as how
from hypothesis import strategies as st

from accounts.keys import add_personal_key, make_keys
from core.envelope import SUITES, _decrypt, _encrypt, check_sealing, open_sealed, rewrap, seal
from core.errors import ConfigError, Unavailable
from core.settings import Settings
from core.work import SYSTEM
from tests.conftest import World

ZHANG = "张三，身份证号 11010519491231002X"
HERE = "case-1:doubt"

quick = how(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def with_cipher(settings: Settings, cipher: str) -> Settings:
    return replace(settings, platform=replace(settings.platform, personal_cipher=cipher))


@pytest.fixture(params=["aes-256-gcm", "sm4-gcm"])
def settings(request: pytest.FixtureRequest, world: World) -> Settings:
    """The city's deployment with each of the two ciphers."""
    return with_cipher(world.settings, request.param)


@quick
@given(text=st.text(max_size=300), place=st.text(st.characters(exclude_categories=["Cs"]), max_size=40))
def test_what_was_sealed_for_a_place_opens_there(settings: Settings, text: str, place: str) -> None:
    text = text.encode("utf-8", "ignore").decode()
    assert open_sealed(settings, seal(settings, text, place), place) == text


def test_nothing_of_the_text_can_be_read_in_what_is_kept_and_no_two_are_alike(settings: Settings) -> None:
    first, second = seal(settings, ZHANG, HERE), seal(settings, ZHANG, HERE)
    assert first != second
    assert first.count(".") == 4
    assert first.isascii()
    assert not set(first.split(".")[2:]) & set(second.split(".")[2:])


@quick
@given(data=st.data())
def test_a_single_changed_character_is_noticed(settings: Settings, data: st.DataObject) -> None:
    sealed = seal(settings, ZHANG, HERE)
    at = data.draw(st.integers(0, len(sealed) - 1))
    other = data.draw(st.sampled_from("ABCabc019-_.~=+/ ").filter(lambda c: c != sealed[at]))
    with pytest.raises(Unavailable) as refused:
        open_sealed(settings, sealed[:at] + other + sealed[at + 1 :], HERE)
    assert "张三" not in str(refused.value.message) + "".join(traceback.format_exception(refused.value))


@quick
@given(junk=st.text(max_size=80))
def test_what_was_never_sealed_does_not_open(settings: Settings, junk: str) -> None:
    for text in (junk, f"sx1.1.{junk}", f"sx2.1.{junk}.{junk}.{junk}", f"sx1.999999.{junk}.{junk}.{junk}"):
        with pytest.raises(Unavailable):
            open_sealed(settings, text, HERE)


def test_what_was_moved_to_another_place_does_not_open(settings: Settings) -> None:
    with pytest.raises(Unavailable) as refused:
        open_sealed(settings, seal(settings, ZHANG, HERE), "case-2:doubt")
    assert refused.value.code == "sealed_unreadable"


def test_parts_of_two_sealed_texts_do_not_fit_together(settings: Settings) -> None:
    one, two = (seal(settings, text, HERE).split(".") for text in (ZHANG, "李四"))
    for part in range(2, 5):
        mixed = ".".join((*one[:part], two[part], *one[part + 1 :]))
        with pytest.raises(Unavailable):
            open_sealed(settings, mixed, HERE)


def test_what_one_cipher_sealed_opens_after_a_change_to_the_other(world: World) -> None:
    aes, sm4 = (with_cipher(world.settings, cipher) for cipher in SUITES)
    assert open_sealed(sm4, seal(aes, ZHANG, HERE), HERE) == ZHANG
    assert open_sealed(aes, seal(sm4, ZHANG, HERE), HERE) == ZHANG
    assert seal(aes, ZHANG, HERE).startswith("sx1.")
    assert seal(sm4, ZHANG, HERE).startswith("sx2.")


# --- keys -----------------------------------------------------------------------------------------


def renewed(world: World) -> str:
    with world.work(SYSTEM) as work:
        return add_personal_key(work)


def test_a_new_key_seals_what_comes_and_the_old_one_opens_what_was(world: World, settings: Settings) -> None:
    before = seal(settings, ZHANG, HERE)
    assert renewed(world) == "2"
    after = seal(settings, ZHANG, HERE)
    assert (before.split(".")[1], after.split(".")[1]) == ("1", "2")
    assert open_sealed(settings, before, HERE) == open_sealed(settings, after, HERE) == ZHANG


def test_wrapping_anew_frees_the_old_key_and_leaves_the_ciphertext_alone(
    world: World, settings: Settings
) -> None:
    before = seal(settings, ZHANG, HERE)
    assert rewrap(settings, before) == before
    renewed(world)
    after = rewrap(settings, before)
    settings.key_file("personal-1.key").unlink()
    assert after.split(".")[3:] == before.split(".")[3:]
    assert open_sealed(settings, after, HERE) == ZHANG
    with pytest.raises(Unavailable) as refused:
        open_sealed(settings, before, HERE)
    assert refused.value.code == "personal_key_missing"
    assert "personal-1.key" in refused.value.message.zh


def test_a_damaged_wrapped_key_is_not_wrapped_anew(world: World, settings: Settings) -> None:
    mark, number, wrapped, *rest = seal(settings, ZHANG, HERE).split(".")
    renewed(world)
    with pytest.raises(Unavailable):
        rewrap(settings, ".".join((mark, number, wrapped[::-1], *rest)))


def test_keys_are_made_once_and_for_their_owner_alone(world: World) -> None:
    path = world.settings.key_file("personal-1.key")
    first = path.read_bytes()
    make_keys(world.settings)
    assert path.read_bytes() == first
    assert len(first) == 32
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    renewed(world)
    make_keys(world.settings)
    assert sorted(p.name for p in path.parent.glob("personal-*")) == ["personal-1.key", "personal-2.key"]


def _removed(settings: Settings) -> None:
    settings.key_file("personal-1.key").unlink()


def _opened_to_others(settings: Settings) -> None:
    settings.key_file("personal-1.key").chmod(0o644)


def _cut_short(settings: Settings) -> None:
    settings.key_file("personal-1.key").write_bytes(b"short")


@pytest.mark.parametrize("harm", [_removed, _opened_to_others, _cut_short])
def test_without_a_usable_key_nothing_starts_and_nothing_is_sealed(
    world: World, harm: Callable[[Settings], None]
) -> None:
    check_sealing(world.settings)
    harm(world.settings)
    with pytest.raises(ConfigError):
        check_sealing(world.settings)
    with pytest.raises(Unavailable):
        seal(world.settings, ZHANG, HERE)


def test_a_cipher_that_this_build_lacks_stops_the_start_with_the_reason(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def lacking(key: bytes) -> BlockCipherAlgorithm:
        raise UnsupportedAlgorithm("SM4 is not in this build")

    monkeypatch.setitem(SUITES, "sm4-gcm", SUITES["sm4-gcm"]._replace(cipher=lacking))
    check_sealing(world.settings)
    with pytest.raises(ConfigError) as refused:
        check_sealing(with_cipher(world.settings, "sm4-gcm"))
    assert [f.pointer for f in refused.value.findings] == ["/personal_cipher"]


# --- published vectors ----------------------------------------------------------------------------

GCM = {
    # RFC 8998, appendix A.1
    "sm4-gcm": (
        "0123456789abcdeffedcba9876543210",
        "00001234567800000000abcd",
        "feedfacedeadbeeffeedfacedeadbeefabaddad2",
        "aaaaaaaaaaaaaaaabbbbbbbbbbbbbbbbccccccccccccccccdddddddddddddddd"
        "eeeeeeeeeeeeeeeeffffffffffffffffeeeeeeeeeeeeeeeeaaaaaaaaaaaaaaaa",
        "17f399f08c67d5ee19d0dc9969c4bb7d5fd46fd3756489069157b282bb200735"
        "d82710ca5c22f0ccfa7cbf93d496ac15a56834cbcf98c397b4024a2691233b8d",
        "83de3541e4c2b58177e065a9bf7b62ec",
    ),
    # The Galois/Counter Mode of Operation (McGrew, Viega), test case 16
    "aes-256-gcm": (
        "feffe9928665731c6d6a8f9467308308feffe9928665731c6d6a8f9467308308",
        "cafebabefacedbaddecaf888",
        "feedfacedeadbeeffeedfacedeadbeefabaddad2",
        "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a72"
        "1c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b39",
        "522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa"
        "8cb08e48590dbb3da7b08b1056828838c5f61e6393ba7a0abcc9f662",
        "76fc6ece0f4e1768cddf8853bb2d551b",
    ),
}


@pytest.mark.parametrize("cipher", sorted(GCM))
def test_the_ciphers_give_the_published_vectors(cipher: str, monkeypatch: pytest.MonkeyPatch) -> None:
    key, nonce, aad, plain, body, tag = (bytes.fromhex(part) for part in GCM[cipher])
    monkeypatch.setattr(secrets, "token_bytes", lambda n: nonce)
    suite = SUITES[cipher]
    assert _encrypt(suite, key, plain, aad) == (nonce, body + tag)
    assert _decrypt(suite, key, nonce, body + tag, aad) == plain


def test_the_aes_key_wrap_gives_the_vector_of_rfc_3394() -> None:
    """RFC 3394 section 4.6: 256 bits of key data with a 256-bit key."""
    wrapping = bytes.fromhex("000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f")
    key = bytes.fromhex("00112233445566778899aabbccddeeff000102030405060708090a0b0c0d0e0f")
    wrapped = "28c9f404c4b810f4cbccb35cfb87f8263f5786e2d80ed326cbc7f0e71a99f43bfb988b9b7a02dd21"
    suite = SUITES["aes-256-gcm"]
    assert suite.wrap(wrapping, key).hex() == wrapped
    assert suite.unwrap(wrapping, bytes.fromhex(wrapped)) == key
