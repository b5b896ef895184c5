"""The four stages from outside: what each leaves, and where ``--through`` stops."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.anchore.documents import Document
from tests.end_to_end.codes import REFUSED
from tests.end_to_end.migration import Migration, plan_of

LATER = 1_700_000_500


def copies(migration: Migration) -> set[str]:
    """Return what stands at the destination now and did not before."""
    return migration.deployment.snapshot().payloads.keys() - migration.expected.before.payloads.keys()


@pytest.mark.parametrize("stage", ["copy", "verify"])
def test_before_the_switch_anchore_sees_nothing(migration: Migration, stage: str) -> None:
    migration.plan()

    said = migration.apply("plan.json", "--through", stage)

    assert said.stdout == ""
    migration.assert_not_switched()
    assert len(copies(migration)) == len(migration.expected.documents)


def test_a_second_copy_ahead_copies_nothing_again(migration: Migration) -> None:
    migration.plan()
    migration.apply("plan.json", "--through", "copy")
    before = migration.deployment.snapshot().payloads

    migration.apply("plan.json", "--through", "copy")

    assert migration.deployment.snapshot().payloads == before


def test_between_switch_and_clean_the_sources_stand_and_the_new_config_reads(migration: Migration) -> None:
    migration.plan()

    migration.apply("plan.json", "--through", "switch")
    migration.assert_at_destination(leftovers=[migration.source])
    assert migration.sources <= migration.deployment.snapshot().payloads.keys()

    migration.apply()
    migration.assert_at_destination()


def test_stage_by_stage_ends_as_one_run_would(migration: Migration) -> None:
    migration.plan()
    for stage in ("copy", "verify", "switch", "clean"):
        migration.apply("plan.json", "--through", stage)
    migration.assert_at_destination()

    with migration.writes_nothing():
        migration.apply()


def test_keep_source_keeps_the_sources(migration: Migration) -> None:
    plan = migration.plan("--keep-source")
    assert [move["delete_source"] for move in plan_of(plan)["moves"]] == [False]

    migration.apply()
    migration.assert_at_destination(leftovers=[migration.source])
    assert migration.sources <= migration.deployment.snapshot().payloads.keys()

    with migration.writes_nothing():
        migration.apply()


def test_a_full_verification_passes_on_good_copies(migration: Migration) -> None:
    migration.plan()

    migration.apply("plan.json", "--verify", "full")

    migration.assert_at_destination()


def test_a_dry_run_after_copying_ahead_says_what_is_left_to_copy(migration: Migration) -> None:
    migration.plan()
    migration.apply("plan.json", "--through", "copy")
    document = next(one for one in migration.expected.documents.values() if one.bucket == "image_content_data")
    migration.deployment.anchore(migration.source).put(replace(document, content=b"newer"), at=LATER)

    with migration.writes_nothing():
        said = migration.cli.run("apply", "plan.json", "--dry-run").must_end(0).stdout

    to_copy = [line for line in said.splitlines() if line.startswith("  copy ")]
    assert [line for line in to_copy if "up to 0 of" not in line and "image_content_data: up to 1 of" not in line] == []
    assert any("image_content_data: up to 1 of" in line for line in to_copy)


def test_one_bucket_can_be_copied_ahead_but_not_switched_alone(migration: Migration) -> None:
    migration.plan("--bucket", "image_content_data")
    migration.apply("plan.json", "--through", "copy")
    of_bucket = [name for name in migration.expected.documents if name.bucket == "image_content_data"]
    assert len(copies(migration)) == len(of_bucket) > 0
    migration.assert_not_switched()

    with migration.writes_nothing():
        said = migration.apply(code=REFUSED)
    assert "store-would-be-split" in said.stderr

    migration.plan(file="all.json")
    migration.apply("all.json")
    migration.assert_at_destination()


def test_a_dry_run_writes_nothing_and_says_what_would_be(migration: Migration) -> None:
    migration.plan()

    with migration.writes_nothing():
        said = migration.cli.run("apply", "plan.json", "--dry-run").must_end(0)

    assert "analysis_archive" in said.stdout + said.stderr


def test_a_done_plan_stays_done_when_the_new_config_has_taken_the_old_one_s_place(migration: Migration) -> None:
    migration.plan()
    migration.apply()
    old, new = (migration.deployment.root / name for name in ("config.yaml", "dest-config.yaml"))
    old.write_bytes(new.read_bytes())

    with migration.writes_nothing():
        migration.apply()


def test_a_round_with_copies_that_were_not_verified_is_not_called_so(migration: Migration) -> None:
    migration.plan()
    migration.apply("plan.json", "--through", "verify")
    document = Document("policy_bundles", "added", "admin", b'{"document": "added"}')
    migration.deployment.anchore(migration.source).put(document)
    assert "verified" in migration.cli.run("status", "plan.json").must_end(0).stdout

    migration.apply("plan.json", "--through", "copy")
    assert "verified" not in migration.cli.run("status", "plan.json").must_end(0).stdout

    migration.after_writes([*migration.expected.documents.values(), document]).apply()
