"""A look-up as the deployment offers it to its operators, and one that is ready to be made. No I/O."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple
from urllib.parse import quote, urlencode

from core.codes import in_url
from core.errors import FieldError, Invalid
from core.patterns import matches_whole
from core.text import Text, text_of
from rules.values import pointer_to

OPERATORS = ("eq", "like", "ilike")


@dataclass(frozen=True, slots=True)
class Asked:
    """One thing that the operator types: a column of the table, or a parameter of the operation."""

    name: str
    title: Text
    pattern: str
    operator: str
    """How a table's column is compared; an operation is given the value as it is."""
    optional: bool


@dataclass(frozen=True, slots=True)
class Lookup:
    """What operators may look up, under which system's grant on which dataset (config hotline.yaml)."""

    code: str
    title: Text
    client: str
    """Name of the system, of the department of the hotline, whose grant is used."""
    dataset: str
    operation: str | None
    """The operation of an api; None reads a table."""
    fields: tuple[str, ...]
    """Columns that are asked for; all that the grant names when empty."""
    most: int
    """Rows of one answer."""
    asks: tuple[Asked, ...]

    @property
    def kind(self) -> str:
        """The kind of distribution that is read."""
        return "api" if self.operation else "table"

    def path(self, values: Mapping[str, str]) -> str:
        """Return the address on the data plane that asks for `values`."""
        root = f"/share/{in_url(self.dataset)}"
        given = {a.name: values[a.name] for a in self.asks if a.name in values}
        if self.operation is not None:
            return f"{root}/call/{quote(self.operation, safe='')}?{urlencode(given)}"
        query = {a.name: f"{a.operator}.{given[a.name]}" for a in self.asks if a.name in given}
        chosen = {"select": ",".join(self.fields)} if self.fields else {}
        return f"{root}/rows?{urlencode({**chosen, **query, 'limit': str(self.most)})}"


class Question(NamedTuple):
    """A look-up that may be made now: the ticket that it is for, its address, the token for it."""

    ticket: str
    lookup: Lookup
    path: str
    token: str
    proof: str
    """That the call comes from whom the token was made for: its key exists for this one call."""


class Found(NamedTuple):
    """What the gateway answered, and where that is on record."""

    status: int
    record: str | None
    document: Any
    """The answer or the problem (RFC 9457) as JSON; None where it is neither."""


def lookup_of(raw: Mapping[str, Any]) -> Lookup:
    """Return the look-up that an entry of hotline.yaml describes."""
    asks = (
        Asked(
            a["name"],
            text_of(a["title"]),
            a["pattern"],
            a.get("operator", "eq"),
            a.get("optional", False),
        )
        for a in raw["asks"]
    )
    return Lookup(
        raw["code"],
        text_of(raw["title"]),
        raw["client"],
        raw["dataset"],
        raw.get("operation"),
        tuple(raw.get("fields", ())),
        raw.get("most", 20),
        tuple(asks),
    )


def check_values(lookup: Lookup, given: Mapping[str, Any]) -> dict[str, str]:
    """Return what was typed, by name. Raises Invalid with one entry for each that is missing or unfit."""
    known = {a.name for a in lookup.asks}
    wrong = [
        FieldError(pointer_to(name), Text("没有这一项", "is not asked for"), "unknown")
        for name in given
        if name not in known
    ]
    values = {name: str(value).strip() for name, value in given.items() if str(value).strip()}
    for asked in lookup.asks:
        value = values.get(asked.name)
        if value is None and not asked.optional:
            words = Text(f"请填写{asked.title.zh}", f"{asked.title.en} must be given")
            wrong.append(FieldError(pointer_to(asked.name), words, "required"))
        elif value is not None and not matches_whole(asked.pattern, value):
            words = Text(f"应符合格式 {asked.pattern}", f"must fit {asked.pattern}")
            wrong.append(FieldError(pointer_to(asked.name), words, "pattern"))
    if wrong:
        raise Invalid(wrong)
    return values
