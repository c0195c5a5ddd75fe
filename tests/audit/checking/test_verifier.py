"""The file that an auditor, a consumer or a provider takes away and checks our word by."""

from __future__ import annotations

import ast
import base64
import json
import shlex
import subprocess
import sys
from pathlib import Path

import orjson
import pytest

from audit import merkle
from audit.checking import verifier
from audit.note import Checkpoint, Cosigner, NoteSigner, split_note
from audit.signing import LogSigners
from tests.audit.checking.held import WITNESSES, Held, envelope_in, hold
from tests.audit.logs import LASTING, ORIGIN, SIGNER, START, Log

SOURCE = Path(verifier.__file__)
COUNT = 300


@pytest.fixture(scope="module")
def held(tmp_path_factory: pytest.TempPathFactory) -> Held:
    folder = tmp_path_factory.mktemp("held")
    log = Log(folder / "audit")
    try:
        return hold(log, folder / "desk", COUNT)
    finally:
        log.database.close()


def check(held: Held, *arguments: str | Path) -> int:
    """Run the verifier on the reader's desk with both keys of the log."""
    keys = ("--key", held.desk / "log.vkey", "--key", held.desk / "log-mldsa.vkey")
    return verifier.main([str(argument) for argument in (*arguments, *keys)])


def test_it_imports_nothing_but_the_standard_library_and_cryptography() -> None:
    nodes = list(ast.walk(ast.parse(SOURCE.read_text(encoding="utf-8"))))
    names = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    names |= {node.module or "." for node in nodes if isinstance(node, ast.ImportFrom)}
    assert {name.split(".")[0] for name in names} - sys.stdlib_module_names == {"cryptography"}


def test_it_is_short_enough_to_be_read() -> None:
    source = SOURCE.read_text(encoding="utf-8")
    documented = (
        n for n in ast.walk(ast.parse(source)) if isinstance(n, ast.Module | ast.ClassDef | ast.FunctionDef)
    )
    words = "".join(ast.get_docstring(node, clean=False) or "" for node in documented)
    lines = sum(1 for line in source.splitlines() if line.strip()) - words.count("\n")
    assert lines < 640


