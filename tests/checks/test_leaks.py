"""The search for secrets after every story (tests/leaks.py) sees what it is to see, wherever that lies."""

from __future__ import annotations

import base64
import gzip
import io
import json
import logging
import os
import secrets
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from urllib.parse import quote

import pyarrow
import pytest
from pyarrow import parquet

from accounts.passwords import hash_password
from core.envelope import seal
from gateway.tokens import make_token
from tests import postgresql
from tests.cast import alice
from tests.conftest import World
from tests.leaks import LEDGER, Ledger, found_in, unpacked, watching

SECRET = "s3cret-of-a/system"


WAYS: dict[str, Callable[[str], bytes]] = {
    "plain": lambda secret: secret.encode(),
    "basic": lambda secret: b"Basic " + base64.b64encode(f"system:{secret}".encode()),
    "basic, shifted": lambda secret: b"Basic " + base64.b64encode(f"system2:{secret}!".encode()),
    "percent": lambda secret: b"/?client_secret=" + quote(secret, safe="").encode(),
    "json": lambda secret: json.dumps({"secret": secret}).encode(),
    "in a database": lambda secret: b"\0" * 5000 + secret.encode() + b"\0" * 5000,
}


@pytest.mark.parametrize("way", WAYS)
def test_a_secret_is_found_however_it_is_written(way: str) -> None:
    write = WAYS[way]
    assert found_in([("a file", write(SECRET))], {SECRET: "a secret"}) == ["a secret in a file"]
    assert found_in([("a file", write("something-else/altogether"))], {SECRET: "a secret"}) == []


def test_a_secret_that_somebody_writes_down_fails_the_story(world: World) -> None:
    cookie = world.client(alice).environ_base["HTTP_AUTHORIZATION"].removeprefix("Bearer ")
    leak = world.settings.data / "audit" / "careless.log"
    leak.parent.mkdir(exist_ok=True)
    leak.write_text(f"signed in with {cookie}")
    assert LEDGER.search([world.settings.data]) == ["a random secret in audit/careless.log"]
    leak.unlink()
    assert LEDGER.search([world.settings.data]) == []


def test_a_secret_in_packed_files_is_found() -> None:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("xl/sharedStrings.xml", f"<t>{SECRET}</t>")
    columns = io.BytesIO()
    parquet.write_table(pyarrow.table({"word": [SECRET]}), columns, compression="zstd")
    for content in (packed.getvalue(), columns.getvalue(), gzip.compress(SECRET.encode())):
        assert SECRET.encode() not in content or content.startswith(b"PAR1")
        assert found_in([("a file", unpacked(content))], {SECRET: "a secret"}) == ["a secret in a file"]


@pytest.mark.skipif(postgresql.ADDRESS in os.environ, reason="tells of SQLite's write-ahead log")
def test_a_secret_in_the_database_is_found_before_it_is_checkpointed(world: World) -> None:
    secret = secrets.token_urlsafe(32)
    with world.work(alice) as work:
        work.tx.exec_driver_sql("CREATE TABLE careless (word TEXT)")
        work.tx.exec_driver_sql("INSERT INTO careless VALUES (?)", (secret,))
    hits = LEDGER.search([world.settings.data])
    assert "a random secret in state.sqlite-wal" in hits
    with world.work(alice) as work:
        work.tx.exec_driver_sql("PRAGMA secure_delete = ON")
    LEDGER.used.pop(secret)  # this story did it on purpose


def test_a_secret_in_a_log_or_on_an_error_page_is_found() -> None:
    ledger = Ledger()
    ledger.note(SECRET, "a secret")
    ledger.emit(logging.LogRecord("x", logging.WARNING, "x", 1, "refused %s", (SECRET,), None))
    ledger.refusals.append(("the answer 400 BAD REQUEST of /oauth/token", SECRET.encode(), False))
    ledger.refusals.append(("the answer 404 NOT FOUND of /sign-in", SECRET.encode(), True))
    assert ledger.search([]) == [
        "a secret in log",
        "a secret in the answer 400 BAD REQUEST of /oauth/token",
        "a secret in the answer 404 NOT FOUND of /sign-in",
    ]


def test_a_form_shows_again_what_a_caller_said_and_an_api_never() -> None:
    ledger = Ledger()
    ledger.note("139 8765 4321", "what a caller said")
    ledger.refusals.append(("the form", b"139 8765 4321", True))
    assert ledger.search([]) == []
    ledger.refusals.append(("the problem", b"139 8765 4321", False))
    assert ledger.search([]) == ["what a caller said in the problem"]


def test_every_kind_of_secret_is_noted(world: World) -> None:
    browser = world.browser(alice)
    make_token(world.settings.key("token.key"))
    hash_password("korrekt-horse-battery")
    seal(world.settings, json.dumps({"name": "王建国", "phone": "139 8765 4321"}), "x:caller")
    browser.post(
        "/oauth/token", data={"client_secret": SECRET}, headers={"Authorization": "Basic Zm9vYmFyMTI="}
    )
    noted = set(LEDGER.used.values())
    assert noted >= {
        "a random secret",
        "an access token",
        "a password",
        "what a caller said",
        "the client_secret of a form",
        "a credential of a request",
    }
    assert {"13987654321", "139 8765 4321", "korrekt-horse-battery", SECRET} <= set(LEDGER.used)
    assert any("/oauth/token" in place for place, *_ in LEDGER.refusals)


def test_what_commands_show_once_is_noted() -> None:
    ledger = Ledger()
    ledger.note_printed(("accounts", "token", "lin.yue"), "sxp_0123456789\n")
    ledger.note_printed(("init", "--json"), '{"lin.yue": "one-time-word"}')
    assert set(ledger.used) == {"sxp_0123456789", "one-time-word"}


def test_pages_that_the_story_did_not_touch_are_left_out(tmp_path: Path) -> None:
    ledger = Ledger()
    ledger.template = b"A" * 4096 + b"B" * 4096
    assert ledger.news(b"A" * 4096 + b"C" * 4096) == b"C" * 4096
    assert ledger.news(b"X" * 8192) == b"X" * 8192


def test_what_a_process_makes_is_found_in_what_it_leaves(tmp_path: Path) -> None:
    program = """
import pathlib, sys
from core.ids import new_secret
from gateway.tokens import make_token
folder = pathlib.Path(sys.argv[1])
(folder / "one.txt").write_text(new_secret())
(folder / "two.txt").write_text(make_token(b"k" * 32))
"""
    environment = watching(tmp_path)
    subprocess.run([sys.executable, "-c", program, str(tmp_path)], env=environment, check=True, timeout=60)
    assert [line.rpartition(" ")[2] for line in Ledger().search([tmp_path])] == [
        "one.txt",
        "two.txt",
    ]
