"""The same expressions give the same answers on Spark, whose workers are processes of their own.

The log is a jumble in which every question finds something: blocks, hot tail and outbox, missing values,
names in Chinese.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta
from typing import Any

import pytest

from audit.columns.engine import Engine
from audit.questions.catalogue import QUESTIONS
from audit.questions.expressions import expression_of
from audit.questions.given import grants_table, worktime_table
from audit.questions.model import GRANTS, WORKTIME
from audit.questions.spark import SparkEngine, spark_engine
from audit.record import Record
from rules.rulebook import SHIPPED
from rules.workdays import load_calendar
from tests.audit.columns.story import make_all, small_blocks
from tests.audit.logs import Log
from tests.audit.questions.story import DAY, NOON, call, event, grant, period
from tests.tools import need

pytestmark = [pytest.mark.long, pytest.mark.takes(80)]

MASTER = "local-cluster[2,1,1024]"
_JAVA = "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC"
QUICK = {
    "spark.driver.extraJavaOptions": _JAVA,
    "spark.executor.extraJavaOptions": _JAVA,
    "spark.sql.shuffle.partitions": "2",
    "spark.sql.adaptive.enabled": "false",
    "spark.sql.codegen.wholeStage": "false",
    "spark.sql.codegen.factoryMode": "NO_CODEGEN",
}
"""A jumble of some hundred rows is not worth more."""
RECORDS = 700
PAGE = 201
MONTH = period(30)
ASKED: dict[str, dict[str, Any]] = {
    "unused_grants": {"now": NOON, "days": 20},
    "off_hours": MONTH,
    "volume_spikes": {**MONTH, "measure": "bytes", "deviations": 1.5, "least": 1},
    "new_addresses": MONTH,
    "calls_per_day": {**MONTH, "provider": "housing"},
    "top_consumers": {**MONTH, "by": "consumer"},
    "refusals_by_reason": MONTH,
    "readers_of_dataset": {**MONTH, "dataset": "307001/000001"},
    "find_records": {**MONTH, "department": "公安局"},
    "accesses_of_citizen": {**MONTH, "subject": "a" * 32},
    "orphan_intents": {**MONTH, "minutes": 5, "now": NOON},
    "searches_by_auditors": MONTH,
    "silent_periods": {**MONTH, "minutes": 60, "now": NOON},
    "totals": MONTH,
}

TABLES = {
    GRANTS: lambda: grants_table([grant(f"G-{n}") for n in (1, 2, 9)]),
    WORKTIME: lambda: worktime_table(load_calendar(SHIPPED / "calendars"), NOON - 30 * DAY, NOON),
}
"""What some questions read beside the log."""


def jumble(count: int) -> list[Record]:
    """Records of every kind that questions look at, the same every time but for their ids."""
    draw = random.Random(20260310)
    made: list[Record] = []
    intents: list[str] = []
    for _ in range(count):
        at = NOON - timedelta(milliseconds=draw.randrange(60 * 86_400_000))
        kind = draw.choice(
            ["access"] * 8 + ["access.end", "access.start", "access.intent", "heartbeat", "audit.query"]
        )
        if kind in ("heartbeat", "audit.query"):
            made.append(event(at, kind, actor="someone", department="audit", rows=draw.randrange(9)))
            continue
        made.append(
            call(
                at,
                kind,
                consumer=draw.choice(["公安局", "民政局", "housing", None]),
                client=draw.choice(["sys-1", "sys-2", "sys-3", None]),
                grant=draw.choice(["G-1", "G-2", "G-3", None]),
                dataset=draw.choice(["307001/000001", "307001/000002"]),
                decision=draw.choice(["permitted"] * 4 + ["refused", "failed", "aborted"]),
                reason=draw.choice(["grant_expired", "busy", None]),
                rows=draw.choice([None, draw.randrange(10**6)]),
                bytes=draw.randrange(10**11),
                address=draw.choice([f"10.0.0.{draw.randrange(40)}", "2001:db8::1"]),
                subject=draw.choice([None, "a" * 32, f"{'a' * 32},{'b' * 32}", "c" * 32]),
                intent=draw.choice([None, *intents[-3:]]),
            )
        )
        if kind == "access.intent" and draw.random() < 0.5:
            intents.append(made[-1].id)
    return made


FIRST = {"unused_grants", "volume_spikes", "accesses_of_citizen", "find_records"}
"""What CI asks of the cluster: windows, joins, sums and a page of records; make test-night asks the rest."""


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Log]:
    """A log whose records lie in blocks, behind them, and in the outbox."""
    with pytest.MonkeyPatch.context() as patch:
        small_blocks(patch)
        log = Log(tmp_path_factory.mktemp("spark") / "audit")
        records = jumble(RECORDS)
        log.put(records[:-50])
        log.seal()
        make_all(log)
        log.put(records[-50:-20])
        log.seal()
        log.put(records[-20:])
        yield log
        log.database.close()


@pytest.fixture(scope="module")
def duck(log: Log) -> Iterator[Engine]:
    with closing(Engine(log.folder, 256)) as engine:
        yield engine


@pytest.fixture(scope="module")
def spark(log: Log) -> Iterator[SparkEngine]:
    need("java")
    need("pyspark")
    with spark_engine(log.folder, MASTER, QUICK) as engine:
        yield engine


def test_every_question_is_asked_here() -> None:
    assert set(QUESTIONS) < set(ASKED)


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning", "ignore::FutureWarning")
@pytest.mark.parametrize(
    "question", [q if q in FIRST else pytest.param(q, marks=pytest.mark.night) for q in ASKED]
)
def test_both_engines_give_the_same_answer(question: str, log: Log, duck: Engine, spark: SparkEngine) -> None:
    needs = QUESTIONS[question].needs if question in QUESTIONS else ()
    given = {name: TABLES[name]() for name in needs}
    expression = expression_of(question, **ASKED[question]).limit(PAGE)
    schema = expression.schema().to_pyarrow()
    with log.database.read() as tx:
        ours = duck.ask(expression, tx, given=given)
        theirs = spark.ask(expression, tx, given=given)
    assert [log.blocks for log in ours.logs] == [log.blocks for log in theirs.logs] != [()]
    assert ours.rows.num_rows > 0
    assert theirs.rows.cast(schema).to_pylist() == ours.rows.cast(schema).to_pylist()
