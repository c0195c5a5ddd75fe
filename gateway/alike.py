"""Equal parts of permits as one object: a worker remembers thousands, most with the same terms or data."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from ipaddress import ip_network
from typing import Any

import orjson

from core.networks import Network
from gateway.model import Terms

MOST = 4096
"""How many different parts are known at a time; then all are forgotten, and permits keep theirs."""

TermsOf = Callable[[dict[str, Any]], Terms]


class Alike:
    """What was met lately, by how it is written. Threads may share it: at worst a part is kept twice."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, bytes], Any] = {}

    def terms(self, written: dict[str, Any], read: TermsOf) -> tuple[Terms, tuple[Network, ...]]:
        """Return a grant's terms as `read` reads them, and their networks."""

        def make() -> tuple[Terms, tuple[Network, ...]]:
            terms = read(written)
            return terms, tuple(ip_network(n) for n in terms.networks)

        found: tuple[Terms, tuple[Network, ...]] = self._one("terms", written, make)
        return found

    def document(self, written: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return a document equal to this one; nobody changes it."""
        found: Mapping[str, Any] = self._one("document", written, lambda: written)
        return found

    def documents(self, written: Sequence[Mapping[str, Any]]) -> tuple[Mapping[str, Any], ...]:
        """Return documents equal to these, as a tuple."""
        found: tuple[Mapping[str, Any], ...] = self._one("documents", written, lambda: tuple(written))
        return found

    def _one(self, kind: str, written: Any, make: Callable[[], Any]) -> Any:
        key = (kind, orjson.dumps(written))
        known = self._known.get(key)
        if known is None:
            if len(self._known) >= MOST:
                self._known.clear()
            known = self._known[key] = make()
        return known


ALIKE = Alike()
