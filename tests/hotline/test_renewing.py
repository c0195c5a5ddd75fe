"""A new key of the platform wraps what tickets keep sealed; nothing sealed is touched."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from accounts.keyring.renewing import renew_key
from accounts.keys import add_personal_key
from cases.attachments import rewrap_attachments
from cases.sealed import rewrap_fields
from core.work import SYSTEM
from hotline import store
from hotline.callers import open_caller, open_texts, phone_index, reindex_phones, rewrap_tickets, unmask
from hotline.papers import attach_paper, read_paper
from hotline.progress import progress_of
from tests.cast import dora, hans, otto
from tests.conftest import World
from tests.hotline import kit
from tests.hotline.kit import WANG, answered_ticket

PDF = b"%PDF-1.7 secret"


def sealed_in(work: Any, ids: list[str]) -> dict[str, str]:
    return {
        f"{kind}:{key}": sealed
        for kind in store.SEALED
        for key, sealed in store.sealed_of(work.tx, kind, ids)
    }


def test_tickets_papers_and_steps_open_under_the_new_key_alone(desk: World) -> None:
    held = answered_ticket(desk)
    with desk.work(otto) as work:
        paper = attach_paper(work, held.ticket.id, name="现场.pdf", content=PDF)
        unmask(work, held, "回访需要")
    with desk.work(otto) as work:
        before = sealed_in(work, [held.ticket.id])
        assert len(before) == 3
        assert add_personal_key(work) == "2"
        assert rewrap_tickets(work, "") == (3, held.ticket.id)
        assert rewrap_tickets(work, held.ticket.id) == (0, None)
        assert rewrap_attachments(work, "") == (1, paper.id)
        rewrap_fields(work, "")
        after = sealed_in(work, [held.ticket.id])
    desk.settings.key_file("personal-1.key").unlink()
    assert {k: v.split(".")[1] for k, v in after.items()} == dict.fromkeys(before, "2")
    assert [v.split(".")[3:] for v in after.values()] == [v.split(".")[3:] for v in before.values()]
    with desk.read(dora) as work:
        assert open_caller(work, held)["name"] == WANG["name"]
        assert "王建国" in open_texts(work, held)["description"]
        assert read_paper(work, held.ticket.id, paper.id)[1] == PDF


def test_a_paper_is_kept_encrypted_with_its_name(desk: World) -> None:
    held = answered_ticket(desk)
    with desk.work(hans) as work:
        paper = attach_paper(work, held.ticket.id, name="王建国.pdf", content=PDF)
    assert paper.name == "attachment.pdf"
    kept = desk.settings.data / "attachments" / paper.digest[:2] / paper.digest
    assert b"secret" not in kept.read_bytes()
    shown = desk.client(hans).get(f"/api/tickets/{held.ticket.id}/attachments/{paper.id}")
    assert shown.data == PDF
    assert "%E7%8E%8B" in shown.headers["Content-Disposition"]


# --- the index of phone numbers -----------------------------------------------------------------------


@pytest.mark.parametrize("digest", ["sha256", "sm3"])
def test_after_a_renewal_callers_are_found_and_query_codes_open(desk: World, digest: str) -> None:
    taken = kit.taken(desk)
    number, code = taken.held.ticket.number, taken.code
    with desk.read(otto) as work:
        before = store.caller(work.tx, taken.held.ticket.id).phone_index
    desk.settings = replace(desk.settings, security=replace(desk.settings.security, index_digest=digest))
    with desk.work(SYSTEM) as work:
        renew_key(work, "phone-index.key")
        assert reindex_phones(work, "") == (1, taken.held.ticket.id)
        assert reindex_phones(work, taken.held.ticket.id) == (0, None)
    with desk.work(otto) as work:
        after = store.caller(work.tx, taken.held.ticket.id).phone_index
        assert after not in (None, before)
        assert phone_index(work.settings, WANG["phone"]) == after
        assert progress_of(work, number, code, "127.0.0.1") is not None
        assert progress_of(work, number, code[:-1] + ("A" if code[-1] != "A" else "B"), "127.0.0.1") is None
