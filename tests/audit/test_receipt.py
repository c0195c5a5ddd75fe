from __future__ import annotations

import base64
from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from audit.journal import Position
from audit.merkle import leaf_hash
from audit.note import BadNote, NoteSigner
from audit.receipt import check_receipt, make_receipt
from tests.audit.logs import ORIGIN, START, access

KEY = NoteSigner("audit.example.cn/log/receipts", bytes(range(32)))
RECORD = access()
VALUE = make_receipt(KEY, ORIGIN, RECORD, Position("w.1", 7))


def test_a_receipt_names_leaf_and_place_and_promises_the_log_within_a_minute() -> None:
    receipt = check_receipt(KEY.verifier, VALUE)
    assert receipt.leaf == leaf_hash(RECORD.envelope)
    assert (receipt.origin, receipt.source) == (ORIGIN, "w.1/7")
    assert receipt.seal_by == START + timedelta(seconds=60)


def test_what_is_signed_is_written_down() -> None:
    origin, leaf, source, seal_by, signature = VALUE.split(" ")
    signed = f"shuxiang-receipt/v2\n{origin}\n{leaf}\n{source}\n{seal_by}\n"
    assert base64.b64decode(signature) == KEY.sign(signed.encode())
    assert seal_by == "1770688860000"


@given(st.data())
@settings(max_examples=40)
def test_only_our_key_can_write_a_receipt(data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(VALUE) - 1))
    letter = data.draw(st.sampled_from("aB1 /\n+=é"))
    forged = VALUE[:at] + letter + VALUE[at + 1 :]
    if forged != VALUE:
        with pytest.raises(BadNote):
            check_receipt(KEY.verifier, forged)


@pytest.mark.parametrize("forged", ["", VALUE[:-4], VALUE + " x", VALUE.replace(" ", "  ", 1), "é é é é é"])
def test_what_is_not_a_receipt_is_refused(forged: str) -> None:
    with pytest.raises(BadNote):
        check_receipt(KEY.verifier, forged)
    with pytest.raises(BadNote):
        check_receipt(NoteSigner.generate("receipts").verifier, VALUE)
