"""Driver ``localfs`` in real directories: where documents are, and how they come and go."""

from __future__ import annotations

import hashlib
import os
import stat
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import MappingProxyType

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from stores.interface import Absent, DocumentName, Stat
from tests.stores.conformance import KEYS, TEXT, VERBATIM_KEYS, StoreConformance, document, md5, url_of
from tests.stores.localfs_places import ADMIN, LocalfsPlace, place_in

HASHED_KEYS = {"hash": "a#b", "question mark": "a?b", "tab": "a\tb", "line break": "a\nb", "long": "k" * 5000}
"""Keys that no other driver can carry; here they are hashed."""


@pytest.fixture
def place(tmp_path: Path) -> LocalfsPlace:
    return place_in(tmp_path / "archive")


class TestLocalfs(StoreConformance):
    keys = MappingProxyType({**KEYS, **VERBATIM_KEYS, **HASHED_KEYS})


def test_a_document_is_the_file_that_anchore_looks_for(place: LocalfsPlace) -> None:
    url = f"file://{place.directory}/{ADMIN}/analysis_data/8c/8ce4b16b22b58894aa86c421e8759df3.json"
    place.store.write([(url, TEXT)])
    assert place.stored(document("k")) == TEXT
    assert url_of(place, document("k")) == url


def test_nothing_of_a_path_is_decoded(place: LocalfsPlace) -> None:
    name = document("k", bucket="100%25 of?it#all;+&")
    place.store.write([(place.url(name), TEXT)])
    assert place.path(name).read_bytes() == TEXT


def test_only_account_folders_stand_at_the_top(place: LocalfsPlace) -> None:
    names = [document("a"), document("b", user="other"), document("c", bucket="analysis_archive")]
    place.store.write([(place.url(name), TEXT) for name in names])
    assert place.lets_anchore_start()
    place.store.delete([place.url(name) for name in names[1:]])
    assert [path.name for path in place.directory.iterdir()] == [ADMIN]


def test_a_deletion_takes_the_folders_that_are_empty_then(place: LocalfsPlace) -> None:
    gone, neighbour = document("a"), document("b", bucket="manifest_data")
    place.store.write([(place.url(gone), TEXT), (place.url(neighbour), TEXT)])
    place.store.delete([place.url(gone)])
    left = place.path(neighbour).relative_to(place.directory)
    assert place.everything() == sorted([left, *left.parents][:-1])
    place.store.delete([place.url(neighbour)])
    assert place.everything() == []
    assert place.directory.is_dir()


def test_a_deletion_goes_on_where_another_took_the_folder(place: LocalfsPlace) -> None:
    (place.directory / ADMIN).mkdir()
    assert place.store.delete([place.url(document("k"))]) == [None]
    assert place.everything() == []


