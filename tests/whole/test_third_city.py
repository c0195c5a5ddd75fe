"""A third city: another book, with other words for every state and step, another chain and another cap.

Nothing here but the book says what the words mean; no line of the platform knows any of them.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from cases.desk import list_cases
from catalog.datasets import act_on_dataset, find_dataset, register_dataset, revise_dataset
from catalog.distributions import attach_distribution, plan_mount
from catalog.model import CheckReport
from catalog.search.find import find_datasets
from core.errors import ConfigError, Conflict, Invalid, NotFound
from gateway import objections as no
from gateway.applications import act_on_application, apply_for_fields, find_application
from gateway.calls import lasting
from gateway.grants import act_on_grant, find_grant
from gateway.issuing import choose_grant, keep_token, new_token
from gateway.store import permit
from gateway.tokens import token_digest
from rules.rulebook import SHIPPED, load_rulebooks
from tests.cast import alice, bob, carol, mallory, stella
from tests.conftest import make_world
from tests.rules.books import shipped
from tests.stories import CONDITION, OFFERS, STATEMENT, active_client

pytestmark = pytest.mark.long

ID = "sharing/third"
Change = Callable[[dict[str, Any]], object]


def state(name: str) -> str:
    return f"{name[::-1]}_z"


def action(name: str) -> str:
    return f"x_{name[::-1]}"


LOAN: dict[str, Any] = {
    "title": {"zh": "借阅", "en": "loan"},
    "initial": "asked",
    "opening": ["loan_asked"],
    "open": {
        "prefix": "ZX",
        "title": {"zh": "申请借阅", "en": "Ask for a loan"},
        "roles": ["consumer"],
        "about": ["dataset"],
        "requires": ["wanted"],
        "parties": {"consumer": "opener", "provider": "subject", "platform_manager": "seat"},
        "tells": ["platform_manager"],
        "cite": "feedback",
    },
    "states": {
        "asked": {"title": {"zh": "待审", "en": "asked for"}},
        "backed": {"title": {"zh": "已同意", "en": "backed"}},
        "lent": {"title": {"zh": "已借出", "en": "lent"}, "flags": ["disputed", "resting"]},
        "returned": {"title": {"zh": "已归还", "en": "returned"}, "final": True},
    },
    "transitions": [
        {"action": "back", "title": {"zh": "提请审定", "en": "Put forward"}, "from": ["asked"], "to": "asked"}
        | {"roles": ["platform_manager"], "joins": ["steering_office"], "emits": ["loan_seen"]}
        | {"tells": ["steering_office"], "cite": "feedback"},
        {"action": "agree", "title": {"zh": "同意", "en": "Agree"}, "from": ["asked"], "to": "backed"}
        | {"roles": ["steering_office"], "emits": ["loan_backed"], "tells": ["provider"], "cite": "feedback"},
        {"action": "lend", "title": {"zh": "借出", "en": "Lend"}, "from": ["backed"], "to": "lent"}
        | {"roles": ["provider"], "requires": ["medium"], "emits": ["loan_lent"], "tells": ["consumer"]}
        | {"cite": "feedback"},
        {
            "action": "give_back",
            "title": {"zh": "归还", "en": "Give back"},
            "from": ["lent"],
            "to": "returned",
        }
        | {"roles": ["consumer"], "emits": ["loan_back"], "tells": ["provider"], "cite": "feedback"},
    ],
}
"""A procedure of which no shipped book and no line of the platform has ever heard."""


def _lend(book: dict[str, Any]) -> None:
    """Add the procedure of loans with its events and limits; doubts get another number and a limit."""
    book["workflows"]["loan"] = json.loads(json.dumps(LOAN))
    for event in ("loan_asked", "loan_seen", "loan_backed", "loan_lent", "loan_back"):
        book["events"][event] = {"title": {"zh": event, "en": event}}
    limit = {"workflow": "loan", "cite": "feedback"}
    breach = {"title": {"zh": "上报", "en": "report"}, "opens": "breach_report", "cite": "overdue"}
    book["clocks"] += [
        {"name": "lend", "title": {"zh": "借出", "en": "lending"}, "starts": ["loan_backed"]}
        | {"stops": ["loan_lent"], "lasts": "4wd", "on_breach": breach, **limit},
        {"name": "keep", "title": {"zh": "借期", "en": "time to keep"}, "starts": ["loan_lent"]}
        | {"stops": ["loan_back"], "lasts": "30d", **limit},
    ]
    book["workflows"]["correction"]["open"]["prefix"] = "YY"
    next(c for c in book["clocks"] if c["name"] == "correct")["lasts"] = "6wd"


def third() -> dict[str, Any]:
    """Return Qianjiang's book renamed, with other signatures, limits, procedures and a cap of a year."""
    book: dict[str, Any] = json.loads(json.dumps(shipped().get("sharing/qianjiang").document))
    book["id"] = ID
    _lend(book)
    flow = book["workflows"]["application"]
    flow["states"]["reviewed"] = {"title": {"zh": "待审定", "en": "with the steering office"}}
    onward = next(t for t in flow["transitions"] if t["to"] == "with_provider" and t["action"] == "accept")
    passing = {**onward, "action": "pass", "from": ["reviewed"], "roles": ["steering_office"]}
    flow["transitions"].append(passing | {"emits": ["forwarded"], "tells": ["provider"]})
    onward |= {"to": "reviewed", "joins": ["steering_office"], "emits": ["accepted"]}
    flow["states"]["endorsed"] = {"title": {"zh": "待复核", "en": "endorsed"}}
    first = next(t for t in flow["transitions"] if t["action"] == "grant" and t["from"] == ["with_provider"])
    second = {**first, "from": ["endorsed"], "roles": ["platform_manager"], "emits": ["granted"]}
    flow["transitions"].append(second)
    first |= {"action": "endorse", "to": "endorsed", "emits": ["answered"]}
    del first["does"]
    for workflow in book["workflows"].values():
        workflow["initial"] = state(workflow["initial"])
        workflow["states"] = {state(name): raw for name, raw in workflow["states"].items()}
        for step in workflow["transitions"]:
            step |= {"action": action(step["action"]), "to": state(step["to"])}
            step["from"] = [state(name) for name in step["from"]]
    for clock, lasts in {"check": "1wd", "decide": "7wd", "inform": "2wd"}.items():
        for rule in book["clocks"]:
            if rule["name"] == clock:
                rule["lasts"] = lasts
    book["policies"]["grant"]["max_term"]["value"] = "1y"
    return book


