"""The examples as a person reads them: where each pair of configs keeps the documents, and what its plan must say.

Written by hand from Anchore's documentation and the contract, never from a plan: what the golden plans are judged by.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from tests.anchore.config import S3, Config, Db, Db2, Localfs, Section
from tests.anchore.documents import BOTH, Store
from tests.end_to_end.codes import DONE, HAS_MOVES
from tests.examples.documents import DOCUMENTS, NO_ARCHIVED_IMAGE, VERY_OLD, Tally

ENDPOINT = "https://s3.example.com"
AWS = "https://s3.eu-central-1.amazonaws.com"
"""What ``region: eu-central-1`` means."""
WORKING: tuple[Store, ...] = ("object_store",)
ARCHIVE: tuple[Store, ...] = ("analysis_archive",)
ALL_BUT_THE_ARCHIVE = " ".join(f"--bucket {bucket}" for bucket in sorted(NO_ARCHIVED_IMAGE))


@dataclass(frozen=True)
class Moving:
    """A move that the plan must have."""

    stores: Sequence[Store]
    origin: str
    to: str
    flags: str = ""
    """What the vendor's tool needs besides its two configs to make just this move."""


@dataclass(frozen=True)
class Scenario:
    name: str
    source: Config
    destination: Config
    moves: tuple[Moving, ...]
    findings: tuple[str, ...]
    """Codes, in the plan's order."""
    exit_code: int = HAS_MOVES
    """Of ``plan --detailed-exitcode``."""
    documents: Mapping[str, Tally] = field(default_factory=lambda: DOCUMENTS)
    files: tuple[str, ...] = ("config.yaml", "dest-config.yaml")
    """Source and destination; a single one holds both."""

    @property
    def stores(self) -> tuple[Store, ...]:
        """The stores that move."""
        return tuple(store for store in BOTH if any(store in move.stores for move in self.moves))


def _s3(bucket: str, prefix: str = "", *, url: str = ENDPOINT, compress_above_kbytes: int | None = None) -> Section:
    return Section(S3(url, bucket, prefix), compress_above_kbytes)


DB = Section(Db())
ANCHORE, ARCHIVE_BUCKET = _s3("anchore"), _s3("anchore-archive")
INTERNALTEST = Section(
    S3("http://minio:9000", "anchore-engine-testing", "internaltest", create_bucket=True), compress_above_kbytes=100
)
UNCHECKED = "payloads-not-checked"
TO_ARCHIVE = "--to-analysis-archive --bucket analysis_archive"
FROM_ARCHIVE = "--from-analysis-archive --bucket analysis_archive"

