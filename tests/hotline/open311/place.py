"""A deployment with a hotline."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from core.db import Database
from tests.conftest import World, make_world


def hotline_city(tmp_path: Path, template: Path, book: str = "hotline/qianjiang") -> World:
    """Return the demo city with a hotline under one of the rulebooks."""
    plain = make_world(tmp_path, template, "sharing/qianjiang")
    plain.database.close()
    books = {"sharing": "sharing/qianjiang", "hotline": book}
    settings = replace(plain.settings, platform=replace(plain.settings.platform, rulebooks=books))
    return World(settings, Database(settings.database_url))
