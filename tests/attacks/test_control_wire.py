"""The control plane as shipped, on a raw socket: what is not plainly one request is refused (list 26-51)."""

from __future__ import annotations

import contextlib
import re
import socket
import statistics
import time
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from tests.attacks.test_plane_smuggling import SMUGGLED
from tests.servers.conftest import Deployment

pytestmark = [pytest.mark.servers, pytest.mark.takes(30)]

NEXT = b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n"
SIGN_IN = "POST /sign-in HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-www-form-urlencoded\r\n"


@pytest.fixture(scope="module")
def plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, int]]:
    """The control plane of a deployment, started as `serve` starts it; yields where it listens."""
    made = Deployment(tmp_path_factory.mktemp("control"))
    made.run("init", "--json")
    made.start("run", "control")
    made.wait_for(f"{made.settings.platform.control_url}/livez")
    yield made.settings.platform.control_listen
    made.stop()


def said(plane: tuple[str, int], data: bytes, wait: float = 3.0) -> bytes:
    """What comes back for these bytes; ends in `<open>` where the server left the connection open."""
    with socket.create_connection(plane, timeout=wait) as line:
        line.sendall(data)
        answer = b""
        try:
            while piece := line.recv(65536):
                answer += piece
        except TimeoutError:
            return answer + b"<open>"
        except ConnectionResetError:
            pass
        return answer


def statuses(answer: bytes) -> list[int]:
    return [int(found) for found in re.findall(rb"HTTP/1\.1 (\d{3}) ", answer)]


def refused(plane: tuple[str, int], data: str | bytes) -> bytes:
    """Send what must be refused with another request behind it, which must not be executed."""
    raw = data.encode("latin-1") if isinstance(data, str) else data
    answer = said(plane, raw + NEXT)
    assert len(statuses(answer)) == 1, answer
    assert statuses(answer)[0] in (400, 413, 414, 417, 431, 501, 505), answer
    assert not answer.endswith(b"<open>"), answer
    return answer


def get(target: str, *lines: str) -> str:
    return f"GET {target} HTTP/1.1\r\nHost: x\r\n" + "".join(f"{line}\r\n" for line in lines) + "\r\n"


def test_an_honest_request_passes(plane: tuple[str, int]) -> None:
    """Without this the refusals below could have any other reason."""
    answer = said(plane, NEXT + get("/livez", "Connection: close").encode())
    assert statuses(answer) == [200, 200]


@pytest.mark.parametrize(("lines", "body"), SMUGGLED)
def test_33_an_ambiguous_request_runs_nothing_and_ends_the_connection(
    plane: tuple[str, int], lines: list[str], body: str
) -> None:
    refused(plane, SIGN_IN + "".join(f"{line}\r\n" for line in lines) + "\r\n" + body)


@pytest.mark.parametrize(
    "head",
    [
        "GET /livez HTTP/1.1\n\n",
        "GET /livez HTTP/1.1\r\nHost: x\n\r\n",
        "GET /livez HTTP/1.1\r\n\r\n",
        "GET /livez HTTP/1.1\r\nHost: a b\r\n\r\n",
        "GET /livez HTTP/1.1\r\nHost: x\r\nHost: x\r\n\r\n",
        "GET /livez HTTP/9.9\r\nHost: x\r\n\r\n",
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        "CONNECT x:80 HTTP/1.1\r\nHost: x\r\n\r\n",
        "TRACE /livez HTTP/1.1\r\nHost: x\r\n\r\n",
        "\x16\x03\x01\x02\x00\x01\x00\x01",
        get("/" + "a" * 20_000),
        get("/livez", "X: " + "y" * 70_000),
        get("/livez", *(f"X-{i}: y" for i in range(500))),
        get("/livez", "X: a", " b"),
        get("/livez", "nocolon"),
        get("/livez", "X: a\x00b"),
    ],
)
def test_34_what_is_no_proper_head_is_refused_and_closed(plane: tuple[str, int], head: str) -> None:
    refused(plane, head)


@pytest.mark.parametrize(
    "line",
    [
        *("X_Forwarded_For: 10.0.0.1", "X-Client_Cert: x", "Content_Length: 5", "AUTHORIZATION_: x"),
        *("X_Forwarded_Proto: https", "Content_Type: application/json", "_: x"),
    ],
)
def test_34_no_name_becomes_another_one_by_its_underscores(plane: tuple[str, int], line: str) -> None:
    refused(plane, get("/livez", line))


