"""The documentation is part of the contract: what it names exists, and what exists is named."""

from __future__ import annotations

import ast
import re
import shlex
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner

import cli
import schemas
from gateway import messages, objections
from rules.rulebook import SHIPPED, load_rulebooks
from tests.whole.test_layers import LAYERS

ROOT = Path(__file__).parents[2]
SHARING = ("sharing/qianjiang", "sharing/ganzhou")
HOTLINES = tuple(f"hotline/{path.stem}" for path in sorted((SHIPPED / "hotline").glob("*.yaml")))


def read(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def documents() -> list[Path]:
    return [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]


def settings_of(name: str) -> set[str]:
    document: Any = schemas.schema(f"config/{name}")
    if name in ("departments", "connections", "accounts"):
        document = document["properties"][name]["items"]
    return set(document["properties"])


@pytest.mark.parametrize("name", ["platform", "departments", "connections", "accounts", "dataset", "hotline"])
def test_every_setting_is_documented(name: str) -> None:
    text = read("docs/configuration.md")
    missing = {s for s in settings_of(name) if not re.search(rf"`[^`]*\b{s}\b[^`]*`", text)}
    assert missing == set()


def commands(text: str) -> Iterator[list[str]]:
    """The `shuxiang` commands that a document shows."""
    joined = text.replace("\\\n", " ")
    for line in re.findall(r"^(?:\.venv/bin/)?shuxiang (.+)$|`shuxiang ([^`]+)`", joined, flags=re.MULTILINE):
        words = shlex.split(next(part for part in line if part).split("#")[0])
        yield [w for w in words if w not in ("|", "...")]


def resolve(words: list[str]) -> click.Command:
    command: click.Command = cli.main
    for word in words:
        if not isinstance(command, click.Group) or word.startswith("-"):
            break
        found = command.get_command(click.Context(command), word)
        assert found is not None, f"shuxiang {' '.join(words)}: no command {word!r}"
        command = found
    return command


@pytest.mark.parametrize("path", documents(), ids=lambda p: p.name)
def test_every_command_in_the_documents_exists(path: Path) -> None:
    for words in commands(path.read_text(encoding="utf-8")):
        command = resolve(words)
        known = {o for p in command.params for o in p.opts} | {"--help", "--json", "--config", "--data"}
        given = {w for w in words if w.startswith("--")}
        assert given <= known, f"shuxiang {' '.join(words)}"


def test_the_readmes_show_commands_at_all() -> None:
    assert len(list(commands(read("README.md")))) >= 6
    assert list(commands(read("README.md"))) == [
        [
            w.replace("共享类型=有条件共享", "share_class=conditional").replace(
                "管控参数=否", "controlled_params=false"
            )
            for w in c
        ]
        for c in commands(read("README.zh-CN.md"))
    ]


@pytest.mark.parametrize("path", documents(), ids=lambda p: p.name)
def test_every_link_between_documents_leads_somewhere(path: Path) -> None:
    for target in re.findall(r"\]\((?!https?:)([^)#]+)", path.read_text(encoding="utf-8")):
        assert (path.parent / target).exists(), f"{path.name} links to {target}"


def test_the_glossary_is_the_one_that_the_rulebooks_give() -> None:
    printed = CliRunner().invoke(cli.main, ["rulebook", "glossary"])
    assert printed.output == read("docs/glossary.md")


@cache
def said_codes() -> tuple[tuple[str, str], ...]:
    """Each code that is named in a call of the product, after the name of what is called."""
    return tuple(_said_codes())


def _said_codes() -> Iterator[tuple[str, str]]:
    for path in (p for layer in LAYERS for p in (ROOT / layer).rglob("*.py")):
        source = path.read_text(encoding="utf-8")
        calls = ast.walk(ast.parse(source)) if "code=" in source else ()
        for call in (node for node in calls if isinstance(node, ast.Call)):
            for word in call.keywords:
                if word.arg == "code" and isinstance(word.value, ast.Constant):
                    yield ast.unparse(call.func), str(word.value.value)


def raised_codes() -> set[str]:
    """Every problem code that the product can answer with."""
    import core.errors as errors

    refusals = [c for c in vars(errors).values() if isinstance(c, type) and issubclass(c, errors.Refusal)]
    own = {c.code for c in refusals}
    own |= {code for called, code in said_codes() if called in {c.__name__ for c in refusals}}
    own |= {o.code for o in vars(objections).values() if isinstance(o, objections.Objection)}
    own |= set(objections.PROOFS)
    own |= {f.code for f in vars(messages).values() if isinstance(f, messages.Fault)}
    return own - {"refused"}


def test_every_problem_code_is_documented() -> None:
    documented = set(re.findall(r"^\| `(\w+)` \|", read("docs/errors.md"), flags=re.MULTILINE))
    assert raised_codes() - documented == set()


def test_every_code_of_a_wrong_field_is_documented() -> None:
    text = read("docs/errors.md")
    entries = text[text.index("Entries of `errors`") : text.index("## Data plane")]
    said = {code for called, code in said_codes() if called == "invalid"}
    assert said - set(re.findall(r"`(\w+)`", entries)) == set()


def test_every_action_of_the_rulebooks_is_documented() -> None:
    text = read("docs/dataset-cycle.md") + read("docs/grant-cycle.md") + read("docs/matters.md")
    for book_id in SHARING:
        book = load_rulebooks(SHIPPED, {"sharing": book_id}).current("sharing")
        for workflow in book.workflows.values():
            missing = {t.action for t in workflow.transitions if f"`{t.action}`" not in text}
            assert missing == set(), f"{book_id} {workflow.name}"


@pytest.mark.parametrize("book_id", HOTLINES)
def test_every_step_of_a_ticket_is_documented(book_id: str) -> None:
    text = read("docs/tickets.md")
    flow = load_rulebooks(SHIPPED, {"hotline": book_id}).current("hotline").workflow("ticket")
    assert {t.action for t in flow.transitions if f"`{t.action}`" not in text} == set()


def test_no_document_names_a_place_that_is_not_there() -> None:
    named = re.compile(rf"`((?:{'|'.join((*LAYERS, 'tests', 'docs'))})/[\w/.-]+)`")
    for path in documents():
        for name in named.findall(path.read_text(encoding="utf-8")):
            places = (name, f"rulebooks/{name}.yaml")
            there = any((ROOT / place).exists() for place in places) or list(ROOT.glob(name + "*"))
            assert there, f"{path.name} names {name}"
