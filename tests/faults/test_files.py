"""Files and volumes that fail in the middle of a run: what passes is tried again, what is one document's fails it
alone, and what is the volume's ends the run soon and names it. The next run, all being well again, finishes.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.anchore import corpus
from tests.anchore.config import Config, Db, Localfs, Section, url_for
from tests.anchore.deployment import Deployment
from tests.anchore.documents import Document
from tests.cli import Cli, Result
from tests.end_to_end.codes import DENIED, DONE, FAILED, REFUSED, UNREACHABLE
from tests.end_to_end.migration import Migration, begin, few
from tests.faults.files import DOCUMENTS, KILLED
from tests.nursery import Rig

SAID = {
    "ENOSPC": "No space left on device",
    "EROFS": "Read-only file system",
    "EIO": "Input/output error",
    "EACCES": "Permission denied",
    "EMFILE": "Too many open files",
    "ENAMETOOLONG": "File name too long",
}


@pytest.fixture
def directory(deployment: Deployment) -> str:
    """Where the documents are to go, or come from."""
    return deployment.directory("files")


@pytest.fixture
def there(deployment: Deployment, cli: Cli, directory: str) -> Migration:
    """A handful of documents in the database, to be moved to files, and planned."""
    made = begin(deployment, cli, Config(Section(Db())), Config(Section(Localfs(directory))), documents=few())
    made.plan()
    return made


@pytest.fixture
def back(deployment: Deployment, cli: Cli, directory: str) -> Migration:
    """The same, from files to the database."""
    made = begin(deployment, cli, Config(Section(Localfs(directory))), Config(Section(Db())), documents=few())
    made.plan()
    return made


def apply_with(migration: Migration, directory: str, fault: str, *flags: str, **arguments: Any) -> Result:
    rig = Rig(f"tests.faults.files:{fault}", {"directory": directory, **arguments})
    return migration.cli.run("apply", "plan.json", "--yes", "--report", "report.json", *flags, rig=rig)


def report_of(migration: Migration) -> dict[str, Any]:
    report: dict[str, Any] = json.loads((migration.deployment.root / "report.json").read_text(encoding="utf-8"))
    return report


def failures_of(migration: Migration) -> list[dict[str, str]]:
    return [failure for move in report_of(migration)["moves"] for failure in move["failures"]]


def file_of(directory: str, document: Document) -> str:
    return url_for(Localfs(directory), document).removeprefix("file://")


def files_of(migration: Migration, directory: str) -> set[str]:
    return {file_of(directory, document) for document in migration.expected.documents.values()}


def stored(directory: str) -> set[str]:
    return {str(path) for path in Path(directory).rglob("*") if not path.is_dir()}


def mount_again(directory: str) -> None:
    for path in sorted(Path(directory).rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()
    Path(directory).rmdir()
    Path(f"{directory}.volume").rename(directory)


@pytest.mark.parametrize(("call", "error"), [("write", "ENOSPC"), ("open", "EROFS"), ("fsync", "EIO")])
def test_3_a_volume_that_takes_no_more_ends_the_run_soon_and_is_named(
    there: Migration, directory: str, call: str, error: str
) -> None:
    said = apply_with(there, directory, "fail", call=call, error=error, only=DOCUMENTS, first=3).must_end(FAILED)

    assert directory in said.stderr
    assert SAID[error] in said.stderr
    assert "next:" in said.stderr
    assert report_of(there)["exit_code"] == FAILED
    assert failures_of(there) == []
    there.assert_not_switched()  # and what is there is whole and under its own name

    there.apply()
    there.assert_at_destination()


@pytest.mark.parametrize(
    ("call", "only", "error", "code", "hint"),
    [
        ("write", "", "ENOSPC", UNREACHABLE, "make room"),
        ("mkdir", "", "EROFS", DENIED, "writable"),
        ("open", r"\.restow$", "EACCES", REFUSED, "rights"),
        ("unlink", r"/[0-9a-f]{32}\.json$", "EACCES", REFUSED, "by hand"),
    ],
)
def test_a_volume_that_takes_nothing_is_refused_before_the_start(
    there: Migration, directory: str, call: str, only: str, error: str, code: int, hint: str
) -> None:
    with there.writes_nothing():
        said = apply_with(there, directory, "fail", call=call, error=error, only=only).must_end(code)
        for probe in stored(directory):
            assert probe in said.stderr
            Path(probe).unlink()

    assert directory in said.stderr
    assert SAID[error] in said.stderr
    assert hint in said.stderr
    assert "Fault(" not in said.stderr


def test_77_another_user_s_directory_is_refused_before_the_start(there: Migration, directory: str) -> None:
    with there.writes_nothing():
        said = apply_with(there, directory, "deny").must_end(DENIED)

    assert f"{directory}: permission denied" in said.stderr
    assert "run as the user that Anchore runs as" in said.stderr


@pytest.mark.parametrize(("call", "error"), [("replace", "EACCES"), ("open", "ENAMETOOLONG")])
def test_3_a_file_that_cannot_be_written_leaves_all_others_going(
    there: Migration, directory: str, call: str, error: str
) -> None:
    path = file_of(directory, there.bundle)
    said = apply_with(there, directory, "fail", call=call, error=error, only=Path(path).stem).must_end(FAILED)

    assert SAID[error] in said.stderr
    (failure,) = failures_of(there)
    assert (failure["bucket"], failure["reason"]) == ("analysis_archive", "refused")
    assert path in failure["detail"]
    assert stored(directory) == files_of(there, directory) - {path}
    there.assert_not_switched()

    there.apply()
    there.assert_at_destination()


@pytest.mark.parametrize(("call", "error"), [("open", "EMFILE"), ("fsync", "ESTALE"), ("stat", "ESTALE")])
def test_what_passes_is_tried_again(there: Migration, directory: str, call: str, error: str) -> None:
    said = apply_with(there, directory, "fail", call=call, error=error, first=2, times=3).must_end(DONE)

    assert "error" not in said.stderr
    there.assert_at_destination()


def test_3_what_does_not_pass_in_time_ends_the_run(there: Migration, directory: str) -> None:
    fault = {"call": "open", "error": "EMFILE", "only": DOCUMENTS, "first": 3, "retry_seconds": 0.3}
    said = apply_with(there, directory, "fail", **fault).must_end(FAILED)

    assert SAID["EMFILE"] in said.stderr
    there.assert_not_switched()


def test_3_a_volume_that_is_unmounted_half_way_is_noticed(there: Migration, directory: str) -> None:
    """Where it was mounted is an empty directory now, on a disk that Anchore will never look at."""
    said = apply_with(there, directory, "unmount", call="replace", first=5).must_end(FAILED)

    # Which is found first is a race: the other directory, the lost one below it, or the moment without either.
    noticed = rf"{re.escape(directory)}((/\S+)? does not exist| is not the one that this run began with)"
    assert re.search(noticed, said.stderr), said.stderr
    mount_again(directory)
    assert there.deployment.reader(there.source).reads_all(there.expected.documents)
    there.apply()
    there.assert_at_destination()


@pytest.mark.parametrize("then", ["written again", "deleted by Anchore"])
def test_what_a_killed_run_left_of_a_file_is_removed_by_the_next(there: Migration, directory: str, then: str) -> None:
    apply_with(there, directory, "die", "--jobs", "1", call="replace", first=3).must_end(KILLED)
    (left,) = stored(directory) - files_of(there, directory)
    documents = dict(there.expected.documents)
    if then == "deleted by Anchore":
        meant = left.replace("/.", "/").removesuffix(".restow")
        name = next(name for name, one in documents.items() if file_of(directory, one) == meant)
        there.deployment.anchore(there.source).delete(documents.pop(name))

    there.apply()
    there.after_writes(documents.values()).assert_at_destination()


def test_3_a_file_that_cannot_be_read_leaves_all_others_going(back: Migration, directory: str) -> None:
    """One bad sector must not keep a whole deployment where it is."""
    path = file_of(directory, back.bundle)
    apply_with(back, directory, "fail", call="read", error="EIO", only=Path(path).name).must_end(FAILED)

    (failure,) = failures_of(back)
    assert failure["reason"] == "unavailable"
    assert f"{path}: {SAID['EIO']}" in failure["detail"]
    (move,) = report_of(back)["moves"]
    assert sum(bucket["copied"] for bucket in move["buckets"]) == len(back.expected.documents) - 1
    back.assert_not_switched()

    back.apply()
    back.assert_at_destination()


def test_3_files_that_fail_one_by_one_end_the_run_at_max_failures(back: Migration, directory: str) -> None:
    fault = {"call": "read", "error": "EACCES", "only": "json$"}
    said = apply_with(back, directory, "fail", "--max-failures", "3", "--jobs", "1", **fault).must_end(FAILED)

    assert len(failures_of(back)) > 3
    assert directory in said.stderr
    back.assert_not_switched()


def test_3_a_source_that_refuses_a_deletion_keeps_that_file_and_the_same_command_deletes_it(
    back: Migration, directory: str
) -> None:
    path = file_of(directory, back.bundle)
    said = apply_with(back, directory, "fail", call="unlink", error="EACCES", only=Path(path).name).must_end(FAILED)

    assert said.stderr.count(path) == 1
    assert "storage_driver" in said.stdout  # it is switched, so the snippet is due
    (move,) = report_of(back)["moves"]
    assert move["state"] == "switched"
    assert list(move["kept_sources"].values()) == [1]
    back.assert_at_destination(leftovers=[back.source])
    assert stored(directory) == {path}

    back.apply()
    back.assert_at_destination()


@pytest.mark.parametrize("fault", ["fail", "unmount"])
def test_3_a_source_volume_that_goes_during_the_clean_keeps_the_rest(
    back: Migration, directory: str, fault: str
) -> None:
    arguments = {"call": "unlink", "first": 7, "only": r"/[^.]*\.json$"}
    error = {"error": "EROFS"} if fault == "fail" else {}
    said = apply_with(back, directory, fault, **arguments, **error).must_end(FAILED)

    assert directory in said.stderr
    (move,) = report_of(back)["moves"]
    assert move["state"] == "switched"
    if fault == "unmount":
        mount_again(directory)
    assert stored(directory)
    back.assert_at_destination(leftovers=[back.source])

    back.apply()
    back.assert_at_destination()
    assert stored(directory) == set()


def test_a_report_that_the_disk_has_no_room_for_is_told_and_changes_nothing(there: Migration) -> None:
    root = str(there.deployment.root)
    said = apply_with(there, root, "fail", call="open", error="ENOSPC", only=r"/\.restow-").must_end(DONE)

    assert "the report is lost" in said.stderr
    assert SAID["ENOSPC"] in said.stderr
    there.assert_at_destination()


@pytest.fixture
def small_volume(directory: str) -> Iterator[str]:
    """The directory on a volume of 64 KiB."""
    mount = ["/usr/bin/mount", "-t", "tmpfs", "-o", "size=64k", "none", directory]
    if os.geteuid() or subprocess.run(mount, check=False, capture_output=True).returncode:
        pytest.skip("not allowed to mount a volume here")
    yield directory
    subprocess.run(["/usr/bin/umount", directory], check=True)


def test_3_a_disk_that_is_really_full(deployment: Deployment, cli: Cli, small_volume: str) -> None:
    documents = corpus.ordinary(seed=5, count=30, largest=20_000)
    source, destination = Config(Section(Db())), Config(Section(Localfs(small_volume)))
    migration = begin(deployment, cli, source, destination, documents=documents)
    migration.plan()

    said = migration.apply(code=FAILED)
    assert SAID["ENOSPC"] in said.stderr
    migration.assert_not_switched()

    subprocess.run(["/usr/bin/mount", "-o", "remount,size=10m", small_volume], check=True)
    migration.apply()
    migration.assert_at_destination()
