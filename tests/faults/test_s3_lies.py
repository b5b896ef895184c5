"""Bytes that change and servers that lie: seen before the switch, whatever an ETag says.

The S3 is an honest one when the run begins, so that its ETags are believed; then it is not.
"""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from tests.anchore.deployment import Deployment
from tests.anchore.documents import Document
from tests.cli import Cli
from tests.end_to_end.codes import DONE, FAILED, INTEGRITY
from tests.end_to_end.migration import few
from tests.faults.behind import Behind, from_s3, name, to_s3
from tests.faults.s3_proxy import Etag, Fault, FlipReply, FlipRequest, Replay, S3Proxy, Say, StoreOther, Swallow, md5

DOCUMENTS = "/internaltest(?!restow)"
LISTS = r"\?.*(prefix|list-type)="
PARTS = '"0123456789abcdef0123456789abcdef-2"'
OTHER = '"0123456789abcdef0123456789abcdef"'
MANY = tuple(replace(one, bucket="analysis_data", user_id="admin") for one in few(40))
"""In one folder, so that a list of it pays."""
MORE_THAN_A_LIST = tuple(Document("analysis_data", f"{n:04}", "admin", b"%d" % n) for n in range(1100))


@pytest.mark.parametrize(
    ("fault", "words", "mode"),
    [
        (FlipRequest(), "with MD5", "digest"),
        (StoreOther(), "with MD5", "digest"),
        (StoreOther(), "with MD5", "full"),
        (Swallow(), "nothing is stored at", "digest"),
    ],
    ids=["changed on the way", "other bytes under a good reply", "the same, full", "nothing under a good reply"],
)
def test_what_is_not_stored_as_it_was_sent_is_told_and_nothing_is_switched(
    deployment: Deployment, cli: Cli, proxy: S3Proxy, fault: Fault, words: str, mode: str
) -> None:
    behind = to_s3(deployment, cli, proxy)
    victim = behind.documents[4]
    proxy.befall(fault, "PUT", key=behind.key(victim))

    said = behind.run("apply", "--verify", mode).must_end(FAILED)

    assert behind.failed() == {name(victim): "not-stored"}
    assert words in said.stderr
    assert_rows_untouched(behind)
    proxy.heal()
    behind.run("apply", "--verify", mode).must_end(DONE)
    behind.migration.assert_at_destination()


@pytest.mark.parametrize("etag", [None, OTHER, PARTS], ids=["no ETag", "another", "that of parts"])
def test_an_etag_that_is_no_digest_any_more_proves_nothing_and_harms_nothing(
    deployment: Deployment, cli: Cli, proxy: S3Proxy, etag: str | None
) -> None:
    behind = to_s3(deployment, cli, proxy)
    proxy.befall(Etag(etag), "PUT", "HEAD", path=DOCUMENTS)

    behind.run("apply").must_end(DONE)

    assert len({one.path for one in proxy.of("GET", path=DOCUMENTS)}) == len(behind.documents)
    assert len(proxy.of("PUT", path=DOCUMENTS)) == len(behind.documents)
    behind.migration.assert_at_destination()


@pytest.mark.parametrize("etag", [None, OTHER], ids=["no ETag", "another"])
def test_an_etag_that_is_no_digest_any_more_hides_nothing(
    deployment: Deployment, cli: Cli, proxy: S3Proxy, etag: str | None
) -> None:
    behind = to_s3(deployment, cli, proxy)
    victim = behind.documents[4]
    proxy.befall(StoreOther(), "PUT", key=behind.key(victim))
    proxy.befall(Etag(etag), "HEAD", path=DOCUMENTS)

    behind.run("apply").must_end(FAILED)

    assert behind.failed() == {name(victim): "not-stored"}
    assert_rows_untouched(behind)


def test_a_server_whose_every_word_is_of_what_it_should_have_stored_is_found_out_by_reading(
    deployment: Deployment, cli: Cli, proxy: S3Proxy
) -> None:
    """This one lie ``--verify digest`` believes."""
    behind = to_s3(deployment, cli, proxy)
    victim = behind.migration.bundle
    proxy.befall(StoreOther(), "PUT", key=behind.key(victim))
    proxy.befall(Etag(f'"{md5(victim.content)}"'), "HEAD", key=behind.key(victim))

    said = behind.run("apply", "--verify", "full").must_end(FAILED)

    assert name(victim) in said.stderr
    assert behind.failed() == {name(victim): "not-stored"}
    assert_rows_untouched(behind)


def test_a_bit_that_flips_while_a_source_is_read_is_never_copied(
    deployment: Deployment, cli: Cli, proxy: S3Proxy
) -> None:
    behind = from_s3(deployment, cli, proxy)
    once, always = behind.documents[2], behind.documents[5]
    flipped = proxy.befall(FlipReply(), "GET", key=behind.key(once), times=1)
    lasting = proxy.befall(FlipReply(), "GET", key=behind.key(always))

    behind.run("apply").must_end(INTEGRITY)

    assert behind.failed() == {name(always): "corrupt"}
    assert flipped.befallen == 1
    assert lasting.befallen > 1, "row and payload are looked at again before it is called damage"
    behind.migration.assert_not_switched()
    proxy.heal()
    behind.run("apply").must_end(DONE)
    behind.migration.assert_at_destination()


def test_a_bit_that_flips_while_a_copy_is_read_back_costs_a_copy_and_no_more(
    deployment: Deployment, cli: Cli, proxy: S3Proxy
) -> None:
    behind = to_s3(deployment, cli, proxy)
    victim = behind.key(behind.documents[4])
    proxy.befall(FlipReply(), "GET", key=victim, times=1)

    said = behind.run("apply", "--verify", "full").must_end(DONE)

    assert "1 copies were not right" in said.stderr
    assert len(proxy.of("PUT", path=victim)) == 2
    behind.migration.assert_at_destination()


