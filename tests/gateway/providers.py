"""Providers to test against: a small scripted HTTP server that counts what it is asked."""

from __future__ import annotations

import json
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

Answer = bytes | Callable[[socket.socket], None]


def http(status: int, body: bytes = b"", *headers: str, length: bool = True) -> bytes:
    """An HTTP answer as bytes."""
    lines = [f"HTTP/1.1 {status} X", *headers]
    if length:
        lines.append(f"Content-Length: {len(body)}")
    return ("\r\n".join(lines) + "\r\n\r\n").encode() + body


def json_answer(document: Any, status: int = 200) -> bytes:
    """A JSON answer."""
    return http(status, json.dumps(document).encode(), "Content-Type: application/json")


class Provider:
    """An HTTP server on a free port; `answers` maps a path (without its query) to what it says."""

    def __init__(self) -> None:
        self.answers: dict[str, Answer] = {}
        self.asked: list[tuple[str, bytes]] = []
        """Request line and the whole request, in order."""
        self._socket = socket.create_server(("127.0.0.1", 0), backlog=256)
        self.connections = 0
        self.port: int = self._socket.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def count(self) -> int:
        """How many requests have come."""
        return len(self.asked)

    def headers_of(self, index: int = -1) -> dict[str, str]:
        """The headers of a request, names in lower case."""
        head = self.asked[index][1].split(b"\r\n\r\n")[0].decode("latin-1")
        pairs = (line.split(": ", 1) for line in head.split("\r\n")[1:])
        return {name.lower(): value for name, value in pairs}

    def close(self) -> None:
        """Stop listening."""
        self._socket.close()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._socket.accept()
            except OSError:
                return
            self.connections += 1
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        data = b""
        try:
            while True:
                while b"\r\n\r\n" not in data:
                    more = client.recv(65536)
                    if not more:
                        return
                    data += more
                head, _, data = data.partition(b"\r\n\r\n")
                need = _length(head)
                while len(data) < need:
                    data += client.recv(65536)
                body, data = data[:need], data[need:]
                line = head.split(b"\r\n")[0].decode("latin-1")
                self.asked.append((line, head + b"\r\n\r\n" + body))
                answer = self.answers[line.split(" ")[1].split("?")[0]]
                if callable(answer):
                    answer(client)
                    return
                client.sendall(answer)
        except OSError:
            pass
        finally:
            client.close()


def _length(head: bytes) -> int:
    for line in head.split(b"\r\n")[1:]:
        if line.lower().startswith(b"content-length:"):
            return int(line.split(b":")[1])
    return 0


def drip(piece: bytes, pause: float) -> Callable[[socket.socket], None]:
    """An answer whose body never ends, piece by piece."""

    def send(client: socket.socket) -> None:
        client.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        while True:
            client.sendall(b"%x\r\n%b\r\n" % (len(piece), piece))
            time.sleep(pause)

    return send


def silence(client: socket.socket) -> None:
    """Say nothing until the other side gives up."""
    client.recv(1)


@contextmanager
def self_signed(folder: Path) -> Iterator[int]:
    """A TLS server with a certificate that nobody vouches for; yields its port."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.now(UTC)
    builder = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
    builder = builder.not_valid_before(now).not_valid_after(now + timedelta(days=1))
    address = x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))])
    certificate = builder.add_extension(address, critical=False).sign(key, SHA256())
    (folder / "key").write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    (folder / "certificate").write_bytes(certificate.public_bytes(Encoding.PEM))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "certificate", folder / "key")
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def serve() -> None:
            with suppress(OSError):
                client, _ = listening.accept()
                with client, suppress(OSError):
                    context.wrap_socket(client, server_side=True).close()

        thread = threading.Thread(target=serve)
        thread.start()
        yield int(listening.getsockname()[1])
        thread.join(5)
