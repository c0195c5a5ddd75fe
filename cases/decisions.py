"""The steps that decide on what others want or hold: whoever takes one has just proven who they are."""

from __future__ import annotations

DECISIONS = frozenset(
    {
        "approve",
        "approve_withdrawal",
        "approved_up",
        "decide",
        "file_handover",
        "grant",
        "order_correction",
        "order_rectification",
        "reclaim",
        "refuse",
        "refuse_extension",
        "refuse_withdrawal",
        "refused_up",
        "resume",
        "resume_service",
        "settle",
        "sign",
        "suspend",
        "take_offline_by_law",
        "terminate",
    }
)
"""Their names in every rulebook that ships; tests/whole/test_step_up.py reads the rulebooks for more."""
