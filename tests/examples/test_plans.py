"""The golden plans: reproduced to the byte, and each of them right."""

from __future__ import annotations

import json
import os
import shlex
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from restow.main import app
from restow.planning import show_file
from schemas.publish import load_schema
from tests.end_to_end.codes import DONE
from tests.end_to_end.migration import plan_of
from tests.examples.planning import CONFIGS, EXAMPLES, VARIABLES, golden_plan, make_plan, plan_words
from tests.examples.scenarios import ALL, NOTHING_MOVES, Scenario

each_scenario = pytest.mark.parametrize("scenario", ALL, ids=lambda scenario: scenario.name)
LITERAL_SECRETS = ("mysecretpassword", "MY_ACCESS_KEY", "MY_SECRET_KEY")
"""Those that stand in the example configs themselves."""
UNCHANGED = {"before": None, "after": None, "changed": None}
KEYS = "services.catalog.object_store.storage_driver.config"


@each_scenario
def test_the_plan_is_reproduced_to_the_byte(scenario: Scenario, anchore_database: str, tmp_path: Path) -> None:
    planned = make_plan(scenario, anchore_database, tmp_path)

    planned.result.must_end(scenario.exit_code)
    assert headline(scenario) in planned.result.stdout
    same = planned.plan.read_bytes() == golden_plan(scenario).read_bytes()
    assert same, f"examples/plans/{scenario.name}.json is out of date: run make examples and review the diff"


def headline(scenario: Scenario) -> str:
    if not scenario.moves:
        return "Nothing to do: both configs name the same places."
    return f"To move: {counted(scenario)[0]:,} documents"


def counted(scenario: Scenario) -> tuple[int, int]:
    """How many documents, and how many bytes, the stores hold that move."""
    moving = [
        tally
        for bucket, tally in scenario.documents.items()
        if ("analysis_archive" if bucket == "analysis_archive" else "object_store") in scenario.stores
    ]
    return sum(tally.documents for tally in moving), sum(tally.size for tally in moving)


@each_scenario
def test_the_moves_are_those_of_the_documentation(scenario: Scenario) -> None:
    plan = plan_of(golden_plan(scenario))

    assert [
        (move["store"], move["shared"], move["from"], move["to"], " ".join(move["required_flags"]))
        for move in plan["moves"]
    ] == [(move.stores[0], len(move.stores) == 2, move.origin, move.to, move.flags) for move in scenario.moves]
    assert (plan["totals"]["documents"], plan["totals"]["bytes"]) == counted(scenario)
    assert plan["totals"]["to_copy"] == plan["totals"]["documents"]


@each_scenario
def test_the_vendors_command_is_these_flags_between_its_verb_and_both_files(scenario: Scenario) -> None:
    plan = plan_of(golden_plan(scenario))
    files = [f"../configs/{scenario.name}/{file}" for file in scenario.files]
    assert [plan["source"]["config"], plan["destination"]["config"]] == [files[0], files[-1]]

    # Of values, the tool reads what the chart makes of them, where the chart's job mounts it.
    read = ["/config/config.yaml", "/config/dest-config.yaml"] if scenario.files[0] == "values.yaml" else files
    for move, expected in zip(plan["moves"], scenario.moves, strict=True):
        words = shlex.split(move["equivalent_command"])
        assert words[words.index("migrate") + 1 :] == [*expected.flags.split(), "--dontask", *read]


@each_scenario
def test_the_findings_are_these_and_no_other(scenario: Scenario) -> None:
    plan = plan_of(golden_plan(scenario))

    assert tuple(finding["code"] for finding in plan["findings"]) == scenario.findings
    assert all(finding["severity"] != "error" for finding in plan["findings"])


@each_scenario
def test_the_plan_fits_the_published_schema(scenario: Scenario) -> None:
    jsonschema.Draft202012Validator(load_schema("plan")).validate(plan_of(golden_plan(scenario)))


@each_scenario
def test_no_secret_of_the_configs_is_in_the_plan(scenario: Scenario) -> None:
    lines = VARIABLES.read_text(encoding="utf-8").splitlines()
    made_up = [line.partition("=")[2] for line in lines if "=made-up-" in line]
    assert made_up

    text = golden_plan(scenario).read_text(encoding="utf-8")

    assert [secret for secret in (*made_up, *LITERAL_SECRETS) if secret in text] == []


@each_scenario
def test_the_plan_is_shown_without_anything_else(scenario: Scenario, capsys: pytest.CaptureFixture[str]) -> None:
    show_file(golden_plan(scenario), "markdown")

    shown = capsys.readouterr().out
    for move in scenario.moves:
        assert move.to in shown
    assert len(shown) < 60_000


@each_scenario
def test_the_configs_can_be_compared_where_no_variable_has_a_value(
    scenario: Scenario, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(EXAMPLES)
    for name in [name for name in os.environ if name.startswith("ANCHORE")]:
        monkeypatch.delenv(name)

    # In this process: to start one for each example takes longer than all else here.
    assert app([*plan_words(scenario), "--offline"], standalone_mode=False) == DONE

    plan: dict[str, Any] = json.loads(capsys.readouterr().out)
    assert [move["to"] for move in plan["moves"]] == [move.to for move in scenario.moves]
    assert plan["totals"] is None


def test_only_the_change_of_compression_is_listed() -> None:
    assert changes("compression-switched-on") == [
        {**UNCHANGED, "path": "services.catalog.object_store.compression.enabled", "before": False, "after": True}
    ]


def test_rotated_keys_are_listed_as_changed() -> None:
    assert changes("keys-rotated") == [
        {**UNCHANGED, "path": f"{KEYS}.{key}", "changed": True} for key in ("access_key", "secret_key")
    ]


def test_what_the_new_file_changes_besides_storage_is_listed() -> None:
    listed = {change["path"]: change for change in changes("other-settings-change-too")}
    assert (listed["log_level"]["before"], listed["log_level"]["after"]) == ("INFO", "DEBUG")
    assert listed["services.analyzer.layer_cache_max_gigabytes"]["after"] == 10
    assert listed["services.notifications"]["before"] is None
    assert listed["credentials.database.db_connect_args.timeout"]["after"] == 300


def test_where_nothing_changed_nothing_is_listed() -> None:
    assert changes("nothing-changed") == []
    first, second = (CONFIGS / "nothing-changed" / file for file in ("config.yaml", "dest-config.yaml"))
    assert first.read_bytes() == second.read_bytes()


def test_the_split_of_an_archive_without_images_is_a_change_to_review() -> None:
    assert "services.catalog.analysis_archive.storage_driver.name" in [
        change["path"] for change in changes("no-archived-image")
    ]


def test_the_way_back_is_the_way_there_with_its_files_exchanged() -> None:
    there, back = (CONFIGS / name for name in ("default-install-to-s3", "s3-to-db"))
    assert (back / "config.yaml").read_bytes() == (there / "dest-config.yaml").read_bytes()
    assert (back / "dest-config.yaml").read_bytes() == (there / "config.yaml").read_bytes()


def test_each_example_that_moves_nothing_has_a_plan_that_says_so() -> None:
    for scenario in NOTHING_MOVES:
        assert counted(scenario)[0] == plan_of(golden_plan(scenario))["totals"]["to_copy"] == 0


def changes(name: str) -> list[dict[str, Any]]:
    (scenario,) = (scenario for scenario in ALL if scenario.name == name)
    found: list[dict[str, Any]] = plan_of(golden_plan(scenario))["config_changes"]
    return found