def test_replies_from_before_a_rewrite_prove_nothing(deployment: Deployment, cli: Cli, proxy: S3Proxy) -> None:
    """A cache that forgot to forget: what was copied ahead is still told of after it was copied again."""
    behind = to_s3(deployment, cli, proxy)
    document = behind.migration.bundle
    told = proxy.befall(Replay(), "HEAD", key=behind.key(document))
    behind.run("apply", "--through", "copy").must_end(DONE)
    new = replace(document, content=document.content + b"more")
    deployment.anchore(behind.migration.source).put(new)
    migration = behind.migration.after_writes((*(one for one in behind.documents if one != document), new))

    behind.run("apply").must_end(DONE)

    assert told.befallen > 1
    migration.assert_at_destination()


@pytest.mark.parametrize("reply", [Say(200, "Nothing"), Say(403, "AccessDenied")], ids=["no list", "not allowed"])
def test_where_no_list_can_be_had_each_copy_is_looked_at(
    deployment: Deployment, cli: Cli, proxy: S3Proxy, reply: Fault
) -> None:
    behind = to_s3(deployment, cli, proxy, MANY)
    listed = proxy.befall(reply, "GET", path=LISTS)

    behind.run("apply").must_end(DONE)

    assert listed.befallen > 0
    assert {one.path for one in proxy.of("HEAD", path=DOCUMENTS)} == {f"/{behind.key(one)}" for one in MANY}
    behind.migration.assert_at_destination()


def test_what_a_list_does_not_show_is_looked_for_by_itself_and_written_again(
    deployment: Deployment, cli: Cli, proxy: S3Proxy
) -> None:
    behind = to_s3(deployment, cli, proxy, MANY)
    victim = behind.key(MANY[4])
    proxy.befall(Swallow(), "PUT", key=victim, times=1)

    behind.run("apply").must_end(DONE)

    assert len(proxy.of("PUT", path=victim)) == 2
    assert {one.path for one in proxy.of("HEAD", path=DOCUMENTS)} >= {f"/{victim}"}
    behind.migration.assert_at_destination()


@pytest.mark.parametrize("fault", [Swallow(), StoreOther()], ids=["not stored", "stored otherwise"])
def test_what_was_written_is_looked_for_while_the_rest_is_written(
    deployment: Deployment, cli: Cli, proxy: S3Proxy, fault: Fault
) -> None:
    behind = to_s3(deployment, cli, proxy, MORE_THAN_A_LIST)
    victim = behind.key(MORE_THAN_A_LIST[4])
    proxy.befall(fault, "PUT", key=victim, times=1)

    behind.run("apply", "--jobs", "1", "--through", "copy").must_end(DONE)

    written = proxy.of("PUT", "GET", path=f"{DOCUMENTS}|{LISTS}")
    before = next(index for index, one in enumerate(written) if re.search(LISTS, one.path))
    assert 1000 <= before < len(MORE_THAN_A_LIST)
    assert {one.path for one in proxy.of("HEAD", path=DOCUMENTS)} <= {f"/{victim}"}, "what a list has shown is found"
    assert len(proxy.of("PUT", path=victim)) == 2
    assert behind.copied() == len(MORE_THAN_A_LIST)
    behind.migration.assert_not_switched()


def test_full_verification_looks_for_nothing_before_it_reads_everything(
    deployment: Deployment, cli: Cli, proxy: S3Proxy
) -> None:
    behind = to_s3(deployment, cli, proxy, MORE_THAN_A_LIST)

    behind.run("apply", "--through", "copy", "--verify", "full").must_end(DONE)

    assert not proxy.of("GET", "HEAD", path=f"{DOCUMENTS}|{LISTS}")


def test_only_what_was_written_just_now_is_looked_for_in_a_list(
    deployment: Deployment, cli: Cli, proxy: S3Proxy
) -> None:
    """Lists may be stale. What an earlier run wrote may be gone since, and clean deletes by what is there now."""
    behind = to_s3(deployment, cli, proxy, MANY)
    behind.run("apply", "--through", "copy").must_end(DONE)
    before = len(proxy.of("HEAD", path=DOCUMENTS))
    listed = proxy.befall(Replay(), "GET", path=LISTS)

    behind.run("apply").must_end(DONE)

    assert listed.befallen == 0
    assert len(proxy.of("HEAD", path=DOCUMENTS)) - before >= len(MANY)
    behind.migration.assert_at_destination()


def test_what_an_undo_left_is_not_believed_to_a_list(deployment: Deployment, cli: Cli, proxy: S3Proxy) -> None:
    """The list is from the days before the undo; an object has gone since."""
    behind = to_s3(deployment, cli, proxy, MANY)
    proxy.befall(Replay(), "GET", path=LISTS)
    behind.run("apply", "--through", "switch").must_end(DONE)
    behind.run("undo").must_end(DONE)
    bucket, _, key = behind.key(behind.documents[7]).partition("/")
    proxy.client.delete_object(Bucket=bucket, Key=key)

    behind.run("apply").must_end(DONE)

    behind.migration.assert_at_destination()


def assert_rows_untouched(behind: Behind) -> None:
    """Every row and every source is as it was. What stands at the destination is not what it should be."""
    migration = behind.migration
    now = migration.deployment.snapshot()
    assert now.rows == migration.expected.before.rows
    assert migration.deployment.reader(migration.source).reads_all(migration.expected.documents)
