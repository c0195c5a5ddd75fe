"""The desk: the page that somebody sees first."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping

from flask import current_app

from cases.desk import LISTS, Line, Listed, counts, list_cases
from cases.model import KINDS
from cases.telling import link_of
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
        "kinds": KINDS,
        "link_of": link_of,
    }
    return Page("cases/desk.html", context)


def _subjects(work: Work, lines: Collection[Line]) -> dict[str, str]:
    """Return what each case is about, by its id: the dataset's title where the catalog knows one."""
    codes = {str(line.case.facts["dataset"]) for line in lines if "dataset" in line.case.facts}
    titles: Titles | None = current_app.extensions.get(TITLES)
    known = titles(work, codes) if titles else {}
    return {line.case.id: known.get(str(line.case.facts.get("dataset")), "") for line in lines}
