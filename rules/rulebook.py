"""Rulebooks: one file for one place and domain, read, checked, and known by a version that cases keep."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

from core.errors import ConfigError, Finding, invalid
from core.settings import read_yaml
from core.text import Text, text_of
from rules import reading
from rules.check import check
from rules.citation import Citation
from rules.limits import ClockRule
from rules.routing import Matched, Row, first_match, missing_fact
from rules.values import FieldRule, missing, read_facts
from rules.visibility import View
from rules.workdays import Calendar, Hours, load_calendar
from rules.workflow import Workflow
from schemas import errors as schema_errors
from schemas import names as schema_names

SHIPPED = Path(__file__).resolve().parent.parent / "rulebooks"
"""The rulebooks and calendars that come with the platform."""


@dataclass(frozen=True, slots=True)
class Leaf:
    """A policy; a value of None means that the text gives nothing, which is not the same as no rule."""

    value: Any
    cite: Citation


@dataclass(frozen=True)
class Rulebook:
    """The rules of one place for one domain, as one document."""

    id: str
    """Folder and file, such as ``sharing/qianjiang``."""
    document: Mapping[str, Any]

    @cached_property
    def version(self) -> str:
        """The first 16 hex digits of the SHA-256 of the canonical document."""
        return hashlib.sha256(canonical(self.document).encode()).hexdigest()[:16]

    @cached_property
    def title(self) -> Text:
        """What the book is called on screen."""
        return text_of(self.document["title"])

    @cached_property
    def citations(self) -> Mapping[str, Citation]:
        """The provisions by the name that the leaves cite."""
        return reading.citations(self.document)

    @cached_property
    def readings(self) -> Mapping[str, Text]:
        """The interpretations that the book follows, by number."""
        return {name: text_of(raw) for name, raw in self.document.get("readings", {}).items()}

    @cached_property
    def dimensions(self) -> Mapping[str, FieldRule]:
        """The facts that rules depend on, by key."""
        return reading.fields(self.document["facts"])

    @cached_property
    def fields(self) -> Mapping[str, FieldRule]:
        """The fields that steps require or accept, by key."""
        return reading.fields(self.document["fields"])

    @cached_property
    def events(self) -> Mapping[str, Text]:
        """The events that clocks start and stop on, by key."""
        return {name: text_of(raw["title"]) for name, raw in self.document["events"].items()}

    @cached_property
    def tables(self) -> Mapping[str, tuple[Row, ...]]:
        """The routing tables by name; a table named like a fact derives that fact."""
        return reading.tables(self.document, self.citations)

    @cached_property
    def views(self) -> Mapping[str, Mapping[str, View]]:
        """The visibility tables by kind of object."""
        return reading.views(self.document, self.citations)

    @cached_property
    def workflows(self) -> Mapping[str, Workflow]:
        """The workflows by name."""
        return reading.workflows(self.document, self.citations)

    @cached_property
    def clocks(self) -> tuple[ClockRule, ...]:
        """The clocks in the book's order."""
        return reading.clocks(self.document, self.citations)

    @cached_property
    def policies(self) -> Mapping[str, Leaf]:
        """Every policy by its path."""
        raw = reading.leaves(self.document["policies"])
        return {path: Leaf(leaf["value"], self.citations[leaf["cite"]]) for path, leaf in raw}

    def workflow(self, name: str) -> Workflow:
        """Return a workflow. Raises ConfigError when the book has none of that name."""
        if name not in self.workflows:
            raise ConfigError(
                [_finding(self.id, "/workflows", f"没有流程“{name}”", f"has no workflow {name!r}")]
            )
        return self.workflows[name]

    def policy(self, path: str) -> Leaf:
        """Return the policy at `path`, such as ``grant.max_term``. Raises KeyError when it is misspelt."""
        return self.policies[path]

    def route(self, table: str, facts: Mapping[str, Any]) -> Matched:
        """Return what a routing table decides on facts given by key. Raises Invalid when it cannot decide."""
        rows = self.tables[table]
        matched = first_match(rows, facts)
        fact = missing_fact(rows, facts)
        if fact is not None:
            raise missing(fact, self.dimensions.get(fact))
        if matched is None:
            raise invalid(
                "/facts", f"规则表“{table}”没有对应的规定", f"no row of the table {table!r} applies"
            )
        return matched

    def facts(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """Return facts by key with values by key, from keys or titles in either language, plus the derived.

        A fact that was not given is what its `default` says.

        A derived fact that cannot be decided yet is left out. Raises Invalid with one entry
        (``/facts/<word>``) per fact or value that the book does not know.
        """
        stated = read_facts(self.dimensions, given)
        supposed = {n: d.default for n, d in self.dimensions.items() if d.default is not None}
        facts = {**supposed, **stated}
        for name, rows in self.tables.items():
            if name in self.dimensions and missing_fact(rows, facts) is None:
                matched = first_match(rows, facts)
                if matched is not None:
                    facts[name] = matched.value
        return facts


@dataclass(frozen=True)
class Rulebooks:
    """The rulebooks of a deployment, those it chose, and the old versions that cases were opened under."""

    calendar: Calendar
    books: Mapping[str, Rulebook]
    selected: Mapping[str, str]
    """Domain to rulebook id: ``{"sharing": "sharing/qianjiang"}``."""
    archive: Mapping[tuple[str, str], Rulebook]

    def current(self, domain: str) -> Rulebook:
        """Return the book that the deployment chose for a domain. Raises KeyError when it chose none."""
        return self.books[self.selected[domain]]

    def get(self, id: str, version: str | None = None) -> Rulebook:
        """Return a book by id, in an old version where one is asked for. Raises KeyError."""
        book = self.books.get(id)
        if book is not None and version in (None, book.version):
            return book
        return self.archive[(id, version or "")]


def canonical(document: Mapping[str, Any]) -> str:
    """Return the one form of a document that its version is the digest of."""
    return json.dumps(document, ensure_ascii=False, sort_keys=True, separators=(",", ":"))


def load_rulebooks(
    root: Path,
    selected: Mapping[str, str],
    archive: Iterable[Mapping[str, Any]] = (),
    *,
    hours: Hours = Hours(),  # noqa: B008 - frozen
    day_end: str = "24:00",
    every: bool = True,
) -> Rulebooks:
    """Read the calendars and the rulebooks under `root`. Raises ConfigError with every fault found.

    Without `every` only the selected ones are read: a deployment starts without those of other places.
    `archive` holds rows with ``id``, ``version`` and ``document`` of versions that are no longer on disk.
    """
    findings: list[Finding] = []
    calendar = _calendar(root, hours, day_end, findings)
    books: dict[str, Rulebook] = {}
    for path in sorted(root.glob("*/*.yaml")):
        wanted = every or f"{path.parent.name}/{path.stem}" in selected.values()
        if wanted and path.parent.name != "calendars":
            book = _read(path, findings)
            if book is not None:
                books[book.id] = book
    for domain, id in selected.items():
        if id not in books and not findings:
            findings.append(
                _finding(str(root), "", f"没有规则集“{id}”({domain})", f"has no rulebook {id!r} ({domain})")
            )
    if findings:
        raise ConfigError(findings)
    old = {(row["id"], row["version"]): Rulebook(row["id"], row["document"]) for row in archive}
    return Rulebooks(calendar, books, dict(selected), old)


def _calendar(root: Path, hours: Hours, day_end: str, findings: list[Finding]) -> Calendar:
    try:
        return load_calendar(root / "calendars", hours, day_end)
    except ConfigError as wrong:
        findings += wrong.findings
        return Calendar({})


def _read(path: Path, findings: list[Finding]) -> Rulebook | None:
    """Read and check one file; its faults go to `findings`."""
    book, faults = _checked(path, hashlib.sha256(path.read_bytes()).hexdigest())
    findings += faults
    return book


@lru_cache(maxsize=64)
def _checked(path: Path, content: str) -> tuple[Rulebook | None, tuple[Finding, ...]]:
    """Check a file once for each `content` (its digest): the checks take most of a second."""
    id = f"{path.parent.name}/{path.stem}"
    try:
        document = read_yaml(path)
    except ConfigError as wrong:
        return None, wrong.findings
    schema = f"rulebook/{path.parent.name}"
    if schema not in schema_names():
        fault = _finding(str(path), "", "没有这一领域的规则集", "there are no rulebooks of this domain")
        return None, (fault,)
    book = Rulebook(id, document)
    faults = [Finding(str(path), e.pointer, e.message) for e in schema_errors(schema, document)]
    faults = faults or check(book, str(path))
    return (None if faults else book), tuple(faults)


def _finding(file: str, pointer: str, zh: str, en: str) -> Finding:
    return Finding(file, pointer, Text(zh, en))
