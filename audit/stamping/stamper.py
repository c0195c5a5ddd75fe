"""A thread that asks the time-stamp authority; what it brings is taken by the sealer's own thread."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from queue import Empty, SimpleQueue
from urllib.parse import urlsplit

from audit.stamping.stamps import BadStamp, Stamp, check_stamp, check_time, make_request, read_authority
from core.settings_audit import Timestamps
from core.times import utc_now

_RESPONSE_MOST = 256 * 1024
_QUERY_TYPE, _REPLY_TYPE = "application/timestamp-query", "application/timestamp-reply"


@dataclass(frozen=True, slots=True)
class Stamped:
    """The answer for the checkpoint of `size` entries: the response and its stamp, or why there is none."""

    size: int
    asked_at: datetime
    response: bytes = b""
    stamp: Stamp | None = None
    trouble: str | None = None


class Stamper:
    """One question at a time."""

    def __init__(self, settings: Timestamps, clock: Callable[[], datetime] = utc_now) -> None:
        """Raises ConfigError when the authority's certificates cannot be read."""
        self._settings = settings
        self._clock = clock
        self._authority = read_authority(settings.certificates)
        self._brought: SimpleQueue[Stamped] = SimpleQueue()
        self._thread: threading.Thread | None = None

    def ask(self, size: int, content: bytes, now: datetime) -> None:
        """Ask for a stamp over `content`, unless a question is under way."""
        if self._thread is None:
            target = threading.Thread(
                target=self._ask, args=(size, content, now), name="stamper", daemon=True
            )
            self._thread = target
            target.start()

    def take(self) -> Stamped | None:
        """Return the answer, if it came since."""
        try:
            brought = self._brought.get_nowait()
        except Empty:
            return None
        self._thread = None
        return brought

    def wait(self, seconds: float) -> None:
        """Wait for the question that is under way, at most `seconds`."""
        if self._thread is not None:
            self._thread.join(seconds)

    def _ask(self, size: int, content: bytes, now: datetime) -> None:
        try:
            request = make_request(content)
            response = self._post(request.as_bytes())
            stamp = check_stamp(response, content, self._authority, request)
            check_time(stamp, self._clock())
            self._brought.put(Stamped(size, now, response, stamp))
        except (OSError, HTTPException, BadStamp) as wrong:
            self._brought.put(Stamped(size, now, trouble=str(wrong) or type(wrong).__name__))
        except Exception as wrong:  # whatever it was, the authority is asked again
            self._brought.put(Stamped(size, now, trouble=f"{type(wrong).__name__}: {wrong}"))

    def _post(self, query: bytes) -> bytes:
        """Ask over HTTP (RFC 3161 section 3.4). Raises OSError, HTTPException or BadStamp."""
        parts = urlsplit(self._settings.url)
        kind = HTTPSConnection if parts.scheme == "https" else HTTPConnection
        connection = kind(parts.hostname or "", parts.port, timeout=self._settings.timeout_seconds)
        try:
            connection.request("POST", parts.path or "/", query, {"Content-Type": _QUERY_TYPE})
            with connection.getresponse() as answer:
                response = answer.read(_RESPONSE_MOST + 1)
        finally:
            connection.close()
        content_type = answer.headers.get("Content-Type", "").partition(";")[0].strip()
        if answer.status != 200 or content_type != _REPLY_TYPE or len(response) > _RESPONSE_MOST:
            raise BadStamp(f"the authority answered {answer.status} {content_type}")
        return response
