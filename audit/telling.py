"""The auditors are told of an alarm of the log, once a day while it stands."""

from __future__ import annotations

import hashlib
import re

from audit.alarms import alarms
from core.periods import day_of
from core.text import Text
from core.work import Work

KIND = "log_alarm"
"""The kind of the notices."""
_FIGURES = re.compile(r"[\d∞]+")
"""Seconds, bytes and instants change from look to look; without them the same alarm reads the same."""


def tell_alarms(work: Work) -> int:
    """Post a notice to the auditors for each alarm that they were not told of today; return how many."""
    return sum(_tell(work, alarm) for alarm in alarms(work.settings, work.now))


def _tell(work: Work, alarm: Text) -> bool:
    same = hashlib.sha256(_FIGURES.sub("#", alarm.en).encode()).hexdigest()[:16]
    return work.tell(
        work,
        key=f"log-alarm:{day_of(work.now).isoformat()}:{same}",
        about="",
        link="/records/log",
        department=work.settings.platform.auditor,
        role="auditor",
        kind=KIND,
        subject=Text("访问日志有警告", "An alarm of the access log"),
        body=alarm,
    )
