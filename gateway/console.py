"""The pages of systems, applications and grants."""

from __future__ import annotations

from web.pages import Pages

pages = Pages("gateway")
