"""A sixth place, in words and numbers of its own, runs from intake to archive without a line of Python."""

from __future__ import annotations

import random
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from core.errors import ConfigError, Conflict, Invalid, NotPermitted
from hotline import store
from hotline.model import Held
from hotline.present import ticket_row, ticket_view
from rules.rulebook import SHIPPED, load_rulebooks
from schemas import validate
from tests.cast import dora, hans, hugo, otto, sven
from tests.conftest import World
from tests.hotline.conftest import make_city
from tests.hotline.kit import acted, taken
from tests.hotline.places.steps import at, due, supervised, swept, timed
from tests.hotline.places.walks import Walks
from tests.stories import offered

BOOK = Path(__file__).parent / "sixth.yaml"
ID = "hotline/sixth"


def shelf_with(folder: Path, text: str) -> Path:
    """Return a folder with the calendars, a city's rules on sharing, and a book of this text."""
    shutil.copytree(SHIPPED / "calendars", folder / "calendars")
    for domain in ("sharing", "hotline"):
        (folder / domain).mkdir()
    shutil.copy(SHIPPED / "sharing" / "qianjiang.yaml", folder / "sharing")
    (folder / "hotline" / "sixth.yaml").write_text(text, encoding="utf-8")
    return folder


@pytest.fixture
def sixth(tmp_path: Path, template_database: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    """The hotline of a place that is not among the shipped ones."""
    monkeypatch.setattr("cases.books.SHIPPED", shelf_with(tmp_path / "books", BOOK.read_text("utf-8")))
    made = make_city(tmp_path, template_database, "sixth")
    yield made
    made.database.close()


def new(world: World, colour: str = "amber", **draft: Any) -> Held:
    """Take something in."""
    facts = {"colour": colour, "quarter": "east"}
    return taken(world, channel="post_horn", facts=facts, **draft).held


def sent(world: World, colour: str = "amber", **fields: Any) -> Held:
    """Take something in, post it and let the unit pick it up."""
    held = acted(world, dora, new(world, colour), "post", unit="housing", **fields)
    return acted(world, hans, held, "pick_up")


def rated(world: World, held: Held, satisfaction: str) -> Held:
    """The unit hands in and the caller is asked."""
    held = acted(world, hans, held, "hand_in", reply="灯已换")
    return acted(world, otto, held, "ask", satisfaction=satisfaction)


def test_what_comes_in_goes_from_the_basket_to_the_drawer(sixth: World) -> None:
    at(sixth, "2026-02-13T16:40")
    held = new(sixth, "red")
    assert held.ticket.number.startswith("Z")
    assert due(sixth, held, "dispatch") == "2026-02-13 18:40:00"
    held = acted(sixth, dora, held, "post", unit="housing", co_units=["police"])
    assert (due(sixth, held, "sign_in"), due(sixth, held, "contact"), due(sixth, held, "handle")) == (
        "2026-02-14 09:10:00",
        "2026-02-13 21:40:00",
        "2026-02-24 23:59:59",
    )
    held = acted(sixth, hans, held, "ring")
    at(sixth, "2026-02-24T23:59:59")
    held = rated(sixth, held, "so_so")
    held = acted(sixth, otto, held, "shelve")
    assert (held.case.state, held.ticket.satisfied, held.ticket.handlings) == ("drawer", True, 1)
    assert held.case.closed_at == sixth.now
    with sixth.read(otto) as work:
        assert all(row.stopped_at is not None for row in store.clocks_of(work.tx, held.ticket.id))
        validate("response/ticket", ticket_view(work, held))
        validate("response/ticket_row", ticket_row(work, held))


@pytest.mark.parametrize(
    ("colour", "limit"),
    [
        ("black", "2026-09-30 17:00:00"),
        ("red", "2026-10-09 23:59:59"),
        ("amber", "2026-10-16 23:59:59"),
        ("green", "2026-10-20 23:59:59"),
    ],
)
def test_four_colours_have_four_limits_over_national_day(sixth: World, colour: str, limit: str) -> None:
    at(sixth, "2026-09-30T11:00")
    assert due(sixth, sent(sixth, colour), "handle") == limit


def test_both_dimensions_are_known_before_anything_is_posted(sixth: World) -> None:
    held = taken(sixth, channel="post_horn").held
    with pytest.raises(Invalid) as refused:
        acted(sixth, dora, held, "post", unit="housing")
    assert [e.pointer for e in refused.value.errors] == ["/colour", "/quarter"]


def test_twice_three_working_days_and_the_second_time_the_chief_signs(sixth: World) -> None:
    at(sixth, "2026-09-21T09:00")
    held = sent(sixth)
    assert due(sixth, held, "handle") == "2026-10-09 23:59:59"
    at(sixth, "2026-10-09T23:59:59")
    held = acted(sixth, hans, held, "ask_more", reason="等料")
    with pytest.raises(NotPermitted):
        acted(sixth, dora, held, "give_more")
    held = acted(sixth, sven, held, "give_more")
    assert due(sixth, held, "handle") == "2026-10-13 23:59:59"  # by a Saturday on which people work
    with pytest.raises(Invalid):
        acted(sixth, hans, held, "ask_more", reason="还等")
    held = acted(sixth, hans, held, "ask_more", reason="还等", chief_signature="赵")
    held = acted(sixth, sven, held, "give_more")
    assert due(sixth, held, "handle") == "2026-10-16 23:59:59"
    with pytest.raises(Conflict):
        acted(sixth, hans, held, "ask_more", reason="再等", chief_signature="赵")


def test_a_second_late_is_too_late_to_ask_for_more(sixth: World) -> None:
    at(sixth, "2026-09-21T09:00")
    held = sent(sixth)
    at(sixth, "2026-10-10T00:00:00")
    with pytest.raises(Conflict):
        acted(sixth, hans, held, "ask_more", reason="等料")
    with pytest.raises(Invalid):
        acted(sixth, hans, held, "hand_in", reply="灯已换")
    assert (
        acted(sixth, hans, held, "hand_in", reply="灯已换", overdue_reason="缺料").case.state == "handed_in"
    )


def test_three_handlings_in_vain_are_looked_into(sixth: World) -> None:
    held = sent(sixth)
    for handlings in (2, 3):
        held = rated(sixth, held, "not_well")
        with pytest.raises(Conflict):
            acted(sixth, dora, held, "look_into", reason="三办不满")
        held = acted(sixth, dora, held, "once_more", reason="未修好")
        assert held.ticket.handlings == handlings
    held = rated(sixth, held, "not_well")
    with pytest.raises(Conflict):
        acted(sixth, dora, held, "once_more", reason="未修好")
    held = acted(sixth, dora, held, "look_into", reason="三办不满")
    assert held.case.state == "shelf"
    assert supervised(sixth, sven) == ["inquest"]


def test_what_is_black_and_late_begins_an_inquest_once(sixth: World) -> None:
    at(sixth, "2026-02-16T20:00")
    held = sent(sixth, "black")
    at(sixth, "2026-02-17T02:00:00")
    swept(sixth)
    assert supervised(sixth, sven) == []
    at(sixth, "2026-02-17T02:00:01")
    swept(sixth)
    swept(sixth)
    assert supervised(sixth, sven) == ["inquest"]
    assert timed(sixth, held)["handle"].breached


def test_what_is_pushed_back_goes_to_another_unit_or_stays(sixth: World) -> None:
    at(sixth, "2026-02-10T10:00")
    held = acted(sixth, hans, sent(sixth), "push", reason="不归我管")
    at(sixth, "2026-02-11T10:00")
    held = acted(sixth, dora, held, "deny", reason="归你管")
    assert due(sixth, held, "handle") == "2026-02-27 23:59:59"
    held = acted(sixth, dora, acted(sixth, hans, held, "push", reason="真不归"), "agree")
    held = acted(sixth, dora, held, "post", unit="police")
    assert due(sixth, held, "handle") == "2026-02-28 23:59:59"
    assert acted(sixth, hugo, held, "pick_up").case.state == "bench"


def test_the_law_s_own_limit_holds_until_it_is_done_once_more(sixth: World) -> None:
    at(sixth, "2026-02-10T10:00")
    said = {"statutory_due": "2026-04-30T17:00:00+08:00", "basis": "某法"}
    held = acted(sixth, dora, sent(sixth, "red"), "name_law", **said)
    assert due(sixth, held, "handle") == "2026-04-30 17:00:00"
    held = acted(sixth, dora, rated(sixth, held, "not_well"), "once_more", reason="未修好")
    assert due(sixth, held, "handle") == "2026-02-12 23:59:59"


def test_every_step_of_it_is_taken_from_every_state_that_it_leaves(sixth: World) -> None:
    walks = Walks(sixth, random.Random(6), offered(sixth, "divisions"))
    walks.go(150)
    assert [walks.told(step) for step in walks.missing()] == []


# --- what is wrong with a book is said before it runs ---------------------------------------------

Document = dict[str, Any]


def read(text: str) -> Document:
    """Return a book as it stands in its file."""
    found: Document = yaml.load(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    return found


def flow(document: Document) -> Document:
    found: Document = document["workflows"]["ticket"]
    return found


def step(document: Document, action: str) -> Document:
    found: Document = next(t for t in flow(document)["transitions"] if t["action"] == action)
    return found


def clock(document: Document, name: str) -> Document:
    found: Document = next(c for c in document["clocks"] if c["name"] == name)
    return found


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        (lambda d: d.pop("clocks"), ""),
        (lambda d: d.update(id="hotline/seventh"), "/id"),
        (lambda d: step(d, "post").update(cite="nothing"), "/workflows/ticket/transitions/2/cite"),
        (lambda d: step(d, "pick_up").update(to="nowhere"), "/workflows/ticket/transitions/3/to"),
        (lambda d: step(d, "push").update(roles=["king"]), "/workflows/ticket/transitions/5/roles"),
        (lambda d: step(d, "ask").update(requires=[]), "/workflows/ticket/transitions/15/requires"),
        (
            lambda d: flow(d)["states"]["basket"].update(flags=["handling"]),
            "/workflows/ticket/states/basket/flags",
        ),
        (lambda d: step(d, "shelve").update(does="burn"), "/workflows/ticket/transitions/20/does"),
        (lambda d: clock(d, "contact").update(lasts="5 hours"), "/clocks/2/lasts"),
        (lambda d: clock(d, "handle")["when"].update(colour="red"), "/clocks/4"),
        (lambda d: clock(d, "handle").pop("workflow"), "/clocks/4"),
        (lambda d: d["clocks"].pop(5), "/clocks/4/when"),
        (
            lambda d: d["policies"]["extension"]["max_count"].update(value=3),
            "/policies/extension/max_count/value",
        ),
        (lambda d: d["policies"]["withdraw"].update(value=None), "/policies/withdraw/value"),
        (lambda d: d["policies"].pop("staff"), "/policies"),
        (lambda d: d["fields"]["reply"].pop("sealed"), "/fields/reply/sealed"),
        (lambda d: d["events"].pop("rung"), "/workflows/ticket/transitions/4/emits"),
    ],
)
def test_a_broken_book_is_refused_with_its_file_and_the_place_in_it(
    change: Callable[[Document], object], pointer: str, tmp_path: Path
) -> None:
    document = read(BOOK.read_text("utf-8"))
    change(document)
    shelf = shelf_with(tmp_path / "books", yaml.safe_dump(document, allow_unicode=True))
    with pytest.raises(ConfigError) as refused:
        load_rulebooks(shelf, {"hotline": ID})
    findings = refused.value.findings
    assert {Path(f.file).name for f in findings} == {"sixth.yaml"}
    assert any(f.pointer.startswith(pointer) for f in findings), [f.pointer for f in findings]
    assert all(f.message.zh and f.message.en for f in findings)


def test_a_book_that_is_no_yaml_is_refused_by_its_file(tmp_path: Path) -> None:
    shelf = shelf_with(tmp_path / "books", "id: [hotline/sixth\n")
    with pytest.raises(ConfigError) as refused:
        load_rulebooks(shelf, {"hotline": ID})
    assert {Path(f.file).name for f in refused.value.findings} == {"sixth.yaml:2"}


def test_the_sixth_place_shares_no_word_with_the_others() -> None:
    """No step and no state but those that events are named after is called as anywhere else."""
    own = flow(read(BOOK.read_text("utf-8")))
    for path in sorted((SHIPPED / "hotline").glob("*.yaml")):
        other = flow(read(path.read_text("utf-8")))
        assert not own["states"].keys() & other["states"].keys()
        assert not {t["action"] for t in own["transitions"]} & {t["action"] for t in other["transitions"]}