@pytest.mark.parametrize(
    "name",
    [
        *("Authorization", "Cookie", "Content-Type", "X-Forwarded-For", "X-Client-Cert", "DPoP", "If-Match"),
        *("Idempotency-Key", "Origin", "Referer", "Forwarded"),
    ],
)
def test_34_a_field_that_decides_something_comes_once(plane: tuple[str, int], name: str) -> None:
    refused(plane, get("/livez", f"{name}: a", f"{name.lower()}: b"))


@pytest.mark.parametrize(
    "target",
    [
        *(
            "/static%2f..%2f..%2fwsgi.py",
            "/static/../wsgi.py",
            "/static/%2e%2e/wsgi.py",
            "/static/..%5cwsgi.py",
        ),
        *("/livez%00", "/livez%0d%0aX:y", "/livez/.", "/%ff", "/%c0%ae%c0%ae/", "/livez%E2%80%AE", "\\livez"),
        *("http://evil/livez", "ftp://x/livez", "//x:80@evil/../livez", "*", "livez", "/a#b", "/livez%2fb"),
    ],
)
def test_29_no_path_means_another_one_to_somebody_else(plane: tuple[str, int], target: str) -> None:
    refused(plane, get(target))


@pytest.mark.parametrize("target", ["http://x/livez", "/livez?a=%2f..%00#", "/livez?x=http://evil/"])
def test_29_other_forms_of_a_plain_address_are_taken_or_refused_whole(
    plane: tuple[str, int], target: str
) -> None:
    assert statuses(said(plane, get(target, "Connection: close").encode())) in ([200], [400])


@pytest.mark.parametrize("host", ["evil.example", "evil.example:80", "EVIL.example"])
@pytest.mark.parametrize(
    "target",
    ["/", "//", "//evil.example", "/sign-in/", "/datasets", "/api/datasets/", "/openapi.json", "/nowhere"],
)
def test_37_no_answer_names_the_host_that_a_caller_names(
    plane: tuple[str, int], host: str, target: str
) -> None:
    head = f"GET {target} HTTP/1.1\r\nHost: {host}\r\nX-Forwarded-Host: {host}\r\nConnection: close\r\n\r\n"
    answer = said(plane, head.encode())
    assert statuses(answer)
    fields, _, _ = answer.partition(b"\r\n\r\n")
    assert b"evil" not in fields.lower(), fields
    assert b"//evil" not in answer.lower() or target == "//evil.example"


def test_35_what_connection_names_still_counts(plane: tuple[str, int]) -> None:
    lines = ["Authorization: Bearer nobody", "Connection: close, Authorization"]
    assert statuses(said(plane, get("/api/datasets", *lines).encode())) == [401]


def test_46_an_upgrade_is_not_spoken(plane: tuple[str, int]) -> None:
    lines = [
        "Upgrade: h2c",
        "Connection: Upgrade, HTTP2-Settings",
        "HTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA",
    ]
    answer = said(plane, get("/livez", *lines).encode() + NEXT)
    assert statuses(answer) == [200]


def test_33_a_body_is_bounded_before_it_is_read(plane: tuple[str, int]) -> None:
    assert statuses(refused(plane, SIGN_IN + "Content-Length: 999999999\r\n\r\n")) == [413]


def _slow(stack: ExitStack, plane: tuple[str, int], data: bytes) -> socket.socket:
    line = stack.enter_context(socket.create_connection(plane, timeout=5))
    line.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    line.sendall(data)
    return line


WAYS = {
    "heads": b"GET /livez HTTP/1.1\r\nHost: x\r\nX: ",
    "bodies": SIGN_IN.encode() + b"Content-Length: 100000\r\n\r\nlogin=",
    "chunks": SIGN_IN.encode() + b"Transfer-Encoding: chunked\r\n\r\nfff\r\nlogin=",
    "readers": b"GET /bootstrap/static/css/bootstrap.min.css HTTP/1.1\r\nHost: x\r\n\r\n" * 20,
    "idle": NEXT,
    "silent": b"",
}


@pytest.mark.parametrize("way", list(WAYS))
def test_51_two_hundred_slow_clients_keep_nobody_waiting(plane: tuple[str, int], way: str) -> None:
    with ExitStack() as stack:
        lines = [_slow(stack, plane, WAYS[way]) for _ in range(200)]
        waits = []
        for _ in range(5):
            for line in lines[:50]:
                with contextlib.suppress(OSError):
                    line.sendall(b"a" if way in ("heads", "bodies", "chunks") else b"")
            begun = time.monotonic()
            assert statuses(said(plane, get("/sign-in", "Connection: close").encode(), wait=20.0)) == [200]
            waits.append(time.monotonic() - begun)
        assert statistics.median(waits) < 1
