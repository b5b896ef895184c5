"""Driver ``localfs`` and what else stands in a file system: links, folders, pipes, other directories, or nothing."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from schemas.errors import ConfigError, UnreachableError
from stores.interface import Absent, Fault, Reason, Stat
from tests.stores.conformance import TEXT, document, md5, refuses
from tests.stores.localfs_places import ADMIN, LocalfsPlace, place_in, store_in


@pytest.fixture
def place(tmp_path: Path) -> LocalfsPlace:
    return place_in(tmp_path / "archive")


def test_a_file_elsewhere_is_read_and_left_alone(place: LocalfsPlace, tmp_path: Path) -> None:
    elsewhere = tmp_path / "old volume" / ADMIN / "b" / "8c" / "k.json"
    elsewhere.parent.mkdir(parents=True)
    elsewhere.write_bytes(TEXT)
    url = f"file://{elsewhere}"
    assert place.store.read([url]) == [TEXT]
    assert place.store.stat([url]) == [Stat(len(TEXT), md5(TEXT))]
    (written,), (deleted,) = place.store.write([(url, b"new")]), place.store.delete([url])
    assert isinstance(written, Fault)
    assert isinstance(deleted, Fault)
    assert "remove it by hand" in deleted.detail
    assert elsewhere.read_bytes() == TEXT
    elsewhere.unlink()
    assert place.store.delete([url]) == [None]


def test_the_directory_may_be_a_symbolic_link(place: LocalfsPlace, tmp_path: Path) -> None:
    link = tmp_path / "link"
    link.symlink_to(place.directory)
    linked = LocalfsPlace(store_in(link), link)
    linked.store.write([(linked.url(document("k")), TEXT)])
    assert place.stored(document("k")) == TEXT
    assert linked.store.delete([linked.url(document("k"))]) == [None]
    assert place.everything() == []


def test_a_link_that_leads_out_is_read_through_and_never_changed_through(place: LocalfsPlace, tmp_path: Path) -> None:
    volume = tmp_path / "volume"
    volume.mkdir()
    (place.directory / ADMIN).symlink_to(volume)
    place.plant(document("k"), TEXT)
    url = place.url(document("k"))
    assert place.store.read([url]) == [TEXT]
    (written,), (deleted,) = place.store.write([(url, b"new")]), place.store.delete([url])
    assert isinstance(written, Fault)
    assert isinstance(deleted, Fault)
    assert place.stored(document("k")) == TEXT


@pytest.mark.parametrize(
    "tail",
    [
        "probe.json",
        "probe/k.json",
        f"{ADMIN}.json",
        f"{ADMIN.upper()}/b/k.json",
        f"{ADMIN}/../probe/k.json",
        f"{ADMIN}/..",
    ],
)
def test_nothing_is_written_beside_the_account_folders(place: LocalfsPlace, tail: str) -> None:
    place.plant(document("k"), TEXT)
    before = place.everything()
    (answer,) = place.store.write([(f"file://{place.directory}/{tail}", b"x")])
    assert isinstance(answer, Fault)
    assert answer.reason is Reason.REFUSED
    assert place.everything() == before


@pytest.mark.parametrize("url", ["file://relative/path.json", "file://", "file:///", "file:///a/..", "file:///a\0b"])
def test_a_url_that_names_no_file_is_a_fault(place: LocalfsPlace, url: str) -> None:
    refuses(place, url)


def test_a_directory_in_the_way_is_one_documents_fault(place: LocalfsPlace) -> None:
    place.path(document("k")).mkdir(parents=True)
    refuses(place, place.url(document("k")))
    good = place.url(document("good"))
    answers = place.store.write([(place.url(document("k")), TEXT), (good, TEXT)])
    assert [isinstance(answer, Stat) for answer in answers] == [False, True]
    assert list(place.path(document("k")).parent.iterdir()) == [place.path(document("k"))]


def test_a_file_in_a_folders_place_is_one_documents_fault(place: LocalfsPlace) -> None:
    folder = place.path(document("k")).parent
    folder.parent.mkdir(parents=True)
    folder.write_bytes(b"somebody's")
    url = place.url(document("k"))
    assert place.store.read([url]) == [Absent()]
    assert place.store.delete([url]) == [None]
    (answer,) = place.store.write([(url, TEXT)])
    assert isinstance(answer, Fault)
    assert answer.reason is Reason.REFUSED
    assert folder.read_bytes() == b"somebody's"


def test_a_pipe_is_not_waited_for(place: LocalfsPlace) -> None:
    path = place.path(document("k"))
    path.parent.mkdir(parents=True)
    os.mkfifo(path)
    for answers in (place.store.read([place.url(document("k"))]), place.store.stat([place.url(document("k"))])):
        assert isinstance(answers[0], Fault)


def test_a_name_that_no_file_can_have_is_one_documents_fault(place: LocalfsPlace) -> None:
    long, good = document("k", bucket="b" * 256), document("good")
    answers = place.store.write([(place.url(long), TEXT), (place.url(good), TEXT)])
    assert [isinstance(answer, Stat) for answer in answers] == [False, True]
    refuses(place, place.url(long))


def test_a_missing_directory_is_made_when_asked_for(tmp_path: Path) -> None:
    directory = tmp_path / "new"
    place = LocalfsPlace(store_in(directory), directory)
    place.store.check_access()
    assert not directory.exists()
    place.store.prepare()
    place.store.prepare()
    assert place.store.write([(place.url(document("k")), TEXT)]) == [Stat(len(TEXT), md5(TEXT))]


def test_a_path_that_is_missing_altogether_is_not_made(tmp_path: Path) -> None:
    """More likely than a new volume is one that is not mounted on this machine."""
    store = store_in(tmp_path / "volume" / "archive")
    for call in (store.check_access, store.prepare):
        with pytest.raises(UnreachableError, match="volume/archive does not exist"):
            call()
    assert list(tmp_path.iterdir()) == []


def test_a_directory_that_goes_away_takes_no_document_for_missing(place: LocalfsPlace) -> None:
    url = place.url(document("k"))
    place.directory.rmdir()
    calls = (
        lambda: place.store.read([url]),
        lambda: place.store.stat([url]),
        lambda: place.store.delete([url]),
        lambda: place.store.write([(url, TEXT)]),
    )
    for call in calls:
        with pytest.raises(UnreachableError, match="does not exist"):
            call()
    assert not place.directory.exists()


def test_a_file_is_no_directory(place: LocalfsPlace) -> None:
    place.directory.rmdir()
    place.directory.write_text("a file")
    with pytest.raises(ConfigError, match="is no directory"):
        place.store.check_access()


@pytest.mark.parametrize("directory", ["archive", "./archive", "~/archive"])
def test_a_relative_directory_is_a_mistake_of_the_config(directory: str) -> None:
    with pytest.raises(ConfigError, match="is relative"):
        store_in(directory)
