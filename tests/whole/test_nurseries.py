"""Processes that begin as copies of one that has imported everything."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from commands.nursery import PRELOADED
from core import handed
from tests.processes import wait_until_gone
from tests.whole.test_layers import FLASK, ROOT

pytestmark = [pytest.mark.long, pytest.mark.takes(8)]

IMPORTING = """
import json, os, sys
from importlib import import_module
from commands.nursery import PRELOADED
for module in PRELOADED[sys.argv[1]]:
    import_module(module)
print(json.dumps([sorted({name.split(".")[0] for name in sys.modules}), len(os.listdir("/proc/self/task"))]))
"""

NURSERY = """
import json, os, signal, sys, time
from core.nursery import wait_for_orders
found = wait_for_orders()
if found is not None:
    from core import handed
    given, order = found
    doors = handed.listeners("door")
    names = [door.getsockname()[1] for door in doors]
    handed.tell("READY=1")
    line = open("/proc/self/cmdline").read().strip(chr(0))
    opened = sorted(os.listdir("/proc/self/fd"))
    told = [given, os.environ["TOLD"], names, line, os.getpgid(0) == os.getpid(), opened]
    open(order.words[0], "w").write(json.dumps(told))
    time.sleep(60)
"""

ORDERING = """
import json, os, signal, socket, sys, time
from core import handed
from core.nursery import Nursery, Order, adopt
adopt()
folder, hearing = sys.argv[1], handed.Hearing()
nursery = Nursery([sys.executable, "-c", sys.argv[2], "x" * 80], {"NOTIFY_SOCKET": hearing.address})
found = []
with socket.create_server(("127.0.0.1", 0)) as door:
    for i in range(2):
        title, words = "/bin/thing run door --index %d" % i, (folder + "/%d" % i,)
        order = Order(title, words, {"TOLD": str(i)}, ("door",))
        found.append(nursery.bear({"is": "given"}, order, [door.fileno()]))
    port = door.getsockname()[1]
ready = set()
while len(ready) < 2:
    ready |= hearing.ready()
    time.sleep(0.01)
nursery.close()
alive = [child.poll() for child in found]
same = ready == {child.pid for child in found}
found[0].terminate()
status = found[0].wait(30)
again = nursery.bear({}, Order("t", ()), [])
print(json.dumps([port, alive, same, status, again, found[1].pid]), flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""

LATE = """
import json, os, sys
from multiprocessing.connection import Connection
from core.nursery import Nursery, Order, adopt
adopt()
nursery = Nursery([sys.executable, "-c", sys.argv[2], "x" * 80], {})
orders, seen = nursery._orders, []
def late(seconds):
    Connection.poll(orders, 60)  # the answer comes, just after we gave up
    return False
orders.poll = late
born = nursery.bear({}, Order("t", (sys.argv[1] + "/late",), {"TOLD": ""}), [])
pid, status = os.wait()
print(json.dumps([born, nursery.lives(), pid != nursery.pid, os.waitstatus_to_exitcode(status)]))
nursery.close()
"""


def run(script: str, *words: str, code: int = 0, environment: dict[str, str] | None = None) -> Any:
    done = subprocess.run(
        [sys.executable, "-c", script, *words],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        env={**os.environ, "PYTHONPATH": str(ROOT), **(environment or {})},
    )
    assert done.returncode == code, done.stderr
    return json.loads(done.stdout)


def test_what_the_data_plane_is_born_from_has_neither_flask_nor_web() -> None:
    modules, threads = run(IMPORTING, "gateway")
    assert {"gateway", "sqlalchemy"} <= set(modules)
    assert not set(modules) & {*FLASK, "web", "authlib", "duckdb"}
    assert threads == 1


def test_what_all_others_are_born_from_has_one_thread_whatever_it_imports() -> None:
    alone = {"OPENBLAS_NUM_THREADS": "1", "JE_ARROW_MALLOC_CONF": "background_thread:false"}
    modules, threads = run(IMPORTING, "office", environment=alone)
    assert {"flask", "duckdb", "pyarrow"} <= set(modules)
    assert threads == 1
    assert set(PRELOADED) == {"gateway", "office"}


def test_a_copy_is_a_process_of_its_own_that_ends_with_whoever_ordered_it(tmp_path: Path) -> None:
    port, alive, same, status, again, left = run(ORDERING, str(tmp_path), NURSERY, code=-9)
    for i in range(2):
        told = json.loads((tmp_path / str(i)).read_text())
        line = f"/bin/thing run door --index {i}"
        assert told[:5] == [{"is": "given"}, str(i), [port], line, True]
        # its own streams, the door, and the folder that is listed
        assert told[5] == ["0", "1", "2", "3", "4"]
    assert alive == [None, None], "a nursery that ends takes nobody along"
    assert same
    assert status == -15
    assert again is None
    wait_until_gone([left])


def test_a_nursery_that_answers_too_late_is_ended_with_what_it_bore(tmp_path: Path) -> None:
    born, lives, is_child, status = run(LATE, str(tmp_path), NURSERY)
    assert born is None
    assert not lives, "its answer would be taken for that to the next order"
    assert (is_child, status) == (True, -9)


def test_a_nursery_with_a_second_thread_bears_nobody() -> None:
    script = "import threading, time; threading.Thread(target=time.sleep, args=(9,), daemon=True).start()\n"
    ours, theirs = socket.socketpair()
    with ours, theirs:
        done = subprocess.run(
            [sys.executable, "-c", script + NURSERY],
            stdin=theirs.fileno(),
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
        )
    assert done.returncode == 1
    assert "must have one thread" in done.stderr


def test_only_who_is_meant_finds_sockets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LISTEN_PID", str(os.getpid() + 1))
    monkeypatch.setenv("LISTEN_FDS", "1")
    monkeypatch.setenv("LISTEN_FDNAMES", "door")
    assert handed.listeners("door") == []


def test_readiness_is_heard_with_the_process_that_the_kernel_vouches_for() -> None:
    hearing = handed.Hearing()
    handed.tell("STATUS=waiting", {"NOTIFY_SOCKET": hearing.address})
    assert hearing.ready() == set()
    handed.tell("READY=1", {"NOTIFY_SOCKET": hearing.address})
    assert hearing.ready() == {os.getpid()}
    hearing.close()
    handed.tell("READY=1", {"NOTIFY_SOCKET": hearing.address})  # nobody listens any more


@pytest.mark.parametrize(
    ("work", "status"), [("sys.exit(3)", 3), ("1 / 0", 1), ("None", 0), ("sys.exit()", 0)]
)
def test_a_process_ends_with_its_own_status_once_its_threads_and_handlers_have_ended(
    work: str, status: int
) -> None:
    script = (
        "import sys\nfrom core.nursery import Ending\nending = Ending()\nimport atexit, threading\n"
        "atexit.register(print, 'handler')\n"
        "threading.Timer(0.2, print, ('thread',)).start()\n"
        f"ending.of(lambda: {work})\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert (done.returncode, done.stdout) == (status, "thread\nhandler\n")
    assert ("ZeroDivisionError" in done.stderr) == (status == 1)
