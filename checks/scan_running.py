"""Attacks the product as it runs behind its front, with the tools that attackers use.

    make scan-running

testssl.sh looks at the addresses of the front, sqlmap tries the arguments of every list and of a call of the
data plane, wapiti goes through the pages as a platform manager. What a tool finds fails; a tool that is
not there is SKIPPED and never counts as passed.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from http.cookiejar import CookieJar
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.error import HTTPError
from urllib.parse import urlencode
from urllib.request import HTTPCookieProcessor, Request, build_opener

if TYPE_CHECKING:
    from tests.clients.town import Town

BIN = Path(__file__).parents[1] / ".venv" / "running" / "bin"
PEOPLE = ("qian.wei", "lin.yue", "wu.fang")
"""Who asks for lists: platform manager, operator, auditor. What one may not see another may."""
CRAWLER = "qian.wei"
PASSWORD = "七月的江水慢慢流过平原 2026"
VALUES = ("1", "2026-11-01", "2026-11", "true", "month", "csv", "title", "consumer", "calls", "x")
"""What an argument is given before it is attacked: the first that is taken."""
BOUNDS = ("--max-scan-time", "240", "--max-attack-time", "40", "--max-links-per-page", "60")
MODULES = "cookieflags,csp,csrf,crlf,redirect,sql,xss,permanentxss,file,exec,http_headers,methods"
HARMLESS = frozenset({"HTTP_status_code", "secure_renego", "engine_problem", "HTTP Methods"})
"""What tools mention though nothing is wrong: "/" leads to the sign-in, TLS 1.3 renegotiates nothing, OpenSSL
has no GOST, and every address answers OPTIONS."""
SQLMAP = ("--batch", "--technique", "BEUS", "--dbms", "SQLite", "--flush-session", "--ignore-code", "400,404")


def main() -> int:
    """Run everything; return how much was found."""
    from tests.clients.town import running  # the whole product: whoever only reads reports needs none of it

    found: list[str] = []
    with tempfile.TemporaryDirectory(prefix="scan-") as name, running(Path(name), "standard") as town:
        for tool, scan in (("testssl", weak_tls), ("sqlmap", injections), ("wapiti", holes)):
            found += told(tool, scan(town, Path(name)))
    return len(found)


def told(name: str, results: Iterable[str] | None) -> list[str]:
    """Print what a tool found and return it; None: the tool is not there."""
    if results is None:
        print(f"{name}: SKIPPED, it is not installed")
        return []
    found = list(results)
    print("\n".join((f"{name}: {len(found)} findings", *(f"  {line}" for line in found))), flush=True)
    return found


# --- TLS --------------------------------------------------------------------------------------------


def weak_tls(town: Town, folder: Path) -> Iterator[str] | None:
    """Look at the front's protocols, suites and known faults."""
    program = shutil.which("testssl") or shutil.which("testssl.sh")
    return None if program is None else _weak_tls(program, town, folder)


def _weak_tls(program: str, town: Town, folder: Path) -> Iterator[str]:
    options = ("--quiet", "--warnings", "batch", "--add-ca", str(town.authority.file), "-p", "-s", "-f", "-U")
    for address in (town.issuer, town.gateway):
        report = folder / "testssl.json"
        report.unlink(missing_ok=True)
        command = (program, *options, "--ip", "127.0.0.1", "--jsonfile", str(report), address)
        subprocess.run(command, stdout=subprocess.DEVNULL, check=False, timeout=600)
        yield from of_testssl(report.read_text(encoding="utf-8"))


def of_testssl(report: str) -> Iterator[str]:
    """Yield what testssl holds to be weak; nothing that was looked at is a finding as well."""
    entries = json.loads(report)
    if not any(e["id"] == "TLS1_2" for e in entries):
        yield "nothing was looked at"
    for entry in entries:
        if entry["severity"] not in ("OK", "INFO", "DEBUG") and entry["id"] not in HARMLESS:
            yield f"{entry['id']} {entry['severity']}: {entry['finding']}"


# --- SQL --------------------------------------------------------------------------------------------


def injections(town: Town, folder: Path) -> Iterator[str] | None:
    """Try the arguments of every list that somebody may read, and those of a call for rows."""
    return _injections(town, folder) if (BIN / "sqlmap").exists() else None


def _injections(town: Town, folder: Path) -> Iterator[str]:
    lists = lists_of(json.loads(ask(town, "/openapi.json", "")[1]))
    for login in PEOPLE:
        token = town.place.run("accounts", "token", login).strip()
        targets = list(_targets(town, token, lists))
        print(f"sqlmap: {len(targets)} addresses as {login}, {sum(t.count('=') for t in targets)} arguments")
        yield from sqlmap(targets, token, folder / login)
    secret = town.with_secret()
    yield from sqlmap([town.url], token_of(town, secret.facts), folder / "plane")


def lists_of(document: Mapping[str, Any]) -> dict[str, list[str]]:
    """Return the arguments of every address of the API that is read with some."""
    named = {
        path: [p["name"] for p in entry["get"].get("parameters", ()) if p["in"] == "query"]
        for path, entry in document["paths"].items()
        if "get" in entry and "{" not in path
    }
    return {path: names for path, names in named.items() if names}


