"""Every secret and every caller that a story uses is looked for in whatever the story leaves behind.

Secrets are noted where they are made or come in, in this process and in those that it starts, whatever the
story is about: random secrets (sessions, API tokens, client secrets, keys of other systems), access tokens,
passwords, credentials of requests, and what is sealed of callers. When the story ends every file of its
deployment, what was logged and every error page is searched for them, as they are, in base64 and
percent-encoded.

What may hold them, and why, is in `KEEPS`. Nothing else is left out.
"""

from __future__ import annotations

import base64
import io
import json
import logging
import os
import re
import secrets
import urllib.parse
import zipfile
import zlib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import re2

import core.envelope
import gateway.tokens

KEEPS = {
    "first-sign-in.txt": "the one-time passwords of first accounts, for whoever set the deployment up (0600)",
    "demo/workday-service.key": "the key of the demo's own provider, which checks it",
    "made-by-processes.jsonl": "what the processes of a test noted for this search (tests/watching)",
}
"""Files below the data folder that hold a secret on purpose."""
NOTES = "made-by-processes.jsonl"
REPEATED = {"what a caller said", "the code of a form"}
"""What the page of a refused form shows again to whoever typed it; an API never does."""
PAGE = 4096
SHORTEST = 8
"""What is shorter is found everywhere by chance."""
LONGEST = 200
"""What is longer is looked for by its beginning."""
_CREDENTIALS = (
    "client_secret",
    "client_assertion",
    "token",
    "password",
    "current_password",
    "api_key",
    "code",
)
_PERSONAL = ("phone", "id_number", "other_contact", "address")
"""Of what callers say of themselves: what no summary of a story repeats on purpose."""


class Ledger(logging.Handler):
    """What was used since the last search, what was logged, and the error pages that were answered."""

    def __init__(self) -> None:
        super().__init__()
        self.used: dict[str, str] = {}
        """Each value with what it is."""
        self.logged: list[str] = []
        self.refusals: list[tuple[str, bytes, bool]] = []
        self.folders: set[Path] = set()
        """The deployments of stories that have not ended."""
        self.copies: dict[Path, int] = {}
        """The databases as they were when the stories began; the write-ahead log has what came since."""
        self.template = b""
        """The empty database that stories begin with: what a story did not change needs no look."""

    def note(self, value: str, what: str) -> None:
        """Remember a secret."""
        if len(value) >= SHORTEST:
            self.used.setdefault(value[:LONGEST], what)

    def emit(self, record: logging.LogRecord) -> None:
        """Remember a line of the log."""
        self.logged.append(self.format(record))

    def note_printed(self, words: tuple[str, ...], printed: str) -> None:
        """Remember what a command of `shuxiang` showed, this once, to whoever gave it."""
        if words[:2] in (("accounts", "token"), ("accounts", "reset"), ("hotline", "open311-key")):
            self.note(printed.strip().splitlines()[-1], f"what {' '.join(words[:2])} printed")
        if words[:2] == ("init", "--json"):
            for password in json.loads(printed).values():
                self.note(password, "a one-time password")

    def note_of_processes(self, folder: Path) -> None:
        """Remember what the processes of a deployment noted."""
        notes = folder / NOTES
        for line in notes.read_text(encoding="utf-8").splitlines() if notes.exists() else ():
            self.note(*json.loads(line))

    def search(self, folders: Iterable[Path]) -> list[str]:
        """Return which secret lies where, without the secret."""
        folders = list(folders)
        for folder in folders:
            self.note_of_processes(folder)
        places = [*_files(folders), ("log", "\n".join(self.logged).encode())]
        places += [(name, body) for name, body, is_page in self.refusals if not is_page]
        pages = [(name, body) for name, body, is_page in self.refusals if is_page]
        strict = {value: what for value, what in self.used.items() if what not in REPEATED}
        return found_in(places, self.used) + found_in(pages, strict)

    def news(self, raw: bytes) -> bytes:
        """Return the pages of a database that differ from the template's; of another file all."""
        if raw[:PAGE] != self.template[:PAGE] or not raw:
            return raw
        pages = (slice(at, at + PAGE) for at in range(0, len(raw), PAGE))
        return b"".join(raw[page] for page in pages if raw[page] != self.template[page])

    def forget(self) -> None:
        """Begin anew."""
        self.used.clear()
        self.logged.clear()
        self.refusals.clear()


LEDGER = Ledger()


def _files(folders: Iterable[Path]) -> Iterator[tuple[str, bytes]]:
    for folder in folders:
        for path in (p for p in folder.rglob("*") if p.is_file()):
            name = path.relative_to(folder).as_posix()
            if not name.endswith(tuple(KEEPS)) and LEDGER.copies.get(path) != path.stat().st_mtime_ns:
                yield name, unpacked(LEDGER.news(path.read_bytes()))


def unpacked(raw: bytes) -> bytes:
    """Return what a file says, with what is packed in it unpacked: workbooks, archives, columns."""
    if raw.startswith(b"\x1f\x8b"):
        return zlib.decompressobj(31).decompress(raw)  # what is being written has no end yet
    if raw.startswith(b"PK\3\4"):
        with zipfile.ZipFile(io.BytesIO(raw)) as archive:
            return b"\n".join(archive.read(name) for name in archive.namelist())
    if raw.startswith(b"PAR1") and raw.endswith(b"PAR1"):
        from pyarrow import parquet

        return str(parquet.read_table(io.BytesIO(raw)).to_pylist()).encode()
    return raw.rstrip(b"\0")


