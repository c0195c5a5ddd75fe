"""Counts and durations of the control plane's answers, served on a private address of their own."""

from __future__ import annotations

import time

from flask import Flask, Response, g, request
from prometheus_client import Counter, Histogram, start_http_server

ANSWERS = Counter("shuxiang_control_answers_total", "Answers of the control plane", ["route", "status"])
SECONDS = Histogram("shuxiang_control_seconds", "Seconds until an answer of the control plane", ["route"])


def measure(app: Flask) -> None:
    """Count and time every answer by its route, never by the address that was asked."""

    @app.before_request
    def _begin() -> None:
        g.began = time.monotonic()

    @app.after_request
    def _end(response: Response) -> Response:
        route = request.url_rule.rule if request.url_rule else "none"
        ANSWERS.labels(route, str(response.status_code)).inc()
        SECONDS.labels(route).observe(time.monotonic() - g.get("began", time.monotonic()))
        return response


def serve_metrics(listen: tuple[str, int]) -> None:
    """Serve /metrics (Prometheus text) on an address that callers do not reach."""
    start_http_server(listen[1], addr=listen[0])