def _targets(town: Town, token: str, lists: Mapping[str, list[str]]) -> Iterator[str]:
    for path, names in lists.items():
        taken: dict[str, str] = {}
        for name in names:
            fits = (
                v for v in VALUES if ask(town, f"{path}?{urlencode({**taken, name: v})}", token)[0] == 200
            )
            value = next(fits, None)
            if value is not None:
                taken[name] = value
        if taken:
            yield f"{town.issuer}{path}?{urlencode(taken)}"


def sqlmap(targets: list[str], token: str, folder: Path) -> Iterator[str]:
    """Yield what sqlmap could inject into."""
    folder.mkdir()
    (folder / "targets").write_text("".join(f"{t}\n" for t in targets), encoding="utf-8")
    places = (
        "-m",
        str(folder / "targets"),
        "--output-dir",
        str(folder),
        "--results-file",
        str(folder / "csv"),
    )
    command = (str(BIN / "sqlmap"), *SQLMAP, *places, "-H", f"Authorization: Bearer {token}")
    done = subprocess.run(command, capture_output=True, text=True, timeout=1800, check=False)
    tried = done.stdout.count("testing for SQL injection on GET parameter")
    if tried < len(targets):
        yield f"only {tried} arguments of {len(targets)} addresses were tried"
    yield from of_sqlmap((folder / "csv").read_text(encoding="utf-8"))


def of_sqlmap(results: str) -> Iterator[str]:
    """Yield the lines below the heading: each is an argument that let something in."""
    yield from results.splitlines()[1:]


def token_of(town: Town, facts: Mapping[str, str]) -> str:
    """Return an access token."""
    form = {
        "grant_type": "client_credentials",
        "client_id": facts["client_id"],
        "client_secret": facts["secret"],
    }
    with build_opener().open(f"{town.issuer}/oauth/token", urlencode(form).encode()) as answer:
        return str(json.load(answer)["access_token"])


def ask(town: Town, path: str, token: str) -> tuple[int, bytes]:
    """Read an address as whoever has the token."""
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    try:
        with build_opener().open(Request(town.issuer + path, headers=headers), timeout=60) as answer:
            return answer.status, answer.read()
    except HTTPError as refused:
        with refused:
            return refused.code, refused.read()


# --- pages ------------------------------------------------------------------------------------------


def holes(town: Town, folder: Path) -> Iterator[str] | None:
    """Go through the pages as a platform manager, and attack every form and argument that is met."""
    return _holes(town, folder) if (BIN / "wapiti").exists() else None


def _holes(town: Town, folder: Path) -> Iterator[str]:
    cookie = signed_in(town)
    left_out = [w for page in ("sign-out", "sessions/*", "password") for w in ("-x", f"{town.issuer}/{page}")]
    scope = ("-u", f"{town.issuer}/", "--scope", "domain", "-H", f"Cookie: {cookie}", *left_out)
    report, session = folder / "wapiti.json", folder / "session"
    outputs = ("-f", "json", "-o", str(report), "--store-session", str(session), "--no-bugreport", "-v", "0")
    command = (str(BIN / "wapiti"), *scope, "-m", MODULES, "--flush-session", "-d", "3", *BOUNDS, *outputs)
    own = {**os.environ, "HOME": str(folder)}
    subprocess.run(command, stdout=subprocess.DEVNULL, check=True, timeout=1800, env=own)
    yield from of_wapiti(json.loads(report.read_text(encoding="utf-8")))
    if "unhandled error" in town.place.log():
        yield "an unhandled error is in the log"


def of_wapiti(report: Mapping[str, Any]) -> Iterator[str]:
    """Yield what wapiti found; few pages are a finding as well: then it was never let in."""
    pages = report["infos"]["crawled_pages_nbr"]
    print(f"wapiti: {pages} pages and forms")
    if pages < 50:
        yield f"only {pages} pages and forms were seen"
    for group in ("vulnerabilities", "anomalies", "additionals"):
        for kind, found in report[group].items():
            if kind not in HARMLESS:
                yield from (f"{kind}: {f['method']} {f['path']} {f.get('parameter')}" for f in found)


def signed_in(town: Town) -> str:
    """Sign in with the one-time password, change it, and return the session's cookie."""
    jar = CookieJar()
    browser = build_opener(HTTPCookieProcessor(jar))

    def send(page: str, **fields: str) -> None:
        with browser.open(town.issuer + page, timeout=60) as answer:
            token = re.search(r'name="csrf_token" value="([^"]+)"', answer.read().decode())
        assert token, f"{page} has no form"
        form = urlencode({"csrf_token": token[1], **fields}).encode()
        referred = {"Referer": town.issuer + page}
        with browser.open(Request(town.issuer + page, form, referred), timeout=60):
            pass

    once = town.passwords[CRAWLER]
    send("/sign-in", login=CRAWLER, password=once)
    send("/password", current=once, new=PASSWORD, again=PASSWORD)
    return "; ".join(f"{cookie.name}={cookie.value}" for cookie in jar)


if __name__ == "__main__":
    sys.exit(min(main(), 1))
