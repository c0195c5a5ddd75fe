"""`python -m bench.callers`: so many callers at once, each of whom has one ticket after the other taken in.

Reads what to do as JSON from standard input and prints what came of it; with `out`, each ticket that was
acknowledged is written down there at once: number, id, query code, name, phone, address, between tabs.
"""

from __future__ import annotations

import http.client
import json
import os
import random
import sys
import threading
import time
from pathlib import Path
from typing import Any, TextIO

from bench.townspeople import somebody, something

HEADERS = {"Content-Type": "application/json"}


class Callers:
    """The clients of one run."""

    def __init__(self, spec: dict[str, Any], out: TextIO) -> None:
        self._spec, self._out = spec, out
        self._lock = threading.Lock()
        self.seconds: list[float] = []
        self.refused: dict[str, int] = {}

    def run(self) -> None:
        """Call until the time is over."""
        end = time.monotonic() + float(self._spec["seconds"])
        threads = [
            threading.Thread(target=self._client, args=(seed, end))
            for seed in range(int(self._spec["connections"]))
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    def _client(self, seed: int, end: float) -> None:
        chance = random.Random(seed + int(self._spec.get("seed", 0)))
        connection = http.client.HTTPConnection(self._spec["host"], int(self._spec["port"]), timeout=30)
        while time.monotonic() < end:
            self._call(connection, chance)
        connection.close()

    def _call(self, connection: http.client.HTTPConnection, chance: random.Random) -> None:
        caller, draft = self._draft(chance)
        headers = {**HEADERS, "Authorization": f"Bearer {self._spec['token']}"}
        began = time.monotonic()
        try:
            connection.request("POST", self._spec["path"], json.dumps(draft).encode(), headers)
            answer = connection.getresponse()
            body = answer.read()
        except (OSError, http.client.HTTPException) as fault:
            connection.close()
            self._note(type(fault).__name__)
            time.sleep(0.1)
            return
        if answer.status != 201:
            self._note(str(answer.status))
            return
        took = time.monotonic() - began
        with self._lock:
            self.seconds.append(took)
            made = json.loads(body)
            parts = (made["number"], str(made.get("id")), made.get("code", ""), *caller.values())
            self._out.write("\t".join(map(str, parts)) + "\n")
            self._out.flush()

    def _draft(self, chance: random.Random) -> tuple[dict[str, str], dict[str, Any]]:
        caller = somebody(chance)
        category, summary = something(chance, frozenset(self._spec["categories"]))
        draft = {
            "channel": "phone",
            "summary": summary,
            "description": f"来电人反映：{summary}，请尽快处理。",
            "category": category,
            "caller": caller,
        }
        return caller, draft

    def _note(self, what: str) -> None:
        with self._lock:
            self.refused[what] = self.refused.get(what, 0) + 1


def main() -> None:
    """Run what standard input says."""
    spec = json.load(sys.stdin)
    with Path(spec.get("out") or os.devnull).open("a", encoding="utf-8") as out:
        callers = Callers(spec, out)
        began = time.monotonic()
        callers.run()
        took = time.monotonic() - began
    ms = sorted(1000 * s for s in callers.seconds)

    def at(share: float) -> float | None:
        return ms[min(len(ms) - 1, int(len(ms) * share))] if ms else None

    told = {
        "taken": len(ms),
        "seconds": took,
        "p50_ms": at(0.5),
        "p99_ms": at(0.99),
        "refused": callers.refused,
    }
    print(json.dumps(told))


if __name__ == "__main__":
    main()
