"""What is accepted beside other plans, other rounds, and an Anchore that goes on writing."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import sqlalchemy as sa

from restow.demo.servers import S3Server
from tests.anchore import corpus
from tests.anchore.config import S3, Config, Db, Localfs, Section
from tests.anchore.deployment import Deployment
from tests.anchore.documents import Document, by_name
from tests.cli import Cli
from tests.end_to_end.codes import DONE, FAILED, REFUSED
from tests.end_to_end.holding import locked, wait_until_held
from tests.end_to_end.migration import Migration, begin, few, plan_of
from tests.end_to_end.test_accepted import accepting, lose, working

LATER = 1_700_000_500
ODD = tuple(Document("policy_bundles", key, "admin", key.encode()) for key in corpus.UNREADABLE)
ODD_NAMES = ("--ignore", "names-unreadable-at-source", "--ignore", "names-unreadable-at-destination")


def in_the_way(deployment: Deployment, cli: Cli, *accounts: str, prefix: str) -> Migration:
    """Documents of one key in these accounts, and the prefix that makes the first one's new name another's old one."""
    documents = [Document("policy_bundles", "policy", account, account.encode()) for account in accounts]
    places = deployment.s3(), deployment.s3(prefix=prefix)
    source, destination = (Config(Section(place)) for place in places)
    return begin(deployment, cli, source, destination, documents=documents)


def anew(document: Document) -> Document:
    return replace(document, content=document.content + b" written anew")


def test_a_document_in_the_way_that_anchore_writes_anew_during_the_run_overwrites_nothing(
    deployment: Deployment, cli: Cli
) -> None:
    migration = in_the_way(deployment, cli, "a", "za", "y", prefix="z")
    migration.plan("--ignore", "destination-occupied", "--keep-source")
    first, second, third = migration.expected.documents.values()
    newer = [anew(first), anew(second)]
    with locked(deployment, "archive_metadata", "ROW EXCLUSIVE") as straggler:
        run = cli.start("apply", "plan.json", "--yes", "--jobs", "1")
        wait_until_held(deployment, run, "archive_metadata")
        writer = deployment.anchore(migration.source)
        for document in newer:
            writer.put_row(document, writer.put_payload(document), at=LATER, within=straggler)
        straggler.commit()
        said = run.finish().must_end(FAILED)

    assert "another document's payload" in said.stderr
    assert deployment.reader(migration.source).reads_all(by_name([*newer, third]))


def test_an_undo_overwrites_nothing_that_anchore_wrote_for_an_accepted_document(
    deployment: Deployment, cli: Cli
) -> None:
    migration = in_the_way(deployment, cli, "b", "ab", "y", prefix="a")
    migration.plan("--ignore", "destination-occupied", "--keep-source")
    migration.apply()
    first, *others = migration.expected.documents.values()
    newer = anew(first)
    deployment.anchore(migration.destination).put(newer, at=LATER)

    cli.run("undo", "plan.json", "--yes", "--jobs", "1").must_end(FAILED)

    assert deployment.reader(migration.destination).reads_all(by_name([newer, *others]))


def test_a_clean_leaves_the_place_where_an_accepted_document_would_be_written(deployment: Deployment, cli: Cli) -> None:
    migration = in_the_way(deployment, cli, "a", "za", "y", prefix="z")
    migration.plan("--ignore", "destination-occupied")
    migration.apply("plan.json", "--through", "switch")
    first, *others = migration.expected.documents.values()
    writer = deployment.anchore(migration.destination)
    # Anchore runs again under the new configuration, and has written the payload but not yet its row.
    payload = writer.put_payload(anew(first))

    migration.apply()

    writer.put_row(anew(first), payload, at=LATER)
    assert deployment.reader(migration.destination).reads_all(by_name([anew(first), *others]))


def odd_names(deployment: Deployment, cli: Cli) -> Migration:
    source, destination = Config(Section(Db())), Config(Section(deployment.s3()))
    return accepting(begin(deployment, cli, source, destination, documents=[*few(), *ODD]), ODD)


def test_names_accepted_at_the_source_do_not_keep_an_undo_from_its_end(deployment: Deployment, cli: Cli) -> None:
    migration = odd_names(deployment, cli)
    migration.plan("--keep-source", *ODD_NAMES)
    migration.apply()

    cli.run("undo", "plan.json", "--yes").must_end(DONE)

    migration.assert_at_source(leftovers=[migration.destination])


def test_names_that_stayed_can_be_accepted_again_on_the_way_back(deployment: Deployment, cli: Cli) -> None:
    migration = odd_names(deployment, cli)
    migration.plan(*ODD_NAMES)
    migration.apply()

    migration.plan_back()
    with migration.writes_nothing():
        migration.apply("back.json", code=REFUSED)
    migration.apply(migration.plan_back(*ODD_NAMES))

    migration.assert_at_source()


def test_what_an_opposite_move_accepted_long_ago_is_nothing_to_an_undo(deployment: Deployment, cli: Cli) -> None:
    source, destination = Config(Section(Db())), Config(Section(deployment.s3()))
    migration = begin(deployment, cli, source, destination, documents=few())
    lost = working(migration)[0]
    deployment.anchore(source).delete_payload(lost)
    migration.plan("--deep", "--ignore", "payload-missing")
    migration.apply()
    deployment.anchore(source).store_payload(lost, lost.content)
    migration.apply(migration.plan_back("--keep-source"))

    cli.run("undo", "back.json", "--yes").must_end(DONE)

    moved = [one for one in migration.expected.documents.values() if one.name != lost.name]
    assert deployment.reader(destination).reads_all(by_name(moved))


def test_an_undo_accepts_nothing_that_nobody_has_reviewed(migration: Migration) -> None:
    first, second, third, *_ = working(migration)
    anchore = migration.deployment.anchore(migration.source)
    for document in (first, second):
        anchore.delete_payload(document)
    migration.plan("--deep", "--keep-source", "--ignore", "payload-missing")
    for document in (first, second):
        anchore.store_payload(document, document.content)
    migration.apply()
    newer = replace(third, archive_id="new", document_name=None, content=b"new")
    anchore = migration.deployment.anchore(migration.destination)
    anchore.put(newer)
    anchore.delete_payload(newer)

    said = migration.cli.run("undo", "plan.json", "--yes").must_end(FAILED)

    assert newer.archive_id in said.stderr


def test_a_copy_made_ahead_of_a_document_that_is_accepted_later_is_removed(migration: Migration) -> None:
    migration.plan(file="first.json")
    migration.apply("first.json", "--through", "copy")
    lost = working(migration)[0]
    lose(migration, lost)
    migration = accepting(migration, [lost])
    migration.plan("--ignore", "documents-unreachable")

    migration.apply()

    migration.assert_at_destination()


def test_buckets_left_out_are_refused_also_when_nobody_can_read_them(migration: Migration) -> None:
    one = working(migration)[0]
    others = [document for document in migration.expected.documents.values() if document.bucket != one.bucket]
    lose(migration, *others)
    plan = plan_of(migration.plan("--bucket", one.bucket))
    assert "store-would-be-split" in [finding["code"] for finding in plan["findings"]]

    with migration.writes_nothing():
        migration.cli.run("apply", "plan.json", "--dry-run").must_end(REFUSED)
        migration.apply(code=REFUSED)


def test_a_twin_row_that_goes_while_the_switch_waits_leaves_the_copy_they_share(
    deployment: Deployment, cli: Cli
) -> None:
    """Two rows of one key share payload and destination; without the one the other still needs both."""
    migration = begin(deployment, cli, Config(Section(Db())), Config(Section(deployment.s3())), documents=few())
    document = working(migration)[0]
    twin = """
        INSERT INTO archive_metadata
        SELECT (jsonb_populate_record(r, jsonb_build_object('documentName', 'twin.json'))).*
        FROM archive_metadata r WHERE "archiveId" = :key
    """
    with deployment.engine.begin() as connection:
        connection.execute(sa.text(twin), {"key": document.archive_id})
    migration.plan("--keep-source")
    with locked(deployment, "archive_metadata", "ROW EXCLUSIVE") as straggler:
        run = cli.start("apply", "plan.json", "--yes")
        wait_until_held(deployment, run, "archive_metadata")
        straggler.execute(sa.text("DELETE FROM archive_metadata WHERE \"documentName\" = 'twin.json'"))
        straggler.commit()
        run.finish().must_end(DONE)

    assert deployment.reader(migration.destination).reads_all(migration.expected.documents)


def test_a_second_plan_for_a_pair_of_one_url_has_nothing_to_do(
    deployment: Deployment, cli: Cli, other_s3_server: S3Server
) -> None:
    place = deployment.s3(prefix="second/")
    other = S3(url=other_s3_server.url, bucket=place.bucket, prefix=place.prefix, create_bucket=True)
    migration = begin(deployment, cli, Config(Section(place)), Config(Section(other)), documents=few())
    migration.plan("--keep-source")
    migration.apply()
    newer = replace(working(migration)[0], archive_id="new", document_name=None, content=b"new")
    deployment.anchore(migration.destination).put(newer)

    migration.apply(migration.plan("--keep-source", file="second.json"))

    everything = {**migration.expected.documents, **by_name([newer])}
    assert deployment.reader(migration.destination).reads_all(everything)


def test_what_keeps_anchore_from_starting_is_told_by_a_dry_run_too_and_only_before_the_switch(
    deployment: Deployment, cli: Cli
) -> None:
    top = Path(deployment.directory("new"))
    migration = begin(deployment, cli, Config(Section(Db())), Config(Section(Localfs(str(top)))), documents=few())
    migration.plan()
    (top / "lost+found").mkdir()
    with migration.writes_nothing():
        cli.run("apply", "plan.json", "--dry-run").must_end(REFUSED)
        migration.apply(code=REFUSED)

    (top / "lost+found").rmdir()
    migration.apply("plan.json", "--through", "switch")
    (top / "lost+found").mkdir()
    migration.apply()


def test_what_an_earlier_plan_accepted_and_was_mended_since_moves(migration: Migration) -> None:
    lost = working(migration)[0]
    anchore = migration.deployment.anchore(migration.source)
    anchore.delete_payload(lost)
    migration.plan("--deep", "--ignore", "payload-missing", file="first.json")
    migration.apply("first.json", "--through", "copy")
    anchore.store_payload(lost, lost.content)
    migration.plan()

    migration.apply()

    assert migration.deployment.reader(migration.destination).reads_all(migration.expected.documents)


def test_what_was_accepted_is_counted_over_all_moves(deployment: Deployment, cli: Cli) -> None:
    """Six are lost where four were reviewed; of each move it is fewer than four."""
    source = Config(Section(Db()), Section(deployment.s3("archive")))
    destination = Config(Section(deployment.s3()), Section(Db()))
    migration = begin(deployment, cli, source, destination, documents=few())
    bundles = [one for one in migration.expected.documents.values() if one.store == "analysis_archive"]
    for one in (*working(migration)[:2], *bundles[:2]):
        deployment.anchore(source).delete_payload(one)
    migration.plan("--deep", "--ignore", "payload-missing")
    for one in (working(migration)[2], bundles[2]):
        deployment.anchore(source).delete_payload(one)
    rows = deployment.snapshot().rows

    migration.apply(code=FAILED)

    assert deployment.snapshot().rows == rows