def test_carried_away_to_another_folder_it_proves_a_record_by_itself(held: Held, tmp_path: Path) -> None:
    (tmp_path / "v.py").write_bytes(SOURCE.read_bytes())
    proof = held.keep("7.tlog-proof", held.proof(7))
    command = [sys.executable, "-I", "v.py", str(proof), "--key", str(held.desk / "log.vkey"), "--json"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    (report,) = json.loads(done.stdout)["files"]
    assert report["sound"]
    assert report["facts"]["index"] == 7
    assert report["facts"]["envelope"] == envelope_in(held.proof(7))


@pytest.mark.parametrize("index", [0, 149, 255, 256, COUNT - 1])
def test_every_record_with_its_body_and_receipt_is_proven(held: Held, index: int) -> None:
    proof = held.keep(f"{index}.tlog-proof", held.proof(index))
    body = held.keep("body.json", held.body(index) + b"\n")
    receipt = ("--receipt", held.receipt(index), "--receipt-key", held.desk / "receipt.vkey")
    assert check(held, proof, "--body", body, *receipt) == 0


def test_the_api_answer_does_as_a_body_whatever_its_layout(held: Held) -> None:
    answer = {"id": "x", "body": json.loads(held.body(7)), "log_index": 7}
    body = held.keep("answer.json", orjson.dumps(answer, option=orjson.OPT_INDENT_2))
    assert check(held, held.keep("7.tlog-proof", held.proof(7)), "--body", body) == 0


def test_a_changed_body_is_told(held: Held, capsys: pytest.CaptureFixture[str]) -> None:
    changed = held.body(7).replace(b"dept-carol", b"dept-other")
    body = held.keep("changed.json", changed)
    assert check(held, held.keep("7.tlog-proof", held.proof(7)), "--body", body) == 1
    told = capsys.readouterr().out
    assert "[NO] 正文与信封相符" in told
    assert "the body was changed" in told


def test_a_receipt_of_another_record_or_key_is_no_receipt(held: Held) -> None:
    proof = held.keep("7.tlog-proof", held.proof(7))
    key = ("--receipt-key", held.desk / "receipt.vkey")
    assert check(held, proof, "--receipt", held.receipt(8), *key) == 1
    assert check(held, proof, "--receipt", held.receipt(7).replace("w/8 ", "w/9 "), *key) == 1
    assert check(held, proof, "--receipt", held.receipt(7), "--receipt-key", held.desk / "log.vkey") == 1
    assert check(held, proof, "--receipt", held.receipt(7)) == 1
    assert check(held, proof, "--receipt", "Audit-Receipt: " + held.receipt(7), *key) == 0
    assert check(held, proof, "--receipt", held.keep("receipt", held.receipt(7)), *key) == 0


def test_each_key_of_the_log_must_have_signed(held: Held) -> None:
    note = held.checkpoint()
    only_one = note[: note.rindex("— ")]
    path = held.keep("one.checkpoint", only_one)
    assert check(held, path) == 1
    assert verifier.main([str(path), "--key", str(SIGNER.verifier)]) == 0
    other = Cosigner(ORIGIN, "ml-dsa-44", bytes(32))
    assert verifier.main([str(path), "--key", str(other.verifier)]) == 1


def test_a_checkpoint_of_another_log_is_refused_though_the_key_signed_it(held: Held) -> None:
    signers = LogSigners(SIGNER, LASTING)
    path = held.keep("other", signers.sign_checkpoint(Checkpoint("other.example/log", 1, bytes(32)), START))
    assert check(held, path) == 1


def test_an_extension_line_that_the_second_signature_does_not_cover_is_refused(held: Held) -> None:
    signers = LogSigners(SIGNER, LASTING)
    plain = signers.sign_checkpoint(Checkpoint(ORIGIN, 5, bytes(32)), START)
    text, _, lines = plain.partition("\n\n")
    extended = SIGNER.sign_note(f"{text}\nextension\n") + lines.partition("\n")[2]
    path = held.keep("extended", extended)
    assert verifier.main([str(path), "--key", str(SIGNER.verifier)]) == 0
    assert verifier.main([str(path), "--key", str(LASTING.verifier)]) == 1


def test_witnesses_are_counted_by_name(held: Held) -> None:
    options = [o for n in range(3) for o in ("--witness", held.desk / f"w{n}.vkey")]
    bureau_twice = held.keep("twice", held.cosigned(held.checkpoint(), WITNESSES[0], WITNESSES[2]))
    both = held.keep("both", held.cosigned(held.checkpoint(), WITNESSES[0], WITNESSES[1]))
    assert check(held, bureau_twice, *options, "--needed", "1") == 0
    assert check(held, bureau_twice, *options, "--needed", "2") == 1
    assert check(held, bureau_twice, *options) == 1
    assert check(held, both, *options) == 0
    assert check(held, both, *options, "--needed", "3") == 2


def test_a_wrong_line_in_the_name_of_a_known_witness_spoils_the_note(held: Held) -> None:
    text = verifier.parse_checkpoint(held.checkpoint()).text
    elsewhere = WITNESSES[1].cosign(text.replace(str(COUNT), str(COUNT + 1)), START).split(" ")[-1]
    good = held.cosigned(held.checkpoint(), WITNESSES[0], WITNESSES[1])
    head, _, _ = good.rpartition(" ")
    options = [o for n in range(2) for o in ("--witness", held.desk / f"w{n}.vkey")]
    assert check(held, held.keep("good", good), *options, "--needed", "1") == 0
    assert check(held, held.keep("bad", f"{head} {elsewhere}"), *options, "--needed", "1") == 1


def test_the_log_has_only_grown_since_the_checkpoint_that_was_kept(held: Held) -> None:
    path = held.keep("new.consistency", held.consistency(COUNT // 2))
    assert check(held, path, "--old", held.desk / "kept.checkpoint") == 0
    old_proof = held.keep("now.tlog-proof", held.proof(3))
    assert check(held, held.keep("same", held.consistency(COUNT)), "--old", old_proof) == 0
    assert check(held, path, "--old", old_proof) == 1
    assert check(held, path) == 2


def test_a_log_that_was_made_anew_does_not_follow_from_the_old_one(held: Held, tmp_path: Path) -> None:
    anew = Log(tmp_path / "audit")
    other = hold(anew, tmp_path / "desk", COUNT)
    anew.database.close()
    path = other.keep("new.consistency", other.consistency(COUNT // 2))
    assert check(other, path, "--old", other.desk / "kept.checkpoint") == 0
    assert check(other, path, "--old", held.desk / "kept.checkpoint") == 1
    ours, theirs = held.keep("a", held.checkpoint()), other.keep("b", other.checkpoint())
    assert check(held, ours) == check(held, theirs) == 0
    assert check(held, ours, theirs) == 1  # two trees of one size: each is signed, together they convict


def test_consistency_holds_from_the_empty_log_on(held: Held) -> None:
    signers = LogSigners(SIGNER, LASTING)
    empty = signers.sign_checkpoint(Checkpoint(ORIGIN, 0, merkle.EMPTY_ROOT), START)
    path = held.keep("all.consistency", held.consistency(0))
    assert check(held, path, "--old", held.keep("empty", empty)) == 0
    false = signers.sign_checkpoint(Checkpoint(ORIGIN, 0, bytes(32)), START)
    assert check(held, path, "--old", held.keep("false", false)) == 1


def test_a_consistency_proof_starts_where_it_says_and_ends_later(held: Held) -> None:
    signers = LogSigners(SIGNER, LASTING)
    text = held.consistency(COUNT // 2)
    kept = held.desk / "kept.checkpoint"
    assert check(held, held.keep("claim", text.replace("old 150\n", "old 149\n")), "--old", kept) == 1
    later = signers.sign_checkpoint(Checkpoint(ORIGIN, COUNT + 1, bytes(32)), START)
    turned = held.consistency(COUNT).replace(f"old {COUNT}\n", f"old {COUNT + 1}\n")
    assert check(held, held.keep("turned", turned), "--old", held.keep("later", later)) == 1
    empty = held.keep("empty", signers.sign_checkpoint(Checkpoint(ORIGIN, 0, merkle.EMPTY_ROOT), START))
    more = held.consistency(0).replace("old 0\n", f"old 0\n{'A' * 43}=\n")
    assert check(held, held.keep("more", more), "--old", empty) == 1


def test_an_old_checkpoint_that_the_log_has_not_signed_proves_nothing(held: Held) -> None:
    true = Checkpoint.parse(split_note((held.desk / "kept.checkpoint").read_text(encoding="utf-8"))[0])
    stranger = LogSigners(NoteSigner(ORIGIN, bytes(32)), Cosigner(ORIGIN, "ml-dsa-44", bytes(32)))
    forged = held.keep("forged", stranger.sign_checkpoint(true, START))
    assert check(held, held.keep("new", held.consistency(COUNT // 2)), "--old", forged) == 1


@pytest.mark.parametrize("index", [COUNT, COUNT + 1, 511, 2**40])
def test_the_last_record_stands_at_no_index_beyond_the_log(held: Held, index: int) -> None:
    proof = held.proof(COUNT - 1)
    assert check(held, held.keep("last", proof)) == 0
    assert check(held, held.keep("beyond", proof.replace(f"index {COUNT - 1}\n", f"index {index}\n"))) == 1


@pytest.mark.parametrize("text", ["", "-1", "+1", "01", "1.0", "1e3", "٣", " 1", "1\n", str(2**63)])
def test_a_number_has_one_proper_form(text: str) -> None:
    with pytest.raises(verifier.Unreadable, match="not a number"):
        verifier.whole_number(text)
    assert verifier.whole_number(str(2**63 - 1)) == 2**63 - 1


def test_base64_has_one_proper_form(held: Held) -> None:
    """The last character before the padding has bits that stand for nothing."""
    lines = held.proof(7).split("\n")
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
    last = lines[3][-2]
    lines[3] = f"{lines[3][:-2]}{alphabet[alphabet.index(last) + 1]}="
    assert check(held, held.keep("odd", "\n".join(lines))) == 1


def test_a_proof_without_its_envelope_asks_for_it(held: Held) -> None:
    proof = held.proof(7)
    lines = proof.split("\n")
    bare = held.keep("bare.tlog-proof", "\n".join([lines[0], *lines[2:]]))
    envelope = held.keep("envelope.json", base64.b64decode(lines[1].removeprefix("extra ")))
    assert check(held, bare) == 2
    assert check(held, bare, "--envelope", envelope) == 0
    assert check(held, bare, "--envelope", held.keep("other.json", held.records[8].envelope)) == 1


@pytest.mark.parametrize(
    ("data", "status", "reason"),
    [
        (b"", 2, "not a signed note"),
        (b"\xff\xfe", 2, "not UTF-8"),
        (b"c2sp.org/tlog-proof@v1", 1, "not a tlog-proof"),
        (b"c2sp.org/tlog-proof@v1\n\xff", 1, "not UTF-8"),
        (b"PK\x03\x04", 1, "the archive is damaged"),
        (b"old 5\n\n", 1, "not a signed note"),
        (b"old 5\n\nx\n\n", 1, "not a checkpoint"),
    ],
)
def test_what_is_damaged_is_a_finding_and_what_is_nothing_of_ours_is_not(
    held: Held, capsys: pytest.CaptureFixture[str], data: bytes, status: int, reason: str
) -> None:
    path = held.keep("strange.txt", data)
    assert check(held, path, "--old", held.desk / "kept.checkpoint") == status
    told = capsys.readouterr().out
    assert "strange.txt: " in told
    assert reason in told


def test_options_that_make_no_sense_end_with_two(held: Held, capsys: pytest.CaptureFixture[str]) -> None:
    proof = held.keep("7.tlog-proof", held.proof(7))
    nowhere = held.desk / "nowhere"
    witness = ("--witness", held.desk / "w0.vkey")
    assert verifier.main([str(proof)]) == 2
    assert verifier.main([str(proof), "--key", str(nowhere)]) == 2
    assert verifier.main([str(proof), "--key", str(WITNESSES[0].verifier)]) == 2
    assert verifier.main([str(proof), "--key", str(SIGNER.verifier).replace("+", "+0", 1)]) == 2
    assert check(held, nowhere) == 2
    assert check(held, proof, "--body", nowhere) == 2
    assert check(held, proof, "--witness", held.desk / "log.vkey") == 2
    assert check(held, proof, *witness, "--needed", "-1") == 2
    assert check(held, proof, proof, "--receipt", held.receipt(7)) == 2
    assert check(held, proof, "--receipt-key", str(LASTING.verifier)) == 2
    assert "Traceback" not in capsys.readouterr().err


def test_the_commands_that_the_documents_show_are_understood() -> None:
    text = (SOURCE.parents[2] / "docs" / "verifying.md").read_text(encoding="utf-8").replace("\\\n", " ")
    shown = [shlex.split(line)[2:] for line in text.splitlines() if line.startswith("python3 verifier.py ")]
    asked = [verifier.options().parse_args(words) for words in shown if words != ["--help"]]
    assert len(asked) >= 5
    assert all(found.files and found.key for found in asked)
