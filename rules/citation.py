"""Where a rule stands: document, article and item, and whether the text says it, we read it so or neither."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from core.text import Text

TEXT, INTERPRETATION, SILENT, PRODUCT_DEFAULT = "text", "interpretation", "silent", "product_default"
KINDS = {
    TEXT: Text("条文规定", "text"),
    INTERPRETATION: Text("条文解读", "interpretation"),
    SILENT: Text("条文未作规定", "the text is silent"),
    PRODUCT_DEFAULT: Text("平台缺省（非条文）", "product default, not in the text"),
}


@dataclass(frozen=True, slots=True)
class Citation:
    """One provision of a regulation, summed up in our own words."""

    document: Text
    """Short title of the document; for a product default of no article, that there is none."""
    article: str | None
    """``"19"``; None where no article stands behind the rule (a product default)."""
    item: str | None
    """``"(二)"``, or ``"2"`` where the article numbers its items by digits alone."""
    kind: str
    """text, interpretation, silent (the article could say it and does not) or product_default."""
    reading: str | None
    """The reading that is followed, such as ``"I-S-09"``; `Rulebook.readings` explains it."""
    summary: Text

    def __str__(self) -> str:
        """Return the Chinese form: ``《潜江市政务信息资源共享管理办法》第19条``."""
        if self.article is None:
            return self.document.zh
        item = (self.item or "").replace("(", "（").replace(")", "）")
        item = f"第{item}项" if item.isdigit() else item
        return f"《{self.document.zh}》第{self.article}条{item}"

    def in_language(self, language: str) -> str:
        """Return ``Art. 8(一), Qianjiang Measures ...`` for ``en``, the Chinese form otherwise."""
        if language != "en":
            return str(self)
        if self.article is None:
            return self.document.en
        item = self.item or ""
        return f"Art. {self.article}{f'.{item}' if item.isdigit() else item}, {self.document.en}"

    def as_json(self) -> dict[str, Any]:
        """Return the citation as it appears in answers of the HTTP API and of the command line."""
        return {
            "document": self.document.zh,
            "article": self.article,
            "item": self.item,
            "kind": self.kind,
            "reading": self.reading,
            "summary": {"zh": self.summary.zh, "en": self.summary.en},
            "label": {"zh": str(self), "en": self.in_language("en")},
        }
