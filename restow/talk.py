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


class Talk:
    """Thread-safe. A closed or full stderr is no reason to stop a migration, so failing to speak is ignored."""

    def __init__(self, log_format: LogFormat = LogFormat.TEXT, *, verbose: bool = False) -> None:
        self._format = log_format
        self._verbose = verbose
        self._turn = threading.Lock()

    def say(self, text: str, *, level: str = "info") -> None:
        self._line(text, level)

    def detail(self, text: str) -> None:
        """Say it only with ``--verbose``."""
        if self._verbose:
            self._line(text, "debug")

    def error(self, text: str, hint: str = "") -> None:
        self._line(f"error: {text}" if self._format is LogFormat.TEXT else text, "error")
        if hint:
            self._line(f"next:  {hint}" if self._format is LogFormat.TEXT else hint, "hint")

    def _line(self, text: str, level: str) -> None:
        if self._format is LogFormat.JSON:
            now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
            text = json.dumps({"time": now, "level": level, "message": text}, ensure_ascii=False)
        else:
            # Names are other people's: none may steer the terminal.
            text = "\n".join(visible(line) for line in text.split("\n"))
        with self._turn:
            try:
                print(text, file=sys.stderr, flush=True)
            except (OSError, ValueError):
                return
