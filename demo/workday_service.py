"""A provider's own API, as small as such a thing can be: is a day a working day? It knows nothing of us.

    GET /v1/days/2026-02-14        one day
    GET /v1/days?month=2026-02     the days of a month

Every caller must send the service's key in ``X-Service-Key``.
"""

from __future__ import annotations

import hmac
import json
import re
from datetime import date, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

from demo.prepare import CALENDARS
from rules.workdays import Calendar, load_calendar


def describe(calendar: Calendar, day: date) -> dict[str, Any]:
    """Return what the service says of one day."""
    return {
        "date": day.isoformat(),
        "workday": calendar.is_workday(day),
        "weekday": day.isoweekday(),
        "holiday": "" if calendar.is_workday(day) else "周末" if day.weekday() >= 5 else "法定节假日",
        "note": "内部备注：未公布的年份仅供参考" if calendar.is_provisional(day) else "内部备注：已核对",
    }


def month_of(calendar: Calendar, month: str) -> dict[str, Any]:
    """Return what the service says of the days of a month such as ``2026-02``. Raises ValueError."""
    day = date.fromisoformat(f"{month}-01")
    days = []
    while day.isoformat().startswith(month):
        days.append(describe(calendar, day))
        day += timedelta(days=1)
    return {"month": month, "days": days}


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    calendar: Calendar
    key: str

    def do_GET(self) -> None:
        """Answer one request."""
        if not hmac.compare_digest(self.headers.get("X-Service-Key", ""), self.key):
            return self._answer(401, {"error": "key required"})
        url = urlsplit(self.path)
        try:
            if found := re.fullmatch(r"/v1/days/(\d{4}-\d{2}-\d{2})", url.path):
                return self._answer(200, describe(self.calendar, date.fromisoformat(found[1])))
            if url.path == "/v1/days":
                return self._answer(200, month_of(self.calendar, parse_qs(url.query)["month"][0]))
        except (ValueError, KeyError):
            return self._answer(400, {"error": "not a date"})
        return self._answer(404, {"error": "not found"})

    def _answer(self, status: int, document: dict[str, Any]) -> None:
        body = json.dumps(document, ensure_ascii=False).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Stay silent: the gateway keeps the access log."""


def serve(host: str, port: int, key: str) -> None:
    """Serve until the process is told to stop."""
    handler = type("Handler", (_Handler,), {"calendar": load_calendar(CALENDARS), "key": key})
    with ThreadingHTTPServer((host, port), handler) as server:
        server.serve_forever(poll_interval=0.2)
