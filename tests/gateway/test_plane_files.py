"""Files: whole, by name, from one folder; nothing outside of it."""

from __future__ import annotations

import os
import socket
from urllib.parse import quote

import pytest

from tests.gateway.plane_kit import Access, Kit, until, url

pytest_plugins = ["tests.gateway.plane_fixtures"]

BIG = bytes(range(256)) * 4096


@pytest.fixture(scope="module")
def access(kit: Kit) -> Access:
    (kit.files / "a.csv").write_text("x,y\r\n1,2\r\n")
    (kit.files / "big.bin").write_bytes(BIG)
    (kit.files / "数据 1.txt").write_text("好")
    (kit.files / "other.pdf").write_text("not listed")
    (kit.files / "dir.csv").mkdir()
    outside = kit.files.parent / "outside.csv"
    outside.write_text("secret")
    (kit.files / "link.csv").symlink_to(outside)
    os.mkfifo(kit.files / "pipe.csv")
    return kit.grant("file")


def test_the_list_names_plain_files_that_the_catalog_lists(kit: Kit, access: Access) -> None:
    answer = kit.call(url("file", "files"), access)
    assert [f["name"] for f in answer.json["files"]] == ["a.csv", "big.bin", "数据 1.txt"]
    assert answer.json["files"][1]["size"] == len(BIG)
    target = answer.json["files"][2]["url"].removeprefix(kit.settings.platform.gateway_url)
    assert kit.call(target, access).body.decode() == "好"


def test_a_small_file_has_one_record_and_comes_as_an_attachment(kit: Kit, access: Access) -> None:
    answer = kit.call(url("file", "files/a.csv"), access)
    assert answer.body == b"x,y\r\n1,2\r\n"
    assert answer.headers["content-disposition"] == "attachment; filename*=UTF-8''a.csv"
    assert answer.headers["x-content-type-options"] == "nosniff"
    record = kit.record(answer.record)
    assert (record["k"], record["operation"], record["file"]) == ("access", "files/{name}", "a.csv")


def test_a_large_file_streams_between_its_records(kit: Kit, access: Access) -> None:
    answer = kit.call(url("file", "files/big.bin"), access)
    assert answer.body == BIG
    assert kit.record(answer.record)["k"] == "access.start"
    end = next(r for r in kit.records() if r.get("start") == answer.record)
    assert (end["decision"], end["bytes"]) == ("permitted", len(BIG))


def test_head_tells_the_length_and_is_on_record(kit: Kit, access: Access) -> None:
    answer = kit.call(url("file", "files/big.bin"), access, "HEAD")
    assert (answer.status, answer.headers["content-length"], answer.body) == (200, str(len(BIG)), b"")
    assert kit.record(answer.record)["method"] == "HEAD"


def test_a_validator_that_still_holds_saves_the_body(kit: Kit, access: Access) -> None:
    tag = kit.call(url("file", "files/a.csv"), access).headers["etag"]
    answer = kit.call(url("file", "files/a.csv"), access, headers={"If-None-Match": f'"x", {tag}'})
    assert (answer.status, answer.body) == (304, b"")
    assert kit.record(answer.record)["status"] == 304
    answer = kit.call(url("file", "files/a.csv"), access, headers={"If-None-Match": '"x"'})
    assert answer.status == 200


@pytest.mark.parametrize(
    ("field", "begin", "end"),
    [("bytes=0-9", 0, 10), ("bytes=1048570-", 1048570, 1048576), ("bytes=-3", 1048573, 1048576),
     ("bytes=100000-299999", 100000, 300000), ("bytes=5-99999999", 5, 1048576)],
)  # fmt: skip
def test_a_range_is_answered_in_part(kit: Kit, access: Access, field: str, begin: int, end: int) -> None:
    answer = kit.call(url("file", "files/big.bin"), access, headers={"Range": field})
    assert (answer.status, answer.body) == (206, BIG[begin:end])
    assert answer.headers["content-range"] == f"bytes {begin}-{end - 1}/{len(BIG)}"


@pytest.mark.parametrize(
    "field", ["bytes=0-1,3-4", "lines=0-1", "bytes=5-3", "bytes=x-y", "bytes=-", "bytes=１-"]
)
def test_a_range_that_is_not_one_span_of_bytes_is_ignored(kit: Kit, access: Access, field: str) -> None:
    headers = {"Range": field.encode().decode("latin-1")}
    assert kit.call(url("file", "files/a.csv"), access, headers=headers).status == 200


def test_a_range_beyond_the_end_and_one_of_another_version(kit: Kit, access: Access) -> None:
    answer = kit.call(url("file", "files/a.csv"), access, headers={"Range": "bytes=500-"})
    assert (answer.status, answer.headers["content-range"]) == (416, "bytes */10")
    headers = {"Range": "bytes=0-1", "If-Range": '"old"'}
    assert kit.call(url("file", "files/a.csv"), access, headers=headers).status == 200


@pytest.mark.parametrize(
    "name", ["other.pdf", "dir.csv", "link.csv", "pipe.csv", "none.csv", ".csv", "A.CSV"]
)
def test_what_is_no_listed_plain_file_is_not_there(kit: Kit, access: Access, name: str) -> None:
    answer = kit.call(url("file", f"files/{name}"), access)
    assert (answer.status, answer.code) == (404, "no_such_file")
    assert b"secret" not in answer.body


@pytest.mark.parametrize(
    "path",
    ["../outside.csv", "%2e%2e%2foutside.csv", "..%2foutside.csv", "a.csv%00", "a.csv;x", "..%5coutside.csv",
     "a%0d%0a.csv", "%ff.csv", "%zz.csv", "./a.csv", "/a.csv", "a.csv/../a.csv"],
)  # fmt: skip
def test_a_hostile_path_is_refused_and_on_record(kit: Kit, access: Access, path: str) -> None:
    answer = kit.call(url("file", f"files/{path}"), access)
    assert answer.status in (400, 404)
    assert answer.status == 400 or "/" in path
    assert kit.record(answer.record)["decision"] == "refused"


def test_a_name_in_chinese_is_encoded_in_the_disposition(kit: Kit, access: Access) -> None:
    name = quote("数据 1.txt")
    answer = kit.call(url("file", f"files/{name}"), access)
    assert answer.headers["content-disposition"] == f"attachment; filename*=UTF-8''{name}"


def test_a_file_that_changes_while_it_is_sent_is_cut_off(kit: Kit, access: Access) -> None:
    path = kit.files / "growing.bin"
    path.write_bytes(bytes(64 * 1024 * 1024))
    head = f"GET {url('file', 'files/growing.bin')} HTTP/1.1\r\nHost: x\r\n"
    with socket.create_connection(("127.0.0.1", kit.port)) as client:
        client.sendall(f"{head}Authorization: Bearer {access.token}\r\n\r\n".encode())
        client.recv(1000)
        with path.open("ab") as file:
            file.write(b"more")
        with pytest.raises(ConnectionResetError):
            read_all(client)
    path.unlink()
    end = until(lambda: [r for r in kit.records() if r.get("reason") == "provider_changed"])[0]
    assert end["decision"] == "aborted"
    assert end["bytes"] < 64 * 1024 * 1024


def read_all(client: socket.socket) -> None:
    """Read until the connection ends or is cut off."""
    while client.recv(1 << 20):
        pass
