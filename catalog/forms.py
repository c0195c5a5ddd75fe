"""Reads the console's forms into the documents that the API takes, and writes documents into forms. Pure.

A field called ``attributes.0.length`` stands for the JSON pointer ``/attributes/0/length``, so an error finds
its field. Rows of a list that nobody filled in are left out, and the rows after them move up.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

Typed = Mapping[str, list[str]]
"""Field names to what was typed or chosen there."""


class Kind(NamedTuple):
    """How one field is read, and how its value is written; reading returns None for a blank."""

    read: Callable[[list[str]], Any]
    write: Callable[[Any], list[str]]


def _text(typed: list[str]) -> str | None:
    return typed[0].strip().replace("\r\n", "\n") or None


def _number(typed: list[str]) -> Any:
    """Return a number, or the text as it is, for the schema to say what is wrong with it."""
    text = typed[0].strip()
    if re.fullmatch(r"-?[0-9]{1,15}", text):
        return int(text)
    if re.fullmatch(r"-?[0-9]{1,15}\.[0-9]{1,15}", text):
        return float(text)
    return text or None


def _codes(typed: list[str]) -> dict[str, str] | None:
    pairs = (part.partition("=") for part in re.split(r"[;;\n]", typed[0]) if part.strip())
    return {code.strip(): words.strip() for code, _, words in pairs} or None


def _split(pattern: str) -> Callable[[list[str]], list[str] | None]:
    return lambda typed: [p.strip() for p in re.split(pattern, typed[0]) if p.strip()] or None


TEXT = Kind(_text, lambda value: [str(value)])
NUMBER = Kind(_number, lambda value: [str(value)])
YES = Kind(lambda typed: True if "true" in typed else None, lambda value: ["true"] if value else [])
CHOICES = Kind(lambda typed: [t for t in typed if t] or None, list)
WORDS = Kind(_split(r"[\s,,、;;]+"), lambda value: ["、".join(value)])
LINES = Kind(_split(r"[\r\n]+"), lambda value: ["\n".join(value)])
PLACE = Kind(lambda typed: "" if typed[0].strip() == "*" else _text(typed), lambda value: [value or "*"])
"""A JSON pointer; ``*`` is typed for the empty one, the whole answer."""
CODES = Kind(_codes, lambda value: [";".join(f"{k}={v}" for k, v in value.items())])

ENTRY: Mapping[str, Kind] = {
    **dict.fromkeys(("title", "summary", "category_code", "category", "register", "theme"), TEXT),
    **dict.fromkeys(("update_limit", "share_class", "share_condition", "class_reason"), TEXT),
    "freshness_attribute": TEXT,
    **dict.fromkeys(("basis.level", "basis.title", "basis.article", "format.kind"), TEXT),
    **dict.fromkeys(("use_terms", "open_class", "contact", "issued"), TEXT),
    **dict.fromkeys(("base_item", "controlled_params"), YES),
    **dict.fromkeys(("keywords", "format.extensions", "related"), WORDS),
    "share_method": CHOICES,
    "required_materials": LINES,
    **dict.fromkeys((f"attributes.*.{name}" for name in ("name", "title", "type")), TEXT),
    **dict.fromkeys((f"attributes.*.{name}" for name in ("share_class", "sensitivity", "note")), TEXT),
    **dict.fromkeys((f"attributes.*.{name}" for name in ("check", "element", "obtained_from")), TEXT),
    "attributes.*.length": NUMBER,
    "attributes.*.primary_key": YES,
    "attributes.*.required": YES,
    "attributes.*.code_list": CODES,
}
"""The fields of a catalog entry's form."""

_PARAMETER = "operations.*.parameters.*."
DISTRIBUTION: Mapping[str, Kind] = {
    **dict.fromkeys(("kind", "connection", "table"), TEXT),
    "order": WORDS,
    "files": LINES,
    **dict.fromkeys((f"operations.*.{name}" for name in ("name", "title", "method", "path")), TEXT),
    "operations.*.records": PLACE,
    "operations.*.changes": YES,
    "operations.*.accepts_body": YES,
    **dict.fromkeys((f"{_PARAMETER}{name}" for name in ("name", "in", "title", "pattern")), TEXT),
    f"{_PARAMETER}required": YES,
    f"{_PARAMETER}controlled": YES,
}
"""The fields of a distribution's form."""


def read_form(typed: Typed, shape: Mapping[str, Kind]) -> dict[str, Any]:
    """Return the document that a form describes; fields that `shape` does not know are not the form's."""
    tree: dict[str, Any] = {}
    for name, values in typed.items():
        kind = shape.get(re.sub(r"\.\d{1,4}(?=\.)", ".*", name))
        value = kind.read(values) if kind and values else None
        if value is None:
            continue
        *path, last = name.split(".")
        at = tree
        for part in path:
            at = at.setdefault(part, {})
        at[last] = _Leaf(value)
    document = _listed(tree)
    return document if isinstance(document, dict) else {}


class _Leaf(NamedTuple):
    """A value that was read, whatever its keys look like."""

    value: Any


def _listed(node: dict[str, Any] | _Leaf) -> Any:
    """Turn what is keyed by row numbers into lists, in the order of the numbers."""
    if isinstance(node, _Leaf):
        return node.value
    if node and all(key.isdigit() for key in node):
        return [_listed(node[key]) for key in sorted(node, key=int)]
    return {key: _listed(value) for key, value in node.items()}


def write_form(document: Mapping[str, Any], shape: Mapping[str, Kind]) -> list[tuple[str, str]]:
    """Return the form's fields as pairs of name and value; `read_form` reads them back."""
    return [(name, text) for name, value, kind in _fields(document, shape) for text in kind.write(value)]


def _fields(document: Mapping[str, Any], shape: Mapping[str, Kind]) -> Iterable[tuple[str, Any, Kind]]:
    for pattern, kind in shape.items():
        for name, value in _found("", document, pattern.split(".")):
            if value is not None:
                yield name, value, kind


def _found(name: str, node: Any, path: list[str]) -> Iterable[tuple[str, Any]]:
    if not path:
        yield name.strip("."), node
    elif path[0] == "*":
        for i, member in enumerate(node if isinstance(node, list) else ()):
            yield from _found(f"{name}.{i}", member, path[1:])
    elif isinstance(node, Mapping) and path[0] in node:
        yield from _found(f"{name}.{path[0]}", node[path[0]], path[1:])


def members(shape: Mapping[str, Kind]) -> frozenset[str]:
    """Return the top-level members of the document that a form covers."""
    return frozenset(name.partition(".")[0] for name in shape)


def revision_of(before: Mapping[str, Any], typed: Mapping[str, Any]) -> dict[str, Any]:
    """Return the changes that a revised entry's form means: what it covers and leaves blank is taken away.

    What the form does not show of an attribute (its bounds, its pattern) stays as it was.
    """
    known = {a["name"]: a for a in before["attributes"]}
    shown = {name.rpartition(".")[2] for name in ENTRY if name.startswith("attributes.")}
    attributes = [
        {**{k: v for k, v in known.get(a.get("name"), {}).items() if k not in shown}, **a}
        for a in typed.get("attributes", ())
    ]
    return {**dict.fromkeys(members(ENTRY)), **typed, "attributes": attributes}
