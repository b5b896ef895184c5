"""Dead at any point of a run: I1 to I5 hold at that moment, and the same command goes on to the end of a clean run."""

from __future__ import annotations

from dataclasses import replace

import pytest
import sqlalchemy as sa

from tests.anchore import corpus
from tests.anchore.config import Config, Section
from tests.anchore.deployment import Deployment
from tests.anchore.documents import Document
from tests.cli import Cli
from tests.crash.points import Command, die_everywhere
from tests.end_to_end.migration import Migration, begin
from tests.end_to_end.test_matrix import PAIRS, PLACES

QUICK = [("db", "s3"), ("s3", "localfs")]


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


@pytest.mark.parametrize(("source", "destination"), QUICK, ids=[" to ".join(pair) for pair in QUICK])
def test_between_any_two_effects_of_apply(
    deployment: Deployment, cli: Cli, administrator: sa.Engine, source: str, destination: str
) -> None:
    migration = between(deployment, cli, source, destination)
    command = Command(migration, ("apply", "plan.json"), migration.assert_at_destination)
    die_everywhere(command, administrator, every=False)


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
