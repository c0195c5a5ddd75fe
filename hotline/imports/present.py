"""Imports as JSON, for the HTTP API, the pages and the command line alike."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cases.present import label
from core.text import Text
from core.times import local_iso
from hotline.imports.model import SOURCES, STATES, Fault, Import


def import_view(made: Import) -> dict[str, Any]:
    """Return an import as JSON."""
    return {
        "id": made.id,
        "source": made.source,
        "source_title": label(SOURCES[made.source]),
        "dry_run": made.dry_run,
        "format": made.format,
        "state": made.state,
        "state_title": label(STATES[made.state]),
        "created_at": local_iso(made.created_at),
        "finished_at": local_iso(made.finished_at) if made.finished_at else None,
        "rows": made.rows,
        "done": made.done,
        "taken": made.taken,
        "repeated": made.repeated,
        "refused": made.refused,
        "failure": label(made.failure) if made.failure else None,
    }


def fault_view(fault: Fault, titles: Mapping[str, Text]) -> dict[str, Any]:
    """Return why a cell was refused as JSON; `titles` says what the columns are called."""
    title = titles.get(fault.column)
    return {
        "row": fault.row,
        "column": fault.column,
        "column_title": label(title) if title else None,
        "code": fault.code,
        "reason": label(fault.reason),
        "value": fault.value,
    }
