"""What somebody must look at when blocks are not made: bodies that are gone stay in them, questions stop."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

from audit.columns.maker import behind
from audit.columns.renewal import asked_since
from audit.columns.tail import MOST
from core.text import Text

LATE_SECONDS = 600.0
"""How long a block may hold what a body no longer does before somebody is told."""
BEHIND = MOST // 4
"""How many sealed records may lie in no block before somebody is told; above MOST questions are refused."""


def column_alarms(folder: Path, now: datetime) -> Iterator[Text]:
    """Say what is wrong with the blocks of a log. Raises Inconsistent when its state cannot be read."""
    since = asked_since(folder)
    if since is not None and now.timestamp() - since > LATE_SECONDS:
        minutes = (now.timestamp() - since) / 60
        yield Text(
            f"已删除的正文 {minutes:.0f} 分钟来仍在列文件中：列文件没有重做",
            f"for {minutes:.0f} minutes columns have held what was erased or deleted: "
            "their blocks are not made again",
        )
    missing = behind(folder)
    if missing > BEHIND:
        yield Text(
            f"{missing} 条记录尚未写入列文件，超过 {MOST} 条时查询被拒绝；平台运行时自动补做，"
            "平台停止时可运行 shuxiang audit columns",
            f"{missing} records lie in no block of columns; above {MOST} questions are refused. The running "
            "platform makes them, while it is stopped `shuxiang audit columns` does",
        )
