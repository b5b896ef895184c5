"""Puts faults of the file system in the way of a run: into calls of ``os`` on paths below one directory, and into what
is read and written through files there. Each public function is a rig, see ``tests.nursery.Rig``.
"""

from __future__ import annotations

import builtins
import errno
import io
import os
import re
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal
from unittest.mock import patch

import stores.localfs_errors

Call = Literal["open", "read", "write", "fsync", "replace", "mkdir", "rmdir", "unlink", "stat", "scandir"]
"""``open`` is also what is opened to be read."""

FOR_EVER = 1 << 30
DOCUMENTS = r"^(?!.*/restow_probe)"
"""Paths of documents and their folders, not those of a run's probe."""
KILLED = 137


@dataclass
class Rule:
    """From the ``first`` matching call on, ``times`` calls end in ``befall``, which may raise."""

    directory: str
    call: str
    only: re.Pattern[str]
    """Searched for in the path of the file or folder."""
    first: int
    times: int
    befall: Callable[[], None]
    count: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def meet(self, call: str, what: object) -> None:
        if call != self.call:
            return
        path = _path(what)
        if path is None or not Path(path).is_relative_to(self.directory) or not self.only.search(path):
            return
        with self.lock:
            self.count += 1
            meant = self.first <= self.count < self.first + self.times
        if meant:
            self.befall()


def fail(
    directory: str,
    call: Call,
    error: str,
    only: str = "",
    first: int = 1,
    times: int = FOR_EVER,
    retry_seconds: float | None = None,
) -> None:
    """Let calls fail with an error, such as ``ENOSPC``; ``retry_seconds`` in place of the store's own patience."""
    number = getattr(errno, error)

    def befall() -> None:
        raise OSError(number, os.strerror(number))

    if retry_seconds is not None:
        patch.object(stores.localfs_errors, "RETRY_SECONDS", retry_seconds).start()
    _install(Rule(directory, call, re.compile(only), first, times, befall))


def deny(directory: str) -> None:
    """Let nothing be changed below a directory, which is another user's."""
    real = os.access

    def access(path: Any, mode: int, **named: Any) -> bool:
        return not (mode & os.W_OK and Path(path).is_relative_to(directory)) and real(path, mode, **named)

    patch.object(os, "access", access).start()
    for call in ("mkdir", "unlink", "rmdir"):
        fail(directory, call, "EACCES")


def unmount(directory: str, call: Call, first: int, only: str = DOCUMENTS) -> None:
    """Let the volume go: right before that call another, empty directory stands there, the volume beside it."""

    def befall() -> None:
        os.rename(directory, f"{directory}.volume")  # noqa: PTH104 - as below
        os.mkdir(directory)  # noqa: PTH102 - not by way of what is patched

    _install(Rule(directory, call, re.compile(only), first, 1, befall))


def die(directory: str, call: Call, first: int, only: str = DOCUMENTS) -> None:
    """Die right before that call."""
    _install(Rule(directory, call, re.compile(only), first, 1, lambda: os._exit(KILLED)))


def end() -> None:
    """Take everything out again, where a test has called a rig in its own process."""
    patch.stopall()
    _rules.clear()


_rules: list[Rule] = []


def _install(rule: Rule) -> None:
    _rules.append(rule)
    if len(_rules) > 1:
        return
    for name in ("open", "fsync", "replace", "mkdir", "rmdir", "unlink", "stat", "scandir"):
        patch.object(os, name, _watched(name, getattr(os, name))).start()
    opened = _opened(builtins.open)
    patch.object(builtins, "open", opened).start()
    patch.object(io, "open", opened).start()


def _meet(call: str, what: object) -> None:
    for rule in _rules:
        rule.meet(call, what)


def _watched(name: str, original: Callable[..., Any]) -> Callable[..., Any]:
    def call(*asked: Any, **named: Any) -> Any:
        _meet(name, asked[0] if asked else None)
        return original(*asked, **named)

    return call


def _opened(original: Callable[..., Any]) -> Callable[..., Any]:
    def opened(file: Any, mode: str = "r", *rest: Any, **named: Any) -> Any:
        path = _path(file)
        if mode not in {"rb", "wb"} or not any(Path(path or "").is_relative_to(rule.directory) for rule in _rules):
            return original(file, mode, *rest, **named)
        if not isinstance(file, int):
            _meet("open", file)
        raw = _Raw(file, mode, closefd=named.get("closefd", True))
        return io.BufferedWriter(raw) if mode == "wb" else io.BufferedReader(raw)

    return opened


class _Raw(io.FileIO):
    def __init__(self, file: Any, mode: str, *, closefd: bool) -> None:
        super().__init__(file, mode, closefd)
        self._path = _path(file)

    def write(self, data: Any) -> int:  # type: ignore[explicit-override]  # typing.override is not in Python 3.11
        _meet("write", self._path)
        return super().write(data)

    def readinto(self, buffer: Any) -> int:  # type: ignore[explicit-override]  # as above
        _meet("read", self._path)
        return super().readinto(buffer)

    def readall(self) -> bytes:  # type: ignore[explicit-override]  # as above
        _meet("read", self._path)
        return super().readall()


def _path(what: object) -> str | None:
    """Return the path that a call is about, given by name or as an open file."""
    match what:
        case int():
            return os.readlink(f"/proc/self/fd/{what}")  # noqa: PTH115 - text, as it stands there
        case str() | os.PathLike():
            return os.fspath(what)
        case _:
            return None
