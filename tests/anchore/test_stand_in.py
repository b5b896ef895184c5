"""The stand-in for Anchore reads what it writes, whatever the driver, and stumbles where Anchore stumbles."""

from __future__ import annotations

import pytest
import sqlalchemy as sa

from tests.anchore import corpus
from tests.anchore.config import Config, Db, Db2, Localfs, Place, Section
from tests.anchore.deployment import Deployment
from tests.anchore.documents import Document
from tests.anchore.reader import Unreadable
from tests.anchore.snapshot import differences

DRIVERS = ("db", "db2", "s3", "localfs")


def place(deployment: Deployment, driver: str) -> Place:
    match driver:
        case "db":
            return Db()
        case "db2":
            return Db2()
        case "s3":
            return deployment.s3(prefix="prefix without slash ")
        case _:
            return Localfs(deployment.directory("archive"))


@pytest.mark.parametrize("compress_above_kbytes", [None, 0, 1])
@pytest.mark.parametrize("driver", DRIVERS)
def test_every_document_of_the_corpus_is_read_as_it_was_written(
    deployment: Deployment, driver: str, compress_above_kbytes: int | None
) -> None:
    config = Config(Section(place(deployment, driver), compress_above_kbytes))
    documents = (*corpus.standard(), *corpus.old_rows())
    if compress_above_kbytes is not None:  # a version that knew no compression knew no compressed rows either
        documents = corpus.standard()
    deployment.fill(config, documents)

    expected = deployment.expect(documents)

    assert deployment.reader(config).reads_all(expected.documents)
    assert {document.content for document in documents} >= {b"", b"x"}
    compressed = [row for row in expected.before.rows.values() if row["is_compressed"]]
    assert bool(compressed) == (compress_above_kbytes is not None and driver != "db")
    assert not expected.foreign()


@pytest.mark.parametrize("driver", ["db", "db2", "s3"])
@pytest.mark.parametrize("key", corpus.UNREADABLE)
def test_some_keys_are_written_and_not_read_back(deployment: Deployment, driver: str, key: str) -> None:
    config = Config(Section(place(deployment, driver)))
    document = Document("policy_bundles", key, "admin", b"{}")
    deployment.fill(config, [document])

    read = deployment.reader(config).read_all([document.name])[document.name]

    assert isinstance(read, Unreadable)


def test_a_document_on_the_wrong_side_is_an_outage(deployment: Deployment) -> None:
    document = Document("policy_bundles", "policy", "admin", b"{}")
    deployment.fill(Config(Section(Db())), [document])

    read = deployment.reader(Config(Section(deployment.s3()))).read_all([document.name])[document.name]

    assert read == Unreadable("db://admin/policy_bundles/policy is not of driver s3")


def test_a_rewrite_keeps_one_row_and_a_delete_leaves_nothing(deployment: Deployment) -> None:
    config = Config(Section(deployment.s3()))
    first, second = (Document("query_data", "key", "admin", content) for content in (b"first", b"second"))
    deployment.fill(config, [first])

    deployment.anchore(config).put(second)
    assert deployment.reader(config).read_all([first.name]) == {first.name: b"second"}
    assert len(deployment.snapshot().rows) == 1

    deployment.anchore(config).delete(second)
    assert not deployment.snapshot().rows
    assert not deployment.snapshot().payloads


def test_two_snapshots_without_a_write_between_them_are_equal(deployment: Deployment) -> None:
    config = Config(Section(Db()), Section(deployment.s3()))
    deployment.fill(config, corpus.odd_names())
    deployment.add_foreign_objects("documents", "readme.txt")

    before = deployment.snapshot()

    assert differences(before, deployment.snapshot()) == []


def test_a_write_of_the_same_bytes_shows_in_a_snapshot(deployment: Deployment) -> None:
    config = Config(Section(Db()), Section(deployment.s3()))
    document = Document("query_data", "key", "admin", b"content")
    archived = Document("analysis_archive", "key", "admin", b"content")
    deployment.fill(config, [document, archived])
    before = deployment.snapshot()

    deployment.anchore(config).put(document)

    # An object's time has whole seconds, so only its row is sure to show the second write.
    changed = differences(before, deployment.snapshot())
    assert len(changed) == 2
    assert all("xmin" in line for line in changed)


def test_the_journal_s_schema_is_part_of_a_snapshot(deployment: Deployment) -> None:
    before = deployment.snapshot()
    with deployment.engine.begin() as connection:
        connection.execute(sa.text("CREATE SCHEMA restow"))
        connection.execute(sa.text("CREATE TABLE restow.round AS SELECT 'a secret' AS said"))

    assert differences(before, deployment.snapshot()) == ["table restow.round: added"]
    assert any("a secret" in row for row in deployment.journal_text()["restow.round"])
