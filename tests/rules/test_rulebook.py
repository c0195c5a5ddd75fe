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
from tests.rules.books import of_domain, shipped

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
        "10wd; from changed; until updated|withdrawn",
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


@pytest.mark.parametrize("id", [book.id for book in of_domain("sharing")])
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
    document["clocks"][2]["lasts"] = "5wd"
    old = Rulebook("sharing/qianjiang", document)
    archive = [{"id": old.id, "version": old.version, "document": document}]
    books = load_rulebooks(SHIPPED, {}, archive)
    assert books.get(old.id).version == now.version != old.version
    assert str(books.get(old.id, old.version).clocks[2].lasts) == "5wd"
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


def changed(change: Callable[[dict[str, Any]], object], book: str = "sharing/qianjiang") -> list[str]:
    """Return the pointers of the faults that a change of a book, of Qianjiang's unless told, makes."""
    document = json.loads(json.dumps(shipped().get(book).document))
    change(document)
    faults = [e.pointer for e in errors("rulebook/sharing", document)]
    if faults:
        return faults
    found = check(Rulebook(book, document), "qianjiang.yaml")
    assert all(f.message.zh and f.message.en and f.file == "qianjiang.yaml" for f in found)
    return [f.pointer for f in found]


def flow(document: dict[str, Any], name: str = "application") -> dict[str, Any]:
    found: dict[str, Any] = document["workflows"][name]
    return found


def without(document: dict[str, Any], action: str, name: str = "application") -> None:
    flow(document, name)["transitions"] = [
        t for t in flow(document, name)["transitions"] if t["action"] != action
    ]


def nth(document: dict[str, Any], name: str, place: int) -> dict[str, Any]:
    found: dict[str, Any] = flow(document, name)["transitions"][place]
    return found


def opening(document: dict[str, Any], name: str = "correction") -> dict[str, Any]:
    found: dict[str, Any] = flow(document, name)["open"]
    return found


def new_step(**step: Any) -> dict[str, Any]:
    base = {"action": "x", "title": {"zh": "步", "en": "step"}, "from": ["checking"], "to": "checking"}
    return {**base, "roles": ["consumer"], "cite": "check", **step}


