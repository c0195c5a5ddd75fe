"""`shuxiang audit questions|ask|export`: the log's questions at the terminal."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from contextlib import AbstractContextManager, closing, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import click
from rich.table import Table

from audit.place import log_folder
from core.settings import Settings
from core.terminal import (
    Place,
    Told,
    answer_table,
    as_json_option,
    by_hand,
    err,
    explained,
    facts_table,
    print_facts,
)
from core.work import Work

if TYPE_CHECKING:
    from audit.questions.asking import Engine
    from audit.questions.model import Answer

DUCK, SPARK = "duck", "spark"
PAGE = 200


class By(NamedTuple):
    """What answers: an engine, and where it runs."""

    engine: str
    master: str = ""


_param = click.option(
    "--param",
    "params",
    multiple=True,
    metavar="NAME=VALUE",
    help="A parameter of the question; may be repeated.",
)
_engine = click.option(
    "--engine", type=click.Choice([DUCK, SPARK]), default=DUCK, show_default=True, help="What answers."
)
_master = click.option(
    "--master", default="local[*]", show_default=True, help="Where Spark runs: local[*], spark://HOST:PORT."
)


@click.command("questions")
@as_json_option
@explained
def questions(as_json: bool) -> None:
    """List the questions that can be asked of the log, with their parameters."""
    from audit.questions.catalogue import QUESTIONS
    from audit.questions.present import question_view

    views = [question_view(question) for question in QUESTIONS.values()]
    rows = [
        (q.code, f"{q.title.zh} / {q.title.en}", "\n".join(p.name for p in q.parameters))
        for q in QUESTIONS.values()
    ]
    print_facts(
        views,
        as_json,
        lambda: facts_table(
            "可提的问题 / questions", ("代码 code", "问题 question", "参数 parameters"), rows
        ),
    )


@click.command("ask")
@click.argument("code")
@_param
@click.option(
    "--limit", type=click.IntRange(1, 10_000), default=PAGE, show_default=True, help="The most rows."
)
@_engine
@_master
@as_json_option
@click.pass_obj
@explained
def ask(
    place: Place, code: str, params: tuple[str, ...], limit: int, engine: str, master: str, as_json: bool
) -> None:
    """Ask the log the question CODE; `questions` lists them. What is asked goes on record."""
    from audit.questions.present import answer_view

    with place.open(rules=_wants_rules(code)) as begin:
        found = _answered(begin, code, _given(params), limit, By(engine, master))
    print_facts(answer_view(found), as_json, lambda: _table(found))
    if not as_json:
        _told(found)


@click.command("export")
@click.argument("code")
@_param
@click.option("--form", type=click.Choice(["csv", "parquet", "zip"]), default="csv", show_default=True)
@click.option(
    "--out", type=click.Path(path_type=Path, dir_okay=False), help="The file; default: a name of its own."
)
@click.pass_obj
@explained
def export(place: Place, code: str, params: tuple[str, ...], form: str, out: Path | None) -> None:
    """Write the answer to the question CODE as a file: csv, parquet, or zip with proofs, signed."""
    from audit.questions.exports import file_name, rows_of, written

    with place.open(rules=_wants_rules(code)) as begin:
        found = _answered(begin, code, _given(params), rows_of(form), By(DUCK), form)
        path = out or Path(file_name(found, form))
        with begin() as work, written(work, found, form) as made, path.open("wb") as file:
            made.seek(0)
            shutil.copyfileobj(made, file)
    click.echo(str(path))
    _told(found)


Begin = Callable[[], AbstractContextManager[Work]]


def _answered(
    begin: Begin, code: str, given: dict[str, str], limit: int, by: By, form: str | None = None
) -> Answer:
    """Ask in a transaction that only reads, so that nobody waits while an engine takes its time."""
    from audit.columns.engine import engine_of
    from audit.questions.asking import answer, prepare, put_on_record
    from core.db import Database

    with begin() as work:
        asked, settings = prepare(work, code, given), work.settings
    with (
        closing(Database(settings.database_url)) as database,
        database.read() as tx,
        _opened(settings, by) as engine,
    ):
        found = answer(asked, engine_of(settings), tx, limit, by=engine)
    with begin() as work:
        put_on_record(by_hand(work), asked, found.rows.num_rows, form)
    return found


def _wants_rules(code: str) -> bool:
    """Tell whether a question needs the calendar of a rulebook. Raises NotFound."""
    from audit.questions.asking import question_of
    from audit.questions.model import WORKTIME

    return WORKTIME in question_of(code).needs


def _opened(settings: Settings, by: By) -> AbstractContextManager[Engine | None]:
    from audit.questions.spark import spark_engine

    if by.engine == SPARK:
        return spark_engine(log_folder(settings), by.master)
    return nullcontext()


def _given(params: tuple[str, ...]) -> dict[str, str]:
    """Read NAME=VALUE. Raises Told for what is none, and for a name that is given twice."""
    given: dict[str, str] = {}
    for param in params:
        name, sign, value = param.partition("=")
        if not sign or name in given:
            raise Told(f"--param {param}：应为 NAME=VALUE，每个只给一次 / must be NAME=VALUE, each once")
        given[name] = value
    return given


def _table(found: Answer) -> Table:
    title = f"{found.question.title.zh} / {found.question.title.en}"
    columns = [column.title for column in found.columns]
    return answer_table(title, columns, [list(row.values()) for row in found.shown()])


def _told(found: Answer) -> None:
    """Say on the error stream what the answer is based on, and what the reader must know."""
    from audit.questions.present import coverage_words

    for words in (coverage_words(found.coverage), *found.notes):
        err.print(f"{words.zh} / {words.en}", markup=False)
    if found.is_cut or found.next_cursor is not None:
        err.print("还有更多，未全部列出 / there is more than is listed here", style="yellow", markup=False)
