"""Processes that begin as copies of one that has imported everything already (fork(2)).

A nursery is a process of its own: it imports, then waits for orders, and forks for each. It has no threads,
no loop, no connection and no secret when it does, so its copies inherit none. What it bears is adopted by the
process that ordered it, as its nearest subreaper (prctl(2), PR_SET_CHILD_SUBREAPER): that one waits for
it, and the kernel ends it when that one has gone. A nursery that dies takes nobody along. Linux only.
"""

from __future__ import annotations

import atexit
import contextlib
import ctypes
import gc
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from core import handed

_SET_DEATH_SIGNAL, _SET_NAME, _SET_SUBREAPER = 1, 15, 36
"""prctl(2)."""
BIRTH_SECONDS = 60.0
"""How long a nursery may take to import and to bear."""


@dataclass(frozen=True, slots=True)
class Order:
    """A process that is wanted."""

    title: str
    """What is to stand in lists of processes."""
    words: tuple[str, ...]
    """What it is to do, as on a command line."""
    environment: Mapping[str, str] = field(default_factory=dict)
    sockets: tuple[str, ...] = ()
    """Names of the listening sockets that go with it (`core.handed`)."""


# --- the process that orders ------------------------------------------------------------------------


class Nursery:
    """A nursery, as the process sees it that orders from it."""

    def __init__(self, command: Sequence[str], environment: Mapping[str, str]) -> None:
        """Start one. It ends with us."""
        ours, theirs = socket.socketpair()
        with theirs:
            try:
                self._process = subprocess.Popen(
                    command,
                    stdin=theirs.fileno(),
                    env={**os.environ, **environment, **_ONE_THREAD},
                    preexec_fn=end_with_parent,
                )
            except Exception:
                ours.close()
                raise
        self._socket = ours
        self._orders = Connection(os.dup(ours.fileno()))
        self._is_told = False

    def bear(self, given: object, order: Order, descriptors: Sequence[int]) -> Adopted | None:
        """Return the process of an order; None where the nursery has died or is late, and then it is ended.

        What is `given` with the first order is handed to all that it bears.
        """
        try:
            if not self._is_told:
                self._orders.send(given)
                self._is_told = True
            self._orders.send(order)
            if descriptors:
                socket.send_fds(self._socket, [b"+"], descriptors)
            if self._orders.poll(BIRTH_SECONDS):
                return Adopted(int(self._orders.recv_bytes()))
        except (OSError, EOFError):
            pass
        self._give_up()
        return None

    def _give_up(self) -> None:
        """End the nursery and what it bore too late: its answer would be taken for that to a later order."""
        self._process.kill()
        self._process.wait()
        with contextlib.suppress(OSError, EOFError):
            self._socket.shutdown(socket.SHUT_RD)  # who has not answered yet cannot any more, and so ends
            while True:
                Adopted(int(self._orders.recv_bytes())).kill()

    @property
    def pid(self) -> int:
        """Return the process that it is."""
        return self._process.pid

    def lives(self) -> bool:
        """Tell whether the nursery runs."""
        return self._process.poll() is None

    def close(self) -> None:
        """Let the nursery end; what it bore goes on."""
        self._orders.close()
        self._socket.close()
        self._process.terminate()
        self._process.wait()


