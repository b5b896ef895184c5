"""The border where errors of the file system become ours: which concern one document, and which the directory."""

from __future__ import annotations

import errno
import random
import time
from collections.abc import Callable
from enum import Enum, auto
from pathlib import Path
from typing import TypeVar, assert_never

from schemas.errors import DeniedError, RestowError, UnreachableError

T = TypeVar("T")

RETRY_SECONDS = 10.0
"""No try of a call begins later than this after its first passing fault."""
BACKOFF_SECONDS = (0.05, 2.0)


class MissingError(UnreachableError):
    """There is no such directory, or another one in its place."""


class Kind(Enum):
    ABSENT = auto()
    DENIED = auto()
    """A right is missing; of this file alone, or of the whole directory."""
    READ_ONLY = auto()
    FULL = auto()
    BROKEN = auto()
    """The volume can do no more: for this file, or for any."""
    PASSING = auto()
    """A volume over a network that is away for a moment."""
    EXHAUSTED = auto()
    """This process, or this machine, has no more to give until other work ends."""
    REFUSED = auto()
    """A path that cannot be, or something else that stands there."""


KINDS = {
    errno.ENOENT: Kind.ABSENT,
    errno.ENOTDIR: Kind.ABSENT,
    errno.EACCES: Kind.DENIED,
    errno.EPERM: Kind.DENIED,
    errno.EROFS: Kind.READ_ONLY,
    errno.ENOSPC: Kind.FULL,
    errno.EDQUOT: Kind.FULL,
    errno.EIO: Kind.BROKEN,
    errno.EREMOTEIO: Kind.BROKEN,
    errno.ENXIO: Kind.BROKEN,
    errno.ENODEV: Kind.BROKEN,
    errno.EINTR: Kind.PASSING,
    errno.EAGAIN: Kind.PASSING,
    errno.ESTALE: Kind.PASSING,
    errno.ENOTCONN: Kind.PASSING,
    errno.ETIMEDOUT: Kind.PASSING,
    errno.EHOSTDOWN: Kind.PASSING,
    errno.EHOSTUNREACH: Kind.PASSING,
    errno.EMFILE: Kind.EXHAUSTED,
    errno.ENFILE: Kind.EXHAUSTED,
    errno.ENOMEM: Kind.EXHAUSTED,
}


class Patience:
    """What one call may spend on passing faults, however many files it is about. Not thread-safe."""

    def __init__(self) -> None:
        self._until: float | None = None
        self._tries = 0

    def with_tries(self, work: Callable[[], T]) -> T:
        """Do it, and again after a passing fault until the budget is spent. Raises OSError."""
        while True:
            try:
                return work()
            except OSError as error:
                if kind_of(error) not in {Kind.PASSING, Kind.EXHAUSTED} or not self._wait():
                    raise

    def _wait(self) -> bool:
        now = time.monotonic()
        if self._until is None:
            self._until = now + RETRY_SECONDS
        if now >= self._until:
            return False
        first, most = BACKOFF_SECONDS
        time.sleep(random.uniform(0.5, 1.0) * min(most, first * 2.0**self._tries))  # noqa: S311 - jitter
        self._tries += 1
        return True


def kind_of(error: OSError) -> Kind:
    return KINDS.get(error.errno or 0, Kind.REFUSED)


def said(error: OSError, path: Path) -> str:
    return f"{path}: {error.strerror or error}"


def error_of(error: OSError, path: Path) -> RestowError:
    """Return what an error means when it is the directory that failed, not a document."""
    kind = kind_of(error)
    match kind:
        case Kind.ABSENT:
            return MissingError(
                f"directory {path} does not exist", hint="run where Anchore's volume is mounted, or create it"
            )
        case Kind.DENIED:
            return denied(path)
        case Kind.READ_ONLY:
            return DeniedError(said(error, path), hint="mount the volume writable, then run the same command again")
        case Kind.FULL:
            return UnreachableError(said(error, path), hint="make room on the volume, then run the same command again")
        case Kind.EXHAUSTED:
            return UnreachableError(
                said(error, path), hint="raise the limit (ulimit -n for files) or lower --jobs, then run again"
            )
        case Kind.BROKEN | Kind.PASSING | Kind.REFUSED:
            return UnreachableError(said(error, path), hint="check that the volume is sound, then run again")
        case _:
            assert_never(kind)


def denied(path: Path) -> DeniedError:
    return DeniedError(f"{path}: permission denied", hint="run as the user that Anchore runs as")
