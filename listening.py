"""The sockets that a deployment listens on, opened once and handed to each generation of its processes.

A connection waits in the queue of a listening socket until a process takes it. Were sockets to end with the
processes that a reload replaces, the connections in their queues would be reset; so they are held here, and
old and new processes take from the same queues for a while. A worker that dies has its socket closed: the
kernel then gives new connections to its siblings (SO_REUSEPORT, socket(7)) instead of letting them wait.
"""

from __future__ import annotations

import socket
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from core.errors import Unavailable
from core.settings import Platform

BACKLOG = 1024


class Place(NamedTuple):
    """One socket of the deployment: what it is called, where it listens, and which of several it is."""

    name: str
    host: str
    port: int
    slot: int = 0


class Listening:
    """Every socket that is open."""

    def __init__(self) -> None:
        self._open: dict[Place, socket.socket] = {}

    def open(self, places: Iterable[Place]) -> None:
        """Open what is not open yet. Raises Unavailable, and then has opened nothing."""
        made: dict[Place, socket.socket] = {}
        try:
            for place in places:
                if place not in self._open:
                    made[place] = _listen(place)
        except OSError as wrong:
            for opened in made.values():
                opened.close()
            where = f"{place.host}:{place.port}"
            raise Unavailable(f"无法监听 {where}：{wrong}", f"cannot listen on {where}: {wrong}") from wrong
        self._open |= made

    def at(self, place: Place) -> socket.socket:
        """Return an open socket."""
        return self._open[place]

    def close(self, places: Iterable[Place]) -> None:
        """Close sockets; what waits in their queues is lost, unless a process has them, too."""
        for place in places:
            if place in self._open:
                self._open.pop(place).close()

    def keep(self, places: Iterable[Place]) -> None:
        """Close all others."""
        self.close(set(self._open) - set(places))

    def slots(self, place: Place) -> int:
        """Return how many sockets of a name are open at an address: a reload may want fewer."""
        return max((p.slot + 1 for p in self._open if p[:3] == place[:3]), default=0)


def places(platform: Platform, name: str, listening: Listening) -> Sequence[Place]:
    """Return where a process listens; surplus sockets of the data plane go round among its workers."""
    if name == "control":
        return Place("control", *platform.control_listen), Place(
            "control-private", *platform.control_private_listen
        )
    if not name.startswith("gateway-"):
        return ()
    index, workers = int(name.removeprefix("gateway-")), platform.gateway_workers
    most = max(workers, listening.slots(Place("gateway", *platform.gateway_listen)))
    host, port = platform.private_listen
    return (
        *(Place("gateway", *platform.gateway_listen, slot) for slot in range(index, most, workers)),
        Place("private", host, port + index),
    )


def _listen(place: Place) -> socket.socket:
    family = socket.AF_INET6 if ":" in place.host else socket.AF_INET
    made = socket.socket(family, socket.SOCK_STREAM)
    try:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if place.name == "gateway":
            made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        if family == socket.AF_INET6:
            made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        made.bind((place.host, place.port))
        made.listen(BACKLOG)
        made.setblocking(False)
    except OSError:
        made.close()
        raise
    return made
