"""Reading a small text file that somebody else wrote."""

from __future__ import annotations

import os
import re
import stat

from schemas.errors import ConfigError

SIZE_LIMIT = 1 << 20
"""Bytes; many times the largest config.yaml ever seen. Parsing more would take longer than a person waits."""
# A path makes one slash of two.
_USER_PART = re.compile(r"(?<=:/)/?[^@]*@")


def named(path: str) -> str:
    """Return ``path`` as messages show it: a database URL that was given in its place, without user and password."""
    return _USER_PART.sub("/…@", path)


def read_text(path: str, *, kind: str) -> str:
    """Return the text of ``path``. ``kind`` names it in errors ("config file").

    Raises ConfigError when it is not a regular file, is too large, is not UTF-8, holds a NUL byte or cannot be read.
    """
    try:
        data = _read(path, kind)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "the name holds a NUL byte"
        raise ConfigError(
            f"{kind} {named(path)!r} cannot be read: {reason}", hint="check the path and its rights"
        ) from None
    if b"\0" in data:
        raise ConfigError(
            f"{path}:{_line(data, data.index(0))}: the file holds a NUL byte; save it as plain UTF-8 text"
        )
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        line = _line(data, error.start)
        raise ConfigError(f"{path}:{line}: the file is not UTF-8; save it as plain UTF-8 text") from None


def _read(path: str, kind: str) -> bytes:
    # Non-blocking: opening a FIFO that nobody writes to would wait for ever.
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        mode = os.fstat(descriptor).st_mode
        if not stat.S_ISREG(mode):
            found = "a directory" if stat.S_ISDIR(mode) else "not a regular file"
            raise ConfigError(f"{kind} {path!r} is {found}", hint="name a file")
        with os.fdopen(descriptor, "rb", closefd=False) as file:
            data = file.read(SIZE_LIMIT + 1)
    finally:
        os.close(descriptor)
    if len(data) > SIZE_LIMIT:
        raise ConfigError(f"{kind} {path!r} is larger than {SIZE_LIMIT} bytes", hint="name the right file")
    return data


def _line(data: bytes, position: int) -> int:
    return data.count(b"\n", 0, position) + 1
