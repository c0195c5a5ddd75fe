"""Documents of GeoReport v2 as XML and as JSON: one tree, written in two ways (the Spark convention).

An element that repeats is a `Many`: in JSON it is an array, in XML the named elements one after the other.
None is an empty element and `null`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple
from xml.sax.saxutils import escape

import orjson

FORMATS = {"xml": "text/xml", "json": "application/json"}
_DECLARATION = '<?xml version="1.0" encoding="UTF-8"?>\n'
_NO_XML = re.compile(r"[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""What no XML 1.0 document can hold, however it is written (section 2.2)."""


class Many(NamedTuple):
    """The same element several times."""

    item: str
    nodes: Sequence[Any]


class Document(NamedTuple):
    """A document: the name of its root and what is in it."""

    root: str
    node: Mapping[str, Any] | Many


def render(document: Document, form: str) -> bytes:
    """Return a document in UTF-8, as XML or as JSON."""
    if form == "json":
        return orjson.dumps(_plain(document.node))
    return (_DECLARATION + _element(document.root, document.node)).encode()


def media_type(form: str) -> str:
    """Return the Content-Type of a format, with its encoding as the specification wants it."""
    return f"{FORMATS[form]}; charset=utf-8"


def error_document(errors: Sequence[tuple[int, str]]) -> Document:
    """Return the document that tells what was wrong: pairs of code and description."""
    nodes = [{"code": code, "description": words} for code, words in errors]
    return Document("errors", Many("error", nodes))


def _plain(node: Any) -> Any:
    if isinstance(node, Many):
        return [_plain(one) for one in node.nodes]
    if isinstance(node, Mapping):
        return {name: _plain(value) for name, value in node.items()}
    return node


def _element(name: str, node: Any) -> str:
    content = _content(node)
    return f"<{name}>{content}</{name}>" if content else f"<{name}/>"


def _content(node: Any) -> str:
    if isinstance(node, Many):
        return "".join(_element(node.item, one) for one in node.nodes)
    if isinstance(node, Mapping):
        return "".join(_element(name, value) for name, value in node.items())
    if isinstance(node, bool):
        return "true" if node else "false"
    return "" if node is None else escape(_NO_XML.sub("\ufffd", str(node)))
