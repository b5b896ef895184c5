"""Which plan a command is about, where several have moved the same store, or one has done so twice."""

from __future__ import annotations

import pytest

from tests.anchore.config import Config, Db, Section
from tests.anchore.deployment import Deployment
from tests.anchore.documents import Document
from tests.cli import Cli
from tests.end_to_end.codes import DONE, REFUSED
from tests.end_to_end.migration import Migration, begin, few


@pytest.mark.parametrize("command", ["undo", "clean"])
def test_a_plan_that_has_only_copied_ahead_takes_no_other_plan_s_switch_for_its_own(
    migration: Migration, command: str
) -> None:
    migration.plan("--keep-source")
    migration.apply()
    migration.plan_back("--keep-source")
    migration.apply("back.json", "--through", "copy")

    with migration.writes_nothing():
        migration.cli.run(command, "back.json", "--yes").must_end(REFUSED)


@pytest.mark.parametrize("command", ["undo", "clean"])
def test_a_plan_of_one_store_is_superseded_by_one_of_both(deployment: Deployment, cli: Cli, command: str) -> None:
    place = Section(deployment.s3())
    first, second, third = Config(place, Section(Db())), Config(place), Config(Section(deployment.s3("next")))
    migration = begin(deployment, cli, first, second, documents=few(), stores=("analysis_archive",))
    migration.plan("--keep-source")
    migration.apply()
    deployment.write_config("third.yaml", third)
    cli.run("plan", "dest-config.yaml", "third.yaml", "-o", "third.json", "--keep-source").must_end(DONE)
    cli.run("apply", "third.json", "--yes").must_end(DONE)

    with migration.writes_nothing():
        cli.run(command, "plan.json", "--yes").must_end(REFUSED)


def test_the_clean_of_a_plan_that_went_twice_cleans_after_both(migration: Migration) -> None:
    migration.plan("--keep-source")
    migration.apply()
    straggler = Document("policy_bundles", "straggler", "admin", b'{"document": "straggler"}')
    migration.deployment.anchore(migration.source).put(straggler)
    migration.apply()

    migration.cli.run("clean", "plan.json", "--yes").must_end(DONE)

    assert not migration.sources & migration.deployment.snapshot().payloads.keys()
