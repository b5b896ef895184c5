"""The directory of driver ``localfs`` as a whole: whether it is there, may be used, and is still the same one."""

from __future__ import annotations

import contextlib
import os
import re
import stat
from collections.abc import Iterator
from pathlib import Path

from schemas.errors import ConfigError, RefusedError, RestowError, UnreachableError
from stores.localfs_errors import MissingError, Patience, denied, error_of
from stores.localfs_files import sync_folder

ACCOUNT_FOLDER = re.compile(r"[0-9a-f]{32}")
READING = os.R_OK | os.X_OK
CHANGING = os.W_OK | os.X_OK


class Directory:
    """``archive_data_dir``. Thread-safe. Errors are UnreachableError, DeniedError or ConfigError."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._seen: tuple[int, int] | None = None
        """Device and inode, as they were found first."""

    @property
    def real(self) -> Path:
        return Path(os.path.realpath(self.path))

    def look(self) -> None:
        """Raise unless it may be read; that it is missing is in order where ``make`` would make it."""
        trouble = self._trouble(READING)
        if trouble is not None and not (isinstance(trouble, MissingError) and self.path.parent.is_dir()):
            raise trouble

    def make(self) -> None:
        """Make it where it is missing, but not its parents: more likely than that the volume is not mounted here."""
        try:
            self.path.mkdir()
            sync_folder(self.path.parent)
        except FileExistsError:
            return
        except OSError as error:
            raise error_of(error, self.path) from error

    def refuse_foreign(self) -> None:
        """Raise RefusedError when it holds anything else than account folders, such as a new volume's lost+found."""
        try:
            with os.scandir(self.path) as entries:
                foreign = next((one.name for one in entries if not ACCOUNT_FOLDER.fullmatch(one.name)), None)
        except FileNotFoundError:
            return
        except OSError as error:
            raise error_of(error, self.path) from error
        if foreign is not None:
            raise RefusedError(
                f"{self.path} holds {foreign!r}, and Anchore does not start beside anything but its own folders",
                hint="name a folder of its own inside it as archive_data_dir",
            )

    def require(self, rights: int = 0) -> None:
        """Raise unless it is there and, as a whole, gives these rights."""
        trouble = self._trouble(rights)
        if trouble is not None:
            raise trouble

    def require_readable(self) -> None:
        """Raise unless it can really be read, whatever its mode says."""
        self.require(READING)
        try:
            with os.scandir(self.path) as entries:
                next(entries, None)
        except OSError as error:
            raise error_of(error, self.path) from error

    def shared_with(self, other: Directory) -> Path | None:
        """Return an account's or bucket's folder that is also ``other``'s; None: there is none."""
        for folder in self._folders(2):
            with contextlib.suppress(OSError):
                if folder.samefile(other.path / folder.relative_to(self.path)):
                    return folder
        return None

    @contextlib.contextmanager
    def unchanged(self) -> Iterator[None]:
        """Raise unless it is the same directory before and after the block.

        Where a volume was mounted there stays an empty directory when it goes. What is written there is not on the
        volume, and what is not found there is not deleted.
        """
        self.require()
        yield
        self.require()

    def _folders(self, levels: int, within: Path | None = None) -> Iterator[Path]:
        try:
            with os.scandir(within or self.path) as entries:
                folders = [Path(entry.path) for entry in entries if entry.is_dir()]
        except OSError:
            # What cannot be looked into fails document by document.
            return
        yield from folders
        if levels > 1:
            for folder in folders:
                yield from self._folders(levels - 1, folder)

    def _trouble(self, rights: int) -> RestowError | None:
        try:
            found = Patience().with_tries(self.path.stat)
            allowed = os.access(self.path, rights, effective_ids=True)
        except OSError as error:
            return error_of(error, self.path)
        if not stat.S_ISDIR(found.st_mode):
            return ConfigError(f"archive_data_dir {self.path} is no directory", hint="correct it in the config")
        here = (found.st_dev, found.st_ino)
        if self._seen is None:
            self._seen = here
        if here != self._seen:
            return UnreachableError(
                f"directory {self.path} is not the one that this run began with",
                hint="look whether its volume is mounted, then run the same command again",
            )
        return None if allowed else denied(self.path)
