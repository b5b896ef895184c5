"""Driver ``localfs`` in real directories."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import re
import shutil
import stat
import tempfile
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from schemas.backend import LocalfsLocation
from schemas.errors import ConfigError, DeniedError, RestowError, UnreachableError
from stores.interface import Absent, DocumentName, Fault, Reason, Stat
from stores.localfs import LocalfsStore
from tests.stores.conformance import KEYS, TEXT, VERBATIM_KEYS, StoreConformance, document, md5, refuses, url_of

ADMIN = "21232f297a57a5a743894a0e4a801fc3"
"""MD5 of the word admin."""
NOBODY = 65534
HASHED_KEYS = {"hash": "a#b", "question mark": "a?b", "tab": "a\tb", "line break": "a\nb", "long": "k" * 5000}
"""Keys that no other driver can carry; here they are hashed."""


@dataclass
class LocalfsPlace:
    store: LocalfsStore
    directory: Path

    def path(self, name: DocumentName) -> Path:
        user, key = _md5(name.user_id), _md5(name.archive_id)
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


@pytest.fixture
def place(tmp_path: Path) -> LocalfsPlace:
    directory = tmp_path / "archive"
    directory.mkdir()
    return LocalfsPlace(store_in(directory), directory)


@pytest.fixture
def open_directory() -> Iterator[Path]:
    """A directory that other users of this machine can get to, unlike pytest's own."""
    directory = Path(tempfile.mkdtemp(prefix="restow-"))
    directory.chmod(0o755)
    yield directory
    shutil.rmtree(directory)


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


@pytest.mark.parametrize("step", ["fsync", "rename"])
def test_a_write_that_fails_leaves_all_as_it_was(
    place: LocalfsPlace, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    place.plant(document("k"), b"old")
    before = place.everything()
    with monkeypatch.context() as patch:
        if step == "fsync":
            patch.setattr(os, "fsync", _failing(errno.ENOSPC))
        else:
            patch.setattr(Path, "replace", _failing(errno.ENOSPC))
        for name in (document("k"), document("new", user="another")):
            with pytest.raises(UnreachableError, match=r"No space left on device") as raised:
                place.store.write([(place.url(name), TEXT)])
            assert str(place.directory) in raised.value.message
            assert "make room" in raised.value.hint
    assert place.stored(document("k")) == b"old"
    assert place.everything() == before


@pytest.mark.parametrize(
    ("number", "kind"),
    [
        (errno.ENOSPC, UnreachableError),
        (errno.EDQUOT, UnreachableError),
        (errno.EIO, UnreachableError),
        (errno.ESTALE, UnreachableError),
        (errno.ENOTCONN, UnreachableError),
        (errno.EMFILE, UnreachableError),
        (errno.EROFS, DeniedError),
        (errno.EACCES, None),
        (errno.EPERM, None),
        (errno.EFBIG, None),
        (errno.EINVAL, None),
    ],
    ids=lambda value: errno.errorcode.get(value, "") if isinstance(value, int) else "",
)
def test_what_concerns_the_volume_stops_the_run_and_what_concerns_a_file_does_not(
    place: LocalfsPlace, monkeypatch: pytest.MonkeyPatch, number: int, kind: type[RestowError] | None
) -> None:
    place.plant(document("k"), TEXT)
    url = place.url(document("k"))
    monkeypatch.setattr(Path, "read_bytes", _failing(number))
    monkeypatch.setattr(Path, "replace", _failing(number))
    for call in (lambda: place.store.read([url]), lambda: place.store.write([(url, b"new")])):
        if kind is None:
            (fault,) = call()
            assert isinstance(fault, Fault)
            assert fault.reason is Reason.REFUSED
            assert str(place.path(document("k"))) in fault.detail
        else:
            with pytest.raises(kind, match=re.escape(str(place.directory))):
                call()


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


def test_missing_rights_are_denied(open_directory: Path) -> None:
    """Not the owner: as somebody else than the user that Anchore runs as."""
    place = LocalfsPlace(store_in(open_directory), open_directory)
    place.plant(document("k"), TEXT)
    url = place.url(document("k"))
    with _unprivileged(open_directory):
        place.store.check_access()
        assert place.store.read([url]) == [TEXT]
        for call in (lambda: place.store.write([(url, b"new")]), lambda: place.store.delete([url])):
            with pytest.raises(DeniedError, match=f"{open_directory}: permission denied"):
                call()
    with _unprivileged(open_directory, mode=0o000):
        for look in (place.store.check_access, lambda: place.store.read([url])):
            with pytest.raises(DeniedError, match=f"{open_directory}: permission denied"):
                look()
    assert place.stored(document("k")) == TEXT


def test_one_file_that_may_not_be_read_is_one_documents_fault(open_directory: Path) -> None:
    place = LocalfsPlace(store_in(open_directory), open_directory)
    for key in ("open", "shut"):
        place.plant(document(key), TEXT)
    place.path(document("shut")).chmod(0o000)
    with _unprivileged(open_directory):
        shut, readable = place.store.read([place.url(document(key)) for key in ("shut", "open")])
    assert readable == TEXT
    assert isinstance(shut, Fault)
    assert shut.reason is Reason.REFUSED
    assert "Permission denied" in shut.detail


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


def _failing(number: int) -> Callable[..., bytes]:
    def fail(*_: object) -> bytes:
        raise OSError(number, os.strerror(number))

    return fail


@contextlib.contextmanager
def _unprivileged(directory: Path, *, mode: int = 0o555) -> Iterator[None]:
    """Be a user who may do in ``directory`` what ``mode`` says, also where the tests run as root."""
    before = stat.S_IMODE(directory.stat().st_mode)
    user = os.geteuid()
    directory.chmod(mode)
    try:
        if user == 0:
            os.seteuid(NOBODY)
        yield
    finally:
        if user == 0:
            os.seteuid(user)
        directory.chmod(before)


def _md5(text: str) -> str:
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()
