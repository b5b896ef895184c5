"""Findings about documents, from rows to the rendered plan, and ``--ignore``: what is accepted, and what is not."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import pytest
import sqlalchemy as sa

from tests.anchore.config import Config, Db, Section
from tests.anchore.deployment import Deployment
from tests.cli import Cli
from tests.end_to_end.codes import DONE, HAS_MOVES, USAGE
from tests.end_to_end.migration import Migration, begin, few, plan_of

ARGUMENTS = ("plan", "config.yaml", "dest-config.yaml", "-o", "plan.json")
GIB = 1 << 30
Name = tuple[str, str, str, str]
"""bucket, archiveId, userId, documentName"""


def add(migration: Migration, key: str, *, bucket: str = "policy_bundles", user: str = "admin", **columns: Any) -> Name:
    """Add a row as driver ``db`` has it, but for what is said otherwise."""
    row = {
        "documentName": f"{key}.json",
        "content_url": f"db://{user}/{bucket}/{key}",
        "digest": "0" * 32,
        "size": 1,
        **columns,
    }
    with migration.deployment.engine.begin() as connection:
        connection.execute(
            sa.text(
                """
                INSERT INTO archive_metadata (bucket, "archiveId", "userId", "documentName", content_url, digest, size)
                VALUES (:bucket, :key, :user, :documentName, :content_url, :digest, :size)
                """
            ),
            {"bucket": bucket, "key": key, "user": user, **row},
        )
    return bucket, key, user, row["documentName"]


def lost(migration: Migration) -> list[Name]:
    add(migration, "first", bucket="analysis_archive", content_url="swift://nowhere/first")
    return [("analysis_archive", "first", "admin", "first.json"), add(migration, "second", content_url=None)]


def occupied(migration: Migration) -> list[Name]:
    """Two rows that differ in their documentName only would get one payload between them."""
    url = "db://admin/policy_bundles/one of two"
    return [add(migration, "two"), add(migration, "two", documentName="two", content_url=url)]


def unreadable_before(migration: Migration) -> list[Name]:
    return [add(migration, "key", user="team/blue")]


def unreadable_after(migration: Migration) -> list[Name]:
    return [add(migration, "k" * 1024)]


def large(migration: Migration) -> list[Name]:
    return [add(migration, "large", size=5 * GIB + 1)]


def unchecked(migration: Migration) -> list[Name]:
    return [add(migration, "old", digest=None)]


def unsized(migration: Migration) -> list[Name]:
    return [add(migration, "old", size=None)]


def shared(migration: Migration) -> list[Name]:
    url = "db://admin/policy_bundles/one"
    return [add(migration, "one"), add(migration, "other", content_url=url)]


def oddly_named(migration: Migration) -> list[Name]:
    return [add(migration, "odd", documentName="legacy name")]


@dataclass(frozen=True)
class Case:
    code: str
    make: Callable[[Migration], list[Name]]
    severity: str = "error"


ACCEPTABLE = (
    Case("documents-unreachable", lost),
    Case("destination-occupied", occupied),
    Case("names-unreadable-at-source", unreadable_before),
    Case("names-unreadable-at-destination", unreadable_after),
    Case("payload-too-large", large),
)
OTHERS = (
    Case("digest-missing", unchecked, "warning"),
    Case("size-missing", unsized, "info"),
    Case("payload-shared", shared, "info"),
    Case("document-name-odd", oddly_named, "info"),
)


def plan(migration: Migration, *flags: str) -> dict[str, Any]:
    migration.cli.run(*ARGUMENTS, *flags).must_end(DONE)
    return plan_of(migration.deployment.root / "plan.json")


def findings(content: dict[str, Any], code: str) -> list[dict[str, Any]]:
    return [one for one in content["findings"] if one["code"] == code]


@pytest.mark.parametrize("case", [*ACCEPTABLE, *OTHERS], ids=lambda case: case.code)
def test_rows_that_stand_out_are_a_finding(migration: Migration, case: Case) -> None:
    assert not findings(plan(migration), case.code)
    names = case.make(migration)

    (found,) = findings(plan(migration), case.code)

    assert found["severity"] == case.severity
    assert found["count"] == len(names)
    assert sorted(found["examples"]) == sorted(f"{bucket}/{user}/{key}" for bucket, key, user, _ in names)


@pytest.mark.parametrize("case", ACCEPTABLE, ids=lambda case: case.code)
def test_an_accepted_finding_is_recorded_and_shown_and_no_reason_to_refuse(migration: Migration, case: Case) -> None:
    names = case.make(migration)
    refused = migration.cli.run(*ARGUMENTS).must_end(DONE)
    assert "apply will refuse this plan: it has 1 error finding" in refused.stderr
    before = plan_of(migration.deployment.root / "plan.json")

    with migration.writes_nothing():
        said = migration.cli.run(*ARGUMENTS, "--ignore", case.code).must_end(DONE)

    content = plan_of(migration.deployment.root / "plan.json")
    assert "refuse" not in said.stderr
    assert content["accepted"] == [{"code": case.code, "count": len(names), "digest": digest(names)}]
    assert findings(content, case.code) == findings(before, case.code)
    (move,) = content["moves"]
    for counts in (content["totals"], move["totals"], *move["buckets"]):
        where = sum(counts[field] for field in ("to_copy", "at_destination", "elsewhere", "unreachable"))
        assert counts["documents"] == where + counts["accepted"]
    assert content["totals"]["accepted"] == len(names)
    assert content["totals"]["unreachable"] == 0
    assert content["totals"]["to_copy"] == len(migration.expected.documents)
    assert content["totals"]["bytes"] == before["totals"]["bytes"]

    for output_format in ("text", "markdown"):
        shown = migration.cli.run("show", "plan.json", "--format", output_format).must_end(DONE).stdout
        assert f"{len(names)} left as they are, accepted with --ignore" in " ".join(shown.split())
        assert "--expect" in shown
        assert case.code in shown


def test_planning_twice_with_all_of_them_gives_the_same_bytes(migration: Migration, read_only_url: str) -> None:
    for case in (*ACCEPTABLE, *OTHERS[1:3]):
        case.make(migration)
    flags = [word for case in reversed(ACCEPTABLE) for word in ("--ignore", case.code)]
    first = migration.plan(*flags).read_bytes()

    reordered = [word for case in ACCEPTABLE for word in ("--ignore", case.code)]
    env = {"RESTOW_DB_CONNECT": read_only_url, "PYTHONHASHSEED": "7", "LC_ALL": "C"}
    migration.cli.run(*ARGUMENTS, *reordered, env=env).must_end(DONE)

    assert (migration.deployment.root / "plan.json").read_bytes() == first
    accepted = [one["code"] for one in plan_of(migration.deployment.root / "plan.json")["accepted"]]
    assert accepted == sorted(case.code for case in ACCEPTABLE)


def test_one_entry_covers_the_documents_of_all_moves(deployment: Deployment, cli: Cli) -> None:
    destination = Config(Section(deployment.s3("working")), Section(deployment.s3("archive")))
    migration = begin(deployment, cli, Config(Section(Db())), destination, documents=few())
    names = lost(migration)

    content = plan(migration, "--ignore", "documents-unreachable")

    assert len(findings(content, "documents-unreachable")) == 2
    assert content["accepted"] == [{"code": "documents-unreachable", "count": 2, "digest": digest(names)}]
    assert [move["totals"]["accepted"] for move in content["moves"]] == [1, 1]


def test_with_bucket_only_its_documents_are_accepted(migration: Migration) -> None:
    lost(migration)

    content = plan(migration, "--bucket", "policy_bundles", "--ignore", "documents-unreachable")

    assert [one["count"] for one in content["accepted"]] == [1]


def test_2_is_only_for_documents_to_copy_and_accepted_ones_are_none(deployment: Deployment, cli: Cli) -> None:
    migration = begin(deployment, cli, Config(Section(Db())), Config(Section(deployment.s3())), documents=[])
    unreadable_before(migration)
    cli.run(*ARGUMENTS, "--detailed-exitcode").must_end(HAS_MOVES)
    cli.run(*ARGUMENTS, "--detailed-exitcode", "--ignore", "names-unreadable-at-source").must_end(DONE)


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (["--ignore", "nonsense"], "payload-too-large"),
        (["--ignore", "digest-missing"], "documents-unreachable"),
        (["--ignore", "store-would-be-split", "--bucket", "query_data"], "documents-unreachable"),
        (["--ignore", "payload-missing"], "--deep"),
        (["--ignore", "payload-corrupt"], "--deep"),
        (["--ignore", "documents-unreachable", "--offline"], "--offline"),
        (["--deep", "--offline"], "--offline"),
    ],
    ids=" ".join,
)
def test_64_for_what_makes_no_sense(migration: Migration, flags: Sequence[str], said: str) -> None:
    result = migration.cli.run(*ARGUMENTS, *flags).must_end(USAGE)
    assert said in result.stderr
    assert not (migration.deployment.root / "plan.json").exists()


def test_a_code_without_documents_is_told_and_not_recorded(migration: Migration) -> None:
    without = migration.plan().read_bytes()

    said = migration.cli.run(*ARGUMENTS, "--ignore", "documents-unreachable").must_end(DONE)

    assert "--ignore documents-unreachable" in said.stderr
    assert (migration.deployment.root / "plan.json").read_bytes() == without


def digest(names: Sequence[Name]) -> str:
    text = json.dumps(sorted(map(list, names)), ensure_ascii=False, separators=(",", ":"))
    return "sha256:" + hashlib.sha256(text.encode()).hexdigest()
