"""Codes 9, 64 and 78: plans, command lines and configs that nobody should act on."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import yaml

from tests.anchore.config import Config, Section
from tests.end_to_end.codes import CONFIG_INVALID, DONE, PLAN_INVALID, USAGE
from tests.end_to_end.migration import Migration, plan_of


def edit_a_number(plan: str) -> str:
    content = json.loads(plan)
    content["moves"][0]["totals"]["documents"] += 1
    return json.dumps(content, indent=2, sort_keys=True)


def edit_the_target(plan: str) -> str:
    return plan.replace("internaltest", "elsewhere")


def next_major_version(plan: str) -> str:
    return plan.replace('"format_version": "1.0"', '"format_version": "2.0"')


def cut_off(plan: str) -> str:
    return plan[: len(plan) // 2]


def another_document(_plan: str) -> str:
    return '{"kind": "not a plan"}'


def nothing(_plan: str) -> str:
    return ""


def not_text(_plan: str) -> str:
    return "\0\ufffd"


@pytest.mark.parametrize(
    "edit",
    [edit_a_number, edit_the_target, next_major_version, cut_off, another_document, nothing, not_text],
    ids=lambda edit: edit.__name__,
)
def test_9_a_plan_that_is_not_what_was_written(migration: Migration, edit: Callable[[str], str]) -> None:
    plan = migration.plan()
    plan.write_text(edit(plan.read_text(encoding="utf-8")), encoding="utf-8")

    with migration.writes_nothing():
        for name, *flags in (("apply", "--yes"), ("show",), ("status",)):
            said = migration.cli.run(name, "plan.json", *flags).must_end(PLAN_INVALID)
            assert "plan.json" in said.stderr


def test_9_a_plan_other_than_the_expected_one(migration: Migration) -> None:
    migration.plan()

    with migration.writes_nothing():
        migration.apply("plan.json", "--expect", "sha256:" + "0" * 64, code=PLAN_INVALID)


def test_64_a_command_line_that_makes_no_sense(migration: Migration) -> None:
    migration.plan()
    with migration.writes_nothing():
        for words in (
            "bogus",
            "plan",
            "plan config.yaml",
            "plan config.yaml dest-config.yaml --bogus",
            "plan config.yaml dest-config.yaml --format xml",
            "apply",
            "apply plan.json --through moon",
            "apply plan.json --jobs many",
            "apply plan.json --max-duration soon",
            "--log-format xml show plan.json",
        ):
            said = migration.cli.run(*words.split()).must_end(USAGE)
            assert said.stderr
            assert said.stdout == ""


def without_bucket(content: dict[str, Any]) -> str:
    del content["services"]["catalog"]["object_store"]["storage_driver"]["config"]["bucket"]
    return yaml.safe_dump(content)


def unknown_driver(content: dict[str, Any]) -> str:
    content["services"]["catalog"]["object_store"]["storage_driver"]["name"] = "floppy"
    return yaml.safe_dump(content)


def not_yaml(_content: object) -> str:
    return "services: {catalog: [}\n"


def a_list(_content: object) -> str:
    return "- one\n- two\n"


@pytest.mark.parametrize("spoil", [without_bucket, unknown_driver, not_yaml, a_list], ids=lambda spoil: spoil.__name__)
def test_78_a_config_that_anchore_could_not_start_with(migration: Migration, spoil: Callable[[Any], str]) -> None:
    path = migration.deployment.root / "dest-config.yaml"
    path.write_text(spoil(yaml.safe_load(path.read_text(encoding="utf-8"))), encoding="utf-8")

    with migration.writes_nothing():
        said = migration.cli.run("plan", "config.yaml", "dest-config.yaml").must_end(CONFIG_INVALID)

    assert "dest-config.yaml" in said.stderr
    assert said.stdout == ""


def test_78_a_config_that_is_not_there(migration: Migration) -> None:
    said = migration.cli.run("plan", "config.yaml", "gone.yaml").must_end(CONFIG_INVALID)
    assert "gone.yaml" in said.stderr


def test_78_a_secret_that_nobody_gave(migration: Migration) -> None:
    """A review needs no secrets, so planning goes on without; applying cannot."""
    place = replace(
        migration.deployment.s3(prefix="internaltest"), access_key="${ANCHORE_KEY}", secret_key="${ANCHORE_SECRET}"
    )
    migration.deployment.write_config("dest-config.yaml", Config(Section(place, compress_above_kbytes=1)))
    plan = plan_of(migration.plan())
    assert [finding["severity"] for finding in plan["findings"] if "variable" in finding["code"]] == ["info"]

    with migration.writes_nothing():
        said = migration.apply(code=CONFIG_INVALID)
    assert "ANCHORE_KEY" in said.stderr

    server = migration.deployment.s3_server
    variables = {"ANCHORE_KEY": server.access_key, "ANCHORE_SECRET": server.secret_key}
    migration.cli.run("apply", "plan.json", "--yes", env=variables).must_end(DONE)
    migration.assert_at_destination()
