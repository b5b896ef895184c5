"""Files that the commands write: private where they hold names or secrets, and never in the place of something else."""

from __future__ import annotations

import os
from pathlib import Path
from unittest.mock import patch

import pytest

from tests.end_to_end.codes import DONE, USAGE
from tests.end_to_end.migration import Migration
from tests.nursery import Rig

OPTIONS = ("--report", "--snippet")


def mode(path: Path) -> int:
    return path.stat().st_mode & 0o777


def die_before_the_rename(umask: int) -> None:
    """End the process as ``kill -9`` does when a file has been written and is about to get its name."""
    os.umask(umask)
    patch.object(Path, "replace", lambda *_: os._exit(137)).start()


def test_report_and_snippet_are_private_even_where_a_file_stood_that_all_could_read(migration: Migration) -> None:
    root = migration.deployment.root
    for name in ("plan.json", "report.json", "snippet.yaml"):
        (root / name).write_text("of yesterday", encoding="utf-8")
        (root / name).chmod(0o666)
    migration.cli.secret_files.append(root / "snippet.yaml")
    migration.plan()
    migration.apply("plan.json", "--report", "report.json", "--snippet", "snippet.yaml")

    assert {name: mode(root / name) for name in ("report.json", "snippet.yaml")} == {
        "report.json": 0o600,
        "snippet.yaml": 0o600,
    }
    # For all to review.
    assert mode(root / "plan.json") == 0o644


@pytest.mark.parametrize("option", OPTIONS)
def test_what_a_killed_run_leaves_of_them_is_private_too(migration: Migration, option: str) -> None:
    migration.plan()
    rig = Rig(f"{__name__}:die_before_the_rename", {"umask": 0})
    beside = {"--report": migration.deployment.root / "made", "--snippet": Path(migration.deployment.directory("made"))}
    folder = beside[option]
    folder.mkdir(exist_ok=True)
    migration.cli.run("apply", "plan.json", "--yes", option, folder / "file", rig=rig).must_end(137)

    (left,) = folder.iterdir()
    assert mode(left) == 0o600


@pytest.mark.parametrize("option", [*OPTIONS, "-o"])
def test_64_a_file_is_never_put_in_the_place_of_a_device_a_link_or_an_input(migration: Migration, option: str) -> None:
    """As root, a rename would make a file of /dev/null and of the link /dev/stdout: here of a pipe and of our links."""
    root = migration.deployment.root
    migration.plan()
    target = root / "target"
    target.write_text("somebody else's", encoding="utf-8")
    (root / "link").symlink_to(target)
    (root / "dangling").symlink_to(root / "nothing")
    os.mkfifo(root / "fifo")
    inputs = ["config.yaml", "dest-config.yaml", "./config.yaml"]
    before = {name: (root / name).read_bytes() for name in inputs}
    words = ["plan", "config.yaml", "dest-config.yaml"] if option == "-o" else ["apply", "plan.json", "--yes"]
    if option != "-o":
        inputs.append("plan.json")

    with migration.writes_nothing():
        for name in ("link", "dangling", "fifo", ".", "", "x" * 300, "no/folder", *inputs):
            said = migration.cli.run(*words, option, name).must_end(USAGE)
            assert said.stderr.startswith("error: ")
            assert said.stdout == ""
        if option != "-o":
            migration.cli.run(*words, "--report", "both", "--snippet", "both").must_end(USAGE)

    assert target.read_text(encoding="utf-8") == "somebody else's"
    assert (root / "link").is_symlink()
    assert (root / "fifo").is_fifo()
    assert {name: (root / name).read_bytes() for name in before} == before


def test_a_report_of_another_time_is_replaced(migration: Migration) -> None:
    migration.plan()
    for _ in range(2):
        migration.apply("plan.json", "--report", "report.json")
    assert migration.cli.run("show", "report.json").must_end(DONE).stdout
