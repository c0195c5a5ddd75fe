"""Files that are not what they say: what is handed in, kept and given back (list 30, 31)."""

from __future__ import annotations

import io
import struct
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote, unquote

import pytest

from cases.attachments import MOST_BYTES, sniffed
from core.errors import Invalid
from hotline.imports.sheets import read_table
from tests.cast import carol
from tests.conftest import World, make_world
from tests.stories import STATEMENT, active_client, offered

pytestmark = pytest.mark.long

PDF = b"%PDF-1.7\n"
POLYGLOT = PDF + b"<html><script>alert(1)</script></html>"


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory, template_database: Path) -> Iterator[tuple[World, str]]:
    """A world of Ganzhou, and where the papers of a draft are handed in."""
    made = make_world(tmp_path_factory.mktemp("files"), template_database, "sharing/ganzhou")
    wish = {"dataset": offered(made, "workdays"), "client": active_client(made).client.id, "fields": ["date"]}
    draft = made.client(carol).post(
        "/api/applications", json={**wish, "term_days": 30, **STATEMENT, "submit": False}
    )
    yield made, f"{draft.headers['Location']}/attachments?type=api_application_form"
    made.database.close()


def listing_of(names: int) -> bytes:
    """An archive that lists so many parts and holds none of them."""
    fields = (b"PK\x01\x02", 20, 0, 20, 0, 0, 0, 0, 33, 0, 0, 0, 5, 0, 0, 0, 0, 0, 0)
    head = struct.pack("<4sBBBBHHHHIIIHHHHHII", *fields)
    listed = b"".join(head + b"%05x" % i for i in range(names))
    first = b"PK\x03\x04" + bytes(26)
    most = names & 0xFFFF
    return (
        first + listed + struct.pack("<4s4H2IH", b"PK\x05\x06", 0, 0, most, most, len(listed), len(first), 0)
    )


def zipped(**parts: bytes) -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in parts.items():
            archive.writestr(name, content)
    return made.getvalue()


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.pdf", b""),
        ("a.svg", b"<svg xmlns='http://www.w3.org/2000/svg' onload='alert(1)'/>"),
        ("a.pdf", b"<html><script>alert(1)</script>"),
        ("a.pdf", b"\x7fELF" + bytes(100)),
        ("a.pdf", b" %PDF-1.7"),
        ("a.ofd", zipped(**{"../../OFD.xmlx": b"x"})),
        ("a.ofd", listing_of(10_000)),
        ("a.ofd", b"PK\x03\x04" + bytes(100)),
        ("a.png", b"GIF89a"),
    ],
)
def test_31_what_is_no_paper_is_not_kept(place: tuple[World, str], name: str, content: bytes) -> None:
    world, address = place
    answer = world.client(carol).post(f"{address}&name={name}", data=content, content_type="application/pdf")
    assert (answer.status_code, answer.get_json()["code"]) == (400, "invalid"), answer.text


def test_31_a_list_of_ten_megabytes_is_not_read(place: tuple[World, str]) -> None:
    """It would take seconds, and the database is locked meanwhile."""
    heavy = listing_of(190_000)
    begun = time.perf_counter()
    assert sniffed(heavy) is None
    with pytest.raises(Invalid):
        list(read_table(heavy))
    assert time.perf_counter() - begun < 1


@pytest.mark.parametrize(("more", "status"), [(0, 201), (1, 413)])
def test_31_the_largest_paper_is_taken_and_a_byte_more_is_not(
    place: tuple[World, str], more: int, status: int
) -> None:
    world, address = place
    answer = world.client(carol).post(address, data=PDF + bytes(MOST_BYTES - len(PDF) + more))
    assert answer.status_code == status


@pytest.mark.parametrize(
    ("name", "kept"),
    [
        ("报告.html", "报告.html.pdf"),
        ("x.PDF", "x.PDF"),
        ("../../etc/passwd", "passwd.pdf"),
        ("..\\..\\evil.hta", "evil.hta.pdf"),
        ("/etc/x.pdf\r\nSet-Cookie: a=b", "x.pdfSet-Cookie: a=b.pdf"),
        ('a"; filename="b.exe', 'a"; filename="b.exe.pdf'),
        ("a\u202efdp.exe", "afdp.exe.pdf"),
        ("..", "attachment.pdf"),
        ("CON", "CON.pdf"),
        ("x" * 290, "x" * 200 + ".pdf"),
    ],
)
def test_31_a_paper_that_is_two_things_is_saved_as_the_one_that_was_accepted(
    place: tuple[World, str], name: str, kept: str
) -> None:
    world, address = place
    client = world.client(carol)
    made = client.post(f"{address}&name={quote(name, safe='')}", data=POLYGLOT, content_type="text/html")
    assert made.get_json()["name"] == kept
    got = client.get(made.headers["Location"])
    assert (got.data, got.mimetype) == (POLYGLOT, "application/pdf")
    said = got.headers["Content-Disposition"]
    assert said.startswith("attachment; filename*=UTF-8''")
    assert unquote(said.partition("''")[2]) == kept
    assert not set('"\r\n;/\\') & set(said.partition("''")[2])
    assert got.headers["X-Content-Type-Options"] == "nosniff"
    assert "sandbox" in got.headers["Content-Security-Policy"]


def test_30_papers_lie_under_digests_alone(place: tuple[World, str]) -> None:
    world, _ = place
    kept = [p for p in (world.settings.data / "attachments").rglob("*") if p.is_file()]
    assert kept
    assert all(len(p.name) >= 60 and p.name.isalnum() for p in kept), kept


@pytest.mark.parametrize("id", ["..%2f..%2fetc%2fpasswd", "%00", "CON", "a" * 400, "x%0d%0aA:b", "%E2%80%AE"])
def test_30_no_id_leads_anywhere_else(place: tuple[World, str], id: str) -> None:
    world, address = place
    answer = world.client(carol).get(f"{address.partition('?')[0]}/{id}")
    assert answer.status_code in (400, 404)
