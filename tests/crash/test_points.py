"""Dead at any point of a run: I1 to I5 hold at that moment, and the same command goes on to the end of a clean run."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

import pytest
import sqlalchemy as sa

from tests.anchore import corpus
from tests.anchore.config import Config, Db, Db2, Localfs, Section
from tests.anchore.deployment import Deployment
from tests.anchore.documents import BOTH, Document
from tests.cli import Cli
from tests.crash.points import Command, die_everywhere, die_twice
from tests.end_to_end.migration import DESTINATION, SOURCE, Migration, begin
from tests.end_to_end.test_matrix import PAIRS, PLACES

TWICE = [("db", "s3"), ("s3", "localfs"), ("localfs", "db")]
LATER = 1_700_000_500


def documents(count: int) -> tuple[Document, ...]:
    """Return so many documents of the working set and one of the archive."""
    return (
        *corpus.ordinary(seed=31, count=count, largest=4000),
        *corpus.archived(seed=31, count=1, largest=4000),
    )


def between(deployment: Deployment, cli: Cli, source: str, destination: str, *, count: int = 2) -> Migration:
    """Let the deployment stand between two places, with the move planned; the new one compresses."""
    old = Config(Section(PLACES[source](deployment, "old")))
    new = Config(Section(PLACES[destination](deployment, "new"), compress_above_kbytes=1))
    migration = begin(deployment, cli, old, new, documents=documents(count))
    migration.plan()
    return migration


def shared_to_split(deployment: Deployment, cli: Cli) -> Migration:
    """Two moves in one plan, switched in one transaction."""
    split = Config(
        Section(deployment.s3("new"), compress_above_kbytes=1), Section(Localfs(deployment.directory("new")))
    )
    migration = begin(deployment, cli, Config(Section(Db())), split, documents=documents(1))
    migration.plan()
    return migration


def split_to_shared(deployment: Deployment, cli: Cli) -> Migration:
    split = Config(
        Section(Localfs(deployment.directory("old"))), Section(deployment.s3("old"), compress_above_kbytes=1)
    )
    migration = begin(deployment, cli, split, Config(Section(Db2())), documents=documents(1))
    migration.plan()
    return migration


def from_s3_to_localfs(deployment: Deployment, cli: Cli) -> Migration:
    return between(deployment, cli, "s3", "localfs", count=1)


def inside_postgres(deployment: Deployment, cli: Cli) -> Migration:
    """No payload leaves the database, and the table that is left is emptied: nothing else is in it."""
    source, destination = Config(Section(Db())), Config(Section(Db2()))
    deployment.fill(source, documents(1))
    deployment.write_config(SOURCE, source)
    deployment.write_config(DESTINATION, destination)
    migration = Migration(deployment, cli, source, destination, BOTH, deployment.expect(documents(1)))
    migration.plan()
    return migration


def by_the_s3_server(deployment: Deployment, cli: Cli) -> Migration:
    old, new = (Config(Section(deployment.s3(bucket))) for bucket in ("old", "new"))
    migration = begin(deployment, cli, old, new, documents=documents(1))
    migration.plan()
    return migration


DIRECT: Mapping[Callable[[Deployment, Cli], Migration], tuple[str, ...]] = {
    inside_postgres: ("INSERT INTO object_storage", "TRUNCATE"),
    by_the_s3_server: ("COPY ",),
}
"""Effects that show which way payloads went."""


@pytest.mark.parametrize("scene", DIRECT, ids=lambda scene: scene.__name__)
def test_between_any_two_effects_where_payloads_do_not_pass_through_us(
    deployment: Deployment, cli: Cli, administrator: sa.Engine, scene: Callable[[Deployment, Cli], Migration]
) -> None:
    migration = scene(deployment, cli)
    command = Command(migration, ("apply", "plan.json"), migration.assert_at_destination)
    effects = die_everywhere(command, administrator, every=False)
    for shown in DIRECT[scene]:
        assert any(effect.startswith(shown) for effect in effects), f"{shown} is not among the effects"


def copied_ahead(deployment: Deployment, cli: Cli) -> Migration:
    """Since copies were made Anchore has added a document, rewritten one and deleted one."""
    migration = between(deployment, cli, "localfs", "s3", count=3)
    migration.apply("plan.json", "--through", "copy")
    first, second, *rest = documents(3)
    rewritten = replace(first, content=b'{"document": "rewritten"}')
    added = replace(first, archive_id="added", content=b'{"document": "added"}')
    anchore = deployment.anchore(migration.source)
    for document in (rewritten, added):
        anchore.put(document, at=LATER)
    anchore.delete(second)
    return migration.after_writes((rewritten, added, *rest))


@pytest.mark.parametrize("scene", [shared_to_split, from_s3_to_localfs], ids=lambda scene: scene.__name__)
def test_between_any_two_effects_of_apply(
    deployment: Deployment, cli: Cli, administrator: sa.Engine, scene: Callable[[Deployment, Cli], Migration]
) -> None:
    migration = scene(deployment, cli)
    command = Command(migration, ("apply", "plan.json"), migration.assert_at_destination)
    die_everywhere(command, administrator, every=False)


@pytest.mark.long
@pytest.mark.parametrize(
    ("scene", "verify"),
    [(shared_to_split, "digest"), (split_to_shared, "full"), (copied_ahead, "full")],
    ids=["shared to split", "split to shared", "copied ahead"],
)
def test_before_and_after_every_effect_of_two_moves_or_a_catch_up(
    deployment: Deployment,
    cli: Cli,
    administrator: sa.Engine,
    scene: Callable[[Deployment, Cli], Migration],
    verify: str,
) -> None:
    migration = scene(deployment, cli)
    command = Command(migration, ("apply", "plan.json", "--verify", verify), migration.assert_at_destination)
    die_everywhere(command, administrator, every=True)


@pytest.mark.long
def test_before_and_after_every_effect_of_copying_ahead(
    deployment: Deployment, cli: Cli, administrator: sa.Engine
) -> None:
    migration = between(deployment, cli, "db2", "localfs")
    command = Command(migration, ("apply", "plan.json", "--through", "copy"), migration.assert_not_switched)
    die_everywhere(command, administrator, every=True)


@pytest.mark.long
@pytest.mark.parametrize(("source", "destination"), TWICE, ids=[" to ".join(pair) for pair in TWICE])
def test_dead_again_at_any_point_of_the_run_that_goes_on(
    deployment: Deployment, cli: Cli, administrator: sa.Engine, source: str, destination: str
) -> None:
    migration = between(deployment, cli, source, destination, count=1)
    command = Command(migration, ("apply", "plan.json"), migration.assert_at_destination)
    die_twice(command, administrator, apart=8)


@pytest.mark.long
@pytest.mark.parametrize(("source", "destination"), PAIRS, ids=[" to ".join(pair) for pair in PAIRS])
def test_before_and_after_every_effect_of_apply(
    deployment: Deployment, cli: Cli, administrator: sa.Engine, source: str, destination: str
) -> None:
    migration = between(deployment, cli, source, destination)
    command = Command(migration, ("apply", "plan.json"), migration.assert_at_destination)
    die_everywhere(command, administrator, every=True)


@pytest.mark.long
def test_batches_of_several_documents(deployment: Deployment, cli: Cli, administrator: sa.Engine) -> None:
    """Dead in the middle of a batch: some of its payloads are written, none is recorded."""
    migration = between(deployment, cli, "s3", "localfs", count=7)
    command = Command(migration, ("apply", "plan.json"), migration.assert_at_destination)
    die_everywhere(command, administrator, every=False)


@pytest.mark.long
def test_every_effect_of_a_deferred_clean(deployment: Deployment, cli: Cli, administrator: sa.Engine) -> None:
    migration = between(deployment, cli, "localfs", "s3")
    migration.apply("plan.json", "--through", "switch")
    command = Command(migration, ("clean", "plan.json"), migration.assert_at_destination)
    die_everywhere(command, administrator, every=True)


@pytest.mark.long
def test_every_effect_of_undo(deployment: Deployment, cli: Cli, administrator: sa.Engine) -> None:
    """Some rows are put back, and what was written since the switch is copied back."""
    migration = between(deployment, cli, "db", "s3")
    migration.apply("plan.json", "--through", "switch")
    new = replace(documents(1)[0], archive_id="written since")
    deployment.anchore(migration.destination).put(new)
    migration = migration.after_writes((*documents(2), new))
    kept = (migration.destination,)
    command = Command(migration, ("undo", "plan.json"), lambda: migration.assert_at_source(leftovers=kept))
    die_everywhere(command, administrator, every=True)


@pytest.mark.long
def test_every_effect_of_a_clean_after_undo(deployment: Deployment, cli: Cli, administrator: sa.Engine) -> None:
    migration = between(deployment, cli, "db", "localfs")
    migration.apply("plan.json", "--through", "switch")
    cli.run("undo", "plan.json", "--yes").must_end(0)
    command = Command(migration, ("clean", "plan.json"), migration.assert_at_source)
    die_everywhere(command, administrator, every=True)
