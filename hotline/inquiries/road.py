"""The way of a look-up to our own data plane: one bounded request, no redirect, one token."""

from __future__ import annotations

import http.client
import json
import ssl
from urllib.parse import urlsplit

from core.errors import Unavailable
from hotline.inquiries.model import Found, Question

SECONDS = 10.0
MOST_BYTES = 1024 * 1024


def ask(gateway_url: str, question: Question) -> Found:
    """Make the call and return what the gateway answered. Raises Unavailable when it cannot be reached."""
    headers = {
        "Authorization": f"DPoP {question.token}",
        "DPoP": question.proof,
        "Purpose-Ticket": question.ticket,
        "Accept": "application/json",
    }
    connection = _connection(gateway_url)
    try:
        connection.request("GET", urlsplit(gateway_url).path.rstrip("/") + question.path, headers=headers)
        answer = connection.getresponse()
        body = answer.read(MOST_BYTES + 1)
    except (OSError, http.client.HTTPException):
        raise Unavailable(
            "数据面暂时无法连接", "the data plane cannot be reached", code="unreachable"
        ) from None
    finally:
        connection.close()
    if len(body) > MOST_BYTES:
        raise Unavailable("查询结果过大，请缩小范围", "the answer is too large", code="too_large")
    return Found(answer.status, answer.getheader("Audit-Record"), _json(body))


def _connection(gateway_url: str) -> http.client.HTTPConnection:
    parts = urlsplit(gateway_url)
    if parts.scheme == "https":
        context = ssl.create_default_context()
        return http.client.HTTPSConnection(parts.hostname or "", parts.port, timeout=SECONDS, context=context)
    return http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=SECONDS)


def _json(body: bytes) -> object:
    try:
        return json.loads(body)
    except ValueError:
        return None
