"""Files that the commands write: whole or not at all, and private where they may hold names or secrets."""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path

from schemas.errors import UsageError

PRIVATE = 0o600


def write_file(path: Path, text: str, *, mode: int | None = None) -> None:
    """Put ``text`` under ``path``: temporary name in the same folder, fsync, rename.

    ``mode`` None: what the process's umask gives a new file. Raises UsageError when the path cannot be written.
    """
    try:
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
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
    """Write the product to stdout, as UTF-8 whatever the locale says.

    A reader that has gone, as ``head`` does, is no failure of the command: its exit code stays what it is.
    """
    try:
        sys.stdout.buffer.write(text.encode())
        sys.stdout.buffer.flush()
    except BrokenPipeError:
        # Python would complain once more when it flushes at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def require_writable(path: Path) -> None:
    """Raise UsageError when ``path`` could not be written, before anything is done that should be told in it."""
    if path.is_dir() or not path.parent.is_dir() or not os.access(path.parent, os.W_OK):
        raise UsageError(f"cannot write {path}", hint="name a file in a folder that can be written")


def _umasked() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return 0o666 & ~mask
