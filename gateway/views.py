"""What a permit says of calls that are all alike: worked out once, kept as long as the permit. Pure.

A system asks the same address again and again. Whatever of a call's judgement and of its record depends on
neither the clock nor a query is kept with the permit, which ends with the policy version that it was read
under. A target with a query is never kept: it may name a person.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from core.networks import Address
from gateway.calls import Call, out_of_bounds, read_target, source_of
from gateway.messages import Request
from gateway.model import Network, Permit
from gateway.objections import Objection, Refused
from gateway.records import call_fields, grant_fields

VIEWS_MOST = 20_000
"""Kept by a worker; then all are forgotten, and worked out again as they are asked for."""


KEPT_BYTES = 512
"""Longer targets and paths of proxies are worked out each time."""


class View(NamedTuple):
    """One sort of call as its permit sees it."""

    call: Call | None
    wrong: Objection | None
    """Why the target could not be read, where it could not."""
    source: Address | None
    against: Objection | None
    """What speaks against it at any time."""
    fields: Mapping[str, Any]
    """What its record says of call and grant."""


class Views:
    """The views of one worker; one is good as long as its permit is the one that it was made of."""

    def __init__(self, key: bytes, trusted: tuple[Network, ...]) -> None:
        """`key` is that of the request digests, `trusted` are the proxies."""
        self._key = key
        self._trusted = trusted
        self._known: dict[tuple[Any, ...], tuple[Permit, View]] = {}

    def find(self, permit: Permit, digest: str, request: Request, version: int) -> View:
        """Return how a call looks.

        `digest` is that of its token, `version` the policy version that the permit was read under.
        """
        forwarded = request.all(b"x-forwarded-for")
        alike = (digest, version, request.method, request.target, request.peer, *forwarded)
        known = self._known.get(alike)
        if known is not None and known[0] is permit:
            return known[1]
        call, wrong = _read(request)
        source = source_of(request.peer, forwarded, self._trusted)
        fields = call_fields(self._key, request.method, request.target, call)
        fields |= grant_fields(permit, source, version)
        against = None if call is None else out_of_bounds(permit, call, source)
        view = View(call, wrong, source, against, fields)
        if b"?" not in request.target and len(request.target) + sum(map(len, forwarded)) <= KEPT_BYTES:
            if len(self._known) >= VIEWS_MOST:
                self._known.clear()
            self._known[alike] = permit, view
        return view


def _read(request: Request) -> tuple[Call | None, Objection | None]:
    try:
        return read_target(request.method, request.target), None
    except Refused as refused:
        return None, refused.objection
