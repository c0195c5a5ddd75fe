"""Ids: unique whoever makes them, in order within a process even where the clock stands still."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from types import SimpleNamespace
from uuid import UUID

import pytest

from core.ids import new_id

FEBRUARY = 1_770_688_800_000  # ms since 1970


def test_ids_of_several_threads_are_all_different() -> None:
    def make(_: int) -> list[str]:
        return [new_id(FEBRUARY + i % 3) for i in range(2_000)] + [new_id() for _ in range(2_000)]

    with ThreadPoolExecutor(4) as threads:
        made = [id for found in threads.map(make, range(4)) for id in found]
    assert len(set(made)) == len(made) == 16_000


@pytest.mark.parametrize("at_ms", [None, FEBRUARY])
def test_ids_stand_in_the_order_in_which_they_were_made(at_ms: int | None) -> None:
    made = [new_id(at_ms) for _ in range(5_000)]
    assert made == sorted(made)


def test_an_instant_that_others_write_at_between_keeps_its_order() -> None:
    made = [(new_id(FEBRUARY + 5), new_id(FEBRUARY), new_id(FEBRUARY + 2)) for _ in range(500)]
    for of_one_instant in zip(*made, strict=True):
        assert list(of_one_instant) == sorted(of_one_instant)


def test_an_instant_that_is_long_in_use_keeps_its_order_whatever_others_write_at() -> None:
    made = []
    for i in range(4_000):  # one transaction's, and between them those of thousands of calls
        made.append(new_id(FEBRUARY + 20))
        new_id(FEBRUARY + 21 + i)
    assert made == sorted(made)


def test_a_clock_set_back_does_not_set_ids_back(monkeypatch: pytest.MonkeyPatch) -> None:
    before = new_id()
    monkeypatch.setattr("core.ids.time", SimpleNamespace(time=lambda: 0.0))
    assert before < new_id() < new_id()


@pytest.mark.parametrize("at_ms", [0, FEBRUARY, 2**48 - 1])
def test_an_id_is_a_uuid_of_version_7_with_its_millisecond_in_front(at_ms: int) -> None:
    for _ in range(20):
        id = UUID(new_id(at_ms))
        assert (id.version, id.variant) == (7, "specified in RFC 4122")
        assert id.int >> 80 == at_ms


def test_what_an_id_grows_by_cannot_be_foreseen() -> None:
    made = [UUID(new_id(FEBRUARY + 9)).int for _ in range(200)]
    steps = [later - earlier for earlier, later in pairwise(made)]
    assert len(set(steps)) == len(steps)
    assert sum(steps) / len(steps) > 2**36
