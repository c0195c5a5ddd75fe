"""A hundred sign-ins at once, at the processes as they run: whoever needs no password is served meanwhile."""

from __future__ import annotations

import re
import threading
import time
from collections import Counter
from http.client import HTTPConnection
from urllib.parse import urlencode, urlsplit

import pytest

from tests.servers.conftest import Deployment

pytestmark = [pytest.mark.servers, pytest.mark.takes(30)]

AT_ONCE, EACH = 100, 4
BOUND = 8.0
"""Seconds that another page may take, on a machine whose processors are all busy: 11 without the bounds."""


class Crowd:
    """Many browsers that send the form of the sign-in page at the same time, again and again."""

    def __init__(self, url: str) -> None:
        self.place = urlsplit(url).netloc
        status, headers, page = self.ask("GET", "/sign-in")
        assert status == 200
        token = re.search(r'name="csrf_token" value="([^"]+)"', page)
        assert token
        self.cookie = headers["Set-Cookie"].partition(";")[0]
        self.form = {"csrf_token": token[1], "login": "nobody.here", "password": "a wrong password 1"}
        self.answers: Counter[int] = Counter()
        self.again: set[str] = set()
        self._threads = [threading.Thread(target=self._press) for _ in range(AT_ONCE)]

    def ask(self, method: str, path: str, body: str = "", **headers: str) -> tuple[int, dict[str, str], str]:
        """Ask the platform once."""
        line = HTTPConnection(self.place, timeout=60)
        try:
            line.request(method, path, body.encode(), headers)
            answer = line.getresponse()
            return answer.status, dict(answer.headers), answer.read().decode()
        finally:
            line.close()

    def _press(self) -> None:
        headers = {"Cookie": self.cookie, "Content-Type": "application/x-www-form-urlencoded"}
        for _ in range(EACH):
            status, told, _ = self.ask("POST", "/sign-in", urlencode(self.form), **headers)
            self.answers[status] += 1
            if status == 429:
                self.again.add(told["Retry-After"])

    def begin(self) -> None:
        """Begin."""
        for thread in self._threads:
            thread.start()

    @property
    def is_at_it(self) -> bool:
        """Whether anybody still waits for an answer."""
        return any(thread.is_alive() for thread in self._threads)


def test_other_pages_answer_while_a_hundred_sign_in(deployment: Deployment) -> None:
    deployment.serve()
    crowd = Crowd(deployment.settings.platform.control_url)
    crowd.begin()
    longest, asked = 0.0, 0
    while crowd.is_at_it:
        started = time.monotonic()
        status, _, _ = crowd.ask("GET", "/livez")
        assert status == 200
        longest, asked = max(longest, time.monotonic() - started), asked + 1
        time.sleep(0.02)
    assert sum(crowd.answers.values()) == AT_ONCE * EACH
    assert set(crowd.answers) <= {422, 429}
    assert crowd.again <= {"5", "900"}
    assert crowd.answers[429] > 0
    assert asked >= 5
    assert longest < BOUND
