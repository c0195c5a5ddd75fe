"""What the platform's code needs of a hotline rulebook, so that no book passes its check and fails at work.

The code knows no state's and no action's name. It goes by the flags of states, by what steps do, by the
fields that it reads and by a few events:

* states of a ticket: with `intake` it is still with the office, with `handling` a unit works on it,
  `answered` waits for the revisit or for closing, `hung` waits for what nobody can do soon, `held` may be
  reopened, and in a `resting` one nobody has the turn;
* steps: see `DOES`; what a step must ask for when it does something says `rules.check_tickets`;
* facts: those of `FACTS` the platform fills in, the others are dimensions that people choose, are derived by
  a table, say that a clock runs or has passed, that an event waits for an answer, or how often it happened;
* events: the platform reads a few from every ticket, whatever step records them (`rules.check_tickets`);
* articles of the knowledge base: see `rules.check_articles`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from rules import check_articles as articles
from rules.check_flow import Fault
from rules.check_signing import signing_faults
from rules.check_tickets import ticket_faults
from rules.citation import SILENT
from rules.workflow import Workflow

if TYPE_CHECKING:
    from rules.rulebook import Rulebook

TICKET = "ticket"
FLAGS = frozenset({"intake", "handling", "answered", "hung", "held", "resting"})
MATTER_FLAGS = frozenset({"resting"})

DOES = frozenset(
    {
        "dispatch",
        "answer",
        "refuse",
        "guide",
        "hand_off",
        "merge",
        "rate",
        "redo",
        "correct",
        "withdraw",
        "hang",
        "reopen",
        "archive",
        "aside",
    }
)
"""What the platform does along with a step of a ticket.

`dispatch` makes the unit that is named its handler, `rate` writes down what the caller says, `redo` begins
another handling, `merge` joins it to another ticket of the same matter, `correct` opens a correction at
whoever provides the data that it is about; `answer`, `refuse`, `guide` and `hand_off` end it at the desk;
`withdraw`, `hang`, `reopen` and `archive` are what lists and reports tell apart; `aside` is nobody's task.
"""
MATTER_DOES = frozenset({"aside"})
WORDS = {TICKET: (FLAGS, DOES), articles.ARTICLE: (articles.FLAGS, articles.DOES)}
"""Workflow to the flags of its states and the deeds of its steps; any other is a procedure about a ticket."""

TYPES = {
    "unit": "department",
    "suggested_unit": "department",
    "co_units": "list",
    "masked": "boolean",
    "into": "text",
    "article": "text",
    "basis": "text",
    "guide_to": "text",
    "refusal": "choice",
    "emergency_line": "choice",
    "satisfaction": "choice",
    "attempt_result": "choice",
    "channel_used": "choice",
    "statutory_due": "instant",
    "limit_days": "integer",
    "dataset": "dataset",
    "deputy_signature": "text",
}
"""The type of each field that the platform reads."""
PLAIN = frozenset(
    {
        "basis",
        "into",
        "article",
        "guide_to",
        "outside_unit",
        "lower_unit",
        "deputy_signature",
        "signed_by",
        "clock",
        "period",
    }
)
"""Texts that name a provision, a number, an office or who signed, a limit or a month.

All others are people's words about people: kept encrypted, and never sent on with a notice.
"""
FACTS = frozenset(
    {
        "channel",
        "anonymous",
        "confidential",
        "statutory",
        "statutory_due",
        "masked",
        "origin",
        "repeat",
        "is_satisfied",
        "opened_as",
        articles.END,
    }
)
"""The facts that the platform fills in.

`is_satisfied` is what the rating says that a step brings along; `statutory` becomes true with a step that
brings `statutory_due` along, and false with one that does `redo`.
"""
CHOICES = {
    "refusal": "scope.refuse",
    "emergency_line": "scope.emergency",
    "satisfaction": "satisfaction.scale",
}
"""Choice fields whose choices are the codes of a policy."""
COUNT, RUNNING = "_count", "_running"
RELATIONS = ("operator", "dispatcher", "handler", "co_handler", "accused", "supervisor", "leader", "auditor")
"""Who looks at a ticket; a relation that a table does not name sees nothing."""
PARTS = ("name", "phone", "address", "contact", "ip")
"""What is kept of a caller, as the table of the caller names it."""
WORDS_OF_PEOPLE = ("summary", "description", "location", "occurred_at", "accused_person", "recording")
"""What a ticket says in people's words: it can be masked or left out."""
WHOLE = ("accused", "caller")
"""What a ticket shows as more than a text: it can be left out, and not be masked."""


