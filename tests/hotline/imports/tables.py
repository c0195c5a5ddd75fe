"""Tables of tickets, as people make them."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Any

from openpyxl import Workbook

from core.work import SYSTEM, Actor, Work
from hotline.imports.jobs import find_import, start_import
from hotline.imports.model import Fault, Import
from hotline.imports.running import step
from tests.conftest import World

olga = Actor("olga-hotline", "Olga", "hotline_office", frozenset({"operator"}), "pseudonym-of-olga")
"""The operator who hands tables in."""
HEAD = ["来源编号", "受理渠道", "诉求摘要", "诉求内容", "姓名", "联系电话", "事项类别"]
PHONE = "13987654321"


def row(number: object, **changes: str) -> list[str]:
    """A row under HEAD that can be taken in, with some cells changed."""
    cells = [f"A-{number}", "12345电话", "路灯不亮", "人民路的路灯不亮", "李四光", PHONE, "street_lights"]
    return [changes.get(name, cell) for name, cell in zip(HEAD, cells, strict=True)]


def csv_of(rows: Sequence[Sequence[str]], encoding: str = "utf-8", head: Sequence[str] = HEAD) -> bytes:
    out = io.StringIO()
    csv.writer(out).writerows([head, *rows])
    return out.getvalue().encode(encoding)


def xlsx_of(rows: Sequence[Sequence[Any]], head: Sequence[str] = HEAD) -> bytes:
    book = Workbook()
    assert book.active is not None
    for cells in (head, *rows):
        book.active.append(list(cells))
    out = io.BytesIO()
    book.save(out)
    return out.getvalue()


def handed_in(world: World, content: bytes, source: str = "import", *, dry_run: bool = False) -> Import:
    """An import that waits."""
    with world.work(olga) as work:
        from accounts.people import ensure_account

        ensure_account(work, olga.login, olga.name, olga.department, olga.roles)
        return start_import(work, content, source, dry_run=dry_run)


def begin(world: World) -> Any:
    """What the importer begins its units of work with."""

    def unit() -> AbstractContextManager[Work]:
        return world.work(SYSTEM)

    return unit


def dealt_with(world: World, made: Import) -> Import:
    """The import once the importer is through with it."""
    while step(begin(world), made.id):
        pass
    with world.work(olga) as work:
        return find_import(work, made.id)


def imported(world: World, content: bytes, source: str = "import", *, dry_run: bool = False) -> Import:
    """An import from beginning to end."""
    return dealt_with(world, handed_in(world, content, source, dry_run=dry_run))


def refused(world: World, made: Import) -> list[Fault]:
    """What an import refused."""
    from hotline.imports.jobs import faults

    with world.work(olga) as work:
        return list(faults(work, made, 200, None).rows)


def counts(made: Import) -> tuple[int, int, int]:
    """Rows taken, there already, refused."""
    return made.taken, made.repeated, made.refused
