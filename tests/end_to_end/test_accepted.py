"""``--ignore``: what the plan accepts stays exactly as it is, all else moves, and what grows beyond it is refused."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace

import pytest
import sqlalchemy as sa

from tests.anchore import corpus
from tests.anchore.config import Config, Db, Localfs, Section, url_for
from tests.anchore.deployment import Deployment
from tests.anchore.documents import Document
from tests.cli import Cli, Result
from tests.end_to_end.codes import DONE, FAILED, INTEGRITY, REFUSED
from tests.end_to_end.migration import Migration, begin, few, plan_of

NOWHERE = "swift://box/key"


def lose(migration: Migration, *documents: Document) -> None:
    """Let rows point to where neither config can read."""
    with migration.deployment.engine.begin() as connection:
        for document in documents:
            connection.execute(
                sa.text('UPDATE archive_metadata SET content_url = :url WHERE "archiveId" = :key'),
                {"url": NOWHERE, "key": document.archive_id},
            )


def find_again(migration: Migration, document: Document) -> None:
    """Let Anchore write the document anew."""
    migration.deployment.anchore(migration.source).put(document)


def working(migration: Migration) -> list[Document]:
    return [one for one in migration.expected.documents.values() if one.store == "object_store"]


def accepting(migration: Migration, documents: Sequence[Document]) -> Migration:
    """Return the migration as it is now, of which these documents are to stay as they are."""
    now = migration.after_writes(migration.expected.documents.values())
    return replace(now, expected=replace(now.expected, accepted=[one.name for one in documents]))


def accepted_in_report(migration: Migration) -> int:
    report = json.loads((migration.deployment.root / "plan.report.json").read_text(encoding="utf-8"))
    ledgers = [bucket for move in report["moves"] for bucket in move["buckets"]]
    assert not any(bucket["unaccounted"] or bucket["failed"] for bucket in ledgers)
    return sum(bucket["accepted"] for bucket in ledgers)


def verify(migration: Migration, config: str) -> Result:
    return migration.cli.run("verify", config)


def test_unreachable_documents_stay_and_all_others_move(migration: Migration) -> None:
    lost = [migration.bundle, working(migration)[0]]
    lose(migration, *lost)
    migration = accepting(migration, lost)
    plan = plan_of(migration.plan("--ignore", "documents-unreachable"))
    assert [(one["code"], one["count"]) for one in plan["accepted"]] == [("documents-unreachable", 2)]
    assert (plan["totals"]["accepted"], plan["totals"]["unreachable"]) == (2, 0)

    with migration.writes_nothing():
        said = migration.cli.run("apply", "plan.json", "--dry-run").must_end(DONE)
    assert "copy" in said.stdout
    migration.apply()

    migration.assert_at_destination()
    assert accepted_in_report(migration) == 2
    audit = verify(migration, "dest-config.yaml").must_end(INTEGRITY)
    assert all(one.archive_id in audit.stdout for one in lost)
    assert "accepted" in migration.cli.run("status", "plan.json").must_end(DONE).stdout
    with migration.writes_nothing():
        migration.apply()


def test_without_the_plan_s_word_they_keep_everything_from_moving(migration: Migration) -> None:
    lose(migration, migration.bundle)
    migration.plan()
    with migration.writes_nothing():
        migration.apply(code=REFUSED)


@pytest.mark.parametrize("healed", [0, 1], ids=["one more", "another one"])
def test_what_grew_or_changed_since_the_review_is_refused(migration: Migration, healed: int) -> None:
    first, second, third, *_ = working(migration)
    lose(migration, first, second)
    migration.plan("--ignore", "documents-unreachable")
    lose(migration, third)
    for document in (first, second)[:healed]:
        find_again(migration, document)

    with migration.writes_nothing():
        said = migration.apply(code=REFUSED)
    assert "documents-unreachable" in said.stderr
    assert "accepts 2" in said.stderr


def test_what_was_mended_since_the_review_moves_with_the_others(migration: Migration) -> None:
    first, second, *_ = working(migration)
    lose(migration, first, second)
    migration.plan("--ignore", "documents-unreachable")
    find_again(migration, first)
    migration = accepting(migration, [second])

    migration.apply()

    migration.assert_at_destination()
    assert accepted_in_report(migration) == 1


def test_an_accepted_document_that_anchore_writes_anew_is_moved(migration: Migration) -> None:
    first = working(migration)[0]
    lose(migration, first)
    migration.plan("--ignore", "documents-unreachable")
    migration.apply("plan.json", "--through", "copy")
    find_again(migration, first)
    migration = accepting(migration, [])

    migration.apply()

    migration.assert_at_destination()
    assert accepted_in_report(migration) == 0


def test_names_that_anchore_cannot_read_stay_with_their_payloads(deployment: Deployment, cli: Cli) -> None:
    odd = [Document("policy_bundles", key, "admin", key.encode()) for key in corpus.UNREADABLE]
    destination = Config(Section(deployment.s3()))
    migration = begin(deployment, cli, Config(Section(Db())), destination, documents=[*few(), *odd])
    migration = accepting(migration, odd)
    codes = ("names-unreadable-at-source", "names-unreadable-at-destination")
    plan = plan_of(migration.plan(*(word for code in codes for word in ("--ignore", code))))
    assert plan["totals"]["accepted"] == len(odd)

    migration.apply()

    migration.assert_at_destination()
    assert accepted_in_report(migration) == len(odd)
    migration.apply(code=DONE)


def test_names_that_only_the_new_backend_cannot_take(deployment: Deployment, cli: Cli) -> None:
    """A directory reads any name; S3 does not."""
    odd = [Document("policy_bundles", key, "admin", key.encode()) for key in corpus.UNREADABLE]
    source = Config(Section(Localfs(deployment.directory("old"))))
    destination = Config(Section(deployment.s3(prefix="new/")))
    migration = begin(deployment, cli, source, destination, documents=[*few(), *odd])
    migration = accepting(migration, odd)
    migration.plan("--ignore", "names-unreadable-at-destination")

    migration.apply()

    migration.assert_at_destination()


def test_a_document_in_the_way_of_another_stays_where_it_is(deployment: Deployment, cli: Cli) -> None:
    documents = [Document("policy_bundles", "policy", account, account.encode()) for account in ("x", "team-x", "y")]
    source, destination = Config(Section(deployment.s3())), Config(Section(deployment.s3(prefix="team-")))
    migration = begin(deployment, cli, source, destination, documents=documents)
    migration = accepting(migration, documents[:1])
    migration.plan("--ignore", "destination-occupied")

    migration.apply()

    # Under the new configuration Anchore would write the first one there: that place is never cleared.
    place = url_for(migration.source.object_store.place, documents[1])
    assert deployment.faults(destination, migration.expected) == [f"left over: {place}"]


def test_missing_payloads_that_a_deep_plan_found(migration: Migration) -> None:
    lost, broken = migration.bundle, working(migration)[0]
    anchore = migration.deployment.anchore(migration.source)
    anchore.delete_payload(lost)
    anchore.store_payload(broken, broken.content[:-1])
    migration = accepting(migration, [lost, broken])
    plan = plan_of(migration.plan("--deep", "--ignore", "payload-missing", "--ignore", "payload-corrupt"))
    assert {one["code"]: one["count"] for one in plan["accepted"]} == {"payload-missing": 1, "payload-corrupt": 1}

    migration.apply()

    migration.assert_at_destination()
    assert accepted_in_report(migration) == 2


def test_more_missing_payloads_than_were_accepted_stop_the_switch(migration: Migration) -> None:
    first, second, *_ = working(migration)
    anchore = migration.deployment.anchore(migration.source)
    anchore.delete_payload(first)
    migration.plan("--deep", "--ignore", "payload-missing")
    anchore.delete_payload(second)
    before = migration.deployment.snapshot().rows

    said = migration.apply(code=FAILED)

    assert second.archive_id in said.stderr
    assert migration.deployment.snapshot().rows == before


def test_what_stays_as_it_is_is_not_said_to_be_read(migration: Migration) -> None:
    lost = working(migration)[:2]
    for one in lost:
        migration.deployment.anchore(migration.source).delete_payload(one)
    migration.plan("--deep", "--ignore", "payload-missing", "--keep-source")

    said = migration.apply()
    back = migration.cli.run("undo", "plan.json", "--yes").must_end(0)

    assert "reads every document but 2 that were left as they are" in said.stderr
    assert "reads every document but 2 that were left as they are" in back.stderr


def test_failures_of_two_kinds_are_counted_each(migration: Migration) -> None:
    first, second, third, fourth, *_ = working(migration)
    anchore = migration.deployment.anchore(migration.source)
    anchore.store_payload(first, b"damaged")
    for one in (second, third, fourth):
        anchore.delete_payload(one)
    migration.plan()

    said = migration.apply(code=INTEGRITY)

    assert "failed (1 corrupt, 3 missing), nothing was switched; the first: " in said.stderr


def test_accepted_failures_do_not_count_against_the_limit(migration: Migration) -> None:
    lost = working(migration)[:3]
    for one in lost:
        migration.deployment.anchore(migration.source).delete_payload(one)
    migration = accepting(migration, lost)
    migration.plan("--deep", "--ignore", "payload-missing")

    migration.apply("plan.json", "--max-failures", "0")

    migration.assert_at_destination()


def test_the_way_back_leaves_them_alone_too(migration: Migration) -> None:
    lost, broken = working(migration)[:2]
    lose(migration, lost)
    migration.deployment.anchore(migration.source).delete_payload(broken)
    migration = accepting(migration, [lost, broken])
    flags = ("--ignore", "documents-unreachable", "--ignore", "payload-missing")
    migration.plan("--deep", "--keep-source", *flags)
    migration.apply()
    migration.assert_at_destination(leftovers=[migration.source])

    migration.cli.run("undo", "plan.json", "--yes").must_end(DONE)
    migration.assert_at_source(leftovers=[migration.destination])

    migration.apply()
    migration.cli.run("clean", "plan.json", "--yes").must_end(DONE)
    migration.assert_at_destination()
