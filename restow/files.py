"""Files that the commands write: whole or not at all, and private where they may hold names or secrets."""

from __future__ import annotations

import os
import stat
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Self, TextIO

from planner.visible import visible
from schemas.errors import UsageError

PRIVATE = 0o600

LISTED_IN_MEMORY = 8 << 20
LISTED_AT_ONCE = 1 << 20
"""Characters."""


def write_file(path: Path, text: str, *, mode: int | None = None) -> None:
    """Put ``text`` under ``path``: temporary name in the same folder, fsync, rename.

    ``mode`` None: what the process's umask gives a new file. Raises UsageError when the path cannot be written.
    """
    _refuse_what_is_no_file(path)
    try:
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=".restow-")
        try:
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
            Path(temporary).chmod(_umasked() if mode is None else mode)
            Path(temporary).replace(path)
        except BaseException:
            Path(temporary).unlink(missing_ok=True)
            raise
    except OSError as error:
        raise UsageError(
            f"cannot write {path}: {error.strerror}", hint="name a path in a folder that can be written"
        ) from error


def print_product(text: str) -> None:
    """Write the product to stdout. Raises UsageError when it cannot be written.

    A reader that has gone, as ``head`` does, is no failure of the command: its exit code stays what it is.
    """
    error = put_out(text)
    if error is not None and not isinstance(error, BrokenPipeError):
        raise UsageError(f"cannot write to stdout: {error.strerror}", hint="send it where there is room for it")


class Listing:
    """Lines for stdout that may be too many for memory: kept in a temporary file, and printed at once."""

    def __init__(self) -> None:
        self._file = tempfile.SpooledTemporaryFile(LISTED_IN_MEMORY, "w+", encoding="utf-8")  # noqa: SIM115 - __exit__

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def add(self, line: str) -> None:
        """Raises UsageError when there is no room."""
        try:
            self._file.write(f"{visible(line)}\n")
        except OSError as error:
            said = f"what is to be listed cannot be kept in {tempfile.gettempdir()}: {error.strerror}"
            raise UsageError(said, hint="set TMPDIR to a directory that has room") from error

    def print(self) -> None:
        """Raises UsageError as ``print_product`` does."""
        self._file.seek(0)
        while part := self._file.read(LISTED_AT_ONCE):
            print_product(part)


def put_out(text: str) -> OSError | None:
    """Write to stdout, as UTF-8 whatever the locale says; return what kept it from being written."""
    try:
        sys.stdout.buffer.write(text.encode())
        sys.stdout.buffer.flush()
    except OSError as error:
        let_go(sys.stdout)
        return error
    return None


def let_go(stream: TextIO) -> None:
    """Write what a standard stream still holds, or else forget it: Python would fail for it when it exits."""
    try:
        stream.flush()
    except OSError:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())
        os.close(nowhere)


def open_standard_streams() -> None:
    """Fill the places of standard streams that the program was started without, as by ``>&-``.

    The next file or connection would get the number, and what is meant for the stream with it. Reading finds the end,
    and writing fails as it would have.
    """
    for number in (0, 1, 2):
        try:
            os.fstat(number)
        except OSError:
            # The lowest number that is free, which is this one.
            os.open(os.devnull, os.O_RDONLY)
    # Python has None for what was closed when it started, and print takes that for stdout.
    sys.stdin = sys.stdin or open(0, encoding="utf-8", closefd=False)  # noqa: SIM115
    sys.stdout = sys.stdout or open(1, "w", encoding="utf-8", closefd=False)  # noqa: SIM115
    sys.stderr = sys.stderr or open(2, "w", encoding="utf-8", closefd=False)  # noqa: SIM115


def require_writable(path: Path) -> None:
    """Raise UsageError when ``path`` could not be written, before anything is done that should be told in it."""
    if not path.parent.is_dir() or not os.access(path.parent, os.W_OK):
        raise UsageError(f"cannot write {path}", hint="name a file in a folder that can be written")


def require_apart(outputs: Iterable[Path | None], inputs: Iterable[Path]) -> None:
    """Raise UsageError when a file to be written is no file, is one of those that are read, or is written twice."""
    taken = {os.path.realpath(path) for path in inputs}
    for path in outputs:
        if path is None:
            continue
        _refuse_what_is_no_file(path)
        if (place := os.path.realpath(path)) in taken:
            raise UsageError(f"{path} would be written over another file of this command", hint="name another file")
        taken.add(place)


def _refuse_what_is_no_file(path: Path) -> None:
    """Raise UsageError when something else is there: as root, a rename would make a file of /dev/null."""
    try:
        is_file = stat.S_ISREG(path.lstat().st_mode)
    except FileNotFoundError:
        return
    except OSError as error:
        raise UsageError(f"cannot write {path}: {error.strerror}", hint="name another file") from error
    if not is_file:
        raise UsageError(f"cannot write {path}: it is no regular file", hint="name a file; links are not followed")


def _umasked() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return 0o666 & ~mask
