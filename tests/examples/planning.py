"""Plans an example as its README says, in a copy of the examples, against a database that holds its documents."""

from __future__ import annotations

import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import sqlalchemy as sa

from tests.cli import FOREIGN_VARIABLES, PROGRAM, Result
from tests.examples import documents
from tests.examples.scenarios import Scenario

EXAMPLES = Path(__file__).parents[2] / "examples"
CONFIGS, PLANS = EXAMPLES / "configs", EXAMPLES / "plans"
VARIABLES = EXAMPLES / "anchore.env"


@dataclass(frozen=True)
class Planned:
    result: Result
    """Its stdout is the plan rendered as text."""
    plan: Path


def golden_plan(scenario: Scenario) -> Path:
    return PLANS / f"{scenario.name}.json"


def make_plan(scenario: Scenario, database_url: str, directory: Path) -> Planned:
    """Fill the empty database, copy the example below ``directory`` and plan it there."""
    engine = sa.create_engine(database_url.replace("postgresql://", "postgresql+pg8000://"))
    try:
        documents.fill(engine, scenario.source, scenario.documents)
    finally:
        engine.dispose()
    shutil.copytree(CONFIGS / scenario.name, directory / CONFIGS.name / scenario.name)
    plan = f"{PLANS.name}/{scenario.name}.json"
    (directory / PLANS.name).mkdir()
    environment = {"ANCHORE_ENV_FILE": str(VARIABLES), "RESTOW_DB_CONNECT": database_url}
    words = (*plan_words(scenario), "-o", plan, "--detailed-exitcode", "--format", "text")
    return Planned(run(words, directory, environment), directory / plan)


def plan_words(scenario: Scenario) -> tuple[str, ...]:
    """Return the words of ``restow plan`` in the directory of the examples."""
    files = (f"{CONFIGS.name}/{scenario.name}/{file}" for file in scenario.files)
    return ("plan", *files, *flags_of(scenario))


def flags_of(scenario: Scenario) -> tuple[str, ...]:
    return ("--helm-job",) if len(scenario.files) == 1 else ()


def run(words: tuple[str, ...], directory: Path, environment: dict[str, str]) -> Result:
    """Run the program with no variable of Anchore, AWS or ours but these."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(FOREIGN_VARIABLES)}
    done = subprocess.run(
        [PROGRAM, *words], cwd=directory, env={**kept, **environment}, capture_output=True, text=True, check=False
    )
    return Result(words, done.returncode, done.stdout, done.stderr)
