"""What imports keep sealed, under a new key of the platform: only the keys are wrapped anew."""

from __future__ import annotations

from core.envelope import rewrap, rewrap_envelope
from core.work import Work
from hotline.imports import store


def rewrap_imports(work: Work, after: str) -> tuple[int, str | None]:
    """Wrap what the import behind `after` keeps sealed by the platform's newest key: table, pieces, faults.

    Returns how much was written anew, and the import looked at: None when there is none left.
    """
    import_id = store.import_after(work.tx, after)
    if import_id is None:
        return 0, None
    written = 0
    file = store.file_of(work.tx, import_id)
    if file is not None and (again := rewrap_envelope(work.settings, file[0])) != file[0]:
        store.set_envelope(work.tx, import_id, again)
        written += 1
    for key, sealed in store.sealed_of(work.tx, import_id):
        again = rewrap(work.settings, sealed)
        if again != sealed:
            store.set_sealed(work.tx, import_id, key, again)
            written += 1
    return written, import_id
