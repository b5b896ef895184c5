"""The moves between configurations over the drivers db and s3 that the documentation shows, and some it does not."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from tests.anchore.config import Config, Db, Section
from tests.anchore.deployment import Deployment
from tests.anchore.documents import BOTH, Store

DB = Section(Db())
WORKING: tuple[Store, ...] = ("object_store",)
ARCHIVE: tuple[Store, ...] = ("analysis_archive",)


@dataclass(frozen=True)
class Scenario:
    name: str
    configs: Callable[[Deployment], tuple[Config, Config]]
    stores: Sequence[Store] = BOTH
    """The stores that move."""
    same_sizes_again: bool = True
    """False where the way back compresses anew: the same contents then take other sizes, and give another plan."""


def _s3(
    deployment: Deployment, bucket: str = "documents", *, prefix: str = "", compress_above_kbytes: int | None = None
) -> Section:
    return Section(deployment.s3(bucket, prefix), compress_above_kbytes)


SHARED_TO_SHARED = (
    Scenario(
        "db to s3 with compression and a prefix",
        lambda d: (Config(DB), Config(_s3(d, prefix="internaltest", compress_above_kbytes=1))),
    ),
    Scenario("s3 to db", lambda d: (Config(_s3(d, prefix="anchore/")), Config(DB))),
    Scenario(
        "compressed s3 to db",
        lambda d: (Config(_s3(d, compress_above_kbytes=1)), Config(DB)),
        same_sizes_again=False,
    ),
    Scenario("s3 to another bucket", lambda d: (Config(_s3(d)), Config(_s3(d, "others", prefix="new/")))),
    Scenario("s3 to another prefix", lambda d: (Config(_s3(d)), Config(_s3(d, prefix="next")))),
    Scenario(
        "s3 to another bucket with compression",
        lambda d: (Config(_s3(d)), Config(_s3(d, "others", compress_above_kbytes=1))),
    ),
    Scenario(
        "compressed s3 to another bucket",
        lambda d: (
            Config(_s3(d, compress_above_kbytes=1)),
            Config(_s3(d, "others", compress_above_kbytes=1)),
        ),
    ),
)
SHARED_TO_SPLIT = (
    Scenario(
        "db to db and s3 archive",
        lambda d: (Config(DB), Config(DB, _s3(d))),
        stores=ARCHIVE,
    ),
    Scenario(
        "s3 to s3 and an archive of its own",
        lambda d: (Config(_s3(d)), Config(_s3(d), _s3(d, "archive"))),
        stores=ARCHIVE,
    ),
    Scenario(
        "db to two buckets",
        lambda d: (Config(DB), Config(_s3(d, compress_above_kbytes=100), _s3(d, "archive", prefix="a/"))),
    ),
)
SPLIT_TO_SHARED = (
    Scenario(
        "db and s3 archive to that s3",
        lambda d: (Config(DB, _s3(d)), Config(_s3(d))),
        stores=WORKING,
    ),
    Scenario(
        "db and s3 archive to another s3",
        lambda d: (Config(DB, _s3(d, "archive")), Config(_s3(d, prefix="all-"))),
    ),
    Scenario(
        "two buckets to db",
        lambda d: (Config(_s3(d), _s3(d, "archive")), Config(DB)),
    ),
)
SPLIT_TO_SPLIT = (
    Scenario(
        "db and s3 archive change places",
        lambda d: (Config(DB, _s3(d, "archive")), Config(_s3(d), DB)),
    ),
    Scenario(
        "the working set of two buckets moves alone",
        lambda d: (Config(_s3(d), _s3(d, "archive")), Config(_s3(d, "next"), _s3(d, "archive"))),
        stores=WORKING,
    ),
    Scenario(
        "two prefixes of one bucket change places",
        lambda d: (
            Config(_s3(d, prefix="a/"), _s3(d, prefix="b/")),
            Config(_s3(d, prefix="b/"), _s3(d, prefix="a/")),
        ),
    ),
)
ALL = (*SHARED_TO_SHARED, *SHARED_TO_SPLIT, *SPLIT_TO_SHARED, *SPLIT_TO_SPLIT)
