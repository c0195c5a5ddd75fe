"""What everybody sees of the log, and that a server of static files would answer alike."""

from __future__ import annotations

import base64
import gzip
import re
from dataclasses import replace
from typing import Any

import pytest

from audit import store
from audit.merkle import leaf_hash, root_of_list, verify_consistency
from audit.note import Checkpoint, Cosigner, NoteVerifier, open_note
from audit.place import log_folder
from audit.proofs import check_inclusion
from audit.sealer import seal_once
from audit.signing import log_signers
from audit.tiles import decode_bundle
from core.settings_audit import Witness, Witnesses
from tests.audit.logs import access
from tests.conftest import Watchful, World


@pytest.fixture
def anybody(world: World) -> Any:
    """A client that nobody signed in with."""
    return Watchful(world)


def put(world: World, *records: Any) -> None:
    with world.database.begin() as tx:
        for made in records:
            store.insert_outbox(tx, made)
    seal_once(world.settings, world.database, world.now)


def verifiers(world: World) -> tuple[NoteVerifier, ...]:
    return log_signers(world.settings).verifiers


def test_anybody_can_rebuild_the_tree_from_the_public_files(world: World, anybody: Any) -> None:
    assert anybody.get("/audit/checkpoint").status_code == 404
    put(world, *(access(world.now) for _ in range(300)))
    note = anybody.get("/audit/checkpoint")
    assert note.content_type == "text/plain; charset=utf-8"
    signed = Checkpoint.parse(open_note(note.text, verifiers(world)))
    assert signed.size == 300
    bundles = [anybody.get(f"/audit/tile/entries/{n}").data for n in ("000", "001.p/44")]
    entries = [e for bundle in bundles for e in decode_bundle(bundle)]
    assert root_of_list([leaf_hash(e) for e in entries]) == signed.root
    assert anybody.get("/audit/tile/0/000").data == b"".join(leaf_hash(e) for e in entries[:256])
    assert "immutable" in anybody.get("/audit/tile/1/000.p/1").headers["Cache-Control"]


@pytest.mark.parametrize(
    "tile",
    ["0/001", "0/000.p/2", "1/000.p/1", "0/x", "entries/../../checkpoint", "9/000", ".state/state.json"],
)
def test_what_the_checkpoint_does_not_cover_is_not_served(world: World, anybody: Any, tile: str) -> None:
    put(world, access(world.now))
    assert anybody.get(f"/audit/tile/{tile}").status_code == 404


def test_a_tree_of_70000_has_the_tiles_of_the_specification(world: World, anybody: Any) -> None:
    """The example of C2SP tlog-tiles: what is served for a tree of that size, whatever its entries are."""
    folder = log_folder(world.settings) / "log"
    folder.mkdir(parents=True)
    signed = Checkpoint(world.settings.platform.log_origin, 70_000, bytes(32))
    note = log_signers(world.settings).sign_checkpoint(signed, world.now)
    (folder / "checkpoint").write_text(note, encoding="utf-8")
    there = ["0/000", "0/272", "0/273.p/112", "1/000", "1/001.p/17", "2/000.p/1"]
    for name in there:
        path = folder / "tile" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(bytes(32 * int(name.partition(".p/")[2] or 256)))
    assert [anybody.get(f"/audit/tile/{name}").status_code for name in there] == [200] * 6
    beyond = ["0/273", "0/273.p/113", "0/274.p/1", "1/001", "1/001.p/18", "2/000", "2/000.p/2", "3/000.p/1"]
    assert [anybody.get(f"/audit/tile/{name}").status_code for name in beyond] == [404] * 8


@pytest.mark.parametrize(
    "path",
    ["checkpoint", "cosigned", "tile/0/000.p/3", "tile/entries/000.p/3", "consistency?old=0", "verifier.py"],
)
def test_a_file_is_answered_as_a_static_server_would(world: World, anybody: Any, path: str) -> None:
    put(world, *(access(world.now) for _ in range(3)))
    log = log_folder(world.settings) / "log"
    (log / "cosigned").write_bytes((log / "checkpoint").read_bytes())
    got = anybody.get(f"/audit/{path}")
    assert got.status_code == 200
    assert got.headers["X-Content-Type-Options"] == "nosniff"
    assert got.headers["Access-Control-Allow-Origin"] == "*"
    assert int(got.headers["Content-Length"]) == len(got.data) > 0
    tag = got.headers["ETag"]
    for known in (tag, f"W/{tag}", f'"other", {tag}', "*"):
        again = anybody.get(f"/audit/{path}", headers={"If-None-Match": known})
        assert (again.status_code, again.data, again.headers["ETag"]) == (304, b"", tag)
        assert again.headers["Cache-Control"] == got.headers["Cache-Control"]
    assert anybody.get(f"/audit/{path}", headers={"If-None-Match": '"other"'}).status_code == 200
    head = anybody.head(f"/audit/{path}")
    assert (head.status_code, head.data) == (200, b"")
    assert (head.headers["Content-Length"], head.headers["ETag"]) == (got.headers["Content-Length"], tag)