def test_a_write_makes_its_folder_again_when_a_deletion_takes_it(
    place: LocalfsPlace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A deletion takes a folder away at any moment in which it is empty, so also before the file is in it."""
    real = os.open
    taken: list[Path] = []

    def taking(path: Path, *rest: int) -> int:
        if path.name.endswith(".restow") and len(taken) < 3:
            taken.append(path)
            place.store.delete([place.url(document("k"))])
        return real(path, *rest)

    monkeypatch.setattr(os, "open", taking)
    assert place.store.write([(place.url(document("k")), TEXT)]) == [Stat(len(TEXT), md5(TEXT))]
    assert len(taken) == 3
    assert place.stored(document("k")) == TEXT


@pytest.mark.parametrize("follows", ["a write", "a deletion"])
def test_what_a_killed_write_left_is_nothing_and_goes(place: LocalfsPlace, follows: str) -> None:
    name = document("k")
    leftover = place.path(name).with_name(f".{place.path(name).name}.restow")
    place.plant(name, b"")
    place.path(name).rename(leftover)
    leftover.write_bytes(TEXT[:5])
    assert place.store.read([place.url(name)]) == [Absent()]
    assert place.store.stat([place.url(name)]) == [Absent()]
    if follows == "a write":
        assert place.store.write([(place.url(name), TEXT)]) == [Stat(len(TEXT), md5(TEXT))]
        assert list(place.path(name).parent.iterdir()) == [place.path(name)]
    else:
        assert place.store.delete([place.url(name)]) == [None]
        assert place.everything() == []


def test_a_reader_sees_the_old_payload_or_the_new_one(place: LocalfsPlace) -> None:
    payloads = [bytes([number]) * 300_000 for number in range(40)]
    url = place.url(document("k"))
    place.store.write([(url, payloads[0])])
    writing = threading.Event()
    seen = []

    def look() -> None:
        while not writing.is_set():
            seen.append(place.stored(document("k")))

    reader = threading.Thread(target=look)
    reader.start()
    for payload in payloads:
        place.store.write([(url, payload)])
    writing.set()
    reader.join()
    assert seen
    assert set(seen) <= set(payloads)


def test_a_payload_is_on_disk_before_it_has_its_name_and_the_name_before_the_answer(
    place: LocalfsPlace, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = document("k")
    synced: list[tuple[str, bool]] = []
    real = os.fsync

    def fsync(handle: int) -> None:
        path = Path(f"/proc/self/fd/{handle}").readlink()
        synced.append((path.relative_to(place.directory).as_posix(), place.path(name).exists()))
        real(handle)

    monkeypatch.setattr(os, "fsync", fsync)
    place.store.write([(place.url(name), TEXT)])
    folder = place.path(name).parent.relative_to(place.directory)
    (payload, *names) = synced
    assert payload == (f"{folder}/.{place.path(name).name}.restow", False)
    assert sorted(names) == sorted((parent.as_posix(), True) for parent in (folder, *folder.parents))


@pytest.mark.parametrize(("mask", "folder", "file"), [(0o022, 0o755, 0o644), (0o027, 0o750, 0o640)])
def test_modes_are_what_the_umask_leaves(place: LocalfsPlace, mask: int, folder: int, file: int) -> None:
    before = os.umask(mask)
    try:
        place.store.write([(place.url(document("k")), TEXT)])
    finally:
        os.umask(before)
    path = place.path(document("k"))
    assert stat.S_IMODE(path.stat().st_mode) == file
    assert {stat.S_IMODE(parent.stat().st_mode) for parent in path.parents[:3]} == {folder}


def test_writes_and_deletions_side_by_side_do_not_hinder_each_other(place: LocalfsPlace) -> None:
    names = [document(str(n)) for n in range(600)]
    chosen = [name for name in names if _md5(name.archive_id).startswith("0")]
    kept, doomed = chosen[::2], chosen[1::2]
    assert len(kept) > 10

    def toggle(name: DocumentName) -> list[object]:
        item = (place.url(name), TEXT)
        return [answer for _ in range(30) for answer in (*place.store.write([item]), *place.store.delete([item[0]]))]

    with ThreadPoolExecutor(8) as pool:
        answers = [answer for part in pool.map(toggle, doomed) for answer in part]
        written = list(pool.map(lambda name: place.store.write([(place.url(name), TEXT)]), kept))
    assert all(answer in (None, Stat(len(TEXT), md5(TEXT))) for answer in answers)
    assert all(isinstance(answer, Stat) for (answer,) in written)
    assert [place.stored(name) for name in kept] == [TEXT] * len(kept)
    assert len([path for path in place.directory.rglob("*") if path.is_file()]) == len(kept)


STEPS = st.lists(
    st.sampled_from(["..", ".", "", ADMIN, "0" * 32, "b", "out", "outside", "archive", "k.json", "keep.json"]),
    min_size=1,
    max_size=6,
)


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=STEPS)
@example([ADMIN, "..", "..", "outside", "keep.json"])
@example([ADMIN, "out", "keep.json"])
def test_no_path_leads_to_a_change_outside(place: LocalfsPlace, steps: list[str]) -> None:
    outside = place.directory.parent / "outside"
    if not outside.exists():
        outside.mkdir()
        (outside / "keep.json").write_bytes(b"keep")
        (place.directory / ADMIN).mkdir()
        (place.directory / ADMIN / "out").symlink_to(outside)
    url = "/".join([f"file://{place.directory}", *steps])
    place.store.write([(url, b"x")])
    place.store.delete([url])
    assert {path.name: path.read_bytes() for path in outside.iterdir()} == {"keep.json": b"keep"}
    assert sorted(path.name for path in place.directory.parent.iterdir()) == ["archive", "outside"]
    assert place.lets_anchore_start()


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    name=st.builds(
        DocumentName,
        st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0/"), min_size=1, max_size=60).filter(
            lambda bucket: bucket not in {".", ".."}
        ),
        st.text(st.characters(exclude_categories=["Cs"])),
        st.text(st.characters(exclude_categories=["Cs"])),
        st.just(""),
    ),
    payload=st.binary(max_size=100),
)
def test_any_name_comes_back(place: LocalfsPlace, name: DocumentName, payload: bytes) -> None:
    url = place.url(name)
    assert place.store.write([(url, payload)]) == [Stat(len(payload), md5(payload))]
    assert place.stored(name) == payload
    assert place.store.read([url]) == [payload]
    assert place.lets_anchore_start()
    assert place.store.delete([url]) == [None]
    assert place.everything() == []


def _md5(text: str) -> str:
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()


def test_two_documents_of_one_file_do_not_disturb_each_other(place: LocalfsPlace) -> None:
    """Rows that differ only in documentName share their payload and its place."""
    url = url_of(place, document("shared"))
    payload = bytes(200_000)
    with ThreadPoolExecutor(max_workers=8) as pool:
        answers = list(pool.map(lambda _: place.store.write([(url, payload)]), range(200)))

    assert answers == [[Stat(size=len(payload), md5=md5(payload))]] * 200
