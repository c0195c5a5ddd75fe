"""What readers of a block pass rows over by: the statistics and the filters of its row groups.

Whoever asks for a value reads no group whose least and greatest value, number of nulls or filter say that it
lacks it. So a group whose footer lies hides its rows, right as they are. What a footer may say the rows give,
and so it is checked: made again from the rows, whatever version of Arrow made the block.
"""

from __future__ import annotations

import io
from typing import BinaryIO

import pyarrow as pa
import pyarrow.parquet as pq

GROUP = 32_768
"""Rows of a row group: what one thread reads at a time, and what a look-up by id reads."""
MANY = ("case", "ticket", "trace", "subject", "actor", "address")
FEW = ("grant", "client", "dataset", "operation", "consumer", "provider", "department", "kind", "reason")
FILTERS = {
    **{name: {"ndv": GROUP, "fpp": 0.01} for name in MANY},
    **{name: {"ndv": 2_048, "fpp": 0.01} for name in FEW},
}
"""Filters that tell from a few bytes that a row group does not hold a value (Parquet, split block)."""


def passes_over_rightly(file: BinaryIO, said: pq.RowGroupMetaData, rows: pa.Table) -> bool:
    """Tell whether statistics and filters of a row group in a file are those that its rows give."""
    made = io.BytesIO()
    with pq.ParquetWriter(made, rows.schema, **_OPTIONS) as writer:
        writer.write_table(rows, row_group_size=max(1, rows.num_rows))
    if said.num_rows == rows.num_rows == 0:
        return True
    due = pq.read_metadata(made).row_group(0)
    columns = [(said.column(i), due.column(i)) for i in range(due.num_columns)]
    return said.num_rows == due.num_rows and all(
        _summary(one) == _summary(other) and _filter(file, one) == _filter(made, other)
        for one, other in columns
    )


def _summary(column: pq.ColumnChunkMetaData) -> object:
    """Return what the footer says of a column's values, and of an index of its pages: there is none."""
    found = column.statistics
    known = None if found is None else (found.has_min_max, found.min_raw, found.max_raw, found.null_count)
    return column.num_values, known, column.has_column_index, column.bloom_filter_length


def _filter(file: BinaryIO | io.BytesIO, column: pq.ColumnChunkMetaData) -> bytes | None:
    if column.bloom_filter_offset is None:
        return None
    file.seek(column.bloom_filter_offset)
    return file.read(column.bloom_filter_length or 0)


_OPTIONS = {"compression": "none", "use_dictionary": False, "bloom_filter_options": FILTERS}