def found_in(places: Iterable[tuple[str, bytes]], used: Mapping[str, str]) -> list[str]:
    """Return which of the secrets lie in which places: one pass over each for all of them together."""
    forms = {form: what for value, what in used.items() for form in forms_of(value)}
    if not forms:
        return []
    options = re2.Options()
    options.encoding, options.max_mem = re2.Options.Encoding.LATIN1, 1 << 27
    wanted = re2.compile(b"|".join(re2.escape(form) for form in forms), options)
    hits = {(forms[hit[0]], name) for name, raw in places for hit in wanted.finditer(raw)}
    return sorted(f"{what} in {name}" for what, name in hits)


def forms_of(value: str) -> set[bytes]:
    """Return how a value may be written down."""
    raw = value.encode()
    forms = {
        raw,
        *(urllib.parse.quote(value, safe).encode() for safe in ("", "/")),
        json.dumps(value)[1:-1].encode(),
    }
    for start in range(3):  # in base64 of a text that holds it, wherever it begins there
        whole = base64.b64encode(b"\0" * start + raw)
        forms.add(whole[4 if start else 0 : len(whole) // 4 * 4 - 4])
    return {form for form in forms if len(form) >= SHORTEST}


# --- where secrets are made and come in -------------------------------------------------------------


def watch() -> None:
    """Note from now on, in this process, what is made, sealed and logged."""
    token_urlsafe, check, encrypt = secrets.token_urlsafe, gateway.tokens._check, core.envelope._encrypt

    def made(nbytes: int | None = None) -> str:
        value = token_urlsafe(nbytes)
        LEDGER.note(value, "a random secret")
        return value

    def checked(key: bytes, random: bytes) -> bytes:
        LEDGER.note(base64.urlsafe_b64encode(random).decode()[:42], "an access token")
        return check(key, random)

    def sealed(suite: Any, key: bytes, plain: bytes, aad: bytes) -> tuple[bytes, bytes]:
        for value in personal(plain) if aad.endswith(b":caller") else ():
            LEDGER.note(value, "what a caller said")
        return encrypt(suite, key, plain, aad)

    secrets.token_urlsafe, gateway.tokens._check, core.envelope._encrypt = made, checked, sealed
    logging.getLogger().addHandler(LEDGER)


def personal(plain: bytes) -> Iterator[str]:
    """Yield what is told of a person in a text that is being sealed."""
    if not plain.startswith(b"{"):
        return
    try:
        told = json.loads(plain)
    except ValueError:
        return
    for name in _PERSONAL:
        if isinstance(told.get(name), str):
            yield told[name]
            yield re.sub(r"\D", "", told[name]) if name == "phone" else ""


def watched(app: Any) -> Any:
    """Return a WSGI application that notes the credentials that come in and the refusals that go out."""

    def serve(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        begun: list[tuple[str, bool]] = []
        for value, what in presented(environ):
            LEDGER.note(value, what)

        def start(line: str, headers: Any, *rest: Any) -> Any:
            begun.append((line, any("text/html" in value for _, value in headers)))
            return start_response(line, headers, *rest)

        answer: Iterable[bytes] = app(environ, start)
        if begun and begun[0][0] >= "4":
            line, is_page = begun[0]
            body = b"".join(answer)
            getattr(answer, "close", bool)()
            LEDGER.refusals.append((f"the answer {line} of {environ['PATH_INFO']}", body, is_page))
            return [body]
        return answer

    return serve


def presented(environ: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield the credentials of a request with what they are; the body is put back."""
    for header in ("HTTP_AUTHORIZATION", "HTTP_DPOP"):
        for word in environ.get(header, "").split(" ")[-1:]:
            yield word, "a credential of a request"
    form_type = environ.get("CONTENT_TYPE", "").startswith("application/x-www-form-urlencoded")
    if form_type and isinstance(environ["wsgi.input"], io.BytesIO):
        body = environ["wsgi.input"].read()
        environ["wsgi.input"] = io.BytesIO(body)
        form = urllib.parse.parse_qs(body.decode("utf-8", "replace"))
        for name in _CREDENTIALS:
            yield from ((value, f"the {name} of a form") for value in form.get(name, ()))


def watching(folder: Path) -> dict[str, str]:
    """Return the environment in which processes note what they make, for the deployment in a folder."""
    before = os.environ.get("PYTHONPATH")
    path = os.pathsep.join([str(Path(__file__).parent / "watching"), *([before] if before else [])])
    return {**os.environ, "PYTHONPATH": path, "SHUXIANG_TEST_NOTES": str(folder / NOTES)}


class Noting:
    """Hashes passwords as what it stands for does, and notes them."""

    def __init__(self, hasher: Any) -> None:
        self._hasher = hasher

    def hash(self, password: str) -> str:
        """Hash a password."""
        LEDGER.note(password, "a password")
        return str(self._hasher.hash(password))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._hasher, name)


# --- when a story ends ------------------------------------------------------------------------------


def keep(folder: Path) -> None:
    """Search a deployment's folder when its story ends."""
    LEDGER.folders.add(folder)
    database = folder / "state.sqlite"
    if database.exists():
        LEDGER.copies[database] = database.stat().st_mtime_ns


def search_at_end_of(item: Any, following: Any) -> list[str]:
    """Search what the story `item` leaves; a deployment that its file shares, after the last of them."""
    last = following is None or following.path != item.path
    own = item.funcargs.get("tmp_path") if hasattr(item, "funcargs") else None
    done = [f for f in LEDGER.folders if last or (own is not None and f.is_relative_to(own.resolve()))]
    found = LEDGER.search(folder for folder in done if folder.exists())
    LEDGER.folders.difference_update(done)
    LEDGER.copies = {path: at for path, at in LEDGER.copies.items() if path.parent in LEDGER.folders}
    if not LEDGER.folders:
        LEDGER.forget()
    return found
