"""What went wrong with one document in a run."""

from __future__ import annotations

from dataclasses import dataclass

from stores.interface import DocumentName, Reason, Row


@dataclass(frozen=True, slots=True)
class Failure:
    row: Row
    """The document's row as it was when its payload was looked at."""
    reason: Reason
    detail: str

    @property
    def name(self) -> DocumentName:
        return self.row.name

    @property
    def finding(self) -> str | None:
        """The code under which a plan made with ``--deep`` tells the same; None where there is none to accept."""
        match self.reason:
            case Reason.MISSING:
                return "payload-missing"
            case Reason.CORRUPT:
                return "payload-corrupt"
            case Reason.REFUSED | Reason.UNAVAILABLE | Reason.NOT_STORED:
                return None
