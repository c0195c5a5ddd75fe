"""The platform's keys: a wrong one is found at start, a renewed one leaves what was made before in force."""

from __future__ import annotations

import shutil
from dataclasses import replace

import pytest
from cryptography.hazmat.primitives.hashes import SM3, Hash
from cryptography.hazmat.primitives.hmac import HMAC
from sqlalchemy import text

from accounts.factors.keeping import begin_app, secret_to_show
from accounts.factors.rewrapping import rewrap_factors
from accounts.keyring.checking import accept_key, note_keys, refuse_wrong_keys
from accounts.keyring.commands import told
from accounts.keyring.renewing import renew_key, retire_older
from accounts.keys import add_personal_key
from app import create_app
from core.errors import ConfigError, NotFound
from core.keyring import check_value, ring
from core.work import SYSTEM
from gateway.tokens import make_token, well_formed
from tests.cast import alice
from tests.conftest import World


@pytest.fixture
def noted(world: World) -> World:
    """A deployment whose keys the database knows."""
    with world.work(SYSTEM) as work:
        note_keys(work)
    return world


def refusal(world: World) -> str:
    """Why the deployment does not start; empty where it does."""
    try:
        with world.database.read() as tx:
            refuse_wrong_keys(world.settings, tx)
    except ConfigError as refused:
        return str(refused)
    return ""


def replaced(world: World, name: str) -> None:
    """Put a key that was made elsewhere in the place of one."""
    path = world.settings.key_file(name)
    path.write_bytes(bytes(range(32, 64)))


# --- the right keys ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name", ["session.key", "token.key", "pseudonym.key", "phone-index.key", "personal-1.key"]
)
def test_a_wrong_key_is_found_at_start_by_its_name(noted: World, name: str) -> None:
    assert refusal(noted) == ""
    replaced(noted, name)
    assert f"{name}: " in refusal(noted)
    assert "not the key that this database was used with" in refusal(noted)
    with pytest.raises(ConfigError, match=name):
        create_app(noted.settings, noted.database, lambda: noted.now)


def test_a_database_restored_without_the_key_of_its_time_does_not_start(noted: World) -> None:
    with noted.work(SYSTEM) as work:
        add_personal_key(work)
    noted.settings.key_file("personal-1.key").unlink()
    assert "personal-1.key" in refusal(noted)
    assert "put the file back from the backup of the keys" in refusal(noted)


def test_a_key_that_nothing_is_sealed_with_any_more_may_go(noted: World) -> None:
    with noted.work(SYSTEM) as work:
        add_personal_key(work)
        assert retire_older(work) == ["personal-1.key"]
    noted.settings.key_file("personal-1.key").unlink()
    assert refusal(noted) == ""


def test_a_lost_session_key_may_be_accepted_and_a_key_that_seals_may_not(noted: World) -> None:
    for name in ("session.key", "phone-index.key"):
        replaced(noted, name)
    with noted.work(SYSTEM) as work:
        accept_key(work, "session.key")
        with pytest.raises(NotFound):
            accept_key(work, "phone-index.key")
    assert "session.key" not in refusal(noted)
    assert "phone-index.key" in refusal(noted)


def test_a_signing_key_that_is_not_of_its_public_half_is_found(noted: World) -> None:
    shutil.copy(noted.settings.key_file("receipt.key"), noted.settings.key_file("log.key"))
    assert "log.key" in refusal(noted)
    assert "does not belong to log.vkey" in refusal(noted)


def test_a_check_value_tells_nothing_of_the_key(noted: World) -> None:
    with noted.read(SYSTEM) as work:
        rows = {row["name"]: row for row in told(work)}
    key = noted.settings.key("token.key")
    assert rows["token.key"]["check"] == check_value(key)
    assert key.hex()[:8] not in str(rows)
    assert all(row["fits"] for row in rows.values())


# --- renewal ----------------------------------------------------------------------------------------