def test_entry_bundles_are_gzipped_for_whoever_takes_that(world: World, anybody: Any) -> None:
    put(world, *(access(world.now) for _ in range(3)))
    address = "/audit/tile/entries/000.p/3"
    plain = anybody.get(address, headers={"Accept-Encoding": "identity, gzip;q=0"})
    small = anybody.get(address, headers={"Accept-Encoding": "br, gzip"})
    assert "Content-Encoding" not in plain.headers
    assert small.headers["Content-Encoding"] == "gzip"
    assert gzip.decompress(small.data) == plain.data
    assert len(small.data) < len(plain.data)
    assert small.headers["Vary"] == plain.headers["Vary"] == "Accept-Encoding"
    assert small.headers["ETag"] != plain.headers["ETag"]
    tagged = {"Accept-Encoding": "gzip", "If-None-Match": small.headers["ETag"]}
    assert anybody.get(address, headers=tagged).status_code == 304
    hashes = anybody.get("/audit/tile/0/000.p/3", headers={"Accept-Encoding": "gzip"})
    assert "Content-Encoding" not in hashes.headers  # digests do not shrink


def test_who_knows_a_records_id_gets_its_proof_and_never_its_body(world: World, anybody: Any) -> None:
    made = access(world.now)
    with world.database.begin() as tx:
        store.insert_outbox(tx, made)
    waiting = anybody.get(f"/audit/proof/{made.id}")
    assert (waiting.status_code, waiting.json["code"]) == (409, "not_sealed_yet")
    put(world)
    proof = anybody.get(f"/audit/proof/{made.id}")
    assert check_inclusion(proof.text, made.envelope, *verifiers(world)) == 0
    assert "dept-carol" not in proof.text
    for unknown in (access().id, "nonsense", "%00"):
        assert anybody.get(f"/audit/proof/{unknown}").status_code == 404


def test_anybody_can_follow_the_log_from_what_was_seen_before(world: World, anybody: Any) -> None:
    put(world, *(access(world.now) for _ in range(5)))
    before = Checkpoint.parse(open_note(anybody.get("/audit/checkpoint").text, verifiers(world)))
    put(world, *(access(world.now) for _ in range(300)))
    head, _, note = anybody.get("/audit/consistency?old=5").text.partition("\n\n")
    after = Checkpoint.parse(open_note(note, verifiers(world)))
    path = [base64.b64decode(line) for line in head.split("\n")[1:]]
    assert verify_consistency(5, after.size, before.root, after.root, path)
    longer = anybody.get(f"/audit/consistency?old={after.size + 1}")
    assert (longer.status_code, longer.json["code"]) == (409, "log_is_shorter")
    for wrong in ("", "?old=", "?old=-1", "?old=01", "?old=x", "?old=9223372036854775808"):
        answer = anybody.get(f"/audit/consistency{wrong}")
        assert [e["pointer"] for e in answer.json["errors"]] == ["/old"], wrong


def test_nobody_has_cosigned_a_log_without_witnesses(world: World, anybody: Any) -> None:
    put(world, access(world.now))
    assert anybody.get("/audit/cosigned").status_code == 404


def test_the_keys_are_those_that_sign(world: World, anybody: Any) -> None:
    keys = anybody.get("/audit/keys").json
    assert keys["origin"] == world.settings.platform.log_origin
    assert [k["vkey"] for k in keys["log"]] == [str(v) for v in verifiers(world)]
    assert [k["algorithm"] for k in keys["log"]] == ["ed25519", "ml-dsa-44"]
    receipts = world.settings.key_file("receipt.vkey").read_text(encoding="utf-8").strip()
    assert [k["vkey"] for k in keys["receipts"]] == [receipts]
    assert keys["witnesses"] == {"needed": 0, "of": []}
    tag = {"If-None-Match": anybody.get("/audit/keys").headers["ETag"]}
    assert world.app.test_client().get("/audit/keys", headers=tag).status_code == 304


def test_the_keys_of_witnesses_are_shown_and_a_missing_one_is_said(world: World, anybody: Any) -> None:
    witness = Cosigner.generate("witness.example/w1")
    path = world.settings.data / "w1.vkey"
    one = Witness("w1", "http://127.0.0.1:8011", "file:w1.vkey")
    kit = world.app.extensions["shuxiang"]
    audit = replace(kit.settings.audit, witnesses=Witnesses(needed=1, of=(one,)))
    world.app.extensions["shuxiang"] = replace(kit, settings=replace(kit.settings, audit=audit))
    assert anybody.get("/audit/keys").status_code == 503
    path.write_text(str(witness.verifier), encoding="utf-8")
    shown = anybody.get("/audit/keys").json["witnesses"]
    assert (shown["needed"], shown["of"][0]["name"]) == (1, "w1")
    assert [k["vkey"] for k in shown["of"][0]["keys"]] == [str(witness.verifier)]


def test_before_the_next_init_an_older_deployment_shows_the_keys_it_has(world: World, anybody: Any) -> None:
    world.settings.key_file("log-mldsa.vkey").unlink()
    assert [k["algorithm"] for k in anybody.get("/audit/keys").json["log"]] == ["ed25519"]


def test_the_verifier_is_one_file_that_needs_nothing_of_ours(anybody: Any) -> None:
    source = anybody.get("/audit/verifier.py").text
    compile(source, "verifier.py", "exec")
    assert not re.search(r"^\s*(from|import) (audit|core|web)\b", source, flags=re.MULTILINE)
