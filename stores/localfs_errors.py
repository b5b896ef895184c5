"""The border where errors of the file system become ours: which concern one document, and which the directory."""

from __future__ import annotations

import errno
from enum import Enum, auto
from pathlib import Path
from typing import assert_never

from schemas.errors import DeniedError, RestowError, UnreachableError


class MissingError(UnreachableError):
    """There is no such directory."""


class Kind(Enum):
    ABSENT = auto()
    DENIED = auto()
    """A right is missing; of this file alone, or of the whole directory."""
    READ_ONLY = auto()
    FULL = auto()
    BROKEN = auto()
    """The volume, or this process, can do no more for any document."""
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
    errno.ESTALE: Kind.BROKEN,
    errno.ENOTCONN: Kind.BROKEN,
    errno.ETIMEDOUT: Kind.BROKEN,
    errno.EHOSTDOWN: Kind.BROKEN,
    errno.EHOSTUNREACH: Kind.BROKEN,
    errno.EMFILE: Kind.BROKEN,
    errno.ENFILE: Kind.BROKEN,
    errno.ENOMEM: Kind.BROKEN,
}


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
            return DeniedError(said(error, path), hint="mount the volume writable")
        case Kind.FULL:
            return UnreachableError(said(error, path), hint="make room on the volume, then run the same command again")
        case Kind.BROKEN | Kind.REFUSED:
            return UnreachableError(said(error, path), hint="check that the volume is sound, then run again")
        case _:
            assert_never(kind)


def denied(path: Path) -> DeniedError:
    return DeniedError(f"{path}: permission denied", hint="run as the user that Anchore runs as")
