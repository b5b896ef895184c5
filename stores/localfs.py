"""Driver ``localfs``: each payload is a file, at the path that its URL says to the letter.

Anchore reads a file wherever a row's URL says it is, and writes under ``archive_data_dir``. So does this store; nor
does it delete anything elsewhere. Anchore does not start while the top of that directory holds anything but folders
named by 32 hexadecimal digits, so nothing else is ever put there.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TypeVar

from schemas.backend import Backend, LocalfsLocation
from schemas.errors import ConfigError
from stores.addresses import NUL
from stores.interface import Absent, Fault, Reason, Stat
from stores.localfs_directory import ACCOUNT_FOLDER, CHANGING, READING, Directory
from stores.localfs_errors import Kind, Patience, error_of, kind_of, said
from stores.localfs_files import read_file, remove_file, stat_file, sync_folder, write_file
from stores.locations import scheme

T = TypeVar("T")

WRITERS = 64
"""At once, at the most; of one file there is one."""


class LocalfsStore:
    """One directory for writing, and any path for reading. Thread-safe."""

    def __init__(self, location: LocalfsLocation) -> None:
        """Raise ConfigError for a relative directory: relative to what, only Anchore's process knows."""
        self._location = location
        self._scheme = scheme(location)
        path = Path(location.archive_data_dir)
        if not path.is_absolute():
            raise ConfigError(
                f"archive_data_dir {location.archive_data_dir} is relative", hint="write the whole path, from / on"
            )
        self._directory = Directory(path)
        # Documents of one key have one file, and its temporary has one name.
        self._turns = tuple(threading.Lock() for _ in range(WRITERS))

    @property
    def backend(self) -> Backend:
        return Backend(location=self._location)

    def check_access(self) -> None:
        self._directory.look()

    def prepare(self) -> None:
        """Make the directory where it is missing, as Anchore does when it starts."""
        self._directory.make()

    def refuse_foreign(self) -> None:
        self._directory.refuse_foreign()

    def shared_folder(self, other: LocalfsStore) -> Path | None:
        """Return a folder of documents that is also ``other``'s, by way of a link; None: there is none."""
        return self._directory.shared_with(other._directory)

    def prove_digests(self, url: str) -> bool:  # noqa: ARG002 - nothing has to be tried
        """Say True: the digests are taken from the files themselves."""
        return True

    def read(self, urls: Sequence[str]) -> list[bytes | Absent | Fault]:
        return self._look(urls, read_file)

    def stat(self, urls: Sequence[str]) -> list[Stat | Absent | Fault]:
        return self._look(urls, stat_file)

    def overview(self, urls: Sequence[str]) -> list[Stat | Absent | Fault]:
        return self.stat(urls)

    def write(self, items: Sequence[tuple[str, bytes]]) -> list[Stat | Fault]:
        changed: set[Path] = set()
        patience = Patience()
        with self._directory.unchanged():
            answers = [self._write(url, payload, changed, patience) for url, payload in items]
            for folder in changed:
                try:
                    patience.with_tries(partial(sync_folder, folder))
                except OSError as error:
                    raise error_of(error, folder) from error
        return answers

    def delete(self, urls: Sequence[str]) -> list[Fault | None]:
        patience = Patience()
        with self._directory.unchanged():
            answers = [self._ask(url, self._remove, CHANGING, patience) for url in urls]
        return [answer if isinstance(answer, Fault) else None for answer in answers]

    def close(self) -> None:
        """Do nothing: no file stays open."""

    def _look(self, urls: Sequence[str], work: Callable[[Path], T]) -> list[T | Absent | Fault]:
        patience = Patience()
        answers = [self._ask(url, work, READING, patience) for url in urls]
        if Absent() in answers:
            # Of a volume that is not mounted every file is missing.
            self._directory.require()
        return answers

    def _write(self, url: str, payload: bytes, changed: set[Path], patience: Patience) -> Stat | Fault:
        def put(path: Path) -> Stat | Fault:
            real, top = real_path(path), self._directory.real
            inside = real.parts[len(top.parts) :] if real.is_relative_to(top) else ()
            if len(inside) < 2 or not ACCOUNT_FOLDER.fullmatch(inside[0]):
                return Fault(Reason.REFUSED, f"{path} is not where Anchore keeps documents in {self._directory.path}")
            with self._turns[hash(real) % WRITERS]:
                changed.update(write_file(real, payload, top))
                return stat_file(real)

        answer = self._ask(url, put, CHANGING, patience)
        if isinstance(answer, Absent):
            self._directory.require()
            return Fault(Reason.REFUSED, f"{url}: no folder can be made for it")
        return answer

    def _remove(self, path: Path) -> Fault | None:
        real, top = real_path(path), self._directory.real
        if real.is_relative_to(top):
            remove_file(real, top)
            return None
        path.lstat()  # raises when it is gone
        return Fault(Reason.REFUSED, f"{path} is not in {self._directory.path}, so it is left alone; remove it by hand")

    def _ask(self, url: str, work: Callable[[Path], T], rights: int, patience: Patience) -> T | Absent | Fault:
        path = file_path(url, self._scheme)
        if isinstance(path, Fault):
            return path
        try:
            return patience.with_tries(lambda: work(path))
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
                self._directory.require(rights)
                return Fault(Reason.REFUSED, said(error, path))
            case Kind.BROKEN | Kind.PASSING | Kind.EXHAUSTED if rights == READING:
                # One bad sector is one document's; of a volume that is gone the directory cannot be read either.
                self._directory.require_readable()
                return Fault(Reason.UNAVAILABLE, said(error, path))
            case Kind.READ_ONLY | Kind.FULL | Kind.BROKEN | Kind.PASSING | Kind.EXHAUSTED:
                raise error_of(error, path) from error


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
