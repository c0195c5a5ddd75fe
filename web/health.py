"""Readiness: every part that must work for the control plane to act, and the reason when it does not."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import timedelta

import orjson
from flask import Response
from sqlalchemy.exc import SQLAlchemyError

from core.db import Database
from core.migrate import at_head
from core.settings import Settings
from core.text import Text
from web.kit import Kit

CALENDAR_WARNING = timedelta(days=60)
"""Say so when the published calendars end sooner than this."""


def readiness(
    settings: Settings, database: Database, kit: Kit, warnings: Callable[[], Sequence[Text]]
) -> Response:
    """Return 200 with every check passed, or 503 naming what fails; a warning alone keeps 200.

    `warnings` tells what somebody must look at although calls are let through.
    """
    checks: dict[str, Callable[[], tuple[str, str]]] = {
        "database": lambda: _database(database),
        "data_folder": lambda: _data_folder(settings),
        "calendar": lambda: _calendar(kit),
    }
    results = {name: check() for name, check in checks.items()}
    told = warnings()
    results["access_log"] = ("warn", "; ".join(w.en for w in told)) if told else ("pass", "")
    worst = "fail" if any(r[0] == "fail" for r in results.values()) else "pass"
    body = {
        "status": worst,
        "checks": {name: {"status": status, "output": output} for name, (status, output) in results.items()},
        "warnings": [{"zh": w.zh, "en": w.en} for w in told],
    }
    return Response(
        orjson.dumps(body), 503 if worst == "fail" else 200, content_type="application/health+json"
    )


def _database(database: Database) -> tuple[str, str]:
    try:
        return ("pass", "") if at_head(database) else ("fail", "schema is not at the newest migration")
    except SQLAlchemyError:
        return "fail", "database does not answer"


def _data_folder(settings: Settings) -> tuple[str, str]:
    probe = settings.data / "run" / "writable"
    try:
        probe.write_bytes(b"")
    except OSError as wrong:
        return "fail", f"data folder is not writable: {wrong.strerror}"
    return "pass", ""


def _calendar(kit: Kit) -> tuple[str, str]:
    horizon = (kit.clock() + CALENDAR_WARNING).date()
    if kit.rulebooks.calendar.is_provisional(horizon):
        return "warn", f"no published calendar for {horizon.year}: dues there are provisional"
    return "pass", ""
