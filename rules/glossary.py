"""The glossary: the words of the platform and those of the rulebooks, side by side in both languages."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from core.text import Text
from rules.rulebook import Rulebook

WORDS = (
    (Text("数据集", "dataset"), "what a department registers in the catalog (DCAT)"),
    (Text("挂接", "distribution"), "where a dataset's data come from: a table, an API or files (DCAT)"),
    (
        Text("连接", "connection"),
        "a named upstream of the deployment; the only place a distribution may point to",
    ),
    (Text("信息项", "attribute, field"), "one item of a dataset"),
    (Text("共享类型", "share class"), "unconditional, conditional or none"),
    (Text("提供部门", "provider"), "the department that registers a dataset"),
    (Text("使用部门", "consumer"), "the department whose system uses it"),
    (Text("共享平台管理部门", "platform manager"), "the department that runs the platform"),
    (Text("业务系统", "system, client"), "a consumer's registered system: an OAuth client (RFC 6749)"),
    (Text("申请", "application"), "the wish to use fields of a dataset from one system"),
    (
        Text("授权", "grant"),
        "one system, one dataset, named fields, purpose, networks and, if any, a last day",
    ),
    (Text("访问令牌", "access token"), "stands for one grant for at most five minutes"),
    (Text("规则手册", "rulebook"), "a regulation as a file, every leaf with its article"),
    (Text("时限", "clock"), "a duty's time, started and stopped by recorded events"),
    (Text("暂定", "provisional"), "a due instant in a year whose holidays nobody has published"),
    (Text("记录", "record"), "what the log keeps of one act or call: an envelope and a body"),
    (
        Text("访问日志", "access log"),
        "the records of all calls and steps, sealed in order: the product's one log",
    ),
    (
        Text("信封", "envelope"),
        "the public half of a record, the entry of the log: digest of the body, kind, source, time",
    ),
    (
        Text("正文", "body"),
        "the other half, which auditors read and which may be erased; no proof breaks by that",
    ),
    (Text("日记段", "journal segment"), "where the data plane writes records before the log takes them in"),
    (
        Text("存证树", "tree, leaf, checkpoint"),
        "the log as a Merkle tree and its signed head (RFC 6962, C2SP)",
    ),
    (Text("存在性证明", "inclusion proof"), "shows that a record is in the tree of a checkpoint"),
    (Text("回执", "receipt"), "the signed promise, with each answer, that its record will be in the log"),
)
"""The platform's own words; what they mean, in a line."""


def glossary(books: Iterable[Rulebook]) -> Iterator[str]:
    """Yield the glossary as lines of Markdown: the platform's words, then the words of each rulebook."""
    yield "# Glossary 术语\n"
    yield "Made by `shuxiang rulebook glossary`; a test compares it with the code and the rulebooks.\n"
    yield "| 中文 | English | meaning |\n|---|---|---|"
    yield from (f"| {word.zh} | {word.en} | {meaning} |" for word, meaning in WORDS)
    for book in books:
        yield f"\n## {book.title.zh} {book.title.en}\n\n| 中文 | English | what it is |\n|---|---|---|"
        yield from sorted({f"| {title.zh} | {title.en} | {what} |" for title, what in _titles(book)})


def _titles(book: Rulebook) -> Iterator[tuple[Text, str]]:
    for name, flow in book.workflows.items():
        yield flow.title, "workflow"
        yield from ((state.title, f"state of a {name}") for state in flow.states.values())
        yield from ((t.title, f"action on a {name}: `{t.action}`") for t in flow.transitions)
    yield from ((clock.title, f"clock `{clock.name}`") for clock in book.clocks)
    yield from ((field.title, f"field `{field.name}`") for field in book.fields.values())
