"""Whatever people said of themselves, on every way in and out: none of it lies anywhere in the clear.

The processes are the real ones, the search goes through every byte that they left: database, its journal, the
audit log, attachments, exports, what they printed, and what went out by e-mail. Each value is looked for as
UTF-8, UTF-16 and GB 18030, percent-encoded, as JSON and as e-mail would write it.
"""

from __future__ import annotations

import base64
import http.cookiejar
import io
import json
import re
import signal
import sqlite3
import time
import urllib.parse
import urllib.request
from collections.abc import Iterator, Sequence
from pathlib import Path
from random import Random
from typing import Any

import pytest
import re2

from bench.townspeople import somebody
from demo.http import Party, bearer
from hotline.imports.model import UNFINISHED
from tests import leaks
from tests.hotline.imports.tables import HEAD, csv_of, xlsx_of
from tests.notices.receivers import mail_server
from tests.servers.conftest import Deployment

pytestmark = pytest.mark.night
TOPIC = "street_lights"


class People:
    """Everybody who says something of themselves in this story, and all that is to be found nowhere."""

    def __init__(self) -> None:
        self._chance = Random(20260210)
        self.secrets: set[str] = set()
        self._addresses = 0

    def caller(self) -> dict[str, str]:
        made = somebody(self._chance)
        # A name of four characters that no dictionary and no made-up summary holds.
        name = "欧阳" + "".join(
            self._chance.sample("翀翯昶昱晁晗晞晟晧晫暐暠曈曌曦朏杺枰柽栐栩桁桢桷梽棽楗楚榕槿樘樾", 2)
        )
        made = {**made, "name": name}
        self.secrets |= set(made.values())
        return made

    def address(self) -> str:
        self._addresses += 1
        ip = f"10.77.{self._addresses}.{self._chance.randint(100, 250)}"
        self.secrets.add(ip)
        return ip

    def said(self, caller: dict[str, str]) -> str:
        """Something that holds all that a caller is known by."""
        return f"{caller['name']}住{caller['address']}，电话{caller['phone']}"


