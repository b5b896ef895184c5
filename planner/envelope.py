"""How far the inventory may drift between review and window. Pure."""

from __future__ import annotations

from schemas.plan import Counts, Envelope


def departures(planned: Counts, now: Counts, envelope: Envelope, *, switched_before: bool = False) -> tuple[str, ...]:
    """Return a sentence for each total that grew or shrank by more than the plan approved; empty when none did.

    ``switched_before``: the plan has moved documents already, which may take more or fewer bytes since; only their
    number can still be compared.
    """
    documents = _drift(
        "documents", planned.documents, now.documents, envelope.documents_percent, envelope.documents_floor
    )
    if switched_before:
        return documents
    return documents + _drift("bytes", planned.bytes, now.bytes, envelope.bytes_percent, envelope.bytes_floor)


def limit(planned: int, percent: int, floor: int) -> int:
    """Return by how much a total may differ: the larger of the percentage and the floor."""
    return max(planned * percent // 100, floor)


def _drift(what: str, planned: int, now: int, percent: int, floor: int) -> tuple[str, ...]:
    allowed = limit(planned, percent, floor)
    if abs(now - planned) <= allowed:
        return ()
    said = (
        f"{what}: {planned} planned, {now} now ({now - planned:+}); "
        f"the plan approves ±{allowed} (the larger of {percent} % and {floor})"
    )
    return (said,)
