"""The log's part of the story: the auditor finds the calls, a witness cosigns, all verifies offline."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from audit.note import Checkpoint, split_note
from audit.place import log_folder
from audit.verify import verify
from audit.witness.policy import cosigners, policy_of
from core.times import local_iso
from demo.http import Answer, Unexpected

if TYPE_CHECKING:
    from demo.story import Story

PATIENCE_SECONDS = 30.0
"""A witness that was slow to start is asked again after a pause that grows."""


def look_at_the_log(story: Story, records: list[str]) -> None:
    """Find the permitted and the refused call, wait for what covers them, verify offline."""
    story.say("审计局在日志中查到这些调用", "the Audit Bureau finds the calls in the log")
    for record in records:
        body = story.auditor.call("GET", f"/api/audit/records/{record}").json
        entry = body.get("body", body)
        story.note(f"{record} {entry['decision']} {entry['operation']} {entry.get('reason') or ''}")
        _proof(story, record)
    if story.settings.audit.witnesses.of:
        _witnessed(story)
    story.say("离线验证整个日志", "the whole log is verified offline")
    folder = log_folder(story.settings)
    vkey = story.settings.key_file("log.vkey").read_text(encoding="utf-8").strip()
    report = verify(folder, vkey)
    if not report.sound:
        raise RuntimeError(str(report))
    story.page.print(f"    · {report}", markup=False, soft_wrap=True)


def _proof(story: Story, record: str) -> None:
    """Get the proof that a record is in the tree; the sealer makes a checkpoint every half second or so."""
    seconds = 10 * story.settings.platform.seal_seconds + 5
    proof = _once(lambda: story.auditor.call("GET", f"/api/audit/records/{record}/proof"), seconds)
    lines = proof.content.decode().splitlines()
    story.note(f"存在性证明 inclusion proof: {next(line for line in lines if line.startswith('index'))}")


def _witnessed(story: Story) -> None:
    """Get the checkpoint that covers everything so far with the witnesses' cosignatures, and check them."""
    story.say(
        "审计局的见证人核对日志只增不改，共签检查点",
        "the bureau's witness has checked that the log only grew, and cosigns it",
    )
    sealed = _checkpoint(story.auditor.call("GET", "/audit/checkpoint")).size

    def cosigned() -> Answer:
        answer = story.auditor.call("GET", "/audit/cosigned")
        if _checkpoint(answer).size < sealed:
            raise Unexpected("the records of this story are not cosigned yet")
        return answer

    note = _once(cosigned, PATIENCE_SECONDS).content.decode()
    for name, at in cosigners(policy_of(story.settings), note).items():
        story.note(f"{name}: {Checkpoint.parse(split_note(note)[0]).size} 条 records, {local_iso(at)}")


def _checkpoint(answer: Answer) -> Checkpoint:
    return Checkpoint.parse(split_note(answer.content.decode())[0])


def _once(ask: Callable[[], Answer], seconds: float) -> Answer:
    """Return the answer as soon as it is the expected one. Raises Unexpected when that takes too long."""
    patience = time.monotonic() + seconds
    while True:
        try:
            return ask()
        except Unexpected:
            if time.monotonic() > patience:
                raise
            time.sleep(0.1)
