"""What Anchore, or an accident, does between the stages: nothing lost, nothing stale, no only copy deleted."""

from __future__ import annotations

from dataclasses import replace

import pytest
import sqlalchemy as sa

from tests.anchore import corpus
from tests.anchore.config import Config, Db, Section
from tests.anchore.deployment import Deployment
from tests.anchore.documents import Document, by_name
from tests.cli import Cli
from tests.end_to_end.codes import DONE, INTEGRITY
from tests.end_to_end.holding import locked, wait_until_held
from tests.end_to_end.migration import Migration, begin, few

LATER = 1_700_000_500
"""Epoch seconds of what Anchore writes during a test."""


def test_what_anchore_does_after_the_copy_is_caught_up_with(deployment: Deployment, cli: Cli) -> None:
    """Copies are made ahead while Anchore works: it rewrites, deletes and adds, then it is stopped."""
    source = Config(Section(Db()), Section(deployment.s3("archive")))
    destination = Config(Section(deployment.s3(prefix="new/"), compress_above_kbytes=1), Section(Db()))
    before = begin(deployment, cli, source, destination, documents=few(20))
    before.plan()
    before.apply("plan.json", "--through", "copy")

    anchore = deployment.anchore(source)
    documents = list(before.expected.documents.values())
    rewritten = [replace(document, content=document.content + b" and more") for document in documents[:4]]
    rewritten += [replace(document, content=b"another bundle") for document in documents[-1:]]
    deleted = documents[4:7] + documents[-2:-1]
    added = corpus.ordinary(seed=99, count=3, largest=3000)
    for document in (*rewritten, *added):
        anchore.put(document, at=LATER)
    for document in deleted:
        anchore.delete(document)
    now = {document.name: document for document in (*documents, *rewritten, *added)}
    for document in deleted:
        del now[document.name]
    after = before.after_writes(now.values())

    after.apply()

    after.assert_at_destination()


@pytest.mark.parametrize("what", ["rewrite", "add", "delete"])
def test_a_write_that_is_committed_while_the_switch_waits_is_not_lost(migration: Migration, what: str) -> None:
    """A straggler holds the lock of every writer when the switch asks for its own, and writes last."""
    deployment, anchore = migration.deployment, migration.deployment.anchore(migration.source)
    now = dict(migration.expected.documents)
    document = next(iter(now.values()))
    migration.plan()
    with locked(deployment, "archive_metadata", "ROW EXCLUSIVE") as straggler:
        running = migration.cli.start("apply", "plan.json", "--yes")
        wait_until_held(deployment, running, "archive_metadata")
        if what == "delete":
            anchore.delete_row(document, within=straggler)
            del now[document.name]
        else:
            written = replace(document, content=b"newer", archive_id="new" if what == "add" else document.archive_id)
            anchore.put_row(written, anchore.put_payload(written), at=LATER, within=straggler)
            now[written.name] = written
        straggler.commit()
        if what == "delete":
            anchore.delete_payload(document)
        running.finish().must_end(DONE)

    read = deployment.reader(migration.destination).read_all(now)
    assert read == {name: document.content for name, document in now.items()}
    after = deployment.snapshot()
    named = {row["content_url"] for row in after.rows.values()}
    assert after.payloads.keys() == named | migration.expected.foreign()


def test_a_document_rewritten_between_switch_and_clean_keeps_what_anchore_wrote(migration: Migration) -> None:
    document = next(iter(migration.expected.documents.values()))
    migration.plan()
    migration.apply("plan.json", "--through", "switch")
    newer = replace(document, content=b"newer")
    migration.deployment.anchore(migration.destination).put(newer, at=LATER)
    expected = {**migration.expected.documents, document.name: newer}

    migration.apply()

    assert migration.deployment.reader(migration.destination).reads_all(expected)
    kept = migration.sources & migration.deployment.snapshot().payloads.keys()
    assert kept <= {migration.expected.before.rows[document.name]["content_url"]}


def test_a_document_rewritten_after_the_move_is_no_longer_the_plan_s(migration: Migration) -> None:
    """The same plan again must not touch what Anchore wrote at the destination since."""
    migration.plan()
    migration.apply()
    document = next(iter(migration.expected.documents.values()))
    migration.deployment.anchore(migration.destination).put(replace(document, content=b"newer"), at=LATER)

    with migration.writes_nothing():
        migration.apply()


@pytest.mark.parametrize("lost", [True, False], ids=["lost", "damaged"])
def test_a_source_outlives_a_copy_that_is_not_found_again(migration: Migration, lost: bool) -> None:
    """Between switch and clean the copy of one document goes bad: its source is the only good payload left."""
    document = next(iter(migration.expected.documents.values()))
    migration.plan()
    migration.apply("plan.json", "--through", "switch")
    at_destination = migration.deployment.anchore(migration.destination)
    if lost:
        at_destination.delete_payload(document)
    else:
        at_destination.store_payload(document, b"damaged")

    said = migration.apply(code=INTEGRITY)

    assert document.archive_id in said.stderr
    kept = migration.sources & migration.deployment.snapshot().payloads.keys()
    assert kept == {migration.expected.before.rows[document.name]["content_url"]}


