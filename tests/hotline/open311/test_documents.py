"""One tree as XML and as JSON."""

from __future__ import annotations

import json
from xml.etree import ElementTree

from hypothesis import given, settings
from hypothesis import strategies as st

from hotline.open311.documents import Document, error_document, render


def test_a_list_is_an_array_in_json_and_repeated_elements_in_xml() -> None:
    document = error_document([(403, "no key"), (400, "no place")])
    assert json.loads(render(document, "json")) == [
        {"code": 403, "description": "no key"},
        {"code": 400, "description": "no place"},
    ]
    assert render(document, "xml").decode() == (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        "<errors><error><code>403</code><description>no key</description></error>"
        "<error><code>400</code><description>no place</description></error></errors>"
    )


def test_nothing_is_an_empty_element_and_null() -> None:
    document = Document("request", {"address": None, "metadata": True, "lat": 30.5})
    assert b"<address/><metadata>true</metadata><lat>30.5</lat>" in render(document, "xml")
    assert json.loads(render(document, "json")) == {"address": None, "metadata": True, "lat": 30.5}


@settings(max_examples=60)
@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=40))
def test_whatever_a_text_holds_the_xml_is_well_formed(text: str) -> None:
    raw = render(Document("r", {"description": text}), "xml")
    told = ElementTree.fromstring(raw).findtext("description") or ""
    assert told == "" or len(told) <= len(text)
