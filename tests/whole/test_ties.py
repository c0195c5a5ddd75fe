"""What a unit of work is handed from further right: late, so that nothing is loaded that nobody asks for."""

from __future__ import annotations

import subprocess
import sys
from importlib import import_module
from inspect import signature

import pytest

from core.work import Work
from tests.whole.test_layers import ROOT
from ties import PLACES, TIES, late


@pytest.mark.parametrize("name", PLACES)
def test_a_tie_leads_to_a_function_that_takes_what_its_stand_in_takes(name: str) -> None:
    module, _, function = PLACES[name].partition(":")
    stand_in = Work.__dataclass_fields__[name].default
    assert callable(stand_in)
    assert len(signature(getattr(import_module(module), function)).parameters) >= len(
        signature(stand_in).parameters
    )


def test_every_tie_is_a_field_of_the_unit_of_work() -> None:
    assert set(TIES) <= set(Work.__dataclass_fields__)


def test_a_late_function_does_what_the_one_behind_it_does() -> None:
    assert late("core.times:parse_instant")("2026-02-10") == import_module("core.times").parse_instant(
        "2026-02-10"
    )


def test_the_ties_load_no_package_of_ours_by_themselves() -> None:
    loaded = "import sys, ties; print(*sorted({n.split('.')[0] for n in sys.modules}))"
    shown = subprocess.run(
        [sys.executable, "-c", loaded], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert not {"hotline", "gateway", "supervision", "matters", "flask"} & set(shown.stdout.split())
