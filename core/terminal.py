"""What every command of the terminal shares: facts as a table or as JSON, errors as sentences.

Facts go to the output stream, progress and errors to the error stream.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any, Protocol

import click
from rich.console import Console
from rich.table import Table
from sqlalchemy.exc import OperationalError

from core.errors import ConfigError, Invalid, Refusal
from core.settings import Settings
from core.work import Work

out = Console(highlight=False)
err = Console(stderr=True, highlight=False)


class Place(Protocol):
    """Where a command works; `cli.Place` is the one there is."""

    data: Path

    def settings(self) -> Settings:
        """Read and check the deployment."""

    def open(self) -> AbstractContextManager[Callable[[], AbstractContextManager[Work]]]:
        """Yield what begins a unit of work of the platform itself."""

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


def facts_table(title: str, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> Table:
    """Return a table for people; None shows as nothing."""
    table = Table(title=title, title_justify="left")
    for column in columns:
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*("" if v is None else str(v) for v in row))
    return table


as_json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
