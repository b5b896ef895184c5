"""One payload that several rows name, and documents that want one place: whoever goes first takes nothing along."""

from __future__ import annotations

from pathlib import Path

import sqlalchemy as sa

from tests.anchore.config import Config, Db, Section
from tests.anchore.deployment import Deployment
from tests.anchore.documents import Document, by_name
from tests.cli import Cli
from tests.end_to_end.codes import DONE
from tests.end_to_end.holding import Gate
from tests.end_to_end.migration import Migration, few
from tests.end_to_end.test_accepted import working
from tests.end_to_end.test_accepted_edges import in_the_way
from tests.end_to_end.test_races import fill_with_a_shared_payload

TWIN = """
    INSERT INTO archive_metadata
    SELECT (jsonb_populate_record(r, jsonb_build_object('documentName', 'twin.json'))).*
    FROM archive_metadata r WHERE "archiveId" = :key
"""


def test_a_twin_row_that_goes_before_the_switch_leaves_the_copy_they_share(
    migration: Migration, tmp_path: Path
) -> None:
    engine = migration.deployment.engine
    with engine.begin() as connection:
        connection.execute(sa.text(TWIN), {"key": working(migration)[0].archive_id})
    migration.plan("--keep-source")
    gate = Gate("executor.catching_up:_remove_vanished", tmp_path)
    run = migration.cli.start("apply", "plan.json", "--yes", rig=gate.rig)
    gate.wait_until_reached(run)
    with engine.begin() as connection:
        connection.execute(sa.text("DELETE FROM archive_metadata WHERE \"documentName\" = 'twin.json'"))
    gate.open()
    run.finish().must_end(DONE)

    assert migration.deployment.reader(migration.destination).reads_all(migration.expected.documents)


def test_an_undo_keeps_a_payload_whose_owner_is_gone_for_the_one_that_shares_it(
    deployment: Deployment, cli: Cli
) -> None:
    """Also where a later plan had copied the owner's back, and now takes that copy away."""
    source, destination = Config(Section(Db())), Config(Section(deployment.s3()))
    owner, sharer = fill_with_a_shared_payload(deployment, source, "policy_bundles")
    deployment.write_config("config.yaml", source)
    deployment.write_config("dest-config.yaml", destination)
    left = by_name([*(one for one in few() if one.name != owner.name), sharer])
    cli.run("plan", "config.yaml", "dest-config.yaml", "-o", "plan.json", "--keep-source").must_end(DONE)
    cli.run("apply", "plan.json", "--yes").must_end(DONE)
    cli.run("plan", "dest-config.yaml", "config.yaml", "-o", "back.json", "--keep-source").must_end(DONE)
    cli.run("apply", "back.json", "--yes", "--through", "copy").must_end(DONE)
    deployment.anchore(destination).delete(owner)

    cli.run("undo", "plan.json", "--yes").must_end(DONE)

    assert deployment.reader(source).reads_all(left)


def test_a_copy_of_what_is_left_as_it_is_stays_where_another_document_stands_by_now(
    deployment: Deployment, cli: Cli
) -> None:
    migration = in_the_way(deployment, cli, "a", "y", prefix="z")
    migration.plan()
    migration.apply("plan.json", "--through", "copy")
    late = Document("policy_bundles", "policy", "za", b"za")
    deployment.anchore(migration.source).put(late)
    migration.plan("--ignore", "destination-occupied", "--keep-source", file="second.json")

    migration.apply("second.json")

    assert deployment.reader(migration.destination).reads_all({**migration.expected.documents, late.name: late})
