"""The little HTTP that the story needs: one party with a token, calling addresses and reading answers."""

from __future__ import annotations

import base64
import json
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

TIMEOUT_SECONDS = 30
_DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))
"""What the demo calls runs on this machine, whatever proxy the environment names for others."""


@dataclass(frozen=True)
class Answer:
    """What came back."""

    status: int
    headers: Mapping[str, str]
    content: bytes

    @property
    def json(self) -> Any:
        """The body as JSON."""
        return json.loads(self.content)


class Unexpected(RuntimeError):
    """An answer that the story did not expect; it ends there, saying so."""


@dataclass(frozen=True)
class Party:
    """Somebody who calls addresses below one origin, with headers of their own."""

    origin: str
    headers: Mapping[str, str] = field(default_factory=dict)

    def call(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        form: Mapping[str, str] | None = None,
        expect: int = 200,
    ) -> Answer:
        """Send one request. Raises Unexpected when the status is not the expected one."""
        headers = dict(self.headers)
        data: bytes | None = None
        if form is not None:
            data = urllib.parse.urlencode(form).encode()
            headers["Content-Type"] = "application/x-www-form-urlencoded"
        elif body is not None:
            data = json.dumps(body).encode()
            headers["Content-Type"] = "application/json"
        request = urllib.request.Request(self.origin + path, data, headers, method=method)  # noqa: S310
        try:
            with _DIRECT.open(request, timeout=TIMEOUT_SECONDS) as response:
                answer = Answer(response.status, dict(response.headers), response.read())
        except urllib.error.HTTPError as refused:
            with refused:
                answer = Answer(refused.code, dict(refused.headers), refused.read())
        if answer.status != expect:
            raise Unexpected(f"{method} {path}: {answer.status}, expected {expect}: {answer.content[:500]!r}")
        return answer


def bearer(origin: str, token: str) -> Party:
    """Return a party that presents a bearer token."""
    return Party(origin, {"Authorization": f"Bearer {token}"})


def basic(origin: str, name: str, secret: str) -> Party:
    """Return a party that presents a client id and secret (RFC 6749 section 2.3.1)."""
    quoted = f"{urllib.parse.quote(name, safe='')}:{urllib.parse.quote(secret, safe='')}"
    return Party(origin, {"Authorization": "Basic " + base64.b64encode(quoted.encode()).decode()})