def test_a_token_made_before_a_renewal_is_still_ours_and_noise_is_not(noted: World) -> None:
    before = noted.settings.key("token.key")
    token = make_token(before)
    with noted.work(SYSTEM) as work:
        renew_key(work, "token.key")
    after = noted.settings.key("token.key")
    assert well_formed(after, token)
    assert well_formed(after, make_token(after))
    assert not well_formed(before, make_token(after))
    assert refusal(noted) == ""
    with noted.work(SYSTEM) as work:
        renew_key(work, "token.key")
    assert not well_formed(noted.settings.key("token.key"), token)  # two renewals later it has long expired
    assert len(ring(noted.settings.key("token.key"))) == 2


def test_a_database_of_the_day_before_a_renewal_starts_with_the_keys_of_today(noted: World) -> None:
    with noted.work(SYSTEM) as work:
        renew_key(work, "token.key")
        former = check_value(noted.settings.keys("token.key")[1])
        work.tx.execute(text("UPDATE key_checks SET value = :former"), {"former": former})
        work.tx.exec_driver_sql("DELETE FROM key_checks WHERE name <> 'token.key'")
    assert refusal(noted) == ""


def test_a_form_opened_before_a_renewal_is_taken_after_it(noted: World) -> None:
    opened = noted.app.test_client()
    page = opened.get("/sign-in").text
    token = page.split('name="csrf_token"')[1].split('value="')[1].split('"')[0]
    cookie = opened.get_cookie(noted.app.config["SESSION_COOKIE_NAME"])
    with noted.work(SYSTEM) as work:
        renew_key(work, "session.key")
    again = create_app(noted.settings, noted.database, lambda: noted.now).test_client()
    again.set_cookie(cookie.key, cookie.value)
    form = {"csrf_token": token, "login": "nobody", "password": "wrong-password-1"}
    assert again.post("/sign-in", data=form).status_code == 422  # as for any wrong password
    assert again.post("/sign-in", data={**form, "csrf_token": token[:-2] + "xx"}).status_code == 409


def test_a_renewal_is_on_record_without_the_key(noted: World) -> None:
    with noted.work(alice) as work:
        renew_key(work, "session.key")
        kept = work.tx.exec_driver_sql("SELECT * FROM audit_outbox ORDER BY 1 DESC LIMIT 1").one()
    assert "keys.renewed" in str(kept)
    assert "session.key" in str(kept)


def test_the_secret_of_an_app_opens_under_the_new_key_alone(noted: World) -> None:
    noted.client(alice)  # gives her an account
    with noted.work(alice) as work:
        begin_app(work)
        secret = secret_to_show(work)
        add_personal_key(work)
        written, last = rewrap_factors(work, "")
        assert written == 1
        assert rewrap_factors(work, str(last)) == (0, None)
    noted.settings.key_file("personal-1.key").unlink()
    with noted.read(alice) as work:
        assert secret_to_show(work) == secret


# --- national algorithms ----------------------------------------------------------------------------


def test_sm3_gives_the_vectors_of_gb_t_32905() -> None:
    for spelled, expected in (
        (b"abc", "66c7f0f462eeedd9d1f2d46bdc10e4e24167c4875cf2f7a2297da02b8f4ba8e0"),
        (b"abcd" * 16, "debe9ff92275b8a138604889c18e5a4d6fdb70e5387e5765293dcba39c0c5732"),
    ):
        digest = Hash(SM3())
        digest.update(spelled)
        assert digest.finalize().hex() == expected


def test_hmac_sm3_is_built_of_sm3_as_rfc_2104_says() -> None:
    def sm3(text: bytes) -> bytes:
        digest = Hash(SM3())
        digest.update(text)
        return digest.finalize()

    key, text = bytes(range(32)), b"phone|13800138000"
    inner, outer = (bytes(k ^ pad for k in key.ljust(64, b"\0")) for pad in (0x36, 0x5C))
    made = HMAC(key, SM3())
    made.update(text)
    assert made.finalize() == sm3(outer + sm3(inner + text))


def test_another_digest_for_the_index_wants_a_renewal_first(noted: World) -> None:
    security = replace(noted.settings.security, index_digest="sm3")
    noted.settings = replace(noted.settings, security=security)
    assert "shuxiang keys renew phone-index" in refusal(noted)
    with noted.work(SYSTEM) as work:
        renew_key(work, "phone-index.key")
    assert refusal(noted) == ""
