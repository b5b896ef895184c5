"""Several rounds of one deployment: there and back where no URL changes, plans by turns, cleans beside Anchore."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from restow.demo.servers import S3Server
from tests.anchore import s3
from tests.anchore.config import S3, Config, Db, Section
from tests.anchore.deployment import Deployment
from tests.anchore.documents import Document, by_name
from tests.cli import Cli
from tests.end_to_end.codes import DONE, INTEGRITY, STALE
from tests.end_to_end.holding import Gate
from tests.end_to_end.migration import DESTINATION, SOURCE, Migration, begin, few
from tests.end_to_end.test_accepted import working
from tests.end_to_end.test_race_writer import PAUSE, Anchore

LATER = 1_700_000_500


@pytest.fixture
def one_url(deployment: Deployment, cli: Cli, other_s3_server: S3Server) -> Iterator[Migration]:
    """From one endpoint to another, with the same bucket and prefix: no URL changes, so no row tells where it is."""
    old = deployment.s3(prefix="a/")
    new = S3(url=other_s3_server.url, bucket=old.bucket, prefix=old.prefix)
    client = deployment.clients.of(new)
    client.create_bucket(Bucket=new.bucket)
    yield begin(deployment, cli, Config(Section(old)), Config(Section(new)), documents=few(6))
    for key in s3.keys(client, new.bucket):
        client.delete_object(Bucket=new.bucket, Key=key)
    client.delete_bucket(Bucket=new.bucket)


def objects(migration: Migration, config: Config) -> set[str]:
    """Return the keys of Anchore's documents at an S3 place, without the foreign ones beside them."""
    place = config.object_store.place
    assert isinstance(place, S3)
    foreign = {url.removeprefix(f"s3://{place.bucket}/") for url in migration.expected.foreign()}
    return set(s3.keys(migration.deployment.clients.of(place), place.bucket)) - foreign


def work_on(migration: Migration, config: Config, documents: Iterable[Document], moment: int) -> list[Document]:
    """Let Anchore add a document, rewrite one and delete one; return what there is then."""
    first, second, *rest = sorted(documents, key=lambda one: one.name)
    anchore = migration.deployment.anchore(config)
    rewritten = replace(first, content=b"rewritten at %d" % moment)
    added = replace(first, archive_id=f"zz added at {moment}", document_name=None, content=b"added at %d" % moment)
    for document in (rewritten, added):
        anchore.put(document, at=LATER + moment)
    anchore.delete(second)
    return [rewritten, added, *rest]


def test_there_and_back_and_there_again_where_no_url_changes(one_url: Migration) -> None:
    """Anchore works in between; what is at a place, only the rounds can tell."""
    configs = (one_url.source, one_url.destination)
    documents = list(one_url.expected.documents.values())
    for turn, plan in enumerate((one_url.plan, one_url.plan_back, one_url.plan, one_url.plan_back)):
        old, new = configs[turn % 2], configs[(turn + 1) % 2]

        one_url.apply(plan(file=f"{turn}.json"))

        assert one_url.deployment.reader(new).reads_all(by_name(documents))
        assert objects(one_url, old) == set()
        assert len(objects(one_url, new)) == len(documents)
        with one_url.writes_nothing():
            one_url.apply(f"{turn}.json")
        documents = work_on(one_url, new, documents, turn)


def test_undo_where_no_url_changes_brings_back_what_was_written_since(one_url: Migration) -> None:
    one_url.plan("--keep-source")
    one_url.apply()
    documents = work_on(one_url, one_url.destination, one_url.expected.documents.values(), 1)

    one_url.cli.run("undo", "plan.json", "--yes").must_end(DONE)

    assert one_url.deployment.reader(one_url.source).reads_all(by_name(documents))


def test_a_document_deleted_at_the_new_place_and_written_anew_after_an_undo_is_moved_again(one_url: Migration) -> None:
    """Its row says then just what the switch had made of it, but at the new place nothing is left of it."""
    one_url.plan("--keep-source")
    one_url.apply()
    document, *_ = one_url.expected.documents.values()
    one_url.deployment.anchore(one_url.destination).delete(document)
    one_url.cli.run("undo", "plan.json", "--yes").must_end(DONE)
    one_url.deployment.anchore(one_url.source).put(document)

    one_url.apply()

    assert one_url.deployment.reader(one_url.destination).reads_all(one_url.expected.documents)


def test_undo_after_the_new_config_was_put_in_the_old_one_s_place(migration: Migration) -> None:
    migration.plan("--keep-source")
    migration.apply()
    migration.deployment.write_config("config.old.yaml", migration.source)
    migration.deployment.write_config(SOURCE, migration.destination)

    with migration.writes_nothing():
        said = migration.cli.run("undo", "plan.json", "--yes").must_end(STALE)
    assert "--source config.old.yaml" in said.stderr

    migration.cli.run("undo", "plan.json", "--yes", "--source", "config.old.yaml").must_end(DONE)
    migration.assert_at_source(leftovers=[migration.destination])


