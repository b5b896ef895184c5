"""The vendor's flags select just the move: argued case by case in the contract."""

from __future__ import annotations

import pytest

from planner.diff import moves
from planner.vendor import equivalent_command, required_flags
from schemas.config import StorageConfig
from tests.planner.storage_configs import DB, config, s3

BUCKETS = ["analysis_archive", "analysis_data", "policy_bundles"]
CASES = {
    "everything moves: no flag": (config(DB), config(s3()), [()]),
    "db → split, working set stays": (
        config(DB),
        config(DB, s3("archive")),
        [("--to-analysis-archive", "--bucket", "analysis_archive")],
    ),
    "db + s3 archive → one s3": (
        config(DB, s3("archive")),
        config(s3("all")),
        [(), ("--from-analysis-archive", "--bucket", "analysis_archive")],
    ),
    "one db → two s3: the working set must leave the archive's rows alone": (
        config(DB),
        config(s3("work"), s3("archive")),
        [
            ("--bucket", "analysis_data", "--bucket", "policy_bundles"),
            ("--to-analysis-archive", "--bucket", "analysis_archive"),
        ],
    ),
    "the archive moves between two backends of its own": (
        config(DB, s3("one")),
        config(DB, s3("two")),
        [("--from-analysis-archive", "--to-analysis-archive", "--bucket", "analysis_archive")],
    ),
}


def flags(source: StorageConfig, destination: StorageConfig, *, keep_source: bool = False) -> list[tuple[str, ...]]:
    return [
        required_flags(outline, source, destination, buckets=BUCKETS, only_buckets=(), keep_source=keep_source)
        for outline in moves(source, destination)
    ]


@pytest.mark.parametrize(("source", "destination", "expected"), CASES.values(), ids=CASES.keys())
def test_required_flags(source: StorageConfig, destination: StorageConfig, expected: list[tuple[str, ...]]) -> None:
    assert flags(source, destination) == expected


def test_a_kept_source_adds_nodelete() -> None:
    assert flags(config(DB), config(s3()), keep_source=True) == [("--nodelete",)]


def test_the_whole_command_can_be_pasted_and_holds_no_database_url() -> None:
    command = equivalent_command(("--bucket", "a b"), source="my config.yaml", destination="dest.yaml")
    assert command == (
        'anchore-manager objectstorage --db-connect "$RESTOW_DB_CONNECT" '
        "migrate --bucket 'a b' --dontask 'my config.yaml' dest.yaml"
    )
