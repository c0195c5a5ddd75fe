"""What can be asked for: the rulebook's topics as services, its dimensions and demands as attributes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from core.errors import NotFound
from core.text import Text, text_of
from hotline.book import coded, dimensions, value_of
from hotline.open311.documents import Document, Many
from rules.rulebook import Rulebook
from rules.values import FieldRule

OWN = {
    "title": ("string", Text("标题，不写姓名和号码", "a title, without names and numbers")),
    "occurred_at": ("datetime", Text("发生时间", "when it happened")),
    "external_id": (
        "string",
        Text("贵方系统的编号；同一编号重复提交只登记一次", "your own id; sent again, it is registered once"),
    ),
}
"""Attributes that every service takes beside those of the rulebook: datatype and description."""
CONFIDENTIAL = "confidential"
PEOPLE = {
    "name": Text("姓名（first_name、last_name）", "a name (first_name, last_name)"),
    "phone": Text("联系电话（phone）", "a phone number (phone)"),
    "address": Text("联系地址（address_string）", "an address (address_string)"),
}
"""Demands of the rulebook on the caller, which the specification's own arguments carry."""
_DATATYPES = {"choice": "singlevaluelist", "boolean": "singlevaluelist", "integer": "number"}
_YES_NO = {"true": Text("是", "yes"), "false": Text("否", "no")}


def topics(book: Rulebook) -> dict[str, Mapping[str, Any]]:
    """Return the topics that other systems may use, by code, in the book's order."""
    return {str(topic["code"]): topic for topic in value_of(book, "categories") or () if topic["open311"]}


def topic_of(book: Rulebook, code: str) -> Mapping[str, Any]:
    """Return one topic. Raises NotFound for a code that is not open to other systems."""
    found = topics(book).get(code)
    if found is None:
        raise NotFound("没有这个 service_code", "service_code was not found")
    return found


def service_name(book: Rulebook, code: str) -> str:
    """Return what a service is called; a topic that the book no longer has shows its code."""
    return str(coded(book, "categories").get(code, code))


def service_list(book: Rulebook) -> Document:
    """Return the list of services (GET Service List)."""
    return Document("services", Many("service", [_service(book, t) for t in topics(book).values()]))


def _service(book: Rulebook, topic: Mapping[str, Any]) -> dict[str, Any]:
    title = text_of(topic["title"])
    group = service_name(book, topic["parent"]) if topic["parent"] else title.zh
    return {
        "service_code": topic["code"],
        "service_name": title.zh,
        "description": f"{title.zh} / {title.en}",
        "metadata": True,
        "type": "realtime",
        "keywords": ", ".join(dict.fromkeys((group, title.zh, title.en))),
        "group": group,
    }


# --- definitions ------------------------------------------------------------------------------------


def service_definition(book: Rulebook, code: str) -> Document:
    """Return the attributes of a service (GET Service Definition). Raises NotFound."""
    topic = topic_of(book, code)
    nodes = [*(_dimension(rule) for rule in dimensions(book)), *_own(book), *_people(book)]
    ordered = [{**node, "order": place} for place, node in enumerate(nodes, start=1)]
    attributes = [{name: node[name] for name in _ORDER if name in node} for node in ordered]
    node = {"service_code": topic["code"], "attributes": Many("attribute", attributes)}
    return Document("service_definition", node)


_ORDER = (
    *("variable", "code", "datatype", "required", "datatype_description", "order", "description", "values"),
)
"""The elements of an attribute in the order of the specification."""


def demanded(book: Rulebook) -> frozenset[str]:
    """Return the fields that the book demands of every ticket."""
    return frozenset(value_of(book, "intake.fields")["required"])


def _dimension(rule: FieldRule) -> dict[str, Any]:
    choices = _YES_NO if rule.type == "boolean" else rule.choices
    return _attribute(rule.name, _DATATYPES.get(rule.type, "string"), rule.title, choices=choices)


def _own(book: Rulebook) -> list[dict[str, Any]]:
    required = demanded(book)
    given = [_attribute(code, kind, words, required=code in required) for code, (kind, words) in OWN.items()]
    words = Text("来电人信息是否保密", "whether the caller's identity is confidential")
    return [*given, _attribute(CONFIDENTIAL, "singlevaluelist", words, choices=_YES_NO)]


def _people(book: Rulebook) -> list[dict[str, Any]]:
    """Tell in words what the book demands of the caller: a definition has no other place for it."""
    needed = [words for name, words in PEOPLE.items() if name in demanded(book)]
    if not needed:
        return []
    words = Text(
        f"必须提供{'、'.join(w.zh for w in needed)}", f"must be given: {', '.join(w.en for w in needed)}"
    )
    return [{**_attribute("caller", "string", words), "variable": False}]


def _attribute(
    code: str,
    datatype: str,
    words: Text,
    *,
    required: bool = False,
    choices: Mapping[str, Text] | None = None,
) -> dict[str, Any]:
    node: dict[str, Any] = {
        "variable": True,
        "code": code,
        "datatype": datatype,
        "required": required,
        "datatype_description": None,
        "description": f"{words.zh} / {words.en}",
    }
    if choices:
        listed = [{"key": key, "name": f"{title.zh} / {title.en}"} for key, title in choices.items()]
        node["values"] = Many("value", listed)
    return node
