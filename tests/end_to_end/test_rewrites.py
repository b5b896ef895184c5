"""What Anchore writes anew so that it hardly shows, or where nobody expects it: nothing lost, nothing stale."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import sqlalchemy as sa

from tests.anchore.config import Config, Db, Section
from tests.anchore.deployment import Deployment
from tests.anchore.documents import Document, Name, by_name
from tests.cli import Cli
from tests.end_to_end.codes import DONE
from tests.end_to_end.holding import Gate
from tests.end_to_end.migration import Migration, begin, few
from tests.end_to_end.test_accepted import working
from tests.end_to_end.test_space import of_tables

LATER = 1_700_000_500


@pytest.fixture
def plain(deployment: Deployment, cli: Cli) -> Migration:
    """From the database to S3, nothing compressed."""
    return begin(deployment, cli, Config(Section(Db())), Config(Section(deployment.s3())), documents=few())


def undo(migration: Migration) -> None:
    migration.cli.run("undo", "plan.json", "--yes").must_end(DONE)


def flipped(document: Document) -> Document:
    """Return other content of the same size."""
    return replace(document, content=bytes([document.content[0] ^ 1]) + document.content[1:])


def now(migration: Migration, newer: Document) -> dict[Name, Document]:
    return {**migration.expected.documents, newer.name: newer}


def test_after_it_was_copied_with_as_many_bytes_in_the_same_second(plain: Migration) -> None:
    plain.plan()
    plain.apply("plan.json", "--through", "copy")
    newer = flipped(working(plain)[0])
    plain.deployment.anchore(plain.source).put(newer)

    plain.apply()

    assert plain.deployment.reader(plain.destination).reads_all(now(plain, newer))


def test_after_the_switch_with_as_many_bytes(plain: Migration) -> None:
    plain.plan("--keep-source")
    plain.apply()
    newer = flipped(working(plain)[0])
    plain.deployment.anchore(plain.destination).put(newer, at=LATER)

    undo(plain)

    assert plain.deployment.reader(plain.source).reads_all(now(plain, newer))


@pytest.mark.parametrize("archive_id", [None, "new"], ids=["rewritten", "added"])
def test_to_the_old_table_right_before_it_is_emptied(
    deployment: Deployment, cli: Cli, tmp_path: Path, archive_id: str | None
) -> None:
    """By a service that was not stopped: what it wrote is nowhere else."""
    migration = of_tables(deployment, cli, Db())
    gate = Gate("stores.tables:TableStore.empty", tmp_path)
    run = cli.start("apply", "plan.json", "--yes", rig=gate.rig)
    gate.wait_until_reached(run)
    newer = replace(working(migration)[0], content=b"newer")
    if archive_id is not None:
        newer = replace(newer, archive_id=archive_id, document_name=None)
    deployment.anchore(migration.source).put(newer, at=LATER)
    gate.open()
    run.finish()

    assert deployment.reader(migration.source).reads_all(by_name([newer]))


def test_under_the_new_config_after_an_undo(deployment: Deployment, cli: Cli) -> None:
    """A clean of what the undone migration left has nothing to do with it."""
    source, destination = (Config(Section(deployment.s3(prefix=prefix))) for prefix in ("a/", "b/"))
    migration = begin(deployment, cli, source, destination, documents=few())
    migration.plan("--keep-source")
    migration.apply()
    undo(migration)
    newer = replace(working(migration)[0], content=b"newer")
    deployment.anchore(destination).put(newer, at=LATER)

    cli.run("clean", "plan.json", "--yes")

    assert deployment.reader(destination).reads_all(by_name([newer]))


def test_the_copy_of_what_was_rewritten_before_an_undo_is_cleaned_too(deployment: Deployment, cli: Cli) -> None:
    source, destination = Config(Section(Db())), Config(Section(deployment.s3()))
    migration = begin(deployment, cli, source, destination, documents=few(1)[:1])
    migration.plan("--keep-source")
    migration.apply()
    deployment.anchore(destination).put(replace(working(migration)[0], content=b"newer"), at=LATER)
    undo(migration)

    cli.run("clean", "plan.json", "--yes").must_end(DONE)

    left = {url for url in deployment.snapshot().payloads if url.startswith("s3://")}
    assert left <= migration.expected.foreign()


def test_an_old_payload_without_digest_that_was_damaged_since(deployment: Deployment, cli: Cli) -> None:
    old = Document("policy_bundles", "old", "admin", b"as it was", old_row=True)
    source, destination = Config(Section(Db())), Config(Section(deployment.s3()))
    migration = begin(deployment, cli, source, destination, documents=[old, *few()])
    migration.plan("--keep-source")
    migration.apply()
    deployment.anchore(source).store_payload(old, b"as it is")

    undo(migration)

    assert deployment.reader(source).reads_all(migration.expected.documents)


def test_what_is_copied_back_is_compressed_as_the_old_config_wants_it(deployment: Deployment, cli: Cli) -> None:
    source = Config(Section(deployment.s3(prefix="a/")))
    destination = Config(Section(deployment.s3(prefix="b/"), compress_above_kbytes=1))
    migration = begin(deployment, cli, source, destination, documents=few())
    migration.plan("--keep-source")
    migration.apply()
    newer = replace(working(migration)[0], content=b"n" * 5000)
    deployment.anchore(destination).put(newer, at=LATER)

    undo(migration)

    assert deployment.reader(source).reads_all(now(migration, newer))
    assert not deployment.snapshot().rows[newer.name]["is_compressed"]


def test_payloads_that_stand_in_each_other_s_way_back(deployment: Deployment, cli: Cli) -> None:
    """The second document's payload is at the first one's URL, the third one's at the second's."""
    source, destination = Config(Section(Db())), Config(Section(deployment.s3()))
    first, third = (Document("policy_bundles", key, "admin", key.encode() * 9) for key in ("x", "z"))
    second = replace(first, archive_id="y", document_name=None)
    deployment.fill(source, [first, second, third])
    deployment.anchore(source).store_payload(second, third.content)
    with deployment.engine.begin() as connection:
        for moved, to in (("y", "x"), ("z", "y")):
            connection.execute(
                sa.text('UPDATE archive_metadata SET content_url = :url WHERE "archiveId" = :key'),
                {"url": f"db://admin/policy_bundles/{to}", "key": moved},
            )
    deployment.write_config("config.yaml", source)
    deployment.write_config("dest-config.yaml", destination)
    cli.run("plan", "config.yaml", "dest-config.yaml", "-o", "plan.json", "--keep-source").must_end(DONE)
    cli.run("apply", "plan.json", "--yes").must_end(DONE)
    newer = replace(first, content=b"newer")
    deployment.anchore(destination).put(newer, at=LATER)

    cli.run("undo", "plan.json", "--yes").must_end(DONE)

    assert deployment.reader(source).reads_all(by_name([newer, second, third]))
