"""Looks at a provider's table: the database opens read-only, the table is there, its columns fit."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from sqlalchemy import Connection as Session
from sqlalchemy import Engine, MetaData, Table, create_engine, func, literal, select
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, NoSuchTableError, SQLAlchemyError
from sqlalchemy.pool import NullPool

from catalog.model import CheckItem
from core.settings import Connection
from core.text import Text

SAMPLE = 1000
"""Rows are counted up to this many: enough to tell that data are there."""


def check_table(
    connection: Connection, detail: Mapping[str, Any], document: Mapping[str, Any]
) -> Iterator[CheckItem]:
    """Yield what was found, up to the first thing that stands in the way of the next."""
    try:
        with open_read_only(connection).connect() as session:
            yield CheckItem("reachable", True, Text("数据库可以只读方式连接", "the database opens read-only"))
            yield from _look(session, detail["table"], document)
    except (SQLAlchemyError, ArgumentError, ImportError, OSError) as wrong:
        reason = type(getattr(wrong, "orig", None) or wrong).__name__
        words = Text(f"数据库无法连接或读取({reason})", f"the database does not open or answer ({reason})")
        yield CheckItem("reachable", False, words)


def _look(session: Session, name: str, document: Mapping[str, Any]) -> Iterator[CheckItem]:
    schema, _, bare = name.rpartition(".")
    try:
        table = Table(bare, MetaData(), schema=schema or None, autoload_with=session, resolve_fks=False)
    except NoSuchTableError:
        yield CheckItem("table", False, Text(f"没有表 {name}", f"there is no table {name}"))
        return
    yield CheckItem("table", True, Text(f"表 {name} 存在", f"table {name} is there"))
    missing = [a["name"] for a in document["attributes"] if a["name"] not in table.columns]
    if missing:
        names = ", ".join(missing)
        yield CheckItem(
            "columns", False, Text(f"表中没有这些列：{names}", f"the table lacks columns: {names}")
        )
        return
    count = len(document["attributes"])
    yield CheckItem(
        "columns", True, Text(f"{count} 个信息项都有对应的列", f"all {count} attributes have a column")
    )
    some = select(literal(1)).select_from(table).limit(SAMPLE).subquery()
    rows = int(session.execute(select(func.count()).select_from(some)).scalar_one())
    more = Text("至少 ", "at least ") if rows == SAMPLE else Text("", "")
    yield CheckItem("rows", True, Text(f"{more.zh}{rows} 行", f"{more.en}{rows} rows"))


def open_read_only(connection: Connection) -> Engine:
    """Return an engine that cannot write and gives up after the connection's time."""
    url = make_url(connection.database_url or "")
    if url.get_backend_name() == "sqlite":
        url = url.set(database=f"file:{url.database}", query={"mode": "ro", "uri": "true"})
        return create_engine(url, poolclass=NullPool, connect_args={"timeout": connection.connect_seconds})
    seconds = connection.total_seconds
    options = f"-c default_transaction_read_only=on -c statement_timeout={int(seconds * 1000)}"
    wait = max(1, round(connection.connect_seconds))
    return create_engine(url, poolclass=NullPool, connect_args={"connect_timeout": wait, "options": options})
