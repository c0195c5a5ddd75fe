"""What somebody must look at: shown by `/readyz`, `shuxiang audit status` and the metrics.

An alarm stops nothing by itself. Calls stop when the sealer is LAG_BOUND behind, the disk's reserve is
reached or a journal fails, and the data plane says so on its own.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

from audit.beat import LAG_BOUND
from audit.columns.alarming import column_alarms
from audit.copier import copying_alarms
from audit.keeping.past import PAST
from audit.keeping.trouble import keeping_alarms
from audit.place import log_folder
from audit.standing import UNREADABLE, Standing, standing
from audit.stuck import stuck_alarms
from core.settings import Settings
from core.text import Text
from core.times import instant_of, local_iso, utc_now

RESERVES = 2
"""The disk is short when less than so many reserves are free: calls stop at one."""
JOURNALS_SHARE = 0.25
"""Journals pile up when they take more than this part of what is free."""


def alarms(settings: Settings, now: datetime | None = None) -> list[Text]:
    """Return what is wrong with the log, worst first; nothing when all is well."""
    instant = now or utc_now()
    try:
        return _found(settings, standing(settings, instant), instant)
    except UNREADABLE as wrong:
        return [unreadable(wrong)]


def unreadable(wrong: Exception) -> Text:
    """Return how people are told that the log's files are damaged."""
    return Text(f"日志的文件无法读取：{wrong}", f"the log's files cannot be read: {wrong}")


def _found(settings: Settings, stands: Standing, instant: datetime) -> list[Text]:
    return [
        *_contradictions(stands),
        *_sealer(stands),
        *_disk(stands, settings.platform.disk_reserve_bytes),
        *_torn(stands),
        *stuck_alarms(log_folder(settings)),
        *copying_alarms(settings, instant),
        *keeping_alarms(log_folder(settings)),
        *_columns(log_folder(settings), instant),
        *_witnesses(settings, stands, instant),
        *_stamps(settings, stands, instant),
    ]


def _contradictions(stands: Standing) -> Iterator[Text]:
    for name, known in stands.memory.witnesses.items():
        if known.contradicts:
            yield Text(
                f"见证人“{name}”所见的日志与本机不一致，已停止封存：{known.trouble}",
                f"witness {name} knows another log than this one, sealing has stopped: {known.trouble}",
            )


def _sealer(stands: Standing) -> Iterator[Text]:
    if stands.lag > LAG_BOUND:
        seconds = "∞" if stands.lag == float("inf") else f"{stands.lag:.0f}"
        yield Text(
            f"已有 {seconds} 秒没有封存，数据调用被拒绝",
            f"nothing was sealed for {seconds} s; data calls are refused",
        )


def _disk(stands: Standing, reserve: int) -> Iterator[Text]:
    if stands.free < RESERVES * reserve:
        yield Text(
            f"日志所在磁盘只剩 {_mib(stands.free)} MiB，少于 {_mib(reserve)} MiB 时拒绝数据调用",
            f"{_mib(stands.free)} MiB are free on the log's disk; below "
            f"{_mib(reserve)} MiB data calls are refused",
        )
    if stands.journals > JOURNALS_SHARE * stands.free:
        yield Text(
            f"日记段积压 {_mib(stands.journals)} MiB，磁盘剩余 {_mib(stands.free)} MiB",
            f"journals take {_mib(stands.journals)} MiB, {_mib(stands.free)} MiB are free",
        )


def _torn(stands: Standing) -> Iterator[Text]:
    if stands.torn:
        shown = "、".join(stands.torn[:3])
        yield Text(
            f"{len(stands.torn)} 个日记段尾部损坏，保存在 journal/torn：{shown}",
            f"{len(stands.torn)} journal segments had a torn tail and are kept in journal/torn: {shown}",
        )


def _witnesses(settings: Settings, stands: Standing, now: datetime) -> Iterator[Text]:
    bound = settings.audit.witnesses.alarm_minutes * 60
    behind = stands.since(stands.memory.behind_since, now)
    if settings.audit.witnesses.needed and behind is not None and behind > bound:
        yield Text(
            f"{behind / 60:.0f} 分钟以来的记录尚无足够的见证，已见证 {stands.memory.witnessed} 条",
            f"records of the last {behind / 60:.0f} minutes lack witnesses; "
            f"{stands.memory.witnessed} are witnessed",
        )
    for witness in settings.audit.witnesses.of:
        known = stands.memory.witnesses.get(witness.name)
        if known is None or known.trouble is None or known.contradicts:
            continue
        silent = stands.since(known.at, now)
        if silent is None or silent > bound:
            last = "—" if known.at is None else local_iso(instant_of(known.at))
            yield Text(
                f"见证人“{witness.name}”没有共签，上次 {last}：{known.trouble}",
                f"witness {witness.name} does not cosign, last {last}: {known.trouble}",
            )


def _stamps(settings: Settings, stands: Standing, now: datetime) -> Iterator[Text]:
    rules, since = settings.audit.timestamps, stands.since(stands.memory.unstamped_since, now)
    if rules is not None and since is not None and since > rules.alarm_hours * 3600:
        hours, why = since / 3600, stands.memory.stamp_trouble or "—"
        yield Text(
            f"{hours:.1f} 小时以来的记录没有时间戳：{why}",
            f"records of the last {hours:.1f} hours lack a time stamp: {why}",
        )


def _columns(folder: Path, now: datetime) -> Iterator[Text]:
    for log in (folder, *(path.parent.parent for path in (folder / PAST).glob("*/log/checkpoint"))):
        yield from column_alarms(log, now)


def _mib(size: int) -> int:
    return size // 1024**2
