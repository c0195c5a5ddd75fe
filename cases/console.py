"""The desk: the page that somebody sees first."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping

from flask import current_app

from cases.desk import LISTS, Line, Listed, counts, list_cases
from cases.model import KINDS, PROCEDURES, in_role
from cases.telling import link_of
from cases.timing import book_of
from core.text import Text
from core.work import Work
from web.auth import SIGNED_IN
from web.pages import Page, Pages, Seen

pages = Pages("cases")

TITLES = "shuxiang_titles"
"""Where app.py puts the function that knows what datasets are called: `Titles`."""

Titles = Callable[[Work, Collection[str]], Mapping[str, str]]
"""Code to title of the datasets with these codes; cases do not know the catalog."""

SHORT, LONG = 8, 50

HEADINGS = {
    "tasks": Text("待我办理", "Waiting for me"),
    "late": Text("已逾期", "Overdue"),
    "recent": Text("最近动态", "Changed lately"),
}


@pages.show("/", who=SIGNED_IN, summary=Text("工作台", "Desk"))
def desk(work: Work, seen: Seen) -> Page:
    """Show what waits for the reader, what is late, what changed last; with ``?list=``, one in full."""
    which = seen.query.get("list")
    lists: dict[str, Listed]
    if which in LISTS:
        lists = {which: list_cases(work, which, LONG, seen.query.get("cursor") or None)}
    else:
        lists = {name: list_cases(work, name, SHORT) for name in LISTS}
    lines = [line for listed in lists.values() for line in listed.lines]
    context = {
        "lists": lists,
        "headings": HEADINGS,
        "whole": which in LISTS,
        "counts": counts(work),
        "subjects": _subjects(work, lines),
        "kinds": {line.case.id: _kind(work, line) for line in lines},
        "who": {line.case.id: _who(line) for line in lines},
        "link_of": link_of,
    }
    return Page("cases/desk.html", context)


def _kind(work: Work, line: Line) -> Text:
    """Return what kind of case it is: of matters and supervisions, which procedure."""
    case = line.case
    return book_of(work, case)[1].title if case.kind in PROCEDURES else KINDS[case.kind]


def _who(line: Line) -> Mapping[str, tuple[str, ...]]:
    """Return who uses and who provides; all departments that take part where nobody does either."""
    parties = line.case.parties
    named = {role: in_role(parties, role) for role in ("consumer", "provider")}
    if any(named.values()):
        return named
    everybody = dict.fromkeys(d for role in parties for d in in_role(parties, role))
    return {**named, "provider": tuple(everybody)}


def _subjects(work: Work, lines: Collection[Line]) -> dict[str, str]:
    """Return what each case is about, by its id: the datasets' titles where the catalog knows them."""
    codes = {line.case.id: _codes(line) for line in lines}
    titles: Titles | None = current_app.extensions.get(TITLES)
    known = titles(work, {code for some in codes.values() for code in some}) if titles else {}
    return {id: "、".join(known[code] for code in some if code in known) for id, some in codes.items()}


def _codes(line: Line) -> list[str]:
    facts = line.case.facts
    one = [str(facts["dataset"])] if "dataset" in facts else []
    return [*one, *(str(code) for code in facts.get("datasets", ()))]
