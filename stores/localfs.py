"""Driver ``localfs``: each payload is a file, at the path that its URL says to the letter.

Anchore reads a file wherever a row's URL says it is, and writes under ``archive_data_dir``. So does this store; nor
does it delete anything elsewhere. Anchore does not start while the top of that directory holds anything but folders
named by 32 hexadecimal digits, so nothing else is ever put there.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

from schemas.backend import Backend, LocalfsLocation
from schemas.errors import ConfigError, RefusedError, RestowError
from stores.addresses import NUL
from stores.interface import Absent, Fault, Reason, Stat
from stores.localfs_errors import Kind, MissingError, denied, error_of, kind_of, said
from stores.localfs_files import read_file, remove_file, stat_file, sync_folder, write_file
from stores.locations import scheme

T = TypeVar("T")

ACCOUNT_FOLDER = re.compile(r"[0-9a-f]{32}")
READING = os.R_OK | os.X_OK
CHANGING = os.W_OK | os.X_OK


class LocalfsStore:
    """One directory for writing, and any path for reading. Thread-safe."""

    def __init__(self, location: LocalfsLocation) -> None:
        """Raise ConfigError for a relative directory: relative to what, only Anchore's process knows."""
        self._location = location
        self._scheme = scheme(location)
        self._top = Path(location.archive_data_dir)
        if not self._top.is_absolute():
            raise ConfigError(
                f"archive_data_dir {location.archive_data_dir} is relative", hint="write the whole path, from / on"
            )

    @property
    def backend(self) -> Backend:
        return Backend(location=self._location)

    def check_access(self) -> None:
        """Look whether the directory may be read; that it is missing is in order where ``prepare`` would make it."""
        trouble = self._trouble(READING)
        if trouble is not None and not (isinstance(trouble, MissingError) and self._top.parent.is_dir()):
            raise trouble

    def prepare(self) -> None:
        """Make the directory where it is missing, as Anchore does when it starts.

        Not its parents: where they are missing too, the volume is more likely not mounted here.
        """
        try:
            self._top.mkdir()
            sync_folder(self._top.parent)
        except FileExistsError:
            return
        except OSError as error:
            raise error_of(error, self._top) from error

    def refuse_foreign(self) -> None:
        """Raise RefusedError when the directory holds anything else, such as ``lost+found`` of a new volume."""
        try:
            with os.scandir(self._top) as entries:
                foreign = next((one.name for one in entries if not ACCOUNT_FOLDER.fullmatch(one.name)), None)
        except FileNotFoundError:
            return
        except OSError as error:
            raise error_of(error, self._top) from error
        if foreign is not None:
            raise RefusedError(
                f"{self._top} holds {foreign!r}, and Anchore does not start beside anything but its own folders",
                hint="name a folder of its own inside it as archive_data_dir",
            )

    def prove_digests(self, url: str) -> bool:  # noqa: ARG002 - nothing has to be tried
        """Say True: the digests are taken from the files themselves."""
        return True

    def read(self, urls: Sequence[str]) -> list[bytes | Absent | Fault]:
        return self._look(urls, read_file)

    def stat(self, urls: Sequence[str]) -> list[Stat | Absent | Fault]:
        return self._look(urls, stat_file)

    def write(self, items: Sequence[tuple[str, bytes]]) -> list[Stat | Fault]:
        changed: set[Path] = set()
        answers = [self._write(url, payload, changed) for url, payload in items]
        for folder in changed:
            try:
                sync_folder(folder)
            except OSError as error:
                raise error_of(error, folder) from error
        return answers

    def delete(self, urls: Sequence[str]) -> list[Fault | None]:
        self._require()
        answers = [self._ask(url, self._remove, CHANGING) for url in urls]
        return [answer if isinstance(answer, Fault) else None for answer in answers]

    def close(self) -> None:
        """Do nothing: no file stays open."""

    def _look(self, urls: Sequence[str], work: Callable[[Path], T]) -> list[T | Absent | Fault]:
        answers = [self._ask(url, work, READING) for url in urls]
        if Absent() in answers:
            # Of a volume that is not mounted every file is missing.
            self._require()
        return answers

    def _write(self, url: str, payload: bytes, changed: set[Path]) -> Stat | Fault:
        def put(path: Path) -> Stat | Fault:
            real, top = real_path(path), self._real_top
            inside = real.parts[len(top.parts) :] if real.is_relative_to(top) else ()
            if len(inside) < 2 or not ACCOUNT_FOLDER.fullmatch(inside[0]):
                return Fault(Reason.REFUSED, f"{path} is not where Anchore keeps documents in {self._top}")
            changed.update(write_file(real, payload, top))
            return stat_file(real)

        answer = self._ask(url, put, CHANGING)
        if isinstance(answer, Absent):
            self._require()
            return Fault(Reason.REFUSED, f"{url}: no folder can be made for it")
        return answer

    def _remove(self, path: Path) -> Fault | None:
        real, top = real_path(path), self._real_top
        if real.is_relative_to(top):
            remove_file(real, top)
            return None
        path.lstat()  # raises when it is gone
        return Fault(Reason.REFUSED, f"{path} is not in {self._top}, so it is left alone; remove it by hand")

    def _ask(self, url: str, work: Callable[[Path], T], rights: int) -> T | Absent | Fault:
        path = file_path(url, self._scheme)
        if isinstance(path, Fault):
            return path
        try:
            return work(path)
        except OSError as error:
            return self._judge(error, path, rights)

    def _judge(self, error: OSError, path: Path, rights: int) -> Absent | Fault:
        """Return what an error means for the document; raise what it means for the directory."""
        match kind_of(error):
            case Kind.ABSENT:
                return Absent()
            case Kind.REFUSED:
                return Fault(Reason.REFUSED, said(error, path))
            case Kind.DENIED:
                self._require(rights)
                return Fault(Reason.REFUSED, said(error, path))
            case Kind.READ_ONLY | Kind.FULL | Kind.BROKEN:
                raise error_of(error, path) from error

    @property
    def _real_top(self) -> Path:
        return Path(os.path.realpath(self._top))

    def _require(self, rights: int = 0) -> None:
        """Raise unless the directory is there and, as a whole, gives these rights."""
        trouble = self._trouble(rights)
        if trouble is not None:
            raise trouble

    def _trouble(self, rights: int) -> RestowError | None:
        try:
            is_directory = stat.S_ISDIR(self._top.stat().st_mode)
            allowed = os.access(self._top, rights, effective_ids=True)
        except OSError as error:
            return error_of(error, self._top)
        if not is_directory:
            return ConfigError(f"archive_data_dir {self._top} is no directory", hint="correct it in the config")
        return None if allowed else denied(self._top)


def file_path(url: str, scheme: str) -> Path | Fault:
    """Return the path that a URL names: all behind ``file://``, nothing decoded."""
    text = url.removeprefix(scheme)
    try:
        os.fsencode(text)
    except UnicodeEncodeError:
        text = ""
    path = Path(text)
    if not url.startswith(f"{scheme}/") or NUL in text or path.name in {"", ".."}:
        return Fault(Reason.REFUSED, f"content URL {url!r}: it does not name a file as {scheme}/directory/file does")
    return path


def real_path(path: Path) -> Path:
    """Return where the file itself is, were its folders no symbolic links."""
    return Path(os.path.realpath(path.parent)) / path.name
