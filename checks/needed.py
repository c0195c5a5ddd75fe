"""Prints, as JSON, what the requirements on the command line need to run in this interpreter's environment.

Extras are followed only where they are asked for, so that nobody's test tools count.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterable
from importlib.metadata import requires

from packaging.requirements import Requirement


def needed(wanted: Iterable[str]) -> dict[str, list[str]]:
    """Return each needed package with those that it needs itself, by normalised names (PEP 503)."""
    found: dict[str, set[str]] = {}
    waiting = [Requirement(line) for line in wanted]
    seen: set[tuple[str, frozenset[str]]] = set()
    while waiting:
        asked = waiting.pop()
        key = (plain(asked.name), frozenset(asked.extras))
        if key in seen:
            continue
        seen.add(key)
        needs = [r for r in map(Requirement, requires(asked.name) or ()) if applies(r, asked.extras)]
        found.setdefault(key[0], set()).update(plain(r.name) for r in needs)
        waiting += needs
    return {name: sorted(needs) for name, needs in found.items()}


def applies(requirement: Requirement, extras: Iterable[str]) -> bool:
    """Tell whether a requirement holds here, for one of the extras that were asked for or for none."""
    marker = requirement.marker
    return marker is None or any(marker.evaluate({"extra": extra}) for extra in ("", *extras))


def plain(name: str) -> str:
    """Return a normalised name."""
    return re.sub(r"[-_.]+", "-", name).lower()


if __name__ == "__main__":
    print(json.dumps(needed(sys.argv[1:])))
