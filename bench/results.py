"""What a measurement says: one row, its figure, and what the figure has to be."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from bench.load import Run


@dataclass(frozen=True)
class Goal:
    """What a figure must be and what it ought to be; for some, less is better."""

    must: float
    aim: float
    less_is_better: bool = False

    def verdict(self, value: float) -> str:
        """Return how far a figure came: aim, must or missed."""
        if self._holds(value, self.aim):
            return "aim"
        return "must" if self._holds(value, self.must) else "missed"

    def _holds(self, value: float, bound: float) -> bool:
        return value <= bound if self.less_is_better else value >= bound


@dataclass(frozen=True)
class Row:
    """One line of the result: a figure of ours, most often as a ratio to a peer's, or why there is none."""

    measure: str
    peer: str = ""
    value: float | None = None
    unit: str = "x"
    goal: Goal | None = None
    ours: Run | None = None
    theirs: Run | None = None
    counted: str = "calls/s"
    """What the rates of the two runs are rates of."""
    note: str = ""
    skipped: str | None = None
    failed: str | None = None
    """Why it could not be measured though everything that it takes is there."""

    @property
    def cpu_ratio(self) -> float | None:
        """Return the peer's CPU time a unit over ours, which says the same as the rates on a busy machine."""
        if self.ours is None or self.theirs is None or not self.ours.cpu_seconds or not self.theirs.units:
            return None
        return self.theirs.cpu_us / self.ours.cpu_us

    @property
    def verdict(self) -> str:
        """Return aim, must, missed, skipped, failed, or nothing where no goal is set."""
        if self.failed is not None:
            return "failed"
        if self.skipped is not None or self.value is None:
            return "skipped"
        return self.goal.verdict(self.value) if self.goal is not None else ""


def against(
    measure: str, peer: str, ours: Run, theirs: Run, goal: Goal | None = None, counted: str = "calls/s"
) -> Row:
    """Return the row that compares two rates. A run without a success counts as rate 0."""
    value = ours.rate / theirs.rate if theirs.rate else float("inf")
    return Row(measure, peer, value, "x", goal, ours, theirs, counted)


def middle(runs: Sequence[Run]) -> Run:
    """Return the run whose rate is the (lower) median."""
    rate = statistics.median_low(run.rate for run in runs)
    return next(run for run in runs if run.rate == rate)
