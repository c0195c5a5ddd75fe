"""What no schema can say about a rulebook: its parts refer to each other, every case finds a way out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import combinations, product
from typing import TYPE_CHECKING, Any

from core.errors import Finding, Invalid
from core.text import Text
from rules.check_flow import Fault, flow_faults, when_faults
from rules.check_hotline import hotline_faults
from rules.check_use import use_faults
from rules.citation import INTERPRETATION
from rules.limits import ByFact, ClockRule
from rules.routing import Row, first_match, matches
from rules.values import FieldRule, read_value

if TYPE_CHECKING:
    from rules.rulebook import Rulebook

MOST_COMBINATIONS = 10_000
"""Combinations of facts that a routing table is tried with."""

_USES = {"sharing": use_faults, "hotline": hotline_faults}
"""Domain to what the platform's code needs of its books."""


def check(book: Rulebook, file: str = "") -> list[Finding]:
    """Return every fault of a book that fits its schema; an empty list means that it can be used.

    `file` is where the findings say that the fault is; the book's id when it is not given.
    """
    faults = [*_identity(book), *_dangling(book)]
    if not faults:  # the other checks read the leaves with their citations
        faults = [*_citations(book), *flow_faults(book), *_clocks(book), *_tables(book), *_unused(book)]
        faults += [] if faults else _USES[book.id.partition("/")[0]](book)  # of a book that hangs together
    return [Finding(file or book.id, pointer, Text(zh, en)) for pointer, zh, en in faults]


def _identity(book: Rulebook) -> Iterator[Fault]:
    if book.document["id"] != book.id:
        yield "/id", f"应与文件位置一致：{book.id}", f"must agree with the file's place: {book.id}"


# --- citations ------------------------------------------------------------------------------------


def _dangling(book: Rulebook) -> Iterator[Fault]:
    for pointer, name in _cites(book.document, ""):
        if name not in book.document["citations"]:
            yield pointer, f"“{name}”没有出处", f"{name!r} is not an entry of citations"


def _citations(book: Rulebook) -> Iterator[Fault]:
    """Every entry is cited, names a document of the book, and every reading is explained and followed."""
    known: Mapping[str, Any] = book.document["citations"]
    readings = book.document["readings"]
    cited = {name for _, name in _cites(book.document, "")}
    for name, raw in known.items():
        at = f"/citations/{name}"
        if name not in cited:
            yield at, "没有任何规则引用它", "is cited by nothing"
        if raw.get("document") is not None and raw["document"] not in book.document["documents"]:
            yield (
                f"{at}/document",
                f"没有文件“{raw['document']}”",
                f"{raw['document']!r} is not an entry of documents",
            )
        if raw["kind"] == INTERPRETATION and "reading" not in raw:
            yield f"{at}/reading", "解读必须指明解读编号", "an interpretation must name its reading"
        if "reading" in raw and raw["reading"] not in readings:
            yield (
                f"{at}/reading",
                f"解读“{raw['reading']}”没有说明",
                f"reading {raw['reading']!r} is not explained",
            )
    used = {raw.get("reading") for raw in known.values()}
    for name in readings:
        if name not in used:
            yield f"/readings/{name}", "没有任何出处采用它", "is followed by no citation"


def _cites(node: Any, pointer: str) -> Iterator[tuple[str, str]]:
    if isinstance(node, Mapping):
        for key, child in node.items():
            if key == "cite":
                yield f"{pointer}/cite", child
            else:
                yield from _cites(child, f"{pointer}/{key}")
    elif isinstance(node, list):
        for i, child in enumerate(node):
            yield from _cites(child, f"{pointer}/{i}")


# --- clocks ---------------------------------------------------------------------------------------


def _clocks(book: Rulebook) -> Iterator[Fault]:
    for i, rule in enumerate(book.clocks):
        at = f"/clocks/{i}"
        yield from when_faults(book, rule.when, f"{at}/when")
        if rule.workflow is not None and rule.workflow not in book.workflows:
            yield f"{at}/workflow", f"没有流程“{rule.workflow}”", f"there is no workflow {rule.workflow!r}"
            continue
        yield from _clock_events(book, rule, at)
        yield from _clock_names(book, rule, at)
    for (i, one), (_, other) in combinations(enumerate(book.clocks), 2):
        if one.name == other.name and (one.workflow != other.workflow or not _exclusive(one, other)):
            yield (
                f"/clocks/{i}",
                f"两个“{one.name}”可能同时适用",
                f"two clocks {one.name!r} may apply at once",
            )


def _clock_events(book: Rulebook, rule: ClockRule, at: str) -> Iterator[Fault]:
    """A clock starts and stops on events of its workflow or from outside; one of no workflow on any event."""
    external = {name for name, raw in book.document["events"].items() if raw.get("external")}
    recorded = external | book.workflows[rule.workflow].events() if rule.workflow else set(book.events)
    extension = (rule.extension.event,) if rule.extension else ()
    for key, names in (("starts", rule.starts), ("stops", rule.stops), ("extend/event", extension)):
        for name in names:
            if name not in recorded:
                yield (
                    f"{at}/{key}",
                    f"流程中没有步骤产生“{name}”",
                    f"no step of the workflow records {name!r}",
                )
    if rule.workflow is not None and rule.starts and not rule.stops:
        yield f"{at}/stops", "没有让它停止的事件", "has no event that stops it"


