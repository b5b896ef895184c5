"""All moves between Anchore's drivers that this program supports, there and back, as an outside auditor finds them."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterator
from itertools import product
from pathlib import Path

import pytest

from tests.anchore import corpus
from tests.anchore.config import Config, Db, Db2, Localfs, Place, Section
from tests.anchore.deployment import Deployment
from tests.anchore.documents import Document
from tests.cli import Cli
from tests.end_to_end.codes import REFUSED
from tests.end_to_end.migration import Migration, begin, few, plan_of

PLACES: dict[str, Callable[[Deployment, str], Place]] = {
    "db": lambda _deployment, _side: Db(),
    "db2": lambda _deployment, _side: Db2(),
    "s3": lambda deployment, side: deployment.s3(side, prefix="anchore/"),
    "localfs": lambda deployment, side: Localfs(deployment.directory(side)),
}
PAIRS = [pair for pair in product(PLACES, repeat=2) if pair[0] != pair[1] or pair[0] in {"s3", "localfs"}]


def documents() -> tuple[Document, ...]:
    """Every odd content, some odd names, and a few as they are most."""
    return (*corpus.odd_contents(), *corpus.odd_names()[::3], *few(4))


@pytest.mark.parametrize("compress_above_kbytes", [None, 1], ids=["plain", "compressed"])
@pytest.mark.parametrize(("source", "destination"), PAIRS, ids=[" to ".join(pair) for pair in PAIRS])
def test_there_and_back(
    deployment: Deployment, cli: Cli, source: str, destination: str, compress_above_kbytes: int | None
) -> None:
    old = Config(Section(PLACES[source](deployment, "old")))
    new = Config(Section(PLACES[destination](deployment, "new"), compress_above_kbytes))
    add_foreign_files(old, new)
    migration = begin(deployment, cli, old, new, documents=documents())

    migration.apply(migration.plan())
    migration.assert_at_destination()
    assert_anchore_starts(migration)

    migration.apply(migration.plan_back())
    migration.assert_at_source()
    assert_anchore_starts(migration)


def test_all_fourteen_are_here() -> None:
    assert len(PAIRS) == 14


def test_a_directory_that_does_not_exist_is_made(deployment: Deployment, cli: Cli) -> None:
    directory = Path(deployment.directory("new"))
    directory.rmdir()
    migration = begin(deployment, cli, Config(Section(Db())), Config(Section(Localfs(str(directory)))), documents=few())

    with migration.writes_nothing():
        plan = migration.plan()
        cli.run("apply", plan, "--dry-run").must_end(0)
    assert not directory.exists()

    migration.apply(plan)
    migration.assert_at_destination()


def test_a_directory_that_anchore_would_not_start_with_is_refused(deployment: Deployment, cli: Cli) -> None:
    """A new volume has a folder lost+found at its top."""
    directory = Path(deployment.directory("new"))
    (directory / "lost+found").mkdir()
    migration = begin(deployment, cli, Config(Section(Db())), Config(Section(Localfs(str(directory)))), documents=few())
    migration.plan()

    with migration.writes_nothing():
        said = migration.apply(code=REFUSED)
        cli.run("check", "dest-config.yaml").must_end(REFUSED)
    assert "lost+found" in said.stderr

    inside = Config(Section(Localfs(str(directory / "anchore"))))
    deployment.write_config("dest-config.yaml", inside)
    migration.apply(migration.plan())
    assert deployment.faults(inside, migration.expected) == []


def test_two_names_of_one_directory_are_refused(deployment: Deployment, cli: Cli) -> None:
    directory = Path(deployment.directory("old"))
    link = directory.with_name(f"{directory.name}-link")
    link.symlink_to(directory)
    old, new = (Config(Section(Localfs(str(path)))) for path in (directory, link))
    migration = begin(deployment, cli, old, new, documents=few())
    migration.plan()

    with migration.writes_nothing():
        said = migration.apply(code=REFUSED)
    assert "one place under two names" in said.stderr
    assert_anchore_starts(migration)


def test_names_that_only_files_can_carry_go_to_files_and_nowhere_else(deployment: Deployment, cli: Cli) -> None:
    old, new = (Config(Section(Localfs(deployment.directory(side)))) for side in ("old", "new"))
    unreadable = [Document("policy_bundles", key, "admin", b"{}") for key in corpus.UNREADABLE]
    migration = begin(deployment, cli, old, new, documents=[*few(), *unreadable])
    deployment.write_config("db2.yaml", Config(Section(Db2())))

    cli.run("plan", "config.yaml", "db2.yaml", "-o", "db2.json").must_end(0)
    errors = [one for one in plan_of(deployment.root / "db2.json")["findings"] if one["severity"] == "error"]
    assert [(one["code"], one["count"]) for one in errors] == [("names-unreadable-at-destination", len(unreadable))]
    with migration.writes_nothing():
        migration.apply("db2.json", code=REFUSED)

    migration.apply(migration.plan())
    migration.assert_at_destination()


def assert_anchore_starts(migration: Migration) -> None:
    """Its localfs driver does not, while anything but account folders stands at the top of the directory."""
    for directory in _directories(migration.source, migration.destination):
        assert [path for path in directory.iterdir() if not re.fullmatch("[0-9a-f]{32}", path.name)] == []


def add_foreign_files(*configs: Config) -> None:
    """Put a file of somebody's right where Anchore's own are: at the top it would keep Anchore from starting."""
    for directory in _directories(*configs):
        folder = directory / hashlib.md5(b"admin", usedforsecurity=False).hexdigest() / "policy_bundles"
        folder.mkdir(parents=True)
        (folder / "of nobody").write_bytes(b"not Anchore's")


def _directories(*configs: Config) -> Iterator[Path]:
    for config in configs:
        if isinstance(config.object_store.place, Localfs):
            yield Path(config.object_store.place.directory)
