"""What the stages tell while they work. The mouth decides how it looks; a test may listen."""

from __future__ import annotations

from typing import Protocol


class Progress(Protocol):
    """Thread-safe."""

    def begin(self, what: str, *, documents: int, size: int) -> None:
        """Start a new piece of work of so many documents and bytes; it ends the one before."""

    def advance(self, documents: int, size: int) -> None: ...

    def note(self, text: str) -> None:
        """Say one line that stays."""