class Adopted:
    """A process that a nursery bore, with the face of `subprocess.Popen`."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self.returncode: int | None = None

    def poll(self) -> int | None:
        """Return the exit status, or None while it runs."""
        if self.returncode is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self.returncode = os.waitstatus_to_exitcode(status)
        return self.returncode

    def wait(self, timeout: float) -> int:
        """Return the exit status once there is one. Raises subprocess.TimeoutExpired."""
        deadline = time.monotonic() + timeout
        while self.poll() is None:
            if time.monotonic() >= deadline:
                raise subprocess.TimeoutExpired(str(self.pid), timeout)
            time.sleep(0.01)
        return self.returncode or 0

    def terminate(self) -> None:
        """Ask it to end."""
        if self.poll() is None:
            os.kill(self.pid, signal.SIGTERM)

    def kill(self) -> None:
        """End it."""
        if self.poll() is None:
            os.kill(self.pid, signal.SIGKILL)


def adopt() -> None:
    """Make this process the one that adopts whatever its children leave behind."""
    _prctl(_SET_SUBREAPER, 1)


def end_with_parent() -> None:
    """Ask for SIGTERM when the parent ends, and leave its terminal."""
    _prctl(_SET_DEATH_SIGNAL, signal.SIGTERM)
    os.setpgid(0, 0)


# --- the nursery itself -----------------------------------------------------------------------------

_ONE_THREAD = {"OPENBLAS_NUM_THREADS": "1", "JE_ARROW_MALLOC_CONF": "background_thread:false"}
"""Libraries that start threads when they are imported leave that; a fork copies locks, not who holds them."""


def wait_for_orders() -> tuple[Any, Order] | None:
    """Fork for every order; return twice: in each new process what was given and its order, else None.

    Everything must be imported by now; whoever orders is at the other end of the standard input.
    """
    if len(os.listdir("/proc/self/task")) > 1:
        raise RuntimeError("a nursery must have one thread: a module that it imports has started another")
    gc.collect()
    gc.freeze()  # a collection would write to every page, and so end the sharing of it
    with socket.socket(fileno=os.dup(0)) as wire, Connection(os.dup(0)) as orders:
        given = None
        try:
            given = orders.recv()
            while True:
                order = orders.recv()
                descriptors = _receive(wire, len(order.sockets))
                if _forked(orders):
                    break
                for fd in descriptors:
                    os.close(fd)
        except (EOFError, ConnectionError):
            return None
    _become(order, descriptors)
    return given, order


class Ending:
    """How a copy ends: without taking apart, object by object, the memory that it shares with others."""

    def __init__(self) -> None:
        """Be the last to do something at the end: what is registered first runs last (atexit)."""
        self._status = 1
        atexit.register(self._end)

    def of(self, work: Callable[[], object]) -> None:
        """Do the work of the process and remember its exit status. Raises what the work raises."""
        try:
            work()
            self._status = 0
        except SystemExit as end:
            self._status = end.code if isinstance(end.code, int) else int(end.code is not None)
            raise

    def _end(self) -> None:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(self._status)


def _receive(wire: socket.socket, count: int) -> list[int]:
    return socket.recv_fds(wire, 1, count)[1] if count else []


def _forked(orders: Connection) -> bool:
    """Fork twice, so that the new process is an orphan and gets adopted; return True in it."""
    adopter, between = os.getppid(), os.fork()
    if between:
        os.waitpid(between, 0)
        return False
    between = os.getpid()
    if os.fork():
        os._exit(0)
    while os.getppid() == between:
        time.sleep(0.001)
    end_with_parent()
    if os.getppid() != adopter:
        os._exit(1)
    orders.send_bytes(str(os.getpid()).encode())
    return True


def _become(order: Order, descriptors: Sequence[int]) -> None:
    """Make the copy a process of its own: nothing of the nursery's hangs on to it."""
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    os.close(null)
    os.environ |= order.environment
    handed.take_over(order.sockets, descriptors)
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    _set_title(order.title)


def _set_title(title: str) -> None:
    """Write the title over the command line, as far as there is room for it (proc(5), cmdline)."""
    fields = Path("/proc/self/stat").read_text().rpartition(")")[2].split()
    start, end = int(fields[45]), int(fields[46])
    text = title.encode()[: end - start - 1]
    ctypes.memset(start, 0, end - start)
    ctypes.memmove(start, text, len(text))
    _prctl(_SET_NAME, ctypes.c_char_p(title.rpartition(" run ")[2].replace(" --index ", "-").encode()[:15]))


def _prctl(option: int, value: Any) -> None:
    if ctypes.CDLL(None, use_errno=True).prctl(option, value, 0, 0, 0):
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