def _clock_names(book: Rulebook, rule: ClockRule, at: str) -> Iterator[Fault]:
    """The other clocks, the fields and the workflow that a clock refers to exist."""
    siblings = {r.name for r in book.clocks if r.workflow == rule.workflow and r is not rule}
    for key, names in (("before_due", (rule.before_due,)), ("not_after", rule.not_after)):
        for name in names:
            if name is not None and name not in siblings:
                yield f"{at}/{key}", f"没有时限“{name}”", f"there is no clock {name!r} in the workflow"
    yield from _clock_fields(book, rule, at)
    opened = rule.on_breach.opens if rule.on_breach else None
    if opened is not None and opened not in book.workflows:
        yield f"{at}/on_breach/opens", f"没有流程“{opened}”", f"there is no workflow {opened!r}"


def _clock_fields(book: Rulebook, rule: ClockRule, at: str) -> Iterator[Fault]:
    """The fields and facts that set a limit exist and hold what a limit is made of."""
    number = {f.name for f in (*book.fields.values(), *book.dimensions.values()) if f.type == "integer"}
    if rule.setting is not None and rule.setting.field not in number:
        yield f"{at}/set/field", f"“{rule.setting.field}”不是整数", f"{rule.setting.field!r} is no number"
    said = {f.name for f in book.fields.values() if f.type == "instant"}
    known = said | {f.name for f in book.dimensions.values() if f.type == "instant"}
    for key, field, names in (("counts_from", rule.counts_from, said), ("due_at", rule.due_at, known)):
        if field is not None and field not in names:
            yield f"{at}/{key}", f"“{field}”不是时间类字段", f"{field!r} is no field with an instant"
    if rule.by_fact is not None:
        yield from _values_known(book, rule.by_fact, f"{at}/lasts_by")
    for name in rule.extension.requires if rule.extension else ():
        if name not in book.fields:
            yield f"{at}/extend/requires", f"没有字段“{name}”", f"there is no field {name!r}"


def _values_known(book: Rulebook, by_fact: ByFact, at: str) -> Iterator[Fault]:
    """A limit that depends on a fact says something about each value of it, and of no other."""
    fact = book.dimensions.get(by_fact.fact)
    known = set(fact.choices) if fact else set()
    if known != set(by_fact.lasts):
        words = ("应与事实的各个取值一一对应", "must name each value of the fact and no other")
        yield f"{at}/values", *words


def _exclusive(one: ClockRule, other: ClockRule) -> bool:
    shared = one.when.keys() & other.when.keys()
    return any(not _set_of(one.when[fact]) & _set_of(other.when[fact]) for fact in shared)


def _set_of(wanted: Any) -> frozenset[Any]:
    return frozenset(wanted if isinstance(wanted, list) else [wanted])


# --- routing, events, fields ----------------------------------------------------------------------


def _tables(book: Rulebook) -> Iterator[Fault]:
    """A routing table asks for known values, answers with known values, and answers in every case."""
    for name, rows in book.tables.items():
        at = f"/routing/{name}"
        derived = book.dimensions.get(name)
        for i, row in enumerate(rows):
            yield from when_faults(book, row.when, f"{at}/{i}/when")
            if derived is not None and not _is_value(derived, row.then):
                yield (
                    f"{at}/{i}/then",
                    f"“{row.then}”不是{derived.title.zh}",
                    f"{row.then!r} is no {derived.title.en}",
                )
        yield from _gaps(book, rows, at)


def _gaps(book: Rulebook, rows: tuple[Row, ...], at: str) -> Iterator[Fault]:
    asked = sorted({fact for row in rows for fact in row.when})
    ranges = [_values_of(book.dimensions.get(fact)) for fact in asked]
    size = 1
    for values in ranges:
        size *= len(values)
    if not 0 < size <= MOST_COMBINATIONS:
        return
    cases = [dict(zip(asked, values, strict=True)) for values in product(*ranges)]
    hole = next((facts for facts in cases if first_match(rows, facts) is None), None)
    if hole is not None:
        yield at, f"没有规定这种情形：{_told(hole)}", f"no row for {_told(hole)}"
    for i, row in enumerate(rows):
        if all(any(matches(r.when, facts) for r in rows[:i]) for facts in cases if matches(row.when, facts)):
            yield f"{at}/{i}", "前面的行已经覆盖，永远不会用到", "is never reached, earlier rows decide"


def _told(facts: Mapping[str, Any]) -> str:
    return ", ".join(f"{fact}={value}" for fact, value in facts.items())


def _values_of(rule: FieldRule | None) -> tuple[Any, ...]:
    if rule is None:
        return ()
    return (True, False) if rule.type == "boolean" else tuple(rule.choices)


def _is_value(rule: FieldRule, value: Any) -> bool:
    try:
        return bool(read_value(rule, value, "") == value)
    except Invalid:
        return False


def _unused(book: Rulebook) -> Iterator[Fault]:
    """Every event is recorded and every field asked for by some step; what comes from outside says so."""
    steps = [t for flow in book.workflows.values() for t in flow.transitions]
    emitted = frozenset[str]().union(*(flow.events() for flow in book.workflows.values()))
    openings = [flow.opens_by for flow in book.workflows.values() if flow.opens_by is not None]
    asked = {name for step in steps for name in (*step.requires, *step.accepts)}
    asked |= {name for opening in openings for name in (*opening.requires, *opening.accepts)}
    for name, raw in book.document["events"].items():
        if not raw.get("external") and name not in emitted:
            yield f"/events/{name}", "没有步骤产生它", "is recorded by no step"
    for name in book.fields:
        if name not in asked:
            yield f"/fields/{name}", "没有步骤用到它", "is used by no step"
