"""How progress looks: a bar on a terminal, a plain line every few seconds elsewhere, both with rate and time left."""

from __future__ import annotations

import contextlib
import io
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from types import TracebackType
from typing import TYPE_CHECKING, Protocol, Self, TextIO, cast

from executor.progress import Progress
from planner.visible import visible
from planner.words import size as size_text
from restow.talk import Talk

if TYPE_CHECKING:
    from rich.progress import TaskID

LINE_SECONDS = 5.0


class View(Progress, Protocol):
    def aside(self) -> AbstractContextManager[None]:
        """Leave the screen to others for the block."""


class Quiet:
    """``--no-progress``: notes only."""

    def __init__(self, talk: Talk) -> None:
        self._talk = talk

    def begin(self, what: str, *, documents: int, size: int) -> None:
        self._talk.detail(_beginning(what, documents, size))

    def advance(self, documents: int, size: int) -> None:
        pass

    def note(self, text: str) -> None:
        self._talk.say(text)

    def aside(self) -> AbstractContextManager[None]:
        return contextlib.nullcontext()


class Lines:
    """One line when a piece of work begins, one every few seconds, one when it ends."""

    def __init__(self, talk: Talk, clock: Callable[[], float] = time.monotonic) -> None:
        self._talk = talk
        self._clock = clock
        self._turn = threading.Lock()
        self._what = ""
        self._total = (0, 0)
        self._done = (0, 0)
        self._began = self._last = clock()

    def begin(self, what: str, *, documents: int, size: int) -> None:
        with self._turn:
            self._finish()
            self._what, self._total, self._done = what, (documents, size), (0, 0)
            self._began = self._last = self._clock()
            self._talk.say(_beginning(what, documents, size))

    def advance(self, documents: int, size: int) -> None:
        with self._turn:
            self._done = (self._done[0] + documents, self._done[1] + size)
            now = self._clock()
            if now - self._last >= LINE_SECONDS:
                self._last = now
                self._talk.say(self._state(now))

    def note(self, text: str) -> None:
        self._talk.say(text)

    def aside(self) -> AbstractContextManager[None]:
        return contextlib.nullcontext()

    def close(self) -> None:
        with self._turn:
            self._finish()

    def _finish(self) -> None:
        if self._done[0]:
            self._talk.say(self._state(self._clock()))
        self._what, self._done = "", (0, 0)

    def _state(self, now: float) -> str:
        seconds = max(now - self._began, 0.001)
        documents, size = self._done
        rate = f"{documents / seconds:,.0f} documents/s, {size_text(round(size / seconds))}/s"
        if not self._total[0]:
            return f"{self._what}: {documents:,} documents, {size_text(size)}, {rate}"
        left = max(self._total[0] - documents, 0) * seconds / documents if documents else 0.0
        of = f"{documents:,} of {self._total[0]:,} documents, {size_text(size)} of {size_text(self._total[1])}"
        return f"{self._what}: {of}, {rate}, {human_seconds(left)} left"


def _beginning(what: str, documents: int, size: int) -> str:
    return f"{what}: {documents:,} documents, {size_text(size)}" if documents else what


class Unfailing(io.TextIOBase):
    """A terminal that may go away: what cannot be shown is no reason to stop a migration."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def isatty(self) -> bool:  # type: ignore[explicit-override]  # typing.override is not in Python 3.11
        return self._stream.isatty()

    def write(self, text: str) -> int:  # type: ignore[explicit-override]  # typing.override is not in Python 3.11
        with contextlib.suppress(OSError, ValueError):
            self._stream.write(text)
        return len(text)

    def flush(self) -> None:  # type: ignore[explicit-override]  # typing.override is not in Python 3.11
        with contextlib.suppress(OSError, ValueError):
            self._stream.flush()


class Bar:
    """A live bar on stderr, drawn by rich."""

    def __init__(self, talk: Talk) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
        from rich.progress import Progress as RichProgress

        self._talk = talk
        self._bar = RichProgress(
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[size]}"),
            TimeRemainingColumn(),
            console=Console(file=cast("TextIO", Unfailing(sys.stderr))),
            transient=True,
            # What others say would be taken for markup, and a question for a line that is not whole yet.
            redirect_stdout=False,
            redirect_stderr=False,
        )
        self._task: TaskID | None = None
        self._size = 0
        self._began = time.monotonic()

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.stop()

    def begin(self, what: str, *, documents: int, size: int) -> None:
        if self._task is not None:
            self._bar.remove_task(self._task)
        self._size, self._began = 0, time.monotonic()
        self._task = self._bar.add_task(what, total=documents or None, size=size_text(size))

    def advance(self, documents: int, size: int) -> None:
        if self._task is None:
            return
        self._size += size
        rate = self._size / max(time.monotonic() - self._began, 0.001)
        self._bar.update(self._task, advance=documents, size=f"{size_text(self._size)} at {size_text(round(rate))}/s")

    def note(self, text: str) -> None:
        self._bar.console.print(visible(text), markup=False, highlight=False)

    @contextlib.contextmanager
    def aside(self) -> Iterator[None]:
        self._bar.stop()
        try:
            yield
        finally:
            self._bar.start()


@contextlib.contextmanager
def progress_view(talk: Talk, *, wanted: bool, lines: bool) -> Iterator[View]:
    """Choose by what stderr is: a bar on a terminal unless ``lines`` are wanted (JSON), else lines."""
    if not wanted:
        yield Quiet(talk)
    elif sys.stderr.isatty() and not lines:
        with Bar(talk) as bar:
            yield bar
    else:
        view = Lines(talk)
        try:
            yield view
        finally:
            view.close()


def human_seconds(seconds: float) -> str:
    """Return a duration as ``42s``, ``3m 05s`` or ``2h 10m``."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole}s"
    if whole < 3600:
        return f"{whole // 60}m {whole % 60:02}s"
    return f"{whole // 3600}h {whole % 3600 // 60:02}m"
