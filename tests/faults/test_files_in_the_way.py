"""What else may stand where a document is, or is to go: folders, files, pipes, links. None of it is waited for, written
through or lost.
"""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from tests.anchore.config import Config, Localfs, Section, url_for
from tests.anchore.deployment import Deployment
from tests.anchore.documents import Document
from tests.cli import Cli
from tests.end_to_end.codes import FAILED, REFUSED
from tests.end_to_end.migration import Migration, begin, few

NAME = "3f0a" * 8
"""Looks like an account's folder."""


@pytest.fixture
def migration(deployment: Deployment, cli: Cli) -> Migration:
    """A handful of documents in files, to be moved to other files, and planned."""
    source, destination = (Config(Section(Localfs(deployment.directory(side)))) for side in ("old", "new"))
    made = begin(deployment, cli, source, destination, documents=few())
    made.plan()
    return made


def file_of(config: Config, document: Document) -> Path:
    return Path(url_for(config.object_store.place, document).removeprefix("file://"))


def directory_of(config: Config) -> Path:
    assert isinstance(config.object_store.place, Localfs)
    return Path(config.object_store.place.directory)


def folder(path: Path) -> None:
    path.mkdir(parents=True)


def full_folder(path: Path) -> None:
    path.mkdir(parents=True)
    (path / "somebody's").write_text("not Anchore's")


def file_for_a_folder(path: Path) -> None:
    path.parent.parent.mkdir(parents=True)
    path.parent.write_text("not Anchore's")


@pytest.mark.parametrize("block", [folder, full_folder, file_for_a_folder])
def test_3_something_at_the_destination_that_a_document_cannot_replace(
    migration: Migration, block: Callable[[Path], None]
) -> None:
    path = file_of(migration.destination, migration.bundle)
    block(path)
    blocked = sorted(directory_of(migration.destination).rglob("*"))

    said = migration.apply(code=FAILED)

    assert str(path) in said.stderr
    assert f"1 documents of the move from {migration_names(migration)} failed" in said.stderr
    assert set(blocked) <= set(directory_of(migration.destination).rglob("*"))
    assert migration.deployment.reader(migration.source).reads_all(migration.expected.documents)
    if path.parent.is_dir():
        shutil.rmtree(path.parent)
    else:
        path.parent.unlink()
    migration.apply()
    migration.assert_at_destination()


def migration_names(migration: Migration) -> str:
    old, new = (f"file://{directory_of(config)}" for config in (migration.source, migration.destination))
    return f"{old} to {new}"


def pipe(path: Path) -> None:
    os.mkfifo(path)


def socket_file(path: Path) -> None:
    os.mknod(path, stat.S_IFSOCK | 0o600)


def empty_folder(path: Path) -> None:
    path.mkdir()


def link_to_nothing(path: Path) -> None:
    path.symlink_to("nowhere")


def link_to_itself(path: Path) -> None:
    path.symlink_to(path.name)


def device(path: Path) -> None:
    path.symlink_to("/dev/zero")  # a read of it would never end


@pytest.mark.parametrize("put", [pipe, socket_file, empty_folder, link_to_nothing, link_to_itself, device])
def test_3_something_at_the_source_that_is_no_document(migration: Migration, put: Callable[[Path], None]) -> None:
    path = file_of(migration.source, migration.bundle)
    kept = migration.deployment.root / "kept.json"
    path.rename(kept)
    put(path)

    said = migration.apply(code=FAILED)

    assert str(path) in said.stderr
    assert "1 documents of the move" in said.stderr
    copied = {one for one in directory_of(migration.destination).rglob("*") if one.is_file()}
    assert len(copied) == len(migration.expected.documents) - 1

    if path.is_dir():
        path.rmdir()
    else:
        path.unlink()
    kept.rename(path)
    migration.apply()
    migration.assert_at_destination()


def test_a_payload_that_is_a_link_is_moved_and_what_it_leads_to_stays(migration: Migration) -> None:
    path = file_of(migration.source, migration.bundle)
    elsewhere = migration.deployment.root / "elsewhere.json"
    path.rename(elsewhere)
    path.symlink_to(elsewhere)

    migration.apply()

    assert elsewhere.read_bytes() == migration.bundle.content
    assert not path.is_symlink()
    assert migration.deployment.reader(migration.destination).reads_all(migration.expected.documents)


def test_a_link_where_a_document_goes_is_replaced_and_not_written_through(migration: Migration) -> None:
    path = file_of(migration.destination, migration.bundle)
    somebodys = migration.deployment.root / "somebody's.txt"
    somebodys.write_text("not Anchore's")
    path.parent.mkdir(parents=True)
    path.symlink_to(somebodys)

    migration.apply()

    assert somebodys.read_text() == "not Anchore's"
    assert not path.is_symlink()
    migration.assert_at_destination()


@pytest.mark.parametrize("side", ["source", "destination"])
@pytest.mark.parametrize("level", ["account", "bucket"])
def test_5_a_folder_that_both_have_by_way_of_a_link(deployment: Deployment, cli: Cli, side: str, level: str) -> None:
    """The directories are two places, and yet these documents would be compressed in place, under the old rows."""
    old, new = (Config(Section(Localfs(deployment.directory(name)), 1)) for name in ("old", "new"))
    migration = begin(deployment, cli, replace(old, object_store=Section(old.object_store.place)), new, documents=few())
    migration.plan()
    depth = 2 if level == "account" else 1
    mine, other = (file_of(config, migration.bundle).parents[depth] for config in (old, new))
    other.parent.mkdir(parents=True, exist_ok=True)
    if side == "source":
        mine.rename(other)
        mine.symlink_to(other)
    else:
        other.symlink_to(mine)

    with migration.writes_nothing():
        said = migration.apply(code=REFUSED)

    assert f"one place under two names: {mine} is a folder of both" in said.stderr
    assert migration.deployment.reader(migration.source).reads_all(migration.expected.documents)


def test_5_one_directory_inside_the_other(deployment: Deployment, cli: Cli) -> None:
    """Anchore would not start with what it finds there then, unless it looks like an account."""
    outer = Path(deployment.directory("old"))
    (outer / "inner").mkdir()
    source, destination = (Config(Section(Localfs(str(path)))) for path in (outer / "inner", outer))
    migration = begin(deployment, cli, source, destination, documents=few())
    migration.plan()

    with migration.writes_nothing():
        said = migration.apply(code=REFUSED)
    assert "'inner'" in said.stderr


def test_a_directory_that_looks_like_an_account_of_the_other_is_a_place_of_its_own(
    deployment: Deployment, cli: Cli
) -> None:
    outer = Path(deployment.directory("old"))
    inner = outer / NAME
    inner.mkdir()
    source, destination = (Config(Section(Localfs(str(path)))) for path in (outer, inner))
    migration = begin(deployment, cli, source, destination, documents=few())
    migration.plan()

    migration.apply()
    migration.assert_at_destination()
