"""What every command of the terminal shares: facts as a table or as JSON, errors as sentences.

Facts go to the output stream, progress and errors to the error stream.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import pwd
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol

import click
from rich.cells import cell_len
from rich.console import Console
from rich.table import Table
from sqlalchemy.exc import OperationalError

from core.errors import ConfigError, Invalid, Refusal
from core.settings import Settings
from core.text import Text
from core.work import Work

out = Console(highlight=False)
err = Console(stderr=True, highlight=False)


class Place(Protocol):
    """Where a command works; `commands.place.Place` is the one there is."""

    data: Path

    def settings(self) -> Settings:
        """Read and check the deployment."""

    def open(
        self, *, rules: bool = True
    ) -> AbstractContextManager[Callable[[], AbstractContextManager[Work]]]:
        """Yield what begins a unit of work of the platform itself, with the rulebooks or without."""

    def work(self) -> AbstractContextManager[Work]:
        """Yield one unit of work of the platform itself."""


class Told(click.ClickException):
    """An error that has been put into words for the person at the terminal."""

    def show(self, file: Any = None) -> None:
        err.print(self.message, style="red", markup=False)


@contextmanager
def explaining() -> Iterator[None]:
    """Turn refusals and configuration faults into sentences and exit status 1."""
    try:
        yield
    except ConfigError as wrong:
        raise Told(str(wrong)) from wrong
    except Invalid as wrong:
        lines = [f"{e.pointer or '/'}: {e.message.zh} / {e.message.en}" for e in wrong.errors]
        raise Told("\n".join(lines)) from wrong
    except Refusal as wrong:
        raise Told(f"{wrong.message.zh} / {wrong.message.en}") from wrong
    except OperationalError as wrong:
        raise Told(f"数据库无法使用：{wrong.orig} / the database cannot be used: {wrong.orig}") from wrong


def explained(command: Callable[..., Any]) -> Callable[..., Any]:
    """Decorate a command so that what goes wrong is explained, not traced."""

    def wrapped(*args: Any, **kwargs: Any) -> Any:
        with explaining():
            return command(*args, **kwargs)

    wrapped.__name__, wrapped.__doc__ = command.__name__, command.__doc__
    wrapped.__click_params__ = getattr(command, "__click_params__", [])  # type: ignore[attr-defined]
    return wrapped


def print_facts(document: Any, as_json: bool, table: Callable[[], Table | str]) -> None:
    """Print `document` as JSON, or what `table` makes of it for people."""
    if as_json:
        click.echo(json.dumps(document, ensure_ascii=False, indent=2))
    else:
        shown = table()
        click.echo(shown) if isinstance(shown, str) else out.print(shown)


def print_rows(title: str, names: Sequence[str], rows: Sequence[Sequence[Any]], as_json: bool) -> None:
    """Print rows as JSON objects with these names, or as a table for people, a list joined by commas."""
    documents = [dict(zip(names, row, strict=True)) for row in rows]
    shown = [[", ".join(v) if isinstance(v, list) else v for v in row] for row in rows]
    print_facts(documents, as_json, lambda: facts_table(title, names, shown))


def facts_table(title: str, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> Table:
    """Return a table for people; None shows as nothing."""
    table = Table(title=title, title_justify="left")
    for column in columns:
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*("" if v is None else str(v) for v in row))
    return table


def answer_table(title: str, columns: Sequence[Text], rows: Sequence[Sequence[Any]]) -> Table:
    """Return rows as a table where they fit the terminal's width; else each as a block, a line a value.

    A block leaves out what says nothing.
    """
    if sum(_width(column, [row[at] for row in rows]) + 3 for at, column in enumerate(columns)) < out.width:
        return facts_table(title, [f"{c.zh}\n{c.en}" for c in columns], rows)
    table = Table(title=title, title_justify="left", show_header=False)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for row in rows:
        for column, value in zip(columns, row, strict=True):
            if value not in (None, ""):
                table.add_row(f"{column.zh} {column.en}", str(value))
        table.add_section()
    return table


def _width(column: Text, values: Sequence[Any]) -> int:
    """Return the cells that a column needs: its heading may be broken between words, its values may not."""
    words = (column.zh, *column.en.split())
    return max(cell_len(str(text)) for text in (*words, *(v for v in values if v is not None)))


def by_hand(work: Work) -> Work:
    """Return the unit of work on behalf of who sits at the terminal, for what goes on record.

    The operating system's user stands in the log under a pseudonym, as accounts do.
    """
    try:
        user = pwd.getpwuid(os.getuid()).pw_name
    except KeyError:  # a user without a name, as in some containers
        user = str(os.getuid())
    digest = hmac.new(work.settings.key("pseudonym.key"), f"terminal:{user}".encode(), hashlib.sha256)
    return work.acting_as(replace(work.actor, pseudonym=f"terminal-{digest.hexdigest()[:32]}"))


as_json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
