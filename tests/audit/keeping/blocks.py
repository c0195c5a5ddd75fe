"""Blocks of columns as the running sealer's thread makes them, all that are due at once."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

from audit.columns.maker import Maker, announcing
from core.db import Database


def make_blocks(folder: Path, database: Database, now: datetime) -> None:
    """Make what is wanted, and again what was asked for."""
    maker = Maker(folder, announcing(database, lambda: now), grace=0)
    while maker.step():
        pass
