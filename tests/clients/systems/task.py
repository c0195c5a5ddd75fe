"""What every one of these clients does with a task that the tests give it (see conftest.py)."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.request import urlopen

import requests

Outcome = dict[str, Any]


@dataclass(frozen=True)
class City:
    """Where the platform is, and the authority that its certificate is from."""

    issuer: str
    gateway: str
    url: str
    ca: str
    endpoints: dict[str, Any]

    def endpoint(self, name: str, task: dict[str, Any]) -> str:
        """The address of an endpoint: for callers with a certificate, their own (RFC 8705 section 5)."""
        found = self.endpoints["mtls_endpoint_aliases"] if "certificate" in task else self.endpoints
        return str(found[f"{name}_endpoint"])


def run(doing: Callable[[dict[str, Any], City], Outcome]) -> None:
    """Read the tasks, do each, print what came of it."""
    told = json.load(sys.stdin)
    tasks = told.pop("tasks")
    with urlopen(f"{told['issuer']}/.well-known/oauth-authorization-server") as answer:  # SSL_CERT_FILE
        city = City(**told, endpoints=json.load(answer))
    print(json.dumps({task["name"]: doing(task, city) for task in tasks}))


def dress(session: requests.Session, task: dict[str, Any], city: City) -> None:
    """Let a session trust the authority and show the task's certificate."""
    session.verify = city.ca
    if "certificate" in task:
        session.cert = (task["certificate"], task["certificate_key"])


def said(answer: requests.Response) -> Outcome:
    """What a call brought."""
    return {"status": answer.status_code, "rows": len(answer.json()["rows"]) if answer.ok else 0}


def steal(token: str, city: City) -> int:
    """Use a token as somebody would who has found nothing but it."""
    return requests.get(
        city.url, headers={"Authorization": f"Bearer {token}"}, verify=city.ca, timeout=30
    ).status_code
