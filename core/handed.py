"""What a process is handed by whoever starts it, in the words of systemd (sd_listen_fds(3), sd_notify(3)).

Sockets that listen already come as descriptors from 3 on, their names in ``LISTEN_FDNAMES``; where to say
that one is ready stands in ``NOTIFY_SOCKET``. `serve` speaks both to its children, and systemd to a unit.
"""

from __future__ import annotations

import fcntl
import os
import socket
from collections.abc import Mapping, Sequence

Listener = socket.socket
"""What listens already."""
FIRST = 3
"""The first descriptor that is handed over."""


def listeners(name: str) -> list[Listener]:
    """Return the listening sockets of a name that this process was handed; none where it opens its own."""
    if os.environ.get("LISTEN_PID") != str(os.getpid()):
        return []
    names = os.environ.get("LISTEN_FDNAMES", "").split(":")
    count = int(os.environ.get("LISTEN_FDS", "0"))
    return [socket.socket(fileno=FIRST + i) for i in range(count) if names[i : i + 1] == [name]]


def take_over(names: Sequence[str], descriptors: Sequence[int]) -> None:
    """Put descriptors where `listeners` finds them, in this process, and close what they were before."""
    beyond = FIRST + len(descriptors)
    lifted = [fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, beyond) for fd in descriptors]  # out of the way first
    for place, fd in enumerate(lifted, FIRST):
        os.dup2(fd, place, inheritable=False)
    for fd in {*lifted, *(fd for fd in descriptors if fd >= beyond)}:
        os.close(fd)
    os.environ |= {
        "LISTEN_PID": str(os.getpid()),
        "LISTEN_FDS": str(len(descriptors)),
        "LISTEN_FDNAMES": ":".join(names),
    }


def tell(state: str, environment: Mapping[str, str] = os.environ) -> None:
    """Tell whoever started this process how it stands: ``READY=1``; without an address nobody is told."""
    address = environment.get("NOTIFY_SOCKET", "")
    if not address:
        return
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as wire:
        try:
            wire.sendto(state.encode(), address.replace("@", "\0", 1) if address[0] == "@" else address)
        except OSError:
            return  # it has gone, and we are told so by the kernel


class Hearing:
    """The other end: where processes say how they stand. The kernel vouches for who says it."""

    def __init__(self) -> None:
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
        self._socket.bind("")  # an abstract address that the kernel makes up (unix(7), autobind)
        self.address = "@" + self._socket.getsockname()[1:].decode("latin-1")

    def ready(self) -> set[int]:
        """Return the processes that have said since the last time that they are ready."""
        found: set[int] = set()
        while True:
            try:
                said, control, _, _ = self._socket.recvmsg(4096, socket.CMSG_SPACE(12))
            except BlockingIOError:
                return found
            if b"READY=1" in said.split(b"\n"):
                found |= {
                    int.from_bytes(data[:4], "little", signed=True)
                    for level, kind, data in control
                    if (level, kind) == (socket.SOL_SOCKET, socket.SCM_CREDENTIALS)
                }

    def close(self) -> None:
        """Hear no more."""
        self._socket.close()
