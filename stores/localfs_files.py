"""Files that appear whole or not at all, and folders that come and go with them. Errors are the system's own."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import stat
from pathlib import Path

from stores.interface import Stat

NEW_FILE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
MODE = 0o666
"""As Anchore opens its files: the umask takes away from it."""
TRIES = 10


def temporary_of(path: Path) -> Path:
    """Return the name under which ``path`` is written: always the same, so that a later write finds a killed one's."""
    return path.with_name(f".{path.name}.restow")


def read_file(path: Path) -> bytes:
    _require_file(path)
    return path.read_bytes()


def stat_file(path: Path) -> Stat:
    """Read the whole file, in pieces."""
    _require_file(path)
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False))
        return Stat(size=file.tell(), md5=digest.hexdigest())


def write_file(path: Path, payload: bytes, top: Path) -> set[Path]:
    """Put ``payload`` under ``path``, safe on disk but for the names.

    Missing folders below ``top`` are made. Returns the folders that ``sync_folder`` must see before the file is safe
    under its name; leaves nothing behind where it fails.
    """
    temporary = temporary_of(path)
    temporary.unlink(missing_ok=True)
    try:
        handle, changed = _open_new(temporary, top)
        with open(handle, "wb") as file:  # noqa: PTH123 - a handle, not a path
            file.write(payload)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError:
        with contextlib.suppress(OSError):
            remove_file(temporary, top)
        raise
    return {*changed, path.parent}


def remove_file(path: Path, top: Path) -> None:
    """Remove a file, what a killed write of it left, and the folders below ``top`` that are empty then."""
    for name in (path, temporary_of(path)):
        name.unlink(missing_ok=True)
    folder = path.parent
    while folder != top:
        try:
            folder.rmdir()
        except FileNotFoundError:
            pass  # another removal was quicker
        except OSError:
            # Not empty, most of the time; and an empty folder that must stay does no harm.
            return
        folder = folder.parent


def sync_folder(folder: Path) -> None:
    """Make the names in ``folder`` safe on disk."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    except OSError as error:
        # How some network file systems say that they have nothing to do here.
        if error.errno != errno.EINVAL:
            raise
    finally:
        os.close(handle)


def _open_new(path: Path, top: Path) -> tuple[int, set[Path]]:
    changed: set[Path] = set()
    for _ in range(TRIES):
        changed |= _make_folders(path.parent, top)
        # A removal beside this write may take the folder away again while it is empty.
        with contextlib.suppress(FileNotFoundError):
            return os.open(path, NEW_FILE, MODE), changed
    raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(path))


def _make_folders(folder: Path, top: Path) -> set[Path]:
    """Return the folders in which a new one was made."""
    if folder == top or folder.is_dir():
        return set()
    changed = _make_folders(folder.parent, top)
    with contextlib.suppress(FileExistsError, FileNotFoundError):
        folder.mkdir()
        changed.add(folder.parent)
    return changed


def _require_file(path: Path) -> None:
    # Reading a pipe or a device might never end.
    if not stat.S_ISREG(path.stat().st_mode):
        raise OSError(errno.EINVAL, "it is no file")
