"""A directory of driver ``localfs``, and plain access to its files."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path

from schemas.backend import LocalfsLocation
from stores.interface import DocumentName
from stores.localfs import LocalfsStore
from tests.stores.conformance import url_of

ADMIN = "21232f297a57a5a743894a0e4a801fc3"
"""MD5 of the word admin."""


@dataclass
class LocalfsPlace:
    store: LocalfsStore
    directory: Path

    def path(self, name: DocumentName) -> Path:
        user, key = md5_of(name.user_id), md5_of(name.archive_id)
        return self.directory / user / name.bucket / key[:2] / f"{key}.json"

    def plant(self, name: DocumentName, payload: bytes) -> None:
        path = self.path(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(payload)

    def stored(self, name: DocumentName) -> bytes | None:
        path = self.path(name)
        return path.read_bytes() if path.exists() else None

    def url(self, name: DocumentName) -> str:
        return url_of(self, name)

    def everything(self) -> list[Path]:
        return sorted(path.relative_to(self.directory) for path in self.directory.rglob("*"))

    def lets_anchore_start(self) -> bool:
        """As Anchore's driver looks at its directory when it starts."""
        return all(re.fullmatch("[0-9a-f]{32}", path.name) and path.is_dir() for path in self.directory.iterdir())


def store_in(directory: Path | str) -> LocalfsStore:
    return LocalfsStore(LocalfsLocation(archive_data_dir=str(directory)))


def place_in(directory: Path) -> LocalfsPlace:
    """Make the directory and return it as a place."""
    directory.mkdir()
    return LocalfsPlace(store_in(directory), directory)


def md5_of(text: str) -> str:
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()