def forms_of(value: str) -> Iterator[bytes]:
    """Every way in which a value may be written down."""
    for coding in ("utf-8", "utf-16-le", "utf-16-be", "gb18030"):
        yield value.encode(coding)
    yield urllib.parse.quote(value).encode()
    yield urllib.parse.quote_plus(value).encode()
    yield json.dumps(value)[1:-1].encode()
    yield repr(value.encode())[2:-1].encode()
    for start in range(3):  # base64 of a text that holds it, wherever it begins there
        whole = base64.b64encode(b"\0" * start + value.encode())
        yield whole[4 if start else 0 : len(whole) // 4 * 4 - 4]


def found_in(places: Sequence[tuple[str, bytes]], secrets: set[str]) -> list[str]:
    """Which secrets lie where; empty when all is well."""
    wanted = {form: value for value in secrets for form in forms_of(value) if len(form) >= 6}
    options = re2.Options()
    options.encoding, options.max_mem = re2.Options.Encoding.LATIN1, 1 << 29
    alike = re2.compile(b"|".join(re2.escape(form) for form in wanted), options)
    return sorted({f"{wanted[hit[0]]} in {name}" for name, raw in places for hit in alike.finditer(raw)})


def configured(deployment: Deployment, port: int) -> None:
    """Let the deployment believe a proxy in front of it, and send its notices by e-mail."""
    platform = deployment.config / "platform.yaml"
    more = f"smtp: {{host: 127.0.0.1, port: {port}, security: none, sender: notice@city.example}}\n"
    more += "trusted_proxies: [127.0.0.1/32]\nsweep_seconds: 1\n"
    platform.write_text(platform.read_text(encoding="utf-8") + more, encoding="utf-8")
    departments = deployment.config / "departments.yaml"
    text = departments.read_text(encoding="utf-8")
    for unit in ("housing", "hotline_office"):
        text = text.replace(f"id: {unit}\n", f"id: {unit}\n    notify: {{email: [desk@office.example]}}\n")
    departments.write_text(text, encoding="utf-8")


class Town:
    """What people do with the running deployment."""

    def __init__(self, deployment: Deployment, people: People) -> None:
        self.deployment, self.people = deployment, people
        self.origin = deployment.settings.platform.control_url
        tokens = {
            login: deployment.run("accounts", "token", login).strip()
            for login in ("lin.yue", "xu.qiang", "gao.yang", "han.mei")
        }
        self.operator, self.dispatcher, self.handler, self.leader = (
            bearer(self.origin, token) for token in tokens.values()
        )
        self.tickets: list[dict[str, Any]] = []

    def from_(self, party: Party) -> Party:
        """The same party, calling from an address of its own."""
        return Party(party.origin, {**party.headers, "X-Forwarded-For": self.people.address()})

    # --- in ---------------------------------------------------------------------------------------

    def take_in(self, many: int) -> None:
        for _ in range(many):
            caller = self.people.caller()
            draft = {
                "channel": "phone",
                "summary": f"路灯不亮，{caller['name']} {caller['phone']} 多次反映"[:200],
                "description": self.people.said(caller),
                "location": caller["address"],
                "category": TOPIC,
                "facts": {"level": "ordinary"},
                "caller": caller,
                "recording": f"rec-{caller['phone']}",
            }
            party = self.from_(self.operator)
            self.tickets.append(party.call("POST", "/api/tickets", draft, expect=201).json)

    def go_wrong(self) -> None:
        """Drafts, look-ups and steps that are refused, each holding somebody."""
        caller = self.people.caller()
        text = self.people.said(caller)
        party = self.from_(self.operator)
        good = {"channel": "phone", "summary": text[:200], "category": TOPIC, "caller": caller}
        for wrong in ({"channel": caller["name"]}, {"category": caller["phone"]}, {"place": text}, {text: 1}):
            party.call("POST", "/api/tickets", {**good, **wrong}, expect=400)
        party.call("POST", "/api/tickets", {**good, "same_matter": caller["name"]}, expect=400)
        party.call("GET", f"/api/tickets/{urllib.parse.quote(caller['name'])}", expect=404)
        party.call(
            "POST", f"/api/tickets/{self.tickets[0]['id']}/actions/reopen", {"reason": text}, expect=409
        )
        party.call("POST", f"/api/tickets/{self.tickets[0]['id']}/caller", {"reason": text * 40}, expect=400)

    def look(self) -> None:
        """Look somebody up, look for earlier tickets, see a caller in the clear for a reason."""
        caller = self.people.caller()
        self.operator.call("POST", "/api/tickets/lookup", {"phone": caller["phone"]})
        hint = {"summary": self.people.said(caller), "phone": caller["phone"], "category": TOPIC}
        self.operator.call("POST", "/api/tickets/hints", hint)
        for ticket in self.tickets[:3]:
            reason = {"reason": f"回访{self.people.said(caller)}"}
            shown = self.operator.call("POST", f"/api/tickets/{ticket['id']}/caller", reason).json
            assert shown

    def import_(self) -> None:
        for make in (csv_of, xlsx_of):
            rows = []
            for i in range(8):
                caller = self.people.caller()
                topic = TOPIC if i < 6 else caller["name"]  # the last ones are refused
                said = self.people.said(caller)
                summary = f"路灯不亮 {caller['name']}"
                row = [
                    f"{make.__name__}-{i}",
                    "12345电话",
                    summary,
                    said,
                    caller["name"],
                    caller["phone"],
                    topic,
                ]
                assert len(row) == len(HEAD)
                rows.append(row)
            self._hand_in(make(rows))

    def _hand_in(self, table: bytes) -> None:
        headers = {**self.operator.headers, "Content-Type": "application/octet-stream"}
        request = urllib.request.Request(f"{self.origin}/api/hotline/imports", table, headers, method="POST")
        with urllib.request.urlopen(request, timeout=30) as answer:
            made = json.load(answer)
        deadline = time.monotonic() + 60
        path = f"/api/hotline/imports/{made['id']}"
        while self.operator.call("GET", path).json["state"] in UNFINISHED:
            assert time.monotonic() < deadline, self.operator.call("GET", path).json
            time.sleep(0.2)
        self.operator.call("GET", f"{path}/report")
        self.operator.call("GET", f"{path}/report.csv")

    def open311(self, key: str) -> None:
        for wrong in (False, False, True):
            caller = self.people.caller()
            form = {
                "api_key": key,
                "service_code": TOPIC if not wrong else caller["name"],
                "description": f"我是{caller['name']}，电话{caller['phone']}，路灯不亮",
                "address_string": "章华中路 18 号",  # of the trouble; GeoReport has no place for one's home
                "first_name": caller["name"][2:],
                "last_name": caller["name"][:2],
                "phone": caller["phone"],
            }
            party = self.from_(Party(self.origin))
            path = "/open311/v2/requests.json"
            party.call("POST", path, form=form, expect=404 if wrong else 200)

    def citizens(self) -> None:
        """People hand requests in on the page, one of them wrongly, and follow them."""
        for wrong in (False, True):
            caller = self.people.caller()
            opener = urllib.request.build_opener(
                urllib.request.HTTPCookieProcessor(http.cookiejar.CookieJar())
            )
            opener.addheaders = [("X-Forwarded-For", self.people.address())]
            page = f"{self.origin}/hotline/submit"
            with opener.open(page) as answer:
                token = re.search(r'name="csrf_token"[^>]*value="([^"]+)"', answer.read().decode())
            assert token is not None
            form = {
                "csrf_token": token[1],
                "summary": f"路灯不亮 {caller['name']}",
                "description": self.people.said(caller),
                "category": caller["phone"] if wrong else TOPIC,
                **{f"caller.{part}": value for part, value in caller.items()},
            }
            status = 200
            try:
                opener.open(page, urllib.parse.urlencode(form).encode()).close()
            except urllib.error.HTTPError as refused:
                refused.close()
                status = refused.code
            assert (status >= 400) == wrong
        ticket = self.tickets[0]
        path = f"/api/hotline/progress?number={ticket['number']}&code={ticket['code']}"
        self.from_(Party(self.origin)).call("GET", path)

    # --- on and out -------------------------------------------------------------------------------

    def handle(self) -> None:
        """Dispatch, sign, answer with words that name people, ask the caller, urge."""
        for ticket in self.tickets[:12]:
            text, path = self.people.said(self.people.caller()), f"/api/tickets/{ticket['id']}"
            self.dispatcher.call("POST", f"{path}/actions/dispatch", {"unit": "housing"})
            self.handler.call("POST", f"{path}/actions/sign_in", {})
            self._say(self.handler, path, "contact", text)
            self._say(self.handler, path, "feed_back", text)
            self._say(self.operator, path, "revisit", text)

    def _say(self, party: Party, path: str, action: str, text: str) -> None:
        """Take a step and put words that name somebody into every field that keeps words sealed."""
        form = party.call("GET", path).json["forms"].get(action)
        if form is None:
            return
        sealed = ("reply", "explanation", "reason", "contact_note", "rating_note", "overdue_reason")
        fields = {f["name"]: text for f in form["fields"] if f["name"] in sealed}
        chosen = {
            f["name"]: next(iter(f["choices"])) for f in form["fields"] if f["required"] and f["choices"]
        }
        party.call("POST", f"{path}/actions/{action}", {**fields, **chosen})

    def attach(self) -> None:
        caller = self.people.caller()
        content = b"%PDF-1.7 " + self.people.said(caller).encode()
        name = urllib.parse.quote(f"{caller['name']}.pdf")
        path = f"{self.origin}/api/tickets/{self.tickets[0]['id']}/attachments?name={name}"
        headers = {**self.operator.headers, "Content-Type": "application/octet-stream"}
        request = urllib.request.Request(path, content, headers, method="POST")
        with urllib.request.urlopen(request, timeout=30) as answer:
            assert answer.status == 201

    def exports(self) -> list[tuple[str, bytes]]:
        """What people carry away: lists, reports, what the audit log shows."""
        month = time.strftime("%Y-%m")
        found = []
        for party, path in (
            (self.operator, "/api/tickets?limit=200"),
            (self.leader, f"/api/hotline/reports?period=month&at={month}"),
            (self.leader, f"/api/hotline/reports/export/csv?period=month&at={month}"),
            (self.leader, f"/api/hotline/reports/overdue/export/xlsx?period=month&at={month}"),
            (Party(self.origin), "/open311/v2/requests.json"),
            (Party(self.origin), "/open311/v2/requests.xml"),
        ):
            found.append((path, unpacked(party.call("GET", path).content)))
        return found


def unpacked(content: bytes) -> bytes:
    """What a file says, with what is packed in it unpacked."""
    if not content.startswith(b"PK"):
        return content
    import zipfile

    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        return b"\n".join(archive.read(name) for name in archive.namelist())


def left_behind(folder: Path) -> list[tuple[str, bytes]]:
    """Every file below a folder but what its processes noted for the other search (tests/watching)."""
    files = [p for p in sorted(folder.rglob("*")) if p.is_file() and p.name != leaks.NOTES]
    return [(str(p.relative_to(folder)), p.read_bytes()) for p in files]


def test_nothing_that_people_said_of_themselves_lies_in_the_clear(deployment: Deployment) -> None:
    people = People()
    with mail_server() as inbox:
        configured(deployment, inbox.port)
        deployment.serve()
        town = Town(deployment, people)
        town.take_in(40)
        town.go_wrong()
        town.look()
        town.import_()
        town.open311(deployment.run("hotline", "open311-key", "fixmystreet", "--channel", "open311").strip())
        town.citizens()
        town.attach()
        town.handle()
        exported = town.exports()
        backup = deployment.data.parent / "backup.sqlite"
        with sqlite3.connect(deployment.data / "state.sqlite") as db, sqlite3.connect(backup) as copy:
            db.backup(copy)
        deadline = time.monotonic() + 60
        while not inbox.messages and time.monotonic() < deadline:
            time.sleep(0.2)
        running = left_behind(deployment.data.parent)
        for process in deployment.started:
            process.send_signal(signal.SIGTERM)
            process.wait(40)
    assert inbox.messages
    stopped = left_behind(deployment.data.parent)
    mails = [(f"mail {i}", raw) for i, raw in enumerate(inbox.messages)]
    letters = [(f"letter {i}", str(m.get_content()).encode()) for i, m in enumerate(inbox.letters())]
    assert len(people.secrets) >= 200
    assert found_in([("a text", next(iter(people.secrets)).encode())], people.secrets)
    hits = found_in([*running, *stopped, *exported, *mails, *letters], people.secrets)
    assert not hits, "\n".join(hits)
