"""`shuxiang rulebook`: check the rulebooks, show them, ask them what would be due."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import click

from core.errors import ConfigError
from core.terminal import Told, as_json_option, explained, facts_table, print_facts
from core.times import parse_instant


@click.group("rulebook")
def rulebook() -> None:
    """The rulebooks: check them, show them, ask them what would be due."""


def _book(book_id: str) -> tuple[Any, Any]:
    from rules.rulebook import SHIPPED, load_rulebooks

    domain = book_id.partition("/")[0]
    books = load_rulebooks(SHIPPED, {domain: book_id}, every=False)
    return books.current(domain), books.calendar


def _all_books() -> list[str]:
    from rules.rulebook import SHIPPED

    return sorted(
        p.relative_to(SHIPPED).with_suffix("").as_posix()
        for p in SHIPPED.rglob("*.yaml")
        if p.parent.name != "calendars"
    )


@rulebook.command("check")
@click.argument("book", required=False)
@as_json_option
@explained
def rulebook_check(book: str | None, as_json: bool) -> None:
    """Check BOOK (or all): states reachable, clocks started and stopped, citations present."""
    from rules.check import check as check_book

    faults: list[str] = []
    for name in [book] if book else _all_books():
        try:
            faults += [str(f) for f in check_book(_book(name)[0])]
        except ConfigError as wrong:
            faults += [str(f) for f in wrong.findings]
    checked = [book] if book else _all_books()
    print_facts(
        {"checked": checked, "faults": faults},
        as_json,
        lambda: "\n".join(faults) or f"{len(checked)} 份规则手册无误 / rulebooks are sound",
    )
    if faults:
        sys.exit(1)


@rulebook.command("show")
@click.argument("book")
@as_json_option
@explained
def rulebook_show(book: str, as_json: bool) -> None:
    """Show every leaf of BOOK with its article and kind."""
    from rules.show import show

    rows = list(show(_book(book)[0]))
    names = ("path", "value", "article", "kind", "reading", "summary")
    print_facts(
        [dict(zip(names, r, strict=True)) for r in rows], as_json, lambda: facts_table(book, names, rows)
    )


@rulebook.command("glossary")
@as_json_option
@explained
def rulebook_glossary(as_json: bool) -> None:
    """Print the words of the platform and of every rulebook as Markdown (docs/glossary.md)."""
    from rules.glossary import glossary

    lines = list(glossary([_book(name)[0] for name in _all_books()]))
    print_facts(lines, as_json, lambda: "\n".join(lines))


@rulebook.command("due")
@click.argument("book")
@click.option(
    "--fact", "facts", multiple=True, metavar="KEY=VALUE", help="A fact of the case, by key or Chinese title."
)
@click.option(
    "--at", "events", multiple=True, metavar="EVENT=TIME", help="When an event was recorded (ISO 8601)."
)
@as_json_option
@explained
def rulebook_due(book: str, facts: tuple[str, ...], events: tuple[str, ...], as_json: bool) -> None:
    """Say what would be due under BOOK, given facts and recorded events."""
    from rules.due import what_is_due

    loaded, calendar = _book(book)
    due = what_is_due(loaded, calendar, _pairs(facts, "--fact"), _instants(events))
    rows = [
        (name, d["due"], "provisional" if d["provisional"] else "", _cite(d["cite"]))
        for name, d in due.items()
    ]
    print_facts(due, as_json, lambda: facts_table(book, ("时限 clock", "到期 due", "", "依据 cite"), rows))


def _cite(cite: Mapping[str, Any]) -> str:
    return f"{cite['label']['zh']} {cite['reading'] or ''}"


def _pair(item: str, option: str) -> tuple[str, str]:
    key, equals, value = item.partition("=")
    if not equals or not key:
        raise Told(f"{option} 应写作 KEY=VALUE:{item} / {option} takes KEY=VALUE: {item}")
    return key, value


def _pairs(given: Sequence[str], option: str) -> dict[str, str]:
    pairs: dict[str, str] = {}
    for key, value in (_pair(item, option) for item in given):
        if key in pairs:
            raise Told(f"{option} {key} 重复 / {option} {key} is given twice")
        pairs[key] = value
    return pairs


def _instants(given: Sequence[str]) -> list[tuple[str, datetime]]:
    """Return events and instants in the order given; an event may happen more than once."""
    instants: list[tuple[str, datetime]] = []
    for event, text in (_pair(item, "--at") for item in given):
        try:
            instants.append((event, parse_instant(text)))
        except ValueError as wrong:
            raise Told(f"--at {event}: “{text}”不是时间 / {text!r} is not an ISO 8601 time") from wrong
    return instants
