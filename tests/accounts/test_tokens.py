"""Scripts act as a person with a token."""

from __future__ import annotations

from datetime import timedelta

import pytest

from accounts.people import disable_account
from accounts.tokens import actor_of_token, end_token, issue_token, live_tokens
from core.errors import Conflict, Invalid, NotFound
from core.work import SYSTEM
from tests.accounts.browser import LOGIN, bodies


def _issue(world, hours=2):
    with world.work(SYSTEM) as work:
        return issue_token(work, LOGIN, hours)


def _actor(world, token):
    with world.database.read() as tx:
        return actor_of_token(tx, token, world.now)


def test_a_token_acts_as_its_person_until_it_runs_out(world, first_password):
    token = _issue(world)
    assert _actor(world, token).login == LOGIN
    assert _actor(world, token).roles == {"provider"}
    world.now += timedelta(hours=2, seconds=-1)
    assert _actor(world, token) is not None
    world.now += timedelta(seconds=1)
    assert _actor(world, token) is None


@pytest.mark.parametrize("token", ["", "sxp_", "sxp_wrong", "x" * 4000])
def test_noise_stands_for_nobody(world, token):
    assert _actor(world, token) is None


def test_the_token_of_a_disabled_person_is_dead(world, first_password):
    token = _issue(world)
    with world.work(SYSTEM) as work:
        disable_account(work, LOGIN)
    assert _actor(world, token) is None
    with pytest.raises(Conflict):
        _issue(world)


def test_she_ends_a_token_on_her_account_page(world, zhao):
    token = _issue(world)
    with world.read(_actor(world, token)) as work:
        [mine] = live_tokens(work)
    assert zhao.send("/account", f"/account/tokens/{mine.id}/end").status_code == 303
    assert _actor(world, token) is None


def test_nobody_ends_the_token_of_somebody_else(world, first_password, people):
    token = _issue(world)
    world.client(people.carol)
    with world.read(_actor(world, token)) as work:
        [hers] = live_tokens(work)
    with pytest.raises(NotFound), world.work(people.carol) as work:
        end_token(work, hers.id)
    assert _actor(world, token) is not None


@pytest.mark.parametrize("hours", [0, -1, 24 * 400 + 1])
def test_a_token_for_no_time_or_for_ever_is_refused(world, first_password, hours):
    with pytest.raises(Invalid):
        _issue(world, hours)


def test_a_token_for_nobody_is_refused(world):
    with pytest.raises(NotFound):
        _issue(world)


def test_issuing_is_on_record_without_the_token(world, first_password):
    token = _issue(world)
    [body] = bodies(world, "account.token_issued")
    assert body["hours"] == 2
    assert token not in str(body)