FAULTS: list[tuple[str, Callable[[dict[str, Any]], object]]] = [
    ("/clocks/2/cite", lambda d: d["clocks"][2].update(cite="nowhere")),
    ("/clocks/2/cite", lambda d: d["clocks"][2].pop("cite")),
    ("/clocks/2/lasts", lambda d: d["clocks"][2].update(lasts="three days")),
    ("/clocks/2/starts", lambda d: d["clocks"][2].update(starts=["published"])),
    ("/clocks/2/stops", lambda d: d["clocks"][2].pop("stops")),
    ("/clocks/2/workflow", lambda d: d["clocks"][2].update(workflow="demand")),
    ("/clocks/2/not_after", lambda d: d["clocks"][2].update(not_after=["nothing"])),
    ("/clocks/2/set/field", lambda d: d["clocks"][2].update(set={"field": "nothing"})),
    (
        "/clocks/2/extend/event",
        lambda d: d["clocks"][2].update(extend={"event": "x", "each": "1wd", "cite": "check"}),
    ),
    ("/clocks/3", lambda d: d["clocks"][3].update(when={"share_class": "conditional"})),
    ("/clocks/3/when/decider", lambda d: d["clocks"][3].update(when={"decider": "mayor"})),
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
    ("/workflows/grant/transitions/6/timer", lambda d: flow(d, "grant")["transitions"][6].pop("timer")),
    (
        "/workflows/grant/transitions/6/timer",
        lambda d: flow(d, "grant")["transitions"][6].update(timer="in_use"),
    ),
    (
        "/workflows/grant/transitions/6/timer",
        lambda d: flow(d, "grant")["transitions"][6].update(roles=["provider"]),
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
    # From when a limit counts, and how long it is.
    ("/clocks/0/counts_from", lambda d: d["clocks"][0].update(counts_from="cause")),
    ("/clocks/0/counts_from", lambda d: d["clocks"][0].update(counts_from="nothing")),
    ("/clocks/8/due_at", lambda d: d["clocks"][8].update(due_at="demand")),
    ("/clocks/1/lasts_by/values", lambda d: d["clocks"][1]["lasts_by"]["values"].pop("irregular")),
    ("/clocks/1/lasts_by/values", lambda d: d["clocks"][1]["lasts_by"]["values"].update(fortnightly="14d")),
    ("/clocks/1/lasts_by/values", lambda d: d["clocks"][1]["lasts_by"].update(fact="weather")),
    ("/clocks/1/lasts_by/values/daily", lambda d: d["clocks"][1]["lasts_by"]["values"].update(daily="soon")),
    ("/clocks/3/on_breach/opens", lambda d: d["clocks"][3]["on_breach"].update(opens="demand")),
    # How a case comes to be.
    ("/workflows/correction/open/roles", lambda d: opening(d).update(roles=["mayor"])),
    ("/workflows/correction/open/roles", lambda d: opening(d).update(roles=["auditor"])),
    ("/workflows/correction/open/requires", lambda d: opening(d).update(requires=["seal"])),
    ("/workflows/correction/open/accepts", lambda d: opening(d).update(accepts=["seal"])),
    ("/workflows/correction/open/tells", lambda d: opening(d).update(tells=["auditor"])),
    ("/workflows/correction/open/parties", lambda d: opening(d)["parties"].update(mayor="seat")),
    ("/workflows/correction/open/parties/consumer", lambda d: opening(d)["parties"].update(consumer="moon")),
    ("/workflows/correction/open/parties/consumer", lambda d: opening(d)["parties"].update(consumer="seat")),
    ("/workflows/correction/open/parties/provider", lambda d: opening(d)["parties"].update(provider="named")),
    (
        "/workflows/correction/open/parties/provider",
        lambda d: opening(d)["parties"].update(provider="named_or_opener"),
    ),
    ("/workflows/correction/open/parties", lambda d: opening(d).pop("parties")),
    ("/workflows/correction/open/cite", lambda d: opening(d).update(cite="nowhere")),
    ("/workflows/dispute/open/prefix", lambda d: opening(d, "dispute").update(prefix="J")),
    ("/workflows/correction/open/prefix", lambda d: opening(d).update(prefix="G")),
    # Whom a step brings in, and what it opens.
    ("/workflows/dispute/transitions/2/joins", lambda d: nth(d, "dispute", 2).update(joins=["provider"])),
    (
        "/workflows/grant/transitions/3/opens/workflow",
        lambda d: nth(d, "grant", 3).update(opens={"workflow": "demand"}),
    ),
    (
        "/workflows/grant/transitions/3/opens/given",
        lambda d: nth(d, "grant", 3)["opens"].update(given={"seal": "red"}),
    ),
    (
        "/workflows/grant/transitions/3/opens/taken",
        lambda d: nth(d, "grant", 3)["opens"].update(taken={"seal": "reason"}),
    ),
    ("/workflows/grant/transitions/3/opens", lambda d: nth(d, "grant", 3).update(opens="rectification")),
    ("/workflows/grant/transitions/3/by_another", lambda d: nth(d, "grant", 3).update(by_another="yes")),
    ("/workflows/grant/transitions/3/confirms", lambda d: nth(d, "grant", 3).update(confirms="真")),
    # What the platform does with procedures.
    (
        "/policies/procedures/demand/value",
        lambda d: d["policies"]["procedures"]["demand"].update(value=True),
    ),
    (
        "/policies/procedures/correction/value",
        lambda d: d["policies"]["procedures"]["correction"].update(value=None),
    ),
    (
        "/workflows/correction/states/reported/flags",
        lambda d: flow(d, "correction")["states"]["reported"].update(flags=["public"]),
    ),
    (
        "/workflows/correction/transitions/0/does",
        lambda d: nth(d, "correction", 0).update(does="publish"),
    ),
    ("/workflows/correction/open/about", lambda d: flow(d, "correction")["open"].update(about=["ticket"])),
    (
        "/workflows/correction/open/parties",
        lambda d: flow(d, "correction")["open"]["parties"].update(consumer="origin"),
    ),
]


@pytest.mark.parametrize(("pointer", "change"), FAULTS, ids=[f"{i}{p}" for i, (p, _) in enumerate(FAULTS)])
def test_a_wrong_book_is_refused_at_the_place_of_its_fault(
    pointer: str, change: Callable[[dict[str, Any]], object]
) -> None:
    assert pointer in changed(change)


@pytest.mark.parametrize(
    ("pointer", "change"),
    [
        ("/clocks/4/set/max", lambda d: d["policies"]["grant"]["max_term"].update(value="2y")),
        ("/clocks/4/set/max", lambda d: d["clocks"][4]["set"].update(max="36mo")),
        ("/clocks/4/set/max", lambda d: d["clocks"][4]["set"].pop("max")),
        ("/visibility/grant", lambda d: d["visibility"].pop("grant")),
        ("/visibility/application", lambda d: d["visibility"].update(application={})),
    ],
)
def test_what_a_grant_may_be_is_said_once(pointer: str, change: Callable[[dict[str, Any]], object]) -> None:
    """The longest term stands in the policy and in the clock; who sees a grant is said at all."""
    assert pointer in changed(change, "sharing/ganzhou")


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
