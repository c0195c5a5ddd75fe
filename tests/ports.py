"""Ports for the servers that tests start: below the range that the kernel gives to outgoing connections."""

from __future__ import annotations

import itertools
import os
import socket
from collections.abc import Iterator

LOWEST, EACH = 12_000, 4_000
"""Every process that runs tests side by side has a range of its own."""


def _candidates() -> Iterator[int]:
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")) % 4
    start = LOWEST + worker * EACH
    offset = os.getpid() * 37 % EACH
    return (start + (offset + i) % EACH for i in itertools.count())


_ports = _candidates()


def free_port(in_a_row: int = 1) -> int:
    """Return a port that nobody listens on, and after which the next ones are free as well."""
    while True:
        first = next(_ports)
        if all(_is_free(first + i) for i in range(in_a_row)):
            for _ in range(in_a_row - 1):
                next(_ports)
            return first


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