def written(folder: Path, book: dict[str, Any]) -> Path:
    """Write a book where rulebooks lie, next to the calendars; JSON is YAML."""
    (folder / "sharing").mkdir(parents=True)
    shutil.copytree(SHIPPED / "calendars", folder / "calendars")
    (folder / "sharing" / "third.yaml").write_text(json.dumps(book, ensure_ascii=False))
    return folder


@pytest.fixture
def city(tmp_path: Path, template_database: Path) -> Iterator[Any]:
    """The demo deployment under the third city's book."""
    made = make_world(tmp_path, template_database, "sharing/qianjiang")
    kit = made.app.extensions["shuxiang"]
    made.rulebooks = load_rulebooks(written(tmp_path / "books", third()), {"sharing": ID})
    made.app.extensions["shuxiang"] = replace(kit, rulebooks=made.rulebooks)
    yield made
    made.database.close()


def step(world: Any, actor: Any, take: Callable[..., Any], of: str, name: str, **fields: Any) -> Any:
    with world.work(actor) as work:
        return take(work, of, action(name), fields)


def opened(world: Any) -> str:
    """Register a conditional table, attach its data and publish it; return its code."""
    provider, entry, mounted = OFFERS["divisions"]
    with world.work(provider) as work:
        dataset = register_dataset(work, {**entry, "share_class": "conditional", **CONDITION})
        attach_distribution(work, plan_mount(work, dataset.code, "table", mounted), CheckReport(()))
    step(world, provider, act_on_dataset, dataset.code, "publish")
    return dataset.code


def judged(world: Any, token: str) -> Any:
    """Return what speaks against a call with the token, as the data plane judges it."""
    with world.database.read() as tx:
        found = permit(tx, token_digest(token))
    assert found is not None
    return lasting(found, world.now.timestamp())


