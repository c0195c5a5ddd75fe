"""Instants: aware, in UTC inside, in the platform's time zone where a person reads them."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

SHANGHAI = ZoneInfo("Asia/Shanghai")


def utc_now() -> datetime:
    """Return the present instant: the one place where the platform reads the system's clock for `now`."""
    return datetime.now(UTC)


def millis(instant: datetime) -> int:
    """Return the milliseconds since 1970-01-01T00:00Z."""
    return int(instant.timestamp() * 1000)


def instant_of(ms: int) -> datetime:
    """Return the instant of milliseconds since 1970-01-01T00:00Z."""
    return datetime.fromtimestamp(ms / 1000, UTC)


def local_iso(instant: datetime) -> str:
    """Return RFC 3339 with seconds and the offset of Shanghai, such as ``2026-02-13T23:59:59+08:00``."""
    return instant.astimezone(SHANGHAI).isoformat(timespec="seconds")


def parse_instant(text: str) -> datetime:
    """Read an ISO 8601 instant; one without an offset is Shanghai time. Raises ValueError."""
    instant = datetime.fromisoformat(text)
    return instant if instant.tzinfo else instant.replace(tzinfo=SHANGHAI)
