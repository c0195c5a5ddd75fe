"""Whether the port that a witness is to listen on is free: the server itself would try again and again."""

from __future__ import annotations

import socket

from core.errors import Unavailable


def refuse_taken(host: str, port: int) -> None:
    """Raise Unavailable, naming the port, unless it can be listened on."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind, protocol) as tried:
            tried.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            tried.bind(address)
    except (OSError, OverflowError) as wrong:
        why = getattr(wrong, "strerror", None) or str(wrong)
        raise Unavailable(
            f"无法在 {host}:{port} 监听：{why}", f"cannot listen on {host}:{port}: {why}"
        ) from wrong
