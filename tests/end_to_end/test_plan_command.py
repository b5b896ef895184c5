"""``plan`` and ``show`` from outside: the same bytes every time, nothing written, nothing needed."""

from __future__ import annotations

import hashlib
import json
import shutil

import pytest

from tests.end_to_end.codes import STALE
from tests.end_to_end.migration import Migration, plan_of

ELSEWHERE = {"TZ": "Asia/Kathmandu", "LANG": "de_DE.UTF-8", "LC_ALL": "C", "PYTHONHASHSEED": "42", "USER": "somebody"}
NO_DATABASE = {"RESTOW_DB_CONNECT": "postgresql://nobody@127.0.0.1:1/none"}


def test_planning_twice_gives_the_same_bytes_on_any_machine_any_day(migration: Migration) -> None:
    first = migration.plan().read_bytes()

    elsewhere = migration.deployment.root / "elsewhere"
    for name in ("config.yaml", "dest-config.yaml"):
        (elsewhere / "deep").mkdir(parents=True, exist_ok=True)
        migration.deployment.configs.append(elsewhere / "deep" / name)
        shutil.copy(migration.deployment.root / name, elsewhere / "deep" / name)
    cli = migration.cli
    cli.run("plan", "deep/config.yaml", "deep/dest-config.yaml", "-o", "deep/plan.json", cwd=elsewhere, env=ELSEWHERE)

    assert (elsewhere / "deep" / "plan.json").read_bytes() == first
    assert migration.plan(file="again.json").read_bytes() == first


def test_a_plan_on_stdout_is_the_plan_in_the_file(migration: Migration) -> None:
    written = migration.plan().read_text(encoding="utf-8")

    assert migration.cli.run("plan", "config.yaml", "dest-config.yaml").must_end(0).stdout == written


@pytest.mark.parametrize(
    "flags",
    [[], ["--format", "text"], ["--format", "markdown"], ["--detailed-exitcode"], ["--keep-source"], ["--offline"]],
    ids=" ".join,
)
def test_planning_writes_nothing(migration: Migration, flags: list[str]) -> None:
    with migration.writes_nothing():
        result = migration.cli.run("plan", "config.yaml", "dest-config.yaml", *flags)
    result.must_end(2 if "--detailed-exitcode" in flags else 0)


def test_planning_works_with_a_role_that_may_only_read(migration: Migration, read_only_url: str) -> None:
    by_owner = migration.plan().read_text(encoding="utf-8")

    said = migration.cli.run("plan", "config.yaml", "dest-config.yaml", env={"RESTOW_DB_CONNECT": read_only_url})

    assert said.must_end(0).stdout == by_owner


@pytest.mark.parametrize("output_format", ["text", "markdown", "json"])
def test_show_needs_neither_database_nor_configs(migration: Migration, output_format: str) -> None:
    plan = migration.plan()
    alone = migration.deployment.root / "alone"
    alone.mkdir()
    shutil.copy(plan, alone)

    shown = migration.cli.run("show", "plan.json", "--format", output_format, cwd=alone, env=NO_DATABASE).must_end(0)

    if output_format == "json":
        assert shown.stdout == plan.read_text(encoding="utf-8")
    else:
        (move,) = plan_of(plan)["moves"]
        assert move["to"] in shown.stdout
        assert str(move["totals"]["documents"]) in shown.stdout
        assert len(shown.stdout) < 60_000


def test_the_configs_beside_the_plan_are_found_from_anywhere(migration: Migration) -> None:
    plan = migration.plan()

    migration.cli.run("apply", plan, "--yes", cwd=migration.deployment.root.parent).must_end(0)

    migration.assert_at_destination()


def test_the_digest_is_of_all_the_rest_and_is_what_apply_expects(migration: Migration) -> None:
    plan = plan_of(migration.plan())
    digest = plan.pop("plan_digest")
    rest = json.dumps(plan, ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode()
    assert digest == "sha256:" + hashlib.sha256(rest).hexdigest()

    migration.apply("plan.json", "--expect", digest)

    migration.assert_at_destination()


def test_configs_that_differ_in_nothing_give_nothing_to_do(migration: Migration) -> None:
    shutil.copy(migration.deployment.root / "config.yaml", migration.deployment.root / "dest-config.yaml")

    migration.cli.run("plan", "config.yaml", "dest-config.yaml", "-o", "plan.json", "--detailed-exitcode").must_end(0)

    with migration.writes_nothing():
        migration.apply()


def test_the_snippet_s_settings_are_those_of_the_destination(migration: Migration) -> None:
    snippet = json.dumps(plan_of(migration.plan())["snippet"])

    assert migration.deployment.bucket() in snippet
    assert '"prefix": "internaltest"' in snippet


def test_4_an_offline_plan_is_refused_also_where_it_has_no_moves(migration: Migration) -> None:
    migration.cli.run("plan", "config.yaml", "config.yaml", "--offline", "-o", "plan.json").must_end(0)

    for how in ("--dry-run", "--yes"):
        assert "made offline" in migration.cli.run("apply", "plan.json", how).must_end(STALE).stderr


def test_a_bucket_in_which_there_is_nothing_is_told(migration: Migration) -> None:
    said = migration.cli.run(
        "plan", "config.yaml", "dest-config.yaml", "-o", "plan.json", "--bucket", "image_content_dta"
    ).must_end(0)

    assert "--bucket image_content_dta: no move of this plan has documents in it" in said.stderr
    shown = " ".join(migration.cli.run("show", "plan.json").must_end(0).stdout.split())
    assert "There is none in what --bucket names: image_content_dta." in shown
    assert "only the config changes" not in shown


def test_another_database_than_when_it_was_planned_is_told(migration: Migration) -> None:
    """Not refused: it may be the same one by another name."""
    migration.plan()
    url = migration.deployment.database_url
    text = (migration.deployment.root / "config.yaml").read_text(encoding="utf-8")
    migration.deployment.write_yaml("config.yaml", text.replace("@127.0.0.1:", "@localhost:"))

    said = migration.apply("plan.json", "--dry-run").stderr
    planned = url.rpartition("@")[2]
    named = planned.replace("127.0.0.1", "localhost")
    assert f"config.yaml names another database than the plan: {named}, not {planned}" in said
    assert not migration.cli.run("apply", "plan.json", "--dry-run", env={"RESTOW_DB_CONNECT": url}).stderr
    elsewhere = {"RESTOW_DB_CONNECT": url.replace("@127.0.0.1:", "@localhost:")}
    for words in (["apply", "plan.json", "--dry-run"], ["status", "plan.json"]):
        said = migration.cli.run(*words, env=elsewhere).must_end(0).stderr
        assert f"RESTOW_DB_CONNECT names another database than the plan: {named}, not {planned}" in said
