"""Counts and durations of the control plane's answers, served on a private address of their own."""

from __future__ import annotations

import time
from threading import Thread
from wsgiref.simple_server import WSGIRequestHandler

from flask import Flask, Response, g, request
from prometheus_client import Counter, Histogram, make_wsgi_app, start_http_server
from prometheus_client.exposition import ThreadingWSGIServer

from core.handed import Listener

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


class _Quiet(WSGIRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        """Write no line for a scrape."""


def serve_metrics(listen: tuple[str, int], given: Listener | None = None) -> None:
    """Serve /metrics (Prometheus text) on an address that callers do not reach; `given` listens there."""
    if given is None:
        start_http_server(listen[1], addr=listen[0])
        return
    given.setblocking(False)  # a process that is leaving may take the connection first
    server = ThreadingWSGIServer(listen, _Quiet, bind_and_activate=False)
    server.socket.close()
    server.socket = given
    server.server_name, server.server_port = listen
    server.setup_environ()
    server.set_app(make_wsgi_app())
    Thread(target=server.serve_forever, name="metrics", daemon=True).start()
