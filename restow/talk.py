"""What goes to stderr: one line a message, as text or as JSON. stdout belongs to the product."""

from __future__ import annotations

import json
import sys
import threading
from datetime import UTC, datetime
from enum import StrEnum

from planner.visible import visible


class LogFormat(StrEnum):
    TEXT = "text"
    JSON = "json"


BEFORE = {"error": "error: ", "hint": "next:  "}
"""What stands before the text of such a message, where it is not JSON."""


class Talk:
    """Thread-safe. A closed or full stderr is no reason to stop a migration, so failing to speak is ignored."""

    def __init__(self, log_format: LogFormat = LogFormat.TEXT, *, verbose: bool = False) -> None:
        self._format = log_format
        self._verbose = verbose
        self._turn = threading.Lock()

    def say(self, text: str, *, level: str = "info") -> None:
        self._write(self.line(text, level))

    def detail(self, text: str) -> None:
        """Say it only with ``--verbose``."""
        if self._verbose:
            self._write(self.line(text, "debug"))

    def error(self, text: str, hint: str = "") -> None:
        self._write(self.line(text, "error"))
        if hint:
            self._write(self.line(hint, "hint"))

    def line(self, text: str, level: str) -> str:
        """Return the line, or lines, that a message is, without the last newline."""
        if self._format is LogFormat.JSON:
            now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
            return json.dumps({"time": now, "level": level, "message": text}, ensure_ascii=False)
        # Names are other people's: none may steer the terminal.
        return "\n".join(visible(line) for line in f"{BEFORE.get(level, '')}{text}".split("\n"))

    def _write(self, line: str) -> None:
        with self._turn:
            try:
                print(line, file=sys.stderr, flush=True)
            except (OSError, ValueError):
                return
