"""PostgreSQL as the state store: which addresses are allowed, and how a connection behaves.

A connection gives up rather than wait for ever: for the server, for a statement, for a lock, and for a
transaction that nobody ends. Who writes as one of the control plane's takes one lock of the whole database at
BEGIN, as on SQLite, so what is right there is right here; the data plane's single statements do not.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from enum import Enum
from ipaddress import ip_address
from typing import Any

from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url
from sqlalchemy.exc import ArgumentError

from core.errors import ConfigError, Finding
from core.text import Text

DRIVERS = ("postgresql", "postgresql+psycopg")
OLDEST = 150000
"""The oldest server that the tests run on, as the server itself numbers it."""
COLLATIONS = ("C", "POSIX", "C.UTF-8", "C.utf8")
"""Orders of text by code point, as SQLite has it; the order of pages hangs on it."""
LIBC, ICU = "c", "i"
"""Who sorts, as pg_database.datlocprovider has it; the third one, built in since 17, goes by code point."""
_ORDER = """
SELECT datlocprovider::text, datcollate::text FROM pg_database WHERE datname = current_database()
"""
WRITERS = 7_102_026
"""The advisory lock of those who write as the control plane does."""


class Turn(Enum):
    """Whom a writing transaction may run beside."""

    ALONE = "alone"
    """Nobody who takes a turn: what a use case reads stays so until it has written."""
    ANY = "any"
    """Anybody: a statement that decides and writes in one, on rows that no use case looks at."""


_OPTIONS = frozenset(
    {
        "host",
        "port",
        "sslmode",
        "sslrootcert",
        "sslcert",
        "sslkey",
        "sslcrl",
        "channel_binding",
        "target_session_attrs",
        "application_name",
    }
)
CONNECT_SECONDS = 5
STATEMENT_SECONDS = 60
LOCK_SECONDS = 15
IDLE_SECONDS = 60
"""How long a transaction may do nothing before the server ends it."""
_PATIENCE = {
    "statement_timeout": STATEMENT_SECONDS,
    "lock_timeout": LOCK_SECONDS,
    "idle_in_transaction_session_timeout": IDLE_SECONDS,
}
_NETWORK = {
    "connect_timeout": CONNECT_SECONDS,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 2,
    "tcp_user_timeout": 10_000,
}
POOL, OVERFLOW, POOL_SECONDS = 8, 40, 10
"""Connections that are kept, that may come on top, and how long one is waited for."""


def is_loopback(host: str) -> bool:
    """Tell whether a host is this machine: its name, an address of it, or the folder of a socket."""
    if host.startswith("/") or host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def check_url(url: URL) -> None:
    """Raise ConfigError unless a URL names a driver of ours, a host, and TLS where it leaves the machine."""
    for reason in _faults(url):
        raise ConfigError([Finding("database_url", "", reason)])


def _faults(url: URL) -> Iterator[Text]:
    if url.drivername not in DRIVERS:
        yield Text(
            f"不支持的数据库驱动 {url.drivername}，请用 sqlite 或 postgresql+psycopg",
            f"no such driver here: {url.drivername}; use sqlite or postgresql+psycopg",
        )
        return
    unknown = ", ".join(sorted(url.query.keys() - _OPTIONS))
    if unknown:
        yield Text(f"数据库地址含未知参数 {unknown}", f"the address has parameters unknown here: {unknown}")
    if not url.database or not url.username:
        yield Text(
            "数据库地址缺少数据库名或用户名", "the address lacks the name of the database or of the user"
        )
    hosts = _hosts(url)
    if not hosts:
        yield Text("数据库地址缺少主机", "the address names no host")
    if not all(map(is_loopback, hosts)) and url.query.get("sslmode") != "verify-full":
        yield Text(
            "数据库不在本机，地址须带 sslmode=verify-full 和 sslrootcert",
            "the database is not on this machine: the address needs sslmode=verify-full and sslrootcert",
        )


def _hosts(url: URL) -> list[str]:
    given = url.query.get("host", ())
    named = [given] if isinstance(given, str) else list(given)
    # libpq's form: several hosts, each with or without its port
    more = [part if part.startswith("/") else part.rpartition(":")[0] or part for part in named]
    return [host for each in [url.host or "", *more] for host in each.split(",") if host]


def parse_url(url: str) -> URL:
    """Return the parts of a database's address. Raises ConfigError when it is none."""
    try:
        return make_url(url)
    except ArgumentError as wrong:
        said = Text("数据库地址无法识别", "not the address of a database")
        raise ConfigError([Finding("database_url", "", said)]) from wrong


def with_password(url: str, password: str) -> str:
    """Return an address that holds the password as well. Raises ConfigError."""
    return parse_url(url).set(password=password).render_as_string(hide_password=False)


def open_engine(url: URL, options: Mapping[str, Any]) -> Engine:
    """Return an engine for an allowed URL; it connects when it is used. Raises ConfigError.

    What a server is not fit for is said at the first connection: ConfigError as well.
    """
    check_url(url)
    engine = create_engine(
        url.set(drivername=DRIVERS[1]),
        pool_pre_ping=True,
        pool_size=POOL,
        max_overflow=OVERFLOW,
        pool_timeout=POOL_SECONDS,
        connect_args={**_NETWORK, "options": _session()},
        **options,
    )
    event.listen(engine, "connect", _check_server)
    event.listen(engine, "begin", _begin)
    return engine


def _session() -> str:
    patience = [f"-c {name}={seconds * 1000}" for name, seconds in _PATIENCE.items()]
    return " ".join(["-c TimeZone=UTC -c client_encoding=UTF8", *patience])


def _check_server(connection: Any, _record: Any) -> None:
    """Refuse a server that is too old, or a database that keeps or sorts text in another way."""
    version, encoding = connection.info.server_version, connection.info.parameter_status("server_encoding")
    if version < OLDEST:
        major = version // 10_000
        raise _unfit(f"PostgreSQL {major} 过旧，至少需要 15", f"PostgreSQL {major} is too old; 15 is needed")
    if encoding != "UTF8":
        raise _unfit(
            f"数据库编码为 {encoding}，须为 UTF8", f"the database is kept in {encoding}, not in UTF8"
        )
    provider, collation = connection.execute(_ORDER).fetchone()
    connection.rollback()
    if provider == ICU or (provider == LIBC and collation not in COLLATIONS):
        how = "CREATE DATABASE … TEMPLATE template0 LOCALE 'C'"
        raise _unfit(
            f"数据库的排序规则不是 C，翻页会出错；请用 {how}",
            f"the database does not sort by C, which paging hangs on: {how}",
        )


def _unfit(zh: str, en: str) -> ConfigError:
    return ConfigError([Finding("database_url", "", Text(zh, en))])


def _begin(tx: Connection) -> None:
    """Take the writers' lock, or see one state of the database and change nothing."""
    options = tx.get_execution_options()
    if not options.get("shuxiang_write", True):
        tx.exec_driver_sql("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
        return
    if options.get("shuxiang_turn", Turn.ALONE) is Turn.ALONE:
        tx.exec_driver_sql("SELECT pg_advisory_xact_lock(%s)", (WRITERS,))