def test_a_clean_that_finds_too_much_missing_deletes_nothing_more(deployment: Deployment, cli: Cli) -> None:
    """A destination that has lost what it had may be losing the rest: it is no time to delete sources."""
    destination = Config(Section(deployment.s3()))
    migration = begin(deployment, cli, Config(Section(Db())), destination, documents=few(1200))
    migration.plan()
    migration.apply("plan.json", "--through", "switch")
    at_destination = deployment.anchore(destination)
    for document in sorted(migration.expected.documents.values(), key=lambda one: tuple(one.name))[:8]:
        at_destination.delete_payload(document)

    said = migration.apply("plan.json", "--max-failures", "3", "--jobs", "1", code=INTEGRITY)

    assert "8 copies are not found again" in said.stderr
    assert "--max-failures" in said.stderr
    kept = migration.sources & deployment.snapshot().payloads.keys()
    assert len(kept) > 200  # what it had not come to

    migration.apply(code=INTEGRITY)
    assert len(migration.sources & deployment.snapshot().payloads.keys()) == 8


def fill_with_a_shared_payload(deployment: Deployment, source: Config, bucket: str) -> tuple[Document, Document]:
    """Return a document of the working set, and one in ``bucket`` whose row names the first one's payload."""
    deployment.fill(source, few())
    owner = next(document for document in few() if document.store == "object_store")
    sharer = Document(bucket, "sharer", "admin", owner.content)
    deployment.anchore(source).put_row(sharer, owner.content)
    with deployment.engine.begin() as connection:
        connection.execute(
            sa.text(
                """
                UPDATE archive_metadata s SET content_url = o.content_url FROM archive_metadata o
                WHERE s."archiveId" = 'sharer' AND o."archiveId" = :key
                """
            ),
            {"key": owner.archive_id},
        )
    return owner, sharer


@pytest.mark.parametrize("rewritten", [True, False])
def test_an_undo_gives_each_of_two_documents_of_one_payload_its_own_content(
    deployment: Deployment, cli: Cli, *, rewritten: bool
) -> None:
    """One of them has been rewritten since the switch, and is copied back to where both had been."""
    source, destination = Config(Section(Db())), Config(Section(deployment.s3()))
    owner, sharer = fill_with_a_shared_payload(deployment, source, "policy_bundles")
    deployment.write_config("config.yaml", source)
    deployment.write_config("dest-config.yaml", destination)
    before = deployment.snapshot().rows
    cli.run("plan", "config.yaml", "dest-config.yaml", "-o", "plan.json", "--keep-source").must_end(0)
    cli.run("apply", "plan.json", "--yes").must_end(0)
    documents = {document.name: document for document in (*few(), sharer)}
    if rewritten:
        documents[owner.name] = replace(owner, content=b'{"document": "changed since"}')
        deployment.anchore(destination).put(documents[owner.name], at=LATER)

    cli.run("undo", "plan.json", "--yes").must_end(0)

    assert deployment.reader(source).reads_all(documents)
    cli.run("verify", "config.yaml", "--full").must_end(0)
    urls = {name: row["content_url"] for name, row in before.items()}
    now = {name: row["content_url"] for name, row in deployment.snapshot().rows.items()}
    assert {name for name in urls if urls[name] != now[name]} == ({sharer.name} if rewritten else set())
    cli.run("clean", "plan.json", "--yes").must_end(0)
    assert deployment.reader(source).reads_all(documents)


def test_two_documents_of_one_payload_keep_it_until_both_have_moved(deployment: Deployment, cli: Cli) -> None:
    """A row may name another document's payload; clean must not take it from a row that stays."""
    source = Config(Section(deployment.s3()), Section(deployment.s3("archive")))
    destination = Config(Section(deployment.s3("next")), Section(deployment.s3("archive")))
    _, sharer = fill_with_a_shared_payload(deployment, source, "analysis_archive")
    deployment.write_config("config.yaml", source)
    deployment.write_config("dest-config.yaml", destination)
    expected = deployment.expect([*few(), sharer])

    cli.run("plan", "config.yaml", "dest-config.yaml", "-o", "plan.json").must_end(0)
    cli.run("apply", "plan.json", "--yes").must_end(0)

    assert deployment.reader(destination).reads_all(expected.documents)


def test_a_bucket_that_gets_its_first_document_while_the_switch_waits_keeps_it_shut(
    deployment: Deployment, cli: Cli
) -> None:
    """A plan of one bucket may switch a store that has no other; by then it has."""
    one, other = (Document(bucket, bucket, "admin", b"of a bucket") for bucket in ("policy_bundles", "query_data"))
    source, destination = Config(Section(Db())), Config(Section(deployment.s3()))
    migration = begin(deployment, cli, source, destination, documents=[one])
    migration.plan("--bucket", "policy_bundles", "--keep-source")
    anchore = deployment.anchore(source)
    with locked(deployment, "archive_metadata", "ROW EXCLUSIVE") as straggler:
        run = cli.start("apply", "plan.json", "--yes")
        wait_until_held(deployment, run, "archive_metadata")
        anchore.put_row(other, anchore.put_payload(other), at=LATER, within=straggler)
        straggler.commit()
        run.finish()

    assert deployment.reader(source).reads_all(by_name([one, other]))
