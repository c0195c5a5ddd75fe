"""`shuxiang check|init|apply`: a deployment and what its files say."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import click
from rich.table import Table

from commands.place import Place, place_of
from core.settings import Settings
from core.terminal import as_json_option, err, explained, facts_table, print_facts
from core.times import utc_now


@click.command("check")
@as_json_option
@place_of
@explained
def check(place: Place, as_json: bool) -> None:
    """Check the deployment's files and its rulebooks; name every fault with file and pointer."""
    from cases.books import refuse_lapsed
    from core.unsafe import refuse_unsafe
    from rules.rulebook import SHIPPED, load_rulebooks

    settings = place.settings()
    refuse_unsafe(settings, os.environ)
    refuse_lapsed(settings, load_rulebooks(SHIPPED, settings.platform.rulebooks))
    warn(settings)
    facts = {
        "platform": settings.platform.id,
        "departments": len(settings.departments),
        "connections": len(settings.connections),
        "datasets": len(settings.manifests),
        "rulebooks": dict(settings.platform.rulebooks),
    }
    print_facts(
        facts,
        as_json,
        lambda: facts_table("配置无误 / sound", ("", ""), list(facts.items())),
    )


def warn(settings: Settings) -> None:
    """Tell on the error stream what is allowed to run and should not stay as it is."""
    from cases.books import tenancy_warning
    from core.unsafe import warnings
    from hotline.routing import unknown_topics
    from rules.rulebook import SHIPPED, load_rulebooks

    for words in warnings(settings):
        err.print(f"警告 WARNING: {words.zh} / {words.en}", style="yellow", markup=False)
    books = load_rulebooks(SHIPPED, settings.platform.rulebooks)
    warning = tenancy_warning(settings, books.current("sharing"))
    if warning is not None:
        err.print(f"警告 WARNING: {warning.zh} / {warning.en}", style="yellow", markup=False)
    if "hotline" not in settings.platform.rulebooks:
        return
    unknown = unknown_topics(settings.hotline.duties, books.current("hotline"))
    if unknown:
        zh = f"hotline.yaml 的 duties 中有热线规则没有的类别，这些行不起作用：{'、'.join(unknown)}"
        en = f"duties of hotline.yaml name topics that the hotline's rulebook lacks: {', '.join(unknown)}"
        err.print(f"警告 WARNING: {zh} / {en}", style="yellow", markup=False)


@click.command("init")
@click.option(
    "--passwords",
    type=click.Path(path_type=Path),
    help="Write the one-time passwords to this file (0600) too.",
)
@as_json_option
@place_of
@explained
def init(place: Place, passwords: Path | None, as_json: bool) -> None:
    """Make folders, keys, database and first accounts; print their one-time passwords. Safe to repeat."""
    made = initialised(place.settings())
    if passwords is not None and made:
        write_private(passwords, "".join(f"{login}\t{password}\n" for login, password in made.items()))
    print_facts(made, as_json, lambda: _sign_ins(made))


def initialised(settings: Settings) -> dict[str, str]:
    """Initialise a deployment, the demo with its upstream data; return the one-time passwords made."""
    from demo.prepare import prepare
    from setup_deployment import initialise

    made = initialise(settings, utc_now())
    if settings.platform.demo:
        prepare(settings)
    return made


def write_private(path: Path, text: str) -> None:
    """Add `text` to a file that only this account may read."""
    with os.fdopen(
        os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), "w", encoding="utf-8"
    ) as file:
        file.write(text)


def _sign_ins(made: Mapping[str, str]) -> Table | str:
    if not made:
        return "已初始化，没有新账号 / initialised before; no new account"
    return facts_table(
        "一次性密码，首次登录须更改 / one-time passwords",
        ("登录名 login", "密码 password"),
        list(made.items()),
    )


@click.command("apply")
@click.argument("folder", type=click.Path(path_type=Path, exists=True, file_okay=False))
@click.option("--dry-run", is_flag=True, help="Only show what would change.")
@as_json_option
@place_of
@explained
def apply(place: Place, folder: Path, dry_run: bool, as_json: bool) -> None:
    """Bring the catalog to what the manifests of a deployment folder say."""
    from catalog.apply import apply_manifests, check_manifests, plan_manifests

    settings = Place(folder, place.data).settings()
    reports = {} if dry_run else check_manifests(settings, settings.manifests)
    with place.work() as work:
        work = replace(work, settings=settings)
        if dry_run:
            changes = plan_manifests(work, settings.manifests)
        else:
            changes = apply_manifests(work, settings.manifests, reports)
    rows = [c.as_json() for c in changes]
    print_facts(rows, as_json, lambda: _changes_table(rows, dry_run))


def _changes_table(rows: Sequence[Mapping[str, Any]], dry_run: bool) -> Table:
    title = "将要进行的变更 / what would change" if dry_run else "已完成的变更 / what changed"
    shown = [(r["manifest"], r.get("code"), r["change"], "\n".join(r.get("diff", ()))) for r in rows]
    return facts_table(title, ("清单 manifest", "代码 code", "变更 change", "差异 diff"), shown)
