"""Withdrawal in Ganzhou (GZ art. 4(六), 8): users told, off line, request with its basis, consent."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from core.errors import Conflict, NotPermitted
from tests.cast import alice, ann, bob, carol, chen
from tests.sharing.beginnings import dataset, judged, may, pointers, stepped, token_for, wrong
from tests.sharing.telling import all_clocks, breaches, inbox, records, swept
from tests.stories import active_client, active_grant, offered, taken_offline

# --- GZ-S-06: the order of the steps --------------------------------------------------------------------


def test_withdrawal_goes_off_line_then_request_then_consent(ganzhou: Any) -> None:
    """GZ art. 8, D11."""
    code = offered(ganzhou, "divisions")
    for early in ("request_withdrawal", "approve_withdrawal"):
        with pytest.raises(Conflict):
            stepped(ganzhou, bob if early.startswith("approve") else alice, code, early, basis="职能划转")
    stepped(ganzhou, alice, code, "take_offline", reason="职能划转")
    with pytest.raises(Conflict):
        stepped(ganzhou, bob, code, "approve_withdrawal")
    assert pointers(wrong(stepped, ganzhou, alice, code, "request_withdrawal")) == ["/basis"]
    requested = stepped(ganzhou, alice, code, "request_withdrawal", basis="甘区编发〔2026〕3号")
    assert f"Dataset {code}: Request withdrawal" in inbox(ganzhou, bob, requested)
    assert may(ganzhou, alice, requested) == []
    with pytest.raises(NotPermitted):
        stepped(ganzhou, alice, code, "approve_withdrawal")
    done = stepped(ganzhou, bob, code, "approve_withdrawal")
    assert (done.case.state, done.case.closed_at) == ("withdrawn", ganzhou.now)
    assert may(ganzhou, alice, done) == []
    steps = [r["action"] for r in records(ganzhou, done)]
    assert steps[-3:] == ["take_offline", "request_withdrawal", "approve_withdrawal"]
    assert all("第8条" in r["cite"] for r in records(ganzhou, done)[-3:])


def test_no_limit_runs_for_the_consent(ganzhou: Any) -> None:
    """The text gives no number of days, so nothing is ever late."""
    code = offered(ganzhou, "divisions")
    stepped(ganzhou, alice, code, "take_offline", reason="职能划转")
    requested = stepped(ganzhou, alice, code, "request_withdrawal", basis="职能划转文件")
    ganzhou.now += timedelta(days=800)
    swept(ganzhou)
    assert [c for c in all_clocks(ganzhou, requested) if c.running] == []
    assert breaches(ganzhou, requested) == []


def test_a_refused_withdrawal_brings_the_data_back_into_use(ganzhou: Any) -> None:
    """GZ art. 8, I-G-04: what is not withdrawn may be published again."""
    code = offered(ganzhou, "divisions")
    stepped(ganzhou, alice, code, "take_offline", reason="职能划转")
    stepped(ganzhou, alice, code, "request_withdrawal", basis="职能划转文件")
    assert pointers(wrong(stepped, ganzhou, bob, code, "refuse_withdrawal")) == ["/reason"]
    refused = stepped(ganzhou, bob, code, "refuse_withdrawal", reason="其他部门履职需要")
    assert refused.case.state == "offline"
    assert f"Dataset {code}: Refuse the withdrawal" in inbox(ganzhou, alice, refused)
    assert stepped(ganzhou, alice, code, "publish").is_public


def test_what_was_changed_off_line_is_reviewed_again(ganzhou: Any) -> None:
    """I-G-11: other words are reviewed, the same words are not."""
    code = offered(ganzhou, "divisions")
    stepped(ganzhou, alice, code, "take_offline", reason="整理")
    assert stepped(ganzhou, alice, code, "publish").is_public
    stepped(ganzhou, alice, code, "take_offline", reason="整理")
    assert stepped(ganzhou, alice, code, "revise", cause="整理", title="区划").case.state == "draft"
    assert may(ganzhou, alice, dataset(ganzhou, code)) == ["submit"]
    stepped(ganzhou, alice, code, "submit")
    assert stepped(ganzhou, bob, code, "approve").is_public


def test_only_the_provider_begins_it(ganzhou: Any) -> None:
    code = offered(ganzhou, "divisions")
    for other in (bob, ann, carol):
        with pytest.raises(NotPermitted):
            stepped(ganzhou, other, code, "take_offline", reason="不用了")


# --- GZ-S-07: users are told first ------------------------------------------------------------------------


def test_data_in_use_do_not_go_off_line_before_their_users_know(ganzhou: Any) -> None:
    """GZ art. 8."""
    code = offered(ganzhou, "divisions")
    held = active_grant(ganzhou, code, term_days=365)
    assert "take_offline" not in may(ganzhou, alice, dataset(ganzhou, code))
    refused = wrong(stepped, ganzhou, alice, code, "take_offline", reason="停用")
    assert (refused.code, "第8条" in refused.message.zh) == ("condition_not_met", True)
    assert pointers(wrong(stepped, ganzhou, alice, code, "announce_withdrawal")) == ["/notice"]
    told = stepped(ganzhou, alice, code, "announce_withdrawal", notice="月底停止供数")
    assert f"Dataset {code}: Tell the users that it goes off line" in inbox(ganzhou, carol, told)
    token = token_for(ganzhou, held)
    assert judged(ganzhou, token, code) is None
    stepped(ganzhou, alice, code, "take_offline", reason="停用")
    assert judged(ganzhou, token, code) == "dataset_unavailable"


def test_every_user_is_told_and_a_new_one_as_well(ganzhou: Any) -> None:
    code = offered(ganzhou, "divisions")
    active_grant(ganzhou, code, term_days=365)
    told = stepped(ganzhou, alice, code, "announce_withdrawal", notice="月底停止供数")
    active_grant(ganzhou, code, active_client(ganzhou, chen), actor=chen, term_days=365)
    with pytest.raises(Conflict):
        stepped(ganzhou, alice, code, "take_offline", reason="停用")
    stepped(ganzhou, alice, code, "announce_withdrawal", notice="月底停止供数")
    assert [len(inbox(ganzhou, user, told)) for user in (carol, chen)] == [2, 1]
    assert not stepped(ganzhou, alice, code, "take_offline", reason="停用").is_public


def test_how_long_before_is_not_said_and_nothing_is_made_up(ganzhou: Any) -> None:
    """I-S-07: the form suggests ten working days, as a product default; no clock holds anybody to it."""
    code = offered(ganzhou, "divisions")
    active_grant(ganzhou, code, term_days=365)
    gone = taken_offline(ganzhou, code)
    assert [c for c in all_clocks(ganzhou, gone) if c.running] == []
    leaf = ganzhou.rulebooks.current("sharing").policy("catalog.withdrawal_notice_days")
    assert (leaf.value, leaf.cite.kind) == (10, "product_default")


def test_data_that_nobody_uses_go_off_line_without_notice(ganzhou: Any) -> None:
    code = offered(ganzhou, "divisions")
    gone = stepped(ganzhou, alice, code, "take_offline", reason="停用")
    assert (gone.case.state, may(ganzhou, bob, gone)) == ("offline", [])


# --- GZ-S-08: the law ends the supply -----------------------------------------------------------------------


def test_where_the_law_ends_the_supply_the_manager_is_spoken_to_first(ganzhou: Any) -> None:
    """GZ art. 4(六): the contact is on record, the users and the manager are told, no notice lies before."""
    code = offered(ganzhou, "divisions")
    active_grant(ganzhou, code, term_days=365)
    refused = wrong(stepped, ganzhou, alice, code, "take_offline_by_law")
    assert pointers(refused) == ["/basis", "/contact"]
    said = {"basis": "新修订的条例第十条", "contact": "3月2日与区信息办王主任电话衔接"}
    gone = stepped(ganzhou, alice, code, "take_offline_by_law", **said)
    assert not gone.is_public
    for reader in (bob, carol):
        assert f"Dataset {code}: Take off line because the law changed" in inbox(ganzhou, reader, gone)
    last = records(ganzhou, gone)[-1]
    assert (last["fields"], "第4条" in last["cite"]) == (["basis", "contact"], True)


def test_nobody_but_the_provider_says_that_the_law_has_changed(ganzhou: Any) -> None:
    code = offered(ganzhou, "divisions")
    for other in (bob, carol, ann):
        with pytest.raises(NotPermitted):
            stepped(ganzhou, other, code, "take_offline_by_law", basis="条例", contact="电话")
