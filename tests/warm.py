"""What a run of the tests makes once and every story uses: it never changes and is slow to make.

Thousands of stories have a deployment of their own each, and dozens of processes are started.
What differs from the product is here and nowhere else: passwords cost less.
"""

from __future__ import annotations

import gc
import os
import sys
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import werkzeug.routing
from argon2 import PasswordHasher
from flask import Flask
from jinja2.bccache import Bucket, BytecodeCache

import schemas
from accounts import passwords
from core.db import Database
from core.settings import Connection, Settings, load_settings
from core.settings_audit import Audit
from tests.leaks import Noting

CONFIG = Path(__file__).parent.parent / "config" / "demo"
NOWHERE = Path("/nonexistent/of-the-story")

PRODUCTS_HASHER = passwords._hasher
"""What hashes passwords outside the tests; its strength has a test of its own."""


def warm_up() -> None:
    """Let this process and those that it starts keep what they make; called before any story."""
    keep_bytecode()
    Flask.url_rule_class = Rule
    noting: Any = Noting(PasswordHasher(time_cost=1, memory_cost=64, parallelism=1))
    passwords._hasher = noting
    gc.set_threshold(50_000, 20, 20)  # what a story makes is gone by itself; the rest stays anyway


def keep_bytecode() -> None:
    """Keep compiled modules in __pycache__ whatever the environment says: every process imports the same."""
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    sys.dont_write_bytecode = False


# --- templates and addresses ------------------------------------------------------------------------


class Compiled(BytecodeCache):
    """Templates compiled once for all the applications that a run makes."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, str], bytes] = {}

    def load_bytecode(self, bucket: Bucket) -> None:
        """Fill in what is known of a template."""
        known = self._known.get((bucket.key, bucket.checksum))
        if known is not None:
            bucket.bytecode_from_string(known)

    def dump_bytecode(self, bucket: Bucket) -> None:
        """Keep a compiled template."""
        self._known[bucket.key, bucket.checksum] = bucket.bytecode_to_string()


COMPILED = Compiled()


class Rule(werkzeug.routing.Rule):
    """A rule that is read and compiled once for all the applications of a run."""

    known: dict[tuple[str, str], dict[str, Any]] = {}
    """What compiling makes of a rule; it depends on nothing but its words and defaults."""
    _build: Any
    _build_unknown: Any

    def compile(self) -> None:
        """Take what was made of the same words before."""
        words = (self.rule, repr(self.defaults))
        made = self.known.get(words)
        if made is None:
            super().compile()
            self.known[words] = {
                "_parts": self._parts,
                "_trace": self._trace,
                "_converters": self._converters,
                "arguments": frozenset(self.arguments),
                "builders": (self._build.__func__, self._build_unknown.__func__),
            }
            return
        self._parts, self._trace = list(made["_parts"]), list(made["_trace"])
        self._converters, self.arguments = dict(made["_converters"]), set(made["arguments"])
        self._build, self._build_unknown = (f.__get__(self, None) for f in made["builders"])


# --- the deployment's files ---------------------------------------------------------------------------


def demo_settings(data: Path) -> Settings:
    """Return the demo's deployment with its state in `data`; its files are read and checked once."""
    data, read = data.resolve(), _demo()

    def moved(connection: Connection) -> Connection:
        url, folder = connection.database_url, connection.folder
        return replace(
            connection,
            database_url=url and url.replace(str(NOWHERE), str(data)),
            folder=folder and Path(str(folder).replace(str(NOWHERE), str(data))),
        )

    return replace(read, data=data, connections={id: moved(c) for id, c in read.connections.items()})


@cache
def _demo() -> Settings:
    """Without the demo's witness, which is a process of its own; its stories bring witnesses along."""
    return replace(load_settings(CONFIG, NOWHERE, schemas.errors), audit=Audit())


# --- the database ---------------------------------------------------------------------------------------


def opened(url: str) -> Database:
    """Open a database that shares the compiled statements of all the others of this process."""
    database = Database(url)
    if database.engine.dialect.name != "sqlite":
        return database
    first = _first_database()
    database.engine.dialect = first.engine.dialect
    database.engine._compiled_cache = first.engine._compiled_cache
    return database


@cache
def _first_database() -> Database:
    database = Database("sqlite://")
    with database.read():  # the dialect learns what it speaks to
        return database
