"""A peer for intake: the same server and framework, one table, one INSERT and one durable commit per ticket.

It does not check who asks or what they say, seals nothing, keeps no record, no clocks, no search, and its
numbers are rowids.
"""

from __future__ import annotations

import os
import sqlite3
import threading

from flask import Flask, Response, request

app = Flask(__name__)
_local = threading.local()
_turn = threading.Lock()


def _database() -> sqlite3.Connection:
    if not hasattr(_local, "db"):
        _local.db = sqlite3.connect(os.environ["BENCH_PLAIN"], isolation_level=None)
        for pragma in ("journal_mode=WAL", "synchronous=FULL"):
            _local.db.execute(f"PRAGMA {pragma}")
        _local.db.execute("CREATE TABLE IF NOT EXISTS tickets (number INTEGER PRIMARY KEY, draft TEXT)")
    db: sqlite3.Connection = _local.db
    return db


@app.post("/api/tickets")
def take_in() -> Response:
    """Keep a draft as it is."""
    draft = request.get_data(as_text=True)
    with _turn:
        number = _database().execute("INSERT INTO tickets (draft) VALUES (?)", (draft,)).lastrowid
    return Response(f'{{"number": {number}}}', 201, content_type="application/json")
