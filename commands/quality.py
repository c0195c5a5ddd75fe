"""`shuxiang quality`: whether data are what their catalog entry says."""

from __future__ import annotations

import sys
from functools import partial
from typing import Any

import click

from commands.place import Place, place_of
from core.terminal import Told, as_json_option, err, explained, facts_table, print_facts


@click.group("quality")
def quality() -> None:
    """Whether data are what their catalog entry says."""


@quality.command("check")
@click.argument("code", required=False)
@click.option("--kind", type=click.Choice(["table", "file"]), help="Default: the table, or else the files.")
@click.option("--all", "every", is_flag=True, help="Every published dataset.")
@as_json_option
@place_of
@explained
def quality_check(place: Place, code: str | None, kind: str | None, every: bool, as_json: bool) -> None:
    """Check the data of dataset CODE (or --all) now; the exit status is 1 when a rule is broken."""
    from rich.progress import Progress, TextColumn, TimeElapsedColumn

    from catalog.quality.runs import check_now, published
    from core.codes import code_in

    if (code is None) != every:
        raise Told("请给出数据集代码，或用 --all / name a dataset, or use --all")
    columns = (TextColumn("{task.description}"), TextColumn("{task.completed:,} rows"), TimeElapsedColumn())
    with place.open() as begin, Progress(*columns, console=err, transient=True, disable=as_json) as progress:
        with begin() as work:
            wanted = published(work) if every else [(code_in(code or ""), kind)]

        def checked(one: str, its_kind: str | None) -> Any:
            task = progress.add_task(one, total=None)
            told = partial(progress.update, task)
            return check_now(begin, place.settings(), one, its_kind, lambda rows: told(completed=rows))

        runs = [(one, checked(one, its_kind)) for one, its_kind in wanted]
    documents = [{"dataset": one, "id": run.id, **run.document} for one, run in runs]
    rows = [(one, run.kind, run.rows, run.failed_rules, run.duration_ms / 1000) for one, run in runs]
    names = ("数据集 dataset", "类型 kind", "行 rows", "有问题的规则 broken rules", "秒 s")
    print_facts(documents, as_json, lambda: facts_table("数据质量 / quality of data", names, rows))
    if any(run.failed_rules for _, run in runs):
        sys.exit(1)
