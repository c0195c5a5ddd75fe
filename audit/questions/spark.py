"""The same questions on Spark, for logs that outgrow one machine: the same expressions, the same blocks.

Spark reads the files of the blocks itself, so its workers must see the log's folder; the hot tail is handed
to it. It needs Java 17 and the extra `spark`.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from sqlalchemy import Connection

from audit.columns.engine import NOTHING, Answer, Given, hot_rows
from audit.columns.tail import Snapshot, take_all
from core.errors import Unavailable

LOCAL = "local[*]"
_SETTINGS = {
    "spark.sql.session.timeZone": "UTC",
    "spark.ui.enabled": "false",
    "spark.ui.showConsoleProgress": "false",
    "spark.log.level": "ERROR",
}
_HERE = {"spark.driver.host": "127.0.0.1", "spark.driver.bindAddress": "127.0.0.1"}
"""Where all of Spark runs on this machine, nobody else reaches it."""


class SparkEngine:
    """Answers questions to all logs on a Spark that is running; see `spark_engine`."""

    def __init__(self, folder: Path, session: Any, place: Path) -> None:
        """`folder` is the audit folder, `place` one of our own that the workers see."""
        import ibis

        self._folder = folder
        self._session = session
        self._place = place
        self._ibis = ibis.pyspark.connect(session)

    def ask(self, question: Any, tx: Connection | None = None, *, given: Given = NOTHING) -> Answer:
        """Answer an Ibis expression over the unbound table `records`, as `audit.columns.engine` does."""
        logs = take_all(self._folder, tx)
        whole = self._session.read.parquet(self._written("hot", hot_rows(logs)))
        for log in logs:
            if log.blocks:
                whole = whole.unionByName(self._stored(log))
        whole.createOrReplaceTempView("records")
        for name, table in given.items():
            self._session.read.parquet(self._written(name, table)).createOrReplaceTempView(name)
        return Answer(self._ibis.to_pyarrow(question), logs)

    def _stored(self, log: Snapshot) -> Any:
        """Return the rows of a log's blocks, with the name of a closed log."""
        from pyspark.sql.functions import lit

        files = [str(block.path(log.folder)) for block in log.blocks]
        return self._session.read.parquet(*files).withColumn("log", lit(log.closed).cast("string"))

    def _written(self, name: str, table: pa.Table) -> str:
        path = self._place / f"{name}.parquet"
        pq.write_table(table, path)
        return str(path)


@contextmanager
def spark_engine(
    folder: Path, master: str = LOCAL, settings: Mapping[str, str] | None = None
) -> Iterator[SparkEngine]:
    """Start Spark at `master` (``local-cluster[2,1,1024]``, ``spark://host:7077``), and stop it at the end.

    Raises Unavailable where Spark is not installed.
    """
    try:
        from pyspark.sql import SparkSession
    except ImportError as missing:
        raise Unavailable(
            "没有安装 Spark，请安装附加组件：pip install 'shuxiang[spark]'（另需 Java 17）",
            "Spark is not installed: pip install 'shuxiang[spark]', and Java 17",
        ) from missing
    builder = SparkSession.builder.appName("shuxiang audit").master(master)
    here = _HERE if master.startswith("local") else {}
    for name, value in {**_SETTINGS, **here, **(settings or {})}.items():
        builder = builder.config(name, value)
    place = Path(tempfile.mkdtemp(prefix="spark-", dir=folder / "columns"))
    try:
        session = builder.getOrCreate()
        try:
            yield SparkEngine(folder, session, place)
        finally:
            session.stop()  # its processes make a noise otherwise
    finally:
        shutil.rmtree(place, ignore_errors=True)