def test_two_plans_of_one_move_by_turns(migration: Migration) -> None:
    """Each writes its own encoding over the other's copies; the one that switches leaves all as it says."""
    plain = Config(Section(migration.destination.object_store.place))
    migration.deployment.write_config("plain.yaml", plain)
    migration.plan(file="compressed.json")
    migration.cli.run("plan", SOURCE, "plain.yaml", "-o", "plain.json").must_end(DONE)
    for plan in ("compressed.json", "plain.json", "compressed.json", "plain.json"):
        migration.apply(plan, "--through", "verify")
        migration.assert_not_switched()

    migration.apply("compressed.json")
    migration.assert_at_destination()

    migration.deployment.write_config(DESTINATION, migration.destination)
    migration.apply("plain.json")
    migration.assert_at_destination()


def test_a_document_rewritten_while_its_source_is_cleaned_is_no_damage(migration: Migration, tmp_path: Path) -> None:
    """Anchore runs under the new configuration: its payload is new, and its row is not yet."""
    migration.plan()
    migration.apply("plan.json", "--through", "switch")
    document = migration.bundle
    anchore, newer = migration.deployment.anchore(migration.destination), replace(document, content=b"newer")
    payload = anchore.put_payload(newer)
    gate = Gate(PAUSE, tmp_path)

    running = migration.cli.start("clean", "plan.json", "--yes", rig=gate.rig)
    gate.wait_until_reached(running)
    anchore.put_row(newer, payload, at=LATER)
    gate.open()
    running.finish().must_end(DONE)

    documents = {**migration.expected.documents, document.name: newer}
    assert migration.deployment.reader(migration.destination).reads_all(documents)
    kept = migration.sources & migration.deployment.snapshot().payloads.keys()
    assert kept == {migration.expected.before.rows[document.name]["content_url"]}


def test_a_document_rewritten_while_the_copies_of_an_undone_move_are_cleaned_is_no_damage(
    migration: Migration, tmp_path: Path
) -> None:
    migration.plan("--keep-source")
    migration.apply()
    migration.cli.run("undo", "plan.json", "--yes").must_end(DONE)
    document = migration.bundle
    anchore, newer = migration.deployment.anchore(migration.source), replace(document, content=b"newer")
    payload = anchore.put_payload(newer)
    gate = Gate(PAUSE, tmp_path)

    running = migration.cli.start("clean", "plan.json", "--yes", rig=gate.rig)
    gate.wait_until_reached(running)
    anchore.put_row(newer, payload, at=LATER)
    gate.open()
    running.finish().must_end(DONE)

    others = [one for one in migration.expected.documents.values() if one.name != document.name]
    migration.after_writes([newer, *others]).assert_at_source()


def test_a_copy_is_kept_while_its_document_cannot_be_read_at_the_source(migration: Migration) -> None:
    migration.plan("--keep-source")
    migration.apply()
    migration.cli.run("undo", "plan.json", "--yes").must_end(DONE)
    migration.deployment.anchore(migration.source).store_payload(migration.bundle, b"damaged")

    migration.cli.run("clean", "plan.json", "--yes").must_end(INTEGRITY)

    copies = {url for url in migration.deployment.snapshot().payloads if url.startswith("s3://")}
    assert len(copies - migration.expected.before.payloads.keys()) == 1


@pytest.mark.parametrize("undone", [False, True], ids=["switched", "undone"])
def test_anchore_may_run_while_its_leftovers_are_cleaned(
    deployment: Deployment, cli: Cli, tmp_path: Path, undone: bool
) -> None:
    """It writes where the clean deletes nothing; no service has to be stopped for that."""
    source, destination = Config(Section(Db())), Config(Section(deployment.s3()))
    migration = begin(deployment, cli, source, destination, documents=few(24))
    migration.plan("--keep-source")
    migration.apply()
    if undone:
        cli.run("undo", "plan.json", "--yes").must_end(DONE)
    here = source if undone else destination
    anchore = Anchore(deployment.anchore(here), dict(migration.expected.documents), tmp_path / "steps")

    with anchore.at_work():
        cli.run("clean", "plan.json", "--yes", rig=anchore.rig).must_end(DONE)

    assert anchore.steps > 20
    assert deployment.reader(here).reads_all(anchore.documents)


def test_what_a_plan_left_as_it_is_keeps_no_undo_from_its_end(one_url: Migration) -> None:
    lost = working(one_url)[0]
    one_url.deployment.anchore(one_url.source).delete_payload(lost)
    one_url.plan("--deep", "--ignore", "payload-missing", "--keep-source")
    one_url.apply()

    one_url.cli.run("undo", "plan.json", "--yes").must_end(DONE)

    others = [one for one in one_url.expected.documents.values() if one.name != lost.name]
    assert one_url.deployment.reader(one_url.source).reads_all(by_name(others))
