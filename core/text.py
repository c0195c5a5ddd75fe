"""Words for people, in the two languages of the platform."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple


class Text(NamedTuple):
    """A sentence or a label in Chinese and in English; Chinese is what most users read."""

    zh: str
    en: str

    def __str__(self) -> str:
        return self.zh

    def in_language(self, language: str) -> str:
        """Return the English words for ``en``, the Chinese ones for everything else."""
        return self.en if language == "en" else self.zh


def text_of(value: Mapping[str, str] | str) -> Text:
    """Read a label from a static file: ``{zh:, en:}``, or one string that serves for both languages."""
    return Text(value, value) if isinstance(value, str) else Text(value["zh"], value["en"])
