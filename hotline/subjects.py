"""The data that a ticket is about: a dataset or a grant, found through the use cases of their packages."""

from __future__ import annotations

from catalog.datasets import find_dataset
from core.codes import code_in
from core.errors import NotFound, invalid
from core.work import SYSTEM, Work
from gateway.grants import find_grant_by_number


def check_data(work: Work, dataset: str | None, grant: str | None) -> tuple[str | None, str | None]:
    """Return the code of the dataset and the number of the grant that a ticket names.

    A grant says of itself which dataset it is for. Raises Invalid for one that is not there, or for a grant
    of another dataset.
    """
    code = code_in(dataset) if dataset else None
    if code is not None:
        try:
            find_dataset(work, code)
        except NotFound:
            raise invalid(
                "/dataset", f"没有代码为“{code}”的数据集", f"no dataset has the code {code!r}", code="unknown"
            ) from None
    if not grant:
        return code, None
    try:
        held = find_grant_by_number(work.acting_as(SYSTEM), grant)
    except NotFound:
        raise invalid(
            "/grant", f"没有编号为“{grant}”的授权", f"there is no grant {grant!r}", code="unknown"
        ) from None
    if code not in (None, held.grant.dataset_code):
        raise invalid(
            "/grant",
            f"该授权针对的是数据集 {held.grant.dataset_code}",
            f"this grant is for the dataset {held.grant.dataset_code}",
            code="other_dataset",
        )
    return held.grant.dataset_code, held.grant.number
