"""Other people's programs and packages that tests hold our answers against.

A test asks for what it needs. Where that is missing the test is skipped, with the command that would bring
it; in CI, which installs everything, it fails: a check that silently stopped running would be worth nothing.
"""

from __future__ import annotations

import fcntl
import importlib.util
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NoReturn

import pytest

APT = {
    "/usr/sbin/nginx": "nginx-light",
    "/usr/bin/chromium-headless-shell": "chromium-headless-shell fonts-noto-cjk",
    "/usr/share/gocode/src/golang.org/x/mod": "golang-golang-x-mod-dev",
    "go": "golang-go",
    "java": "openjdk-17-jre-headless",
    "curl": "curl",
    "openssl": "openssl",
    "postgres": "postgresql",
    "psql": "postgresql-client",
    "ip": "iproute2",
    "strace": "strace",
}
"""What Debian calls the packages of programs and files."""
EXTRAS = {
    "node": "oracles",
    "npm": "oracles",
    "pymerkle": "oracles",
    "sigstore": "oracles",
    "pyspark": "spark",
    "datafusion": "verify",
}
"""Which extra of ours brings a program or module; `dev` brings all others."""
FOLDERS = (str(Path(sys.executable).parent), *map(str, Path("/usr/lib/postgresql").glob("*/bin")))
"""Where programs lie beside those on the search path."""
CLIENTS = Path(__file__).parent / "clients"
"""The JavaScript packages that tests use, as package.json and package-lock.json pin them."""


def need(name: str) -> str:
    """Return the path of a program, a file given by its path, or a Python module; skip or fail without it."""
    found = _find(name)
    if found is None:
        missing(f"{name} is missing: {_remedy(name)}")
    return found


def need_npm(folder: str = "") -> Path:
    """Return the folder of `CLIENTS` below which Node finds its packages; CI installs them there once."""
    place = CLIENTS / folder
    npm, installed = need("npm"), place / "node_modules" / ".package-lock.json"
    if not installed.exists() and not os.environ.get("CI"):
        missing(f"the packages are missing: npm ci --prefix {place}")
    with (place / "package.json").open() as held:
        fcntl.flock(held, fcntl.LOCK_EX)  # tests run side by side
        if not installed.exists():
            path = os.pathsep.join((str(Path(npm).parent), os.environ.get("PATH", os.defpath)))
            command = (npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--prefix", str(place))
            subprocess.run(command, check=True, env={**os.environ, "PATH": path}, timeout=300)
    return place


def need_venv(folder: str) -> str:
    """Return the Python of a venv with what the requirements.txt below `CLIENTS` names; CI makes it once."""
    place = CLIENTS / folder / ".venv"
    wanted, installed = place.parent / "requirements.txt", place / "installed.txt"
    current = installed.exists() and installed.read_bytes() == wanted.read_bytes()
    if not current and not os.environ.get("CI"):
        make = f"{sys.executable} -m venv {place} && {place}/bin/pip install -r {wanted}"
        missing(f"the packages are missing: {make} && cp {wanted} {installed}")
    with wanted.open() as held:
        fcntl.flock(held, fcntl.LOCK_EX)  # tests run side by side
        if not (installed.exists() and installed.read_bytes() == wanted.read_bytes()):
            subprocess.run((sys.executable, "-m", "venv", "--without-pip", str(place)), check=True)
            pip = (sys.executable, "-m", "pip", "--python", str(place / "bin" / "python"))
            options = ("--quiet", "--disable-pip-version-check", "--no-deps", "--no-compile")
            subprocess.run((*pip, "install", *options, "-r", str(wanted)), check=True, timeout=300)
            installed.write_bytes(wanted.read_bytes())
    return str(place / "bin" / "python")


def missing(reason: str) -> NoReturn:
    """Skip the test that asks, or fail it in CI."""
    if os.environ.get("CI"):
        pytest.fail(reason)
    pytest.skip(reason)


def _find(name: str) -> str | None:
    if name.startswith("/"):
        return name if Path(name).exists() else None
    program = shutil.which(name, path=os.pathsep.join((*FOLDERS, os.environ.get("PATH", os.defpath))))
    if program is not None:
        return program
    module = importlib.util.find_spec(name)
    return module.origin if module is not None else None


def _remedy(name: str) -> str:
    if name in APT:
        return f"apt-get install {APT[name]}"
    return f"pip install -c constraints.txt -e '.[{EXTRAS.get(name, 'dev')}]'"
