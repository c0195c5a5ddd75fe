"""A form that is shown again says at each of its fields what is wrong there."""

from __future__ import annotations

from werkzeug.datastructures import MultiDict

from core.errors import FieldError
from core.text import Text
from web.pages import Seen

WORDS = Text("应填写", "must be given")


def test_an_error_within_a_field_stands_at_the_field_once() -> None:
    wrong = tuple(FieldError(at, WORDS) for at in ("/record/code", "/record/name", "/doubt", ""))
    shown = Seen({}, MultiDict({"doubt": "x"}), wrong).at_fields()
    assert [e.pointer for e in shown.errors] == ["/record", "/doubt", ""]
    assert shown.form["doubt"] == "x"
