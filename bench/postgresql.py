"""A PostgreSQL server in a folder of its own, run by the user postgres where we are root."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from bench.machine import free_port, tool, until


def binaries() -> Path | None:
    """Return the folder of PostgreSQL's programs; Debian keeps each version in one."""
    found = tool("postgres") or next(map(str, Path("/usr/lib/postgresql").glob("*/bin/postgres")), None)
    return Path(found).resolve().parent if found else None


@contextmanager
def server(folder: Path, programs: Path, tuned: Sequence[str]) -> Iterator[str]:
    """Yield the address of a server with a new cluster and some settings; take all of it away again."""
    user = "postgres" if os.geteuid() == 0 else None
    folder.mkdir(parents=True)
    if user is not None:
        shutil.chown(folder, user, user)
        for parent in folder.parents:
            parent.chmod(parent.stat().st_mode | 0o011) if os.access(parent, os.W_OK) else None
    port = free_port()
    data = folder / "data"
    options = {"cwd": folder, "user": user, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    made: list[str | Path] = [programs / "initdb", "-D", data, "-A", "trust", "-U", "bench", "-E", "UTF8"]
    subprocess.run([*made, "--locale=C"], check=True, **options)  # type: ignore[call-overload]
    command: list[str | Path] = [programs / "postgres", "-D", data, "-p", str(port), "-k", folder]
    for setting in ("listen_addresses=127.0.0.1", *tuned):
        command += ["-c", setting]
    process = subprocess.Popen(command, **options)  # type: ignore[call-overload]
    try:
        ready: list[str | Path] = [programs / "pg_isready", "-h", "127.0.0.1", "-p", str(port)]
        until(lambda: subprocess.run(ready, stdout=subprocess.DEVNULL).returncode == 0, "PostgreSQL", 60)
        yield f"postgresql://bench@127.0.0.1:{port}/postgres"
    finally:
        process.terminate()
        process.wait(60)
        shutil.rmtree(folder)