def test_the_whole_cycle_runs_on_words_that_only_the_book_knows(city: Any) -> None:
    code = opened(city)
    with city.read(mallory) as work:
        assert find_dataset(work, code).published_at == city.now
        assert find_datasets(work, {"q": "行政区划"}).total == 1
    system = active_client(city)
    asked = {"dataset": code, "client": system.client.id, "fields": ["code"], **STATEMENT}
    with pytest.raises(Invalid) as refused, city.work(carol) as work:
        apply_for_fields(work, {**asked, "term_days": 400})
    assert [e.pointer for e in refused.value.errors] == ["/term_days"]
    with city.work(carol) as work:
        applied = apply_for_fields(work, {**asked, "term_days": 300}).application.id
    with city.read(bob) as work:
        assert [line.case.id for line in list_cases(work, "tasks", 9).lines] == [applied]

    step(city, bob, act_on_application, applied, "accept")
    with pytest.raises(Conflict):
        step(city, alice, act_on_application, applied, "endorse")
    with city.read(stella) as work:
        assert [line.case.id for line in list_cases(work, "tasks", 9).lines] == [applied]
    step(city, stella, act_on_application, applied, "pass")
    endorsed = step(city, alice, act_on_application, applied, "endorse")
    assert endorsed.grant is None
    granted = step(city, bob, act_on_application, applied, "grant").grant
    assert (granted.valid_until - city.now).days == 300

    with city.work(carol) as work:
        chosen = choose_grant(work, system.client, ())
        assert chosen is not None
        issued = new_token(work, chosen)
        keep_token(work, issued)
    assert judged(city, issued.token) is None
    with city.read(bob) as work:
        assert granted.id not in [line.case.id for line in list_cases(work, "tasks", 9).lines]

    step(city, bob, act_on_grant, granted.id, "suspend", reason="异常")
    assert judged(city, issued.token) is no.GRANT_SUSPENDED
    step(city, bob, act_on_grant, granted.id, "resume")
    assert judged(city, issued.token) is None
    with pytest.raises(Conflict):
        step(city, alice, act_on_dataset, code, "take_offline", reason="维护")
    step(city, alice, act_on_dataset, code, "announce_withdrawal", notice="月底停止供数")
    step(city, alice, act_on_dataset, code, "take_offline", reason="维护")
    assert judged(city, issued.token) is no.DATASET_UNAVAILABLE
    step(city, alice, act_on_dataset, code, "publish")
    step(city, bob, act_on_grant, granted.id, "terminate", reason="不再需要")
    assert judged(city, issued.token) is no.GRANT_ENDED
    with city.read(carol) as work:
        assert find_application(work, applied).grant is not None
        assert find_grant(work, granted.id).case.closed_at == city.now


def test_revising_and_hiding_go_by_the_books_flags(city: Any) -> None:
    code = opened(city)
    with city.work(alice) as work:
        assert revise_dataset(work, code, {"title": "行政区划代码"}, "更正").revision == 2
    revised = step(city, alice, act_on_dataset, code, "revise", cause="更正", title="区划")
    assert (revised.title, revised.is_public) == ("区划", True)
    step(city, alice, act_on_dataset, code, "take_offline", reason="维护")
    with pytest.raises(NotFound), city.read(mallory) as work:
        find_dataset(work, code)
    system = active_client(city)
    asked = {"dataset": code, "client": system.client.id, "fields": ["code"], **STATEMENT}
    with pytest.raises(Conflict) as refused, city.work(carol) as work:
        apply_for_fields(work, {**asked, "term_days": 30})
    assert refused.value.code == "not_published"