SHARED = (
    Scenario(
        "default-install-to-s3",
        Config(DB),
        Config(INTERNALTEST),
        (Moving(BOTH, "db", "s3://anchore-engine-testing/internaltest"),),
        ("http-endpoint", "create-bucket", UNCHECKED),
    ),
    Scenario(
        "s3-to-db",
        Config(INTERNALTEST),
        Config(DB),
        (Moving(BOTH, "s3://anchore-engine-testing/internaltest", "db"),),
        ("create-bucket", "http-endpoint", UNCHECKED),
    ),
    Scenario(
        "s3-to-other-bucket",
        Config(ANCHORE),
        Config(_s3("anchore-2026")),
        (Moving(BOTH, "s3://anchore", "s3://anchore-2026"),),
        (UNCHECKED,),
    ),
    Scenario(
        "s3-to-other-prefix",
        Config(ANCHORE),
        Config(_s3("anchore", "production/")),
        (Moving(BOTH, "s3://anchore", "s3://anchore/production/"),),
        (UNCHECKED,),
    ),
    Scenario(
        "s3-to-other-endpoint",
        Config(_s3("anchore", url="https://s3.old.example.com")),
        Config(ANCHORE),
        (Moving(BOTH, "s3://anchore", "s3://anchore"),),
        (UNCHECKED,),
    ),
    Scenario(
        "aws-by-region-with-iamauto",
        Config(DB),
        Config(_s3("example-anchore-documents", url=AWS, compress_above_kbytes=100)),
        (Moving(BOTH, "db", "s3://example-anchore-documents"),),
        (UNCHECKED,),
    ),
    Scenario(
        "minio-by-url",
        Config(DB),
        Config(_s3("anchore", "production/", url="https://minio.example.com:9000")),
        (Moving(BOTH, "db", "s3://anchore/production/"),),
        (UNCHECKED, "variable-unset"),
    ),
    Scenario(
        "bucket-to-be-created",
        Config(ANCHORE),
        Config(Section(S3(ENDPOINT, "anchore-new", create_bucket=True))),
        (Moving(BOTH, "s3://anchore", "s3://anchore-new"),),
        ("create-bucket", UNCHECKED),
    ),
    Scenario(
        "legacy-archive-key",
        Config(DB),
        Config(ANCHORE),
        (Moving(BOTH, "db", "s3://anchore"),),
        (UNCHECKED,),
    ),
    Scenario(
        "very-old-archive-driver",
        Config(DB),
        Config(ANCHORE),
        (Moving(BOTH, "db", "s3://anchore"),),
        ("digest-missing", UNCHECKED, "size-missing"),
        documents=VERY_OLD,
    ),
    Scenario(
        "localfs-to-s3",
        Config(Section(Localfs("/var/lib/anchore/documents"))),
        Config(ANCHORE),
        (Moving(BOTH, "file:///var/lib/anchore/documents", "s3://anchore"),),
        (UNCHECKED,),
    ),
    Scenario(
        "db-to-db2",
        Config(DB),
        Config(Section(Db2(), compress_above_kbytes=100)),
        (Moving(BOTH, "db", "db2"),),
        (UNCHECKED, "streamed-for-compression"),
    ),
    Scenario(
        "empty-archive-section",
        Config(DB),
        Config(ANCHORE),
        (Moving(BOTH, "db", "s3://anchore"),),
        (UNCHECKED,),
    ),
    Scenario(
        "other-settings-change-too",
        Config(DB),
        Config(ANCHORE),
        (Moving(BOTH, "db", "s3://anchore"),),
        ("config-differs-elsewhere", UNCHECKED),
    ),
)
SPLIT = (
    Scenario(
        "db-to-db-and-s3-archive",
        Config(DB),
        Config(DB, ARCHIVE_BUCKET),
        (Moving(ARCHIVE, "db", "s3://anchore-archive", TO_ARCHIVE),),
        (UNCHECKED,),
    ),
    Scenario(
        "db-and-s3-archive-to-one-s3",
        Config(DB, ARCHIVE_BUCKET),
        Config(ANCHORE),
        (
            Moving(WORKING, "db", "s3://anchore"),
            Moving(ARCHIVE, "s3://anchore-archive", "s3://anchore", FROM_ARCHIVE),
        ),
        (UNCHECKED,),
    ),
    Scenario(
        "s3-archive-to-its-own-bucket",
        Config(ANCHORE),
        Config(ANCHORE, ARCHIVE_BUCKET),
        (Moving(ARCHIVE, "s3://anchore", "s3://anchore-archive", TO_ARCHIVE),),
        (UNCHECKED,),
    ),
    Scenario(
        "two-buckets-region-false-and-null",
        Config(DB),
        Config(_s3("anchore", compress_above_kbytes=100), ARCHIVE_BUCKET),
        (
            Moving(WORKING, "db", "s3://anchore", ALL_BUT_THE_ARCHIVE),
            Moving(ARCHIVE, "db", "s3://anchore-archive", TO_ARCHIVE),
        ),
        (UNCHECKED,),
    ),
)
NOTHING_MOVES = (
    Scenario(
        "no-archived-image",
        Config(ANCHORE),
        Config(ANCHORE, ARCHIVE_BUCKET),
        (Moving(ARCHIVE, "s3://anchore", "s3://anchore-archive", TO_ARCHIVE),),
        (),
        exit_code=DONE,
        documents=NO_ARCHIVED_IMAGE,
    ),
    Scenario(
        "compression-switched-on",
        Config(ANCHORE),
        Config(_s3("anchore", compress_above_kbytes=100)),
        (),
        (),
        exit_code=DONE,
    ),
    Scenario("keys-rotated", Config(ANCHORE), Config(ANCHORE), (), (), exit_code=DONE),
    Scenario("nothing-changed", Config(ANCHORE), Config(ANCHORE), (), (), exit_code=DONE),
)
HELM = (
    Scenario(
        "helm-values",
        Config(DB, DB),
        Config(_s3("anchore", compress_above_kbytes=100), ARCHIVE_BUCKET),
        (
            Moving(WORKING, "db", "s3://anchore", ALL_BUT_THE_ARCHIVE),
            Moving(ARCHIVE, "db", "s3://anchore-archive", TO_ARCHIVE),
        ),
        (UNCHECKED,),
        files=("values.yaml", "dest-values.yaml"),
    ),
    Scenario(
        "helm-migration-job",
        Config(DB, DB),
        Config(DB, ARCHIVE_BUCKET),
        (Moving(ARCHIVE, "db", "s3://anchore-archive", TO_ARCHIVE),),
        (UNCHECKED,),
        files=("values.yaml",),
    ),
)
ALL = (*SHARED, *SPLIT, *NOTHING_MOVES, *HELM)
