"""The auditor must see each fault that a move could leave: one is planted in each test."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import pytest
import sqlalchemy as sa

from tests.anchore import corpus
from tests.anchore.audit import Expected
from tests.anchore.config import Config, Db, Db2, Section
from tests.anchore.deployment import Deployment
from tests.anchore.documents import Document
from tests.anchore.writer import NOW

DOCUMENT = Document("policy_bundles", "Policy", "admin", b'{"document": {"is": "moved"}}', metadata='{"a": 1}')
LARGE = Document("analysis_data", "large", "admin", b'{"document": "' + b"a" * 5000 + b'"}')
ARCHIVED = Document("analysis_archive", "bundle", "admin", b"\x1f\x8bnot moved")
DOCUMENTS = (DOCUMENT, LARGE, ARCHIVED, *corpus.ordinary(seed=3, count=3, largest=900))


@dataclass(frozen=True)
class Moved:
    """The working set was moved by hand from a table to S3, flawlessly; the archive stays in another table."""

    deployment: Deployment
    source: Config
    destination: Config
    expected: Expected

    def faults(self, *, source_is_gone: bool = True) -> list[str]:
        leftovers = () if source_is_gone else (self.source,)
        return self.deployment.faults(self.destination, self.expected, stores=["object_store"], leftovers=leftovers)

    def sql(self, statement: str, **parameters: object) -> None:
        with self.deployment.engine.begin() as connection:
            assert connection.execute(sa.text(statement), parameters).rowcount == 1

    def update_row(self, assignment: str) -> None:
        self.sql(f"UPDATE archive_metadata SET {assignment} WHERE \"archiveId\" = 'Policy'")


@pytest.fixture
def moved(deployment: Deployment) -> Moved:
    archive = Section(Db2())
    source = Config(Section(Db()), archive)
    destination = Config(Section(deployment.s3(prefix="anchore/"), compress_above_kbytes=1), archive)
    deployment.fill(source, DOCUMENTS)
    deployment.add_foreign_rows()
    deployment.add_foreign_objects("documents", "anchore/readme.txt", "other/readme.txt")
    expected = deployment.expect(DOCUMENTS)
    for document in DOCUMENTS:
        if document.store == "object_store":
            deployment.anchore(destination).put(document, at=NOW)
            deployment.anchore(source).delete_payload(document)
    return Moved(deployment, source, destination, expected)


def test_a_flawless_move_has_no_faults(moved: Moved) -> None:
    assert moved.faults() == []


def test_whole_copies_at_the_source_are_allowed_when_the_test_says_so(moved: Moved) -> None:
    moved.deployment.anchore(moved.source).store_payload(DOCUMENT, DOCUMENT.content)

    assert moved.faults(source_is_gone=False) == []
    assert moved.faults() == ["left over: db://admin/policy_bundles/Policy"]


def payload_missing(moved: Moved) -> None:
    moved.deployment.anchore(moved.destination).delete_payload(DOCUMENT)


def one_byte_wrong(moved: Moved) -> None:
    wrong = DOCUMENT.content.replace(b"moved", b"m0ved")
    moved.deployment.anchore(moved.destination).store_payload(DOCUMENT, wrong)


def other_content_with_its_own_digest(moved: Moved) -> None:
    other = Document(*DOCUMENT.name[:3], content=b'{"document": "of another"}', metadata=DOCUMENT.metadata)
    moved.deployment.anchore(moved.destination).put(other)


def partial_payload(moved: Moved) -> None:
    moved.deployment.anchore(moved.destination).store_payload(DOCUMENT, DOCUMENT.content[:-3])


def wrong_digest(moved: Moved) -> None:
    moved.update_row("digest = 'd41d8cd98f00b204e9800998ecf8427e'")


def wrong_size(moved: Moved) -> None:
    moved.update_row("size = size + 1")


def no_digest(moved: Moved) -> None:
    moved.update_row("digest = NULL")


def said_to_be_compressed(moved: Moved) -> None:
    moved.update_row("is_compressed = true")


def not_compressed(moved: Moved) -> None:
    bare = Config(Section(moved.destination.object_store.place))
    moved.deployment.anchore(bare).put(LARGE)


def still_at_the_source(moved: Moved) -> None:
    moved.deployment.anchore(moved.source).put(DOCUMENT)
    moved.deployment.anchore(moved.destination).delete_payload(DOCUMENT)


def under_another_prefix(moved: Moved) -> None:
    elsewhere = Config(Section(moved.deployment.s3(prefix="elsewhere/")))
    moved.deployment.anchore(elsewhere).put(DOCUMENT)
    moved.deployment.anchore(moved.destination).delete_payload(DOCUMENT)


def row_lost(moved: Moved) -> None:
    moved.sql("DELETE FROM archive_metadata WHERE \"archiveId\" = 'Policy'")


def row_added(moved: Moved) -> None:
    moved.deployment.anchore(moved.destination).put(Document("policy_bundles", "invented", "admin", b"{}"))


def second_row(moved: Moved) -> None:
    again = Document(*DOCUMENT.name[:3], content=DOCUMENT.content, document_name="another name")
    moved.deployment.anchore(moved.destination).put(again)


def document_name_changed(moved: Moved) -> None:
    moved.update_row("\"documentName\" = 'Policy'")


def document_metadata_lost(moved: Moved) -> None:
    moved.update_row("document_metadata = NULL")


def created_at_changed(moved: Moved) -> None:
    moved.update_row("created_at = created_at + 1")


def record_state_changed(moved: Moved) -> None:
    moved.update_row("record_state_key = 'to_delete'")


def column_of_another_edition_changed(moved: Moved) -> None:
    moved.update_row("enterprise_note = 'touched'")


def left_over_at_the_source(moved: Moved) -> None:
    moved.deployment.anchore(moved.source).store_payload(DOCUMENT, DOCUMENT.content)


def left_over_at_the_destination(moved: Moved) -> None:
    moved.deployment.add_foreign_objects("documents", "anchore/.probe")


def left_over_upload(moved: Moved) -> None:
    deployment = moved.deployment
    client = deployment.clients.of(deployment.s3())
    client.create_multipart_upload(Bucket=deployment.bucket(), Key="anchore/admin/analysis_data/large")


def foreign_object_gone(moved: Moved) -> None:
    client = moved.deployment.clients.of(moved.deployment.s3())
    client.delete_object(Bucket=moved.deployment.bucket(), Key="anchore/readme.txt")


def foreign_object_changed(moved: Moved) -> None:
    client = moved.deployment.clients.of(moved.deployment.s3())
    client.put_object(Bucket=moved.deployment.bucket(), Key="other/readme.txt", Body=b"changed")


def foreign_row_gone(moved: Moved) -> None:
    moved.sql("DELETE FROM archive_document WHERE bucket = 'foreign'")


def row_of_the_other_store_changed(moved: Moved) -> None:
    moved.sql("UPDATE archive_metadata SET last_updated = last_updated + 1 WHERE bucket = 'analysis_archive'")


def row_of_the_other_store_written_again(moved: Moved) -> None:
    moved.sql("UPDATE archive_metadata SET size = size WHERE bucket = 'analysis_archive'")


def payload_of_the_other_store_written_again(moved: Moved) -> None:
    moved.sql("UPDATE object_storage SET content = content WHERE bucket = 'analysis_archive'")


def payload_of_the_other_store_gone(moved: Moved) -> None:
    moved.deployment.anchore(moved.destination).delete_payload(ARCHIVED)


def catalog_changed(moved: Moved) -> None:
    moved.sql("UPDATE catalog_archived_images SET manifest_bucket = 'elsewhere'")


def wrong_content_type(moved: Moved) -> None:
    deployment, key = moved.deployment, "anchore/admin/policy_bundles/Policy"
    deployment.clients.of(deployment.s3()).put_object(
        Bucket=deployment.bucket(), Key=key, Body=DOCUMENT.content, ContentType="application/json"
    )


FAULTS: tuple[tuple[Callable[[Moved], None], str], ...] = (
    (payload_missing, "payload missing: "),
    (one_byte_wrong, "wrong digest: "),
    (other_content_with_its_own_digest, "other content: "),
    (partial_payload, "wrong size: "),
    (wrong_digest, "wrong digest: "),
    (wrong_size, "wrong size: "),
    (no_digest, "no digest or size: "),
    (said_to_be_compressed, "not compressed as the row says: "),
    (not_compressed, "not compressed although the config says so: "),
    (still_at_the_source, "unreadable: "),
    (under_another_prefix, "wrong place: "),
    (row_lost, "row lost: "),
    (row_added, "row added: "),
    (second_row, "row added: "),
    (document_name_changed, "row lost: "),
    (document_metadata_lost, "row changed: "),
    (created_at_changed, "row changed: "),
    (record_state_changed, "row changed: "),
    (column_of_another_edition_changed, "row changed: "),
    (left_over_at_the_source, "left over: "),
    (left_over_at_the_destination, "left over: "),
    (left_over_upload, "unfinished upload: "),
    (foreign_object_gone, "foreign payload s3://"),
    (foreign_object_changed, "foreign payload s3://"),
    (foreign_row_gone, "foreign payload db://"),
    (row_of_the_other_store_changed, "row changed: "),
    (row_of_the_other_store_written_again, "row changed: "),
    (payload_of_the_other_store_written_again, "payload of "),
    (payload_of_the_other_store_gone, "payload missing: "),
    (catalog_changed, "table changed: public.catalog_archived_images"),
    (wrong_content_type, "wrong content type: "),
)


@pytest.mark.parametrize(("plant", "fault"), FAULTS, ids=[plant.__name__ for plant, _ in FAULTS])
def test_the_auditor_sees(moved: Moved, plant: Callable[[Moved], None], fault: str) -> None:
    plant(moved)

    faults = moved.faults()

    assert any(line.startswith(fault) for line in faults), faults


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        (DOCUMENT.content[:-1], "partial or wrong copy: db://admin/policy_bundles/Policy"),
        (b"", "partial or wrong copy: db://admin/policy_bundles/Policy"),
    ],
)
def test_a_moment_under_way_allows_whole_copies_only(moved: Moved, content: bytes, fault: str) -> None:
    configs = (moved.source, moved.destination)
    anchore = moved.deployment.anchore(moved.source)

    anchore.store_payload(DOCUMENT, DOCUMENT.content)
    assert moved.deployment.faults_under_way(moved.expected, stores=["object_store"], configs=configs) == []

    anchore.store_payload(DOCUMENT, content)
    assert moved.deployment.faults_under_way(moved.expected, stores=["object_store"], configs=configs) == [fault]


@pytest.mark.parametrize(
    "plant",
    [payload_missing, wrong_digest, row_lost, row_added, left_over_at_the_destination, foreign_row_gone],
    ids=lambda plant: plant.__name__,
)
def test_a_moment_under_way_is_no_excuse(moved: Moved, plant: Callable[[Moved], None]) -> None:
    configs = (moved.source, moved.destination)
    plant(moved)

    assert moved.deployment.faults_under_way(moved.expected, stores=["object_store"], configs=configs)
