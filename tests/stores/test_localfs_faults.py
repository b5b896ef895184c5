"""Driver ``localfs`` when the file system fails: what passes, what is one document's, what is the volume's."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import stat
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from unittest.mock import patch

import pytest

from schemas.errors import DeniedError, RestowError, UnreachableError
from stores.interface import Fault, Reason, Stat
from tests.faults import files
from tests.stores.conformance import TEXT, document, md5
from tests.stores.localfs_places import LocalfsPlace, place_in, store_in

NOBODY = 65534


@pytest.fixture
def place(tmp_path: Path) -> LocalfsPlace:
    return place_in(tmp_path / "archive")


@pytest.fixture(autouse=True)
def faults_end() -> Iterator[None]:
    yield
    files.end()


WRITING: tuple[files.Call, ...] = ("open", "write", "fsync", "replace", "mkdir")
VOLUME = {
    "ENOSPC": (UnreachableError, "make room"),
    "EDQUOT": (UnreachableError, "make room"),
    "EROFS": (DeniedError, "mount the volume writable"),
    "EIO": (UnreachableError, "sound"),
    "ENODEV": (UnreachableError, "sound"),
    "ESTALE": (UnreachableError, "sound"),
    "ENOTCONN": (UnreachableError, "sound"),
    "EMFILE": (UnreachableError, "ulimit"),
    "ENOMEM": (UnreachableError, "lower --jobs"),
}
"""What ends the run, and what to do next."""
DOCUMENT = ("EACCES", "EPERM", "EFBIG", "EINVAL", "ELOOP", "ENAMETOOLONG")
PASSING = ("EINTR", "EAGAIN", "ESTALE", "ETIMEDOUT", "EMFILE", "ENFILE", "ENOMEM")


@pytest.mark.parametrize("error", VOLUME)
@pytest.mark.parametrize("call", WRITING)
def test_a_write_that_the_volume_fails_ends_all_and_leaves_all_as_it_was(
    place: LocalfsPlace, call: files.Call, error: str
) -> None:
    place.plant(document("k"), b"old")
    before = place.everything()
    files.fail(str(place.directory), call, error, retry_seconds=0.05)
    kind, hint = VOLUME[error]

    names = [document("new", user="another")] if call == "mkdir" else [document("k"), document("new", user="another")]
    for name in names:
        with pytest.raises(kind, match=re.escape(str(place.directory))) as raised:
            place.store.write([(place.url(name), TEXT)])
        assert hint in raised.value.hint

    files.end()
    assert place.stored(document("k")) == b"old"
    assert place.everything() == before


@pytest.mark.parametrize("error", DOCUMENT)
@pytest.mark.parametrize("call", ["open", "write", "replace", "mkdir"])
def test_a_write_that_fails_for_one_document_leaves_the_others(
    place: LocalfsPlace, call: files.Call, error: str
) -> None:
    bad, good = document("bad", bucket="b"), document("good", bucket="g")
    files.fail(str(place.directory), call, error, only="/b(/|$)")

    fault, stat_ = place.store.write([(place.url(bad), TEXT), (place.url(good), TEXT)])

    assert isinstance(fault, Fault)
    assert fault.reason is Reason.REFUSED
    assert str(place.path(bad)) in fault.detail
    assert stat_ == Stat(len(TEXT), md5(TEXT))
    files.end()
    assert [path for path in place.directory.rglob("*") if path.is_file()] == [place.path(good)]


@pytest.mark.parametrize("error", PASSING)
@pytest.mark.parametrize("call", [*WRITING, "read", "stat"])
def test_what_passes_is_tried_again(place: LocalfsPlace, call: files.Call, error: str) -> None:
    files.fail(str(place.directory), call, error, times=2)

    assert place.store.write([(place.url(document("k")), TEXT)]) == [Stat(len(TEXT), md5(TEXT))]
    assert place.store.read([place.url(document("k"))]) == [TEXT]


def test_all_files_of_a_call_share_one_budget(place: LocalfsPlace) -> None:
    """Else a volume that is half alive takes as long as it has documents."""
    names = [document(str(number)) for number in range(8)]
    for name in names:
        place.plant(name, TEXT)
    waits: list[float] = []
    now = [0.0]

    def sleep(seconds: float) -> None:
        waits.append(seconds)
        now[0] += seconds

    files.fail(str(place.directory), "read", "ESTALE")
    with patch("time.sleep", sleep), patch("time.monotonic", lambda: now[0]):
        answers = place.store.read([place.url(name) for name in names])

    assert [answer.reason for answer in answers if isinstance(answer, Fault)] == [Reason.UNAVAILABLE] * 8
    assert sum(waits) <= 10 + 2
    assert max(waits) <= 2


@pytest.mark.parametrize("error", ["EIO", "ESTALE", "ENXIO"])
def test_a_file_that_cannot_be_read_is_one_documents_fault(place: LocalfsPlace, error: str) -> None:
    """A bad sector must not keep all others from their move."""
    for key in ("bad", "good"):
        place.plant(document(key), TEXT)
    files.fail(str(place.directory), "read", error, only=place.path(document("bad")).name, retry_seconds=0.05)

    for look in (place.store.read, place.store.stat):
        fault, fine = look([place.url(document(key)) for key in ("bad", "good")])
        assert isinstance(fault, Fault)
        assert fault.reason is Reason.UNAVAILABLE
        assert str(place.path(document("bad"))) in fault.detail
        assert fine in (TEXT, Stat(len(TEXT), md5(TEXT)))


@pytest.mark.parametrize("call", ["scandir", "stat"])
def test_a_volume_of_which_nothing_can_be_read_ends_all(place: LocalfsPlace, call: files.Call) -> None:
    place.plant(document("k"), TEXT)
    files.fail(str(place.directory), "read", "EIO")
    files.fail(str(place.directory), call, "EIO", only="archive$")

    with pytest.raises(UnreachableError, match=f"{place.directory}: Input/output error"):
        place.store.read([place.url(document("k"))])


@pytest.mark.parametrize("error", ["EIO", "EROFS", "ESTALE"])
def test_a_deletion_that_the_volume_fails_ends_all(place: LocalfsPlace, error: str) -> None:
    place.plant(document("k"), TEXT)
    files.fail(str(place.directory), "unlink", error, retry_seconds=0.05)

    with pytest.raises(RestowError, match=re.escape(str(place.directory))):
        place.store.delete([place.url(document("k"))])


def test_a_deletion_that_fails_for_one_document_leaves_the_others(place: LocalfsPlace) -> None:
    for key in ("bad", "good"):
        place.plant(document(key), TEXT)
    files.fail(str(place.directory), "unlink", "EACCES", only=place.path(document("bad")).name)

    fault, gone = place.store.delete([place.url(document(key)) for key in ("bad", "good")])

    assert isinstance(fault, Fault)
    assert gone is None
    assert place.stored(document("bad")) == TEXT
    assert place.stored(document("good")) is None


@pytest.mark.parametrize("call", ["write", "read", "stat", "delete"])
def test_another_directory_in_its_place_is_not_taken_for_it(place: LocalfsPlace, call: str) -> None:
    """As when a volume is unmounted: a document is neither stored, nor missing, nor gone there."""
    url = place.url(document("k"))
    place.store.write([(url, TEXT)])
    place.directory.rename(place.directory.with_name("volume"))
    place.directory.mkdir()

    calls: dict[str, Callable[[], object]] = {
        "write": lambda: place.store.write([(url, b"new")]),
        "read": lambda: place.store.read([url]),
        "stat": lambda: place.store.stat([url]),
        "delete": lambda: place.store.delete([url]),
    }
    with pytest.raises(UnreachableError, match="not the one that this run began with"):
        calls[call]()
    assert place.everything() == []


@pytest.mark.parametrize("call", ["replace", "unlink"])
def test_a_directory_that_goes_in_the_middle_of_a_call_is_noticed(place: LocalfsPlace, call: files.Call) -> None:
    names = [document(key) for key in "abc"]
    place.store.write([(place.url(name), TEXT) for name in names])
    files.unmount(str(place.directory), call, first=3, only=r"json(\.restow)?$")

    calls: dict[str, Callable[[], object]] = {
        "replace": lambda: place.store.write([(place.url(name), b"new") for name in names]),
        "unlink": lambda: place.store.delete([place.url(name) for name in names]),
    }
    with pytest.raises(UnreachableError, match="not the one that this run began with"):
        calls[call]()


@pytest.fixture
def open_directory() -> Iterator[Path]:
    """A directory that other users of this machine can get to, unlike pytest's own."""
    directory = Path(tempfile.mkdtemp(prefix="restow-"))
    directory.chmod(0o755)
    yield directory
    shutil.rmtree(directory)


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
