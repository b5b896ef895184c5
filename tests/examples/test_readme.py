"""The README of the examples has a line for each of them and for nothing else."""

from __future__ import annotations

import re

from tests.examples.documents import DOCUMENTS
from tests.examples.planning import CONFIGS, EXAMPLES, PLANS, run
from tests.examples.scenarios import ALL

README = (EXAMPLES / "README.md").read_text(encoding="utf-8")
NAMES = sorted(scenario.name for scenario in ALL)


def test_every_directory_and_every_plan_is_an_example_that_is_tested() -> None:
    assert sorted(path.name for path in CONFIGS.iterdir()) == NAMES
    assert sorted(path.stem for path in PLANS.iterdir()) == NAMES
    for scenario in ALL:
        assert {path.name for path in (CONFIGS / scenario.name).iterdir()} == set(scenario.files)


def test_the_readme_has_a_line_for_each_example() -> None:
    lines = re.findall(r"^\| \[(.+)\]\((.+)\) · \[plan\]\((.+)\) \| (.+) \| (.+) \|$", README, re.MULTILINE)
    assert sorted(line[0] for line in lines) == NAMES
    for name, configs, plan, *_ in lines:
        assert (configs, plan) == (f"configs/{name}", f"plans/{name}.json")


def test_the_readme_says_how_many_documents_there_are() -> None:
    assert f"{sum(tally.documents for tally in DOCUMENTS.values()):,} documents" in README


def test_the_commands_of_the_readme_run_as_written() -> None:
    (block,) = re.findall(r"```console\n(.*?)```", README, re.DOTALL)
    export, *commands = (line.removeprefix("$ ") for line in block.splitlines())
    name, _, value = export.removeprefix("export ").partition("=")
    for command in commands:
        program, *words = command.split()
        assert program == "restow"
        run(tuple(words), EXAMPLES, {name: value}).must_end(0)
