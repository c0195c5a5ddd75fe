"""Loading rulebooks: what the shipped ones promise, and how a wrong one is refused."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from core.errors import ConfigError
from rules.check import check
from rules.citation import KINDS
from rules.rulebook import SHIPPED, Rulebook, canonical, load_rulebooks
from rules.show import show
from schemas import errors
from tests.rules.books import shipped

BOOKS = sorted(shipped().books)


@pytest.mark.parametrize("id", BOOKS)
def test_every_leaf_of_a_shipped_book_cites_a_provision_in_our_own_words(id: str) -> None:
    rules = shipped().get(id)
    shown = list(show(rules))
    assert len(shown) > 70
    for rule in shown:
        assert rule.value
        assert rule.kind in KINDS
        assert rule.article or rule.kind == "product_default"
        assert all(rule.summary.split(" / ", 1))
        assert rule.reading is None or rule.reading in rules.readings


def test_a_book_is_shown_with_the_article_of_every_rule() -> None:
    shown = {rule.path: rule for rule in show(shipped().get("sharing/ganzhou"))}
    update, extension = shown["clocks.update"], shown["clocks.update.extend"]
    assert update[:5] == (
        "clocks.update",
        "10wd; from changed; until updated|taken_offline",
        "6",
        "text",
        None,
    )
    assert extension.value == "count 1, to 20wd"
    assert shown["policies.grant.max_term"][1:5] == ("3y", "5(二)", "text", "I-S-19")
    assert shown["policies.catalog.base_registers"].value == "—"


def test_the_two_books_differ_where_the_regulations_do() -> None:
    def value(book: str, path: str) -> Any:
        return shipped().get(f"sharing/{book}").policy(path).value

    assert (value("qianjiang", "grant.max_term"), value("ganzhou", "grant.max_term")) == (None, "3y")
    assert (value("qianjiang", "catalog.review"), value("ganzhou", "catalog.review")) == (False, True)
    assert value("ganzhou", "deployment.platform") == "city_tenant"
    assert len(value("qianjiang", "catalog.base_registers")["names"]) == 6
    assert len(value("qianjiang", "catalog.themes")) == 17
    assert value("ganzhou", "catalog.base_registers") is None
    assert len(value("qianjiang", "catalog.no_share_basis")["levels"]) == 7
    assert value("ganzhou", "catalog.no_share_basis") == {"levels": None, "reason": True, "filing": True}
    assert value("qianjiang", "application.attachments") is None
    assert [a["type"] for a in value("ganzhou", "application.attachments")["api"]] == ["api_application_form"]


@pytest.mark.parametrize("id", BOOKS)
def test_the_elements_that_a_book_requires_are_fields_of_a_dataset(id: str) -> None:
    known = {
        *json.loads((Path(SHIPPED).parent / "schemas/request/dataset.json").read_text())["properties"],
        "provider",
    }
    assert set(shipped().get(id).policy("catalog.required").value) <= known


def test_the_deployment_chooses_its_book() -> None:
    assert shipped().current("sharing").id == "sharing/qianjiang"
    with pytest.raises(ConfigError, match="no rulebook 'sharing/nowhere'"):
        load_rulebooks(SHIPPED, {"sharing": "sharing/nowhere"})


def test_a_case_finds_the_version_that_it_was_opened_under() -> None:
    now = shipped().get("sharing/qianjiang")
    document = copy.deepcopy(dict(now.document))
    document["clocks"][1]["lasts"] = "5wd"
    old = Rulebook("sharing/qianjiang", document)
    archive = [{"id": old.id, "version": old.version, "document": document}]
    books = load_rulebooks(SHIPPED, {}, archive)
    assert books.get(old.id).version == now.version != old.version
    assert str(books.get(old.id, old.version).clocks[1].lasts) == "5wd"
    with pytest.raises(KeyError):
        books.get(old.id, "0" * 16)


def test_the_version_depends_on_the_content_alone() -> None:
    document = shipped().get("sharing/qianjiang").document
    reordered = dict(reversed(list(document.items())))
    assert canonical(document) == canonical(reordered)
    assert Rulebook("x", reordered).version == shipped().get("sharing/qianjiang").version


def test_a_workflow_that_the_book_does_not_have_is_named() -> None:
    with pytest.raises(ConfigError, match="has no workflow 'demand'"):
        shipped().get("sharing/qianjiang").workflow("demand")


# --- wrong books ----------------------------------------------------------------------------------


def changed(change: Callable[[dict[str, Any]], object]) -> list[str]:
    """Return the pointers of the faults that a change of the book of Qianjiang makes."""
    document = json.loads(json.dumps(shipped().get("sharing/qianjiang").document))
    change(document)
    faults = [e.pointer for e in errors("rulebook/sharing", document)]
    if faults:
        return faults
    found = check(Rulebook("sharing/qianjiang", document), "qianjiang.yaml")
    assert all(f.message.zh and f.message.en and f.file == "qianjiang.yaml" for f in found)
    return [f.pointer for f in found]


def flow(document: dict[str, Any], name: str = "application") -> dict[str, Any]:
    found: dict[str, Any] = document["workflows"][name]
    return found


def without(document: dict[str, Any], action: str, name: str = "application") -> None:
    flow(document, name)["transitions"] = [
        t for t in flow(document, name)["transitions"] if t["action"] != action
    ]


def new_step(**step: Any) -> dict[str, Any]:
    base = {"action": "x", "title": {"zh": "步", "en": "step"}, "from": ["checking"], "to": "checking"}
    return {**base, "roles": ["consumer"], "cite": "check", **step}


FAULTS: list[tuple[str, Callable[[dict[str, Any]], object]]] = [
    ("/clocks/1/cite", lambda d: d["clocks"][1].update(cite="nowhere")),
    ("/clocks/1/cite", lambda d: d["clocks"][1].pop("cite")),
    ("/clocks/1/lasts", lambda d: d["clocks"][1].update(lasts="three days")),
    ("/clocks/1/starts", lambda d: d["clocks"][1].update(starts=["published"])),
    ("/clocks/1/stops", lambda d: d["clocks"][1].pop("stops")),
    ("/clocks/1/workflow", lambda d: d["clocks"][1].update(workflow="demand")),
    ("/clocks/1/not_after", lambda d: d["clocks"][1].update(not_after=["nothing"])),
    ("/clocks/1/set/field", lambda d: d["clocks"][1].update(set={"field": "nothing"})),
    (
        "/clocks/1/extend/event",
        lambda d: d["clocks"][1].update(extend={"event": "x", "each": "1wd", "cite": "check"}),
    ),
    ("/clocks/2", lambda d: d["clocks"][2].update(when={"share_class": "conditional"})),
    ("/clocks/2/when/decider", lambda d: d["clocks"][2].update(when={"decider": "mayor"})),
    ("/citations/check/reading", lambda d: d["readings"].pop("I-S-09")),
    ("/citations/condition/reading", lambda d: d["citations"]["condition"].pop("reading")),
    ("/citations/check/article", lambda d: d["citations"]["check"].update(article=None)),
    ("/citations/spare", lambda d: d["citations"].update(spare=d["citations"]["check"])),
    ("/readings/I-X-01", lambda d: d["readings"].update({"I-X-01": {"zh": "解", "en": "read"}})),
    ("/events/lost", lambda d: d["events"].update(lost={"title": {"zh": "失", "en": "lost"}})),
    ("/fields/spare", lambda d: d["fields"].update(spare=d["fields"]["note"])),
    ("/id", lambda d: d.update(id="sharing/wuhan")),
    ("/routing/decider", lambda d: d["routing"]["decider"].pop()),
    ("/routing/decider/4", lambda d: d["routing"]["decider"].append(dict(d["routing"]["decider"][0]))),
    ("/routing/decider/0/then", lambda d: d["routing"]["decider"][0].update(then="mayor")),
    ("/routing/decider/0/when/weather", lambda d: d["routing"]["decider"][0]["when"].update(weather="fine")),
    ("/workflows/application/states/closed", lambda d: without(d, "inform")),
    ("/workflows/dataset/states/withdrawn", lambda d: without(d, "approve_withdrawal", "dataset")),
    (
        "/workflows/application/states/island",
        lambda d: flow(d)["states"].update(island={"title": {"zh": "岛", "en": "island"}}),
    ),
    (
        "/workflows/application/states/closed",
        lambda d: flow(d)["transitions"].append(new_step(**{"from": ["closed"]}, to="draft")),
    ),
    ("/workflows/application/initial", lambda d: flow(d).update(initial="nowhere")),
    (
        "/workflows/application/transitions/0/from",
        lambda d: flow(d)["transitions"][0].update({"from": ["nowhere"]}),
    ),
    (
        "/workflows/application/transitions/0/roles",
        lambda d: flow(d)["transitions"][0].update(roles=["mayor"]),
    ),
    (
        "/workflows/application/transitions/0/requires",
        lambda d: flow(d)["transitions"][0].update(requires=["seal"]),
    ),
    (
        "/workflows/application/transitions/3/forbids/reason_code/values",
        lambda d: flow(d)["transitions"][3].update(
            forbids={"reason_code": {"values": ["rain"], "cite": "check"}}
        ),
    ),
    (
        "/workflows/application/transitions/3/forbids",
        lambda d: flow(d)["transitions"][3].update(
            forbids={"evidence": {"values": ["rain"], "cite": "check"}}
        ),
    ),
    ("/workflows/grant/transitions/4/timer", lambda d: flow(d, "grant")["transitions"][4].pop("timer")),
    (
        "/workflows/grant/transitions/4/timer",
        lambda d: flow(d, "grant")["transitions"][4].update(timer="in_use"),
    ),
    (
        "/workflows/grant/transitions/4/timer",
        lambda d: flow(d, "grant")["transitions"][4].update(roles=["provider"]),
    ),
    (
        "/workflows/application/transitions/11",
        lambda d: flow(d)["transitions"].append(flow(d)["transitions"][3]),
    ),
    ("/policies/grant/max_term/value", lambda d: d["policies"]["grant"]["max_term"].update(value="forever")),
    ("/policies/grant/colour", lambda d: d["policies"]["grant"].update(colour={"value": 1, "cite": "check"})),
    ("/policies/grant/idle", lambda d: d["policies"]["grant"].pop("idle")),
    ("/facts/kind/choices", lambda d: d["facts"]["kind"].pop("choices")),
    ("/facts/controlled_params", lambda d: d["facts"].pop("controlled_params")),
    (
        "/policies/application/requires/value/0",
        lambda d: d["policies"]["application"]["requires"].update(value=["blood_type"]),
    ),
    (
        "/policies/catalog/kinds/api/value/requires/0",
        lambda d: d["policies"]["catalog"]["kinds"]["api"]["value"].update(requires=["blessing"]),
    ),
    ("/surprise", lambda d: d.update(surprise=1)),
]


@pytest.mark.parametrize(("pointer", "change"), FAULTS, ids=[f"{i}{p}" for i, (p, _) in enumerate(FAULTS)])
def test_a_wrong_book_is_refused_at_the_place_of_its_fault(
    pointer: str, change: Callable[[dict[str, Any]], object]
) -> None:
    assert pointer in changed(change)


def test_an_untouched_book_has_no_faults() -> None:
    assert changed(lambda d: None) == []


def test_all_faults_of_all_files_are_reported_together(tmp_path: Path) -> None:
    for folder in ("calendars", "sharing", "parking"):
        (tmp_path / folder).mkdir()
    (tmp_path / "calendars" / "2026.yaml").write_text("year: soon\n")
    (tmp_path / "sharing" / "a.yaml").write_text("id: sharing/a\nid: sharing/b\n")
    (tmp_path / "sharing" / "b.yaml").write_text("[1, 2]\n")
    (tmp_path / "parking" / "c.yaml").write_text("id: parking/c\n")
    with pytest.raises(ConfigError) as caught:
        load_rulebooks(tmp_path, {"sharing": "sharing/a"})
    files = {Path(f.file.split(":")[0]).name for f in caught.value.findings}
    assert files == {"2026.yaml", "a.yaml", "b.yaml", "c.yaml"}
    assert any("a.yaml:2" in f.file for f in caught.value.findings)