def hotline_faults(book: Rulebook) -> Iterator[Fault]:
    """Yield what the platform would stumble over."""
    for name, flow in book.workflows.items():
        yield from _words(name, flow)
    yield from _facts(book)
    yield from _fields(book)
    yield from ticket_faults(book, book.workflows[TICKET])
    yield from articles.article_faults(book)
    yield from _named_workflows(book)
    yield from _codes(book)
    yield from _silences(book)
    yield from _prefixes(book)
    yield from _views(book)
    yield from signing_faults(book)


def _words(name: str, flow: Workflow) -> Iterator[Fault]:
    """Flags and deeds belong to their workflow, and nothing waits at its end."""
    flags, deeds = WORDS.get(name, (MATTER_FLAGS, MATTER_DOES))
    for state in flow.states.values():
        here = f"/workflows/{name}/states/{state.name}/flags"
        for flag in sorted(state.flags - flags):
            yield here, f"这个流程的状态没有“{flag}”", f"no state of this workflow is {flag!r}"
        if state.final and state.flags:
            yield here, "终态不能有标志", "a final state has no flags"
    for i, step in enumerate(flow.transitions):
        if step.does is not None and step.does not in deeds:
            words = f"这个流程的步骤没有“{step.does}”", f"no step of this workflow does {step.does!r}"
            yield f"/workflows/{name}/transitions/{i}/does", *words


def _facts(book: Rulebook) -> Iterator[Fault]:
    """Every fact is chosen by people, derived, or filled in by the platform; and what must be given, is."""
    chosen = tuple(book.policy("classify.dimensions").value)
    clocks = {name for clock in book.clocks for name in (clock.name, f"{clock.name}{RUNNING}")}
    counts = {f"{event}{COUNT}" for event in book.events}
    lengths = {clock.setting.field for clock in book.clocks if clock.setting is not None}
    known = {*FACTS, *lengths, *chosen, *book.tables, *clocks, *book.events, *counts}
    for fact in book.dimensions:
        if fact not in known:
            yield f"/facts/{fact}", "平台不提供这个事实", "is a fact that the platform does not know"
    for fact in chosen:
        if fact not in book.dimensions:
            words = f"没有事实“{fact}”", f"there is no fact {fact!r}"
            yield "/policies/classify/dimensions/value", *words
    for fact in counts & book.dimensions.keys():
        if book.dimensions[fact].type != "integer":
            yield f"/facts/{fact}/type", "次数应为整数", "a count is a whole number"


def _fields(book: Rulebook) -> Iterator[Fault]:
    """The fields that the platform reads have the type that it expects, and people's words are sealed."""
    for name, field in book.fields.items():
        wanted = TYPES.get(name, field.type)
        if field.type != wanted:
            yield f"/fields/{name}/type", f"应为 {wanted}", f"must be {wanted!r}"
        if field.type == "text" and name not in PLAIN and not field.sealed:
            words = "可能含有个人信息，应加密保存", "may hold personal data and must be sealed"
            yield f"/fields/{name}/sealed", *words
        if name in book.dimensions and field.type != book.dimensions[name].type:
            yield f"/fields/{name}/type", "应与同名事实一致", "must be what the fact of that name is"


def _named_workflows(book: Rulebook) -> Iterator[Fault]:
    """The workflows that policies name exist and take up a ticket, or nothing."""
    for path, index, name in _openings(book):
        if name not in book.workflows or name == TICKET:
            words = f"没有流程“{name}”", f"there is no workflow {name!r}"
            yield f"/policies/{path.replace('.', '/')}/value{index}", *words
    for name, flow in book.workflows.items():
        opening = flow.opens_by
        about = {*opening.about, *opening.about_optional} if opening is not None else set()
        if about - {TICKET}:
            yield f"/workflows/{name}/open/about", "只能关于工单", "can be about a ticket only"
        origins = opening is not None and "origin" in opening.parties.values()
        if origins and TICKET not in about:
            words = (
                "要从工单取得参与部门，应写明关于工单",
                "takes parties from a ticket, so it must be about one",
            )
            yield f"/workflows/{name}/open/about", *words


