from __future__ import annotations

import base64
from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from audit.merkle import leaf_hash
from audit.note import BadNote, NoteSigner
from audit.receipt import check_receipt, make_receipts
from tests.audit.logs import ORIGIN, START, access

KEY = NoteSigner("audit.example.cn/log/receipts", bytes(range(32)))
RECORD = access()
VALUE = make_receipts(KEY, ORIGIN, "w.1", 7, [RECORD])[0]
RUN = [access() for _ in range(7)]
VALUES = make_receipts(KEY, ORIGIN, "w.1", 7, RUN)


def test_a_receipt_names_leaf_and_place_and_promises_the_log_within_a_minute() -> None:
    receipt = check_receipt(KEY.verifier, VALUE)
    assert receipt.leaf == leaf_hash(RECORD.envelope)
    assert (receipt.origin, receipt.source) == (ORIGIN, "w.1/7")
    assert receipt.seal_by == START + timedelta(seconds=60)


def test_what_is_signed_is_written_down() -> None:
    origin, leaf, source, seal_by, place, signature = VALUE.split(" ")
    signed = f"shuxiang-receipt/v3\n{origin}\n{source}\n1\n{seal_by}\n{leaf}\n"
    assert base64.b64decode(signature) == KEY.sign(signed.encode())
    assert (seal_by, place) == ("1770688860000", "0/1/")


def test_records_of_one_write_share_a_signature_and_each_has_a_receipt_of_its_own() -> None:
    receipts = [check_receipt(KEY.verifier, value) for value in VALUES]
    assert [r.source for r in receipts] == [f"w.1/{7 + i}" for i in range(7)]
    assert [r.leaf for r in receipts] == [leaf_hash(record.envelope) for record in RUN]
    assert len({value.rpartition(" ")[2] for value in VALUES}) == 1


@pytest.mark.parametrize("size", range(1, 18))
def test_every_receipt_of_a_run_of_any_size_is_good(size: int) -> None:
    run = [access() for _ in range(size)]
    assert [check_receipt(KEY.verifier, v).source for v in make_receipts(KEY, ORIGIN, "w.1", 1, run)] == [
        f"w.1/{i + 1}" for i in range(size)
    ]


def test_no_receipt_can_be_made_of_parts_of_two() -> None:
    for at in range(6):
        parts, others = VALUES[2].split(" "), VALUES[5].split(" ")
        if parts[at] != others[at]:
            parts[at] = others[at]
            with pytest.raises(BadNote):
                check_receipt(KEY.verifier, " ".join(parts))


@given(st.data())
@settings(max_examples=80)
def test_only_our_key_can_write_a_receipt(data: st.DataObject) -> None:
    good = data.draw(st.sampled_from([VALUE, VALUES[3]]))
    at = data.draw(st.integers(0, len(good) - 1))
    letter = data.draw(st.sampled_from("aB1 /\n+=é"))
    forged = good[:at] + letter + good[at + 1 :]
    if forged != good:
        with pytest.raises(BadNote):
            check_receipt(KEY.verifier, forged)


@pytest.mark.parametrize(
    "forged",
    [
        "",
        VALUE[:-4],
        VALUE + " x",
        VALUE.replace(" ", "  ", 1),
        "é é é é é é",
        VALUES[3].replace("3/7/", "3/7"),
    ],
)
def test_what_is_not_a_receipt_is_refused(forged: str) -> None:
    with pytest.raises(BadNote):
        check_receipt(KEY.verifier, forged)
    with pytest.raises(BadNote):
        check_receipt(NoteSigner.generate("receipts").verifier, VALUE)
