"""Numbers of papers: a prefix, the year in which they are given out, and a sequence."""

from __future__ import annotations

from cases.store import next_in_sequence
from core.times import SHANGHAI
from core.work import Work


def next_number(work: Work, prefix: str) -> str:
    """Return the next number of a kind of paper in this year, such as ``G-2026-000123``."""
    series = f"{prefix}-{work.now.astimezone(SHANGHAI).year}"
    return f"{series}-{next_in_sequence(work.tx, series):06d}"