def _openings(book: Rulebook) -> Iterator[tuple[str, str, str]]:
    for path in ("urge.then", "extension.after_last"):
        value = book.policy(path).value
        if value is not None:
            yield path, "", value
    for path in ("supervise.triggers", "supervise.ladder"):
        for i, entry in enumerate(book.policy(path).value or ()):
            if entry["opens"] is not None:
                yield path, f"/{i}/opens", entry["opens"]


def _codes(book: Rulebook) -> Iterator[Fault]:
    """Codes tell apart what they name, and choices of fields are the codes of their policy."""
    for path, leaf in book.policies.items():
        named = [e["code"] for e in leaf.value if "code" in e] if _is_coded(leaf.value) else []
        if len(named) != len(set(named)):
            yield f"/policies/{path.replace('.', '/')}/value", "代码重复", "has a code twice"
    for field, path in CHOICES.items():
        codes = {e["code"] for e in book.policy(path).value or ()}
        if field in book.fields and book.fields[field].choices.keys() != codes:
            words = f"应与 policies/{path} 的代码一致", f"must have the codes of policies/{path}"
            yield f"/fields/{field}/choices", *words
    known = {e["code"] for e in book.policy("categories").value}
    for i, entry in enumerate(book.policy("categories").value):
        if entry["parent"] is not None and entry["parent"] not in known - {entry["code"]}:
            words = f"没有类别“{entry['parent']}”", f"there is no category {entry['parent']!r}"
            yield f"/policies/categories/value/{i}/parent", *words
    for field in ("refuse.requires", "reply.requires", "close.requires"):
        for name in book.policy(field).value:
            if name not in book.fields:
                words = f"没有字段“{name}”", f"there is no field {name!r}"
                yield f"/policies/{field.replace('.', '/')}/value", *words


def _is_coded(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(e, dict) for e in value)


def _silences(book: Rulebook) -> Iterator[Fault]:
    """Where a policy has no value the text says nothing, and the citation says so."""
    for path, leaf in book.policies.items():
        if leaf.value is None and leaf.cite.kind != SILENT:
            words = (
                "没有值的应引用“条文未作规定”的条目",
                "has no value, so it must cite an entry that is silent",
            )
            yield f"/policies/{path.replace('.', '/')}/cite", *words


def _prefixes(book: Rulebook) -> Iterator[Fault]:
    taken = {str(book.policy("number.prefix").value): TICKET}
    for name, flow in book.workflows.items():
        if flow.opens_by is not None and taken.setdefault(flow.opens_by.prefix, name) != name:
            yield f"/workflows/{name}/open/prefix", "编号前缀重复", "is the prefix of another workflow"


def _views(book: Rulebook) -> Iterator[Fault]:
    """What nobody is said to see would be seen by nobody, and what is called otherwise is not hidden."""
    for relation in RELATIONS:
        if relation not in book.views["ticket"]:
            words = f"应写明“{relation}”能看到什么", f"must say what {relation!r} sees"
            yield "/visibility/ticket", *words
    texts = {*WORDS_OF_PEOPLE, *(f"caller.{part}" for part in PARTS)}
    for relation, view in book.views["ticket"].items():
        for part in sorted({*view.hide} - texts - {*WHOLE} | {*view.mask} - texts):
            words = (
                f"工单没有可以这样隐去的“{part}”",
                f"nothing called {part!r} of a ticket can be kept back so",
            )
            yield f"/visibility/ticket/{relation}", *words
    for relation, view in book.views["caller"].items():
        for part in sorted({*view.hide, *view.mask} - {*PARTS}):
            words = f"来电人信息没有“{part}”", f"nothing called {part!r} is kept of a caller"
            yield f"/visibility/caller/{relation}", *words
