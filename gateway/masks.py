"""Cut a provider's JSON down to what the grant names. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import orjson

from gateway.objections import ANSWER_NOT_RECORDS, Refused


class Masked(NamedTuple):
    """A body that holds granted fields only, and how many records are in it."""

    body: bytes
    rows: int


def mask_json(raw: bytes, pointer: str, fields: Sequence[str], limit: int | None) -> Masked:
    """Keep the granted `fields` of the records at `pointer` (RFC 6901), at most `limit` of them.

    Whatever lies beside the records is dropped, as is every field that nobody declared. Raises Refused when
    the answer is not JSON, holds no record or list of records there, or is nested hundreds of levels deep.
    """
    try:
        document = orjson.loads(raw)
    except orjson.JSONDecodeError as wrong:
        raise Refused(ANSWER_NOT_RECORDS) from wrong
    path = [part.replace("~1", "/").replace("~0", "~") for part in pointer.split("/")[1:]]
    for part in path:
        if not isinstance(document, dict) or part not in document:
            raise Refused(ANSWER_NOT_RECORDS)
        document = document[part]
    kept, rows = _records(document, fields, limit)
    for part in reversed(path):
        kept = {part: kept}
    try:
        return Masked(orjson.dumps(kept), rows)
    except orjson.JSONEncodeError as wrong:  # nested more deeply than is written, though it could be read
        raise Refused(ANSWER_NOT_RECORDS) from wrong


def _records(found: Any, fields: Sequence[str], limit: int | None) -> tuple[Any, int]:
    if isinstance(found, dict):
        if limit == 0:
            raise Refused(ANSWER_NOT_RECORDS)
        return _record(found, fields), 1
    if not isinstance(found, list):
        raise Refused(ANSWER_NOT_RECORDS)
    kept = [_record(record, fields) for record in found[:limit]]
    return kept, len(kept)


def _record(record: Any, fields: Sequence[str]) -> dict[str, Any]:
    if not isinstance(record, dict):
        raise Refused(ANSWER_NOT_RECORDS)
    return {name: record[name] for name in fields if name in record}