def test_its_pages_open_under_its_book(city: Any) -> None:
    code = opened(city).replace("/", "-")
    system = active_client(city)
    asked = {"dataset": code, "client": system.client.id, "fields": ["code"], **STATEMENT, "term_days": 30}
    with city.work(carol) as work:
        applied = apply_for_fields(work, asked).application.id
    step(city, bob, act_on_application, applied, "accept")
    step(city, stella, act_on_application, applied, "pass")
    step(city, alice, act_on_application, applied, "endorse")
    page = city.browser(bob).get(f"/applications/{applied}")
    assert f"/applications/{applied}/actions/{action('grant')}" in page.get_data(as_text=True)
    page = city.browser(carol).get(f"/datasets/{code}").get_data(as_text=True)
    assert f"/applications/new?dataset={code}" in page
    for path in (f"/datasets/{code}", f"/datasets/{code}/revise", f"/datasets/{code}/attach"):
        assert city.browser(alice).get(path).status_code == 200, path


# --- books that would fail at work ----------------------------------------------------------------


def _flow(book: dict[str, Any], name: str) -> dict[str, Any]:
    found: dict[str, Any] = book["workflows"][name]
    return found


def _no_flags(workflow: str, name: str) -> Change:
    return lambda book: _flow(book, workflow)["states"][state(name)].pop("flags")


def _does_nothing(workflow: str, does: str) -> Change:
    def change(book: dict[str, Any]) -> None:
        for raw in _flow(book, workflow)["transitions"]:
            if raw.get("does") == does:
                del raw["does"]

    return change


def _flags(workflow: str, name: str, *flags: str) -> Change:
    return lambda book: _flow(book, workflow)["states"][state(name)].update(flags=list(flags))


def _review(book: dict[str, Any]) -> None:
    book["policies"]["catalog"]["review"]["value"] = True


def _reviewed_only(book: dict[str, Any]) -> None:
    for raw in _flow(book, "dataset")["transitions"]:
        if raw.get("does") == "publish" or raw["action"] == action("publish"):
            raw["roles"] = ["platform_manager"]


def _fact(book: dict[str, Any]) -> None:
    book["facts"]["weather"] = {"title": {"zh": "天气", "en": "weather"}, "type": "boolean"}


def _without_end(book: dict[str, Any]) -> None:
    flow = _flow(book, "grant")
    flow["transitions"] = [t for t in flow["transitions"] if "timer" not in t]
    del flow["states"][state("expired")]
    book["citations"].pop("deployment_term")


@pytest.mark.parametrize(
    ("pointer", "change"),
    [
        ("/workflows/dataset/states", _no_flags("dataset", "published")),
        (f"/workflows/dataset/states/{state('draft')}/flags", _no_flags("dataset", "draft")),
        (f"/workflows/dataset/states/{state('draft')}/flags", _flags("dataset", "draft", "public")),
        (
            f"/workflows/dataset/states/{state('published')}/flags",
            _flags("dataset", "published", "public", "editable"),
        ),
        (f"/workflows/dataset/states/{state('offline')}/flags", _flags("dataset", "offline", "usable")),
        (f"/workflows/dataset/states/{state('withdrawn')}/flags", _flags("dataset", "withdrawn", "resting")),
        (f"/workflows/grant/states/{state('active')}/flags", _no_flags("grant", "active")),
        ("/workflows/dataset/transitions", _does_nothing("dataset", "publish")),
        ("/workflows/application/transitions", _does_nothing("application", "submit")),
        ("/workflows/application/transitions", _does_nothing("application", "grant")),
        (
            "/workflows/grant/transitions/0/does",
            lambda book: _flow(book, "grant")["transitions"][0].update(does="grant"),
        ),
        (
            "/workflows/dataset/transitions/2/requires",
            lambda book: _flow(book, "dataset")["transitions"][2].update(requires=["reason"]),
        ),
        (f"/workflows/dataset/states/{state('draft')}", _review),
        ("/policies/catalog/review/value", _reviewed_only),
        ("/facts/weather", _fact),
        ("/workflows/grant/transitions", _without_end),
    ],
)
def test_a_book_that_would_fail_at_work_is_refused_by_file_and_place(
    tmp_path: Path, pointer: str, change: Change
) -> None:
    book = third()
    change(book)
    with pytest.raises(ConfigError) as refused:
        load_rulebooks(written(tmp_path / "books", book), {"sharing": ID})
    found = [(Path(f.file).name, f.pointer) for f in refused.value.findings]
    assert ("third.yaml", pointer) in found
