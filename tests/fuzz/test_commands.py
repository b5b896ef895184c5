"""Almost valid configs, plans and command lines, through the command line: a documented exit code, and plain words.

Never a traceback, never 1, and nothing is written.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import pytest
import yaml
from hypothesis import example, given, settings
from hypothesis import strategies as st

from schemas.canonical import digest
from tests.anchore.config import Config, Db, Localfs, Section
from tests.anchore.deployment import Deployment
from tests.cli import Cli, Result
from tests.end_to_end import codes
from tests.end_to_end.migration import Migration, begin, few
from tests.fuzz.mutations import ODD_TEXT, mutated

DOCUMENTED = {value for name, value in vars(codes).items() if name.isupper()}
SILENT = {codes.DONE, codes.HAS_MOVES}
SOON = 60.0
EXAMPLES = [
    pytest.param(25, id="some"),
    pytest.param(500, id="many", marks=pytest.mark.long),
]
# The same examples in every run: each takes a third of a second.
STEADY = settings(deadline=None, derandomize=True, database=None)

LOOKING = (
    "plan config.yaml fuzzed.yaml",
    "plan fuzzed.yaml dest-config.yaml --format text",
    "plan fuzzed.yaml --helm-job --offline",
    "snippet fuzzed.yaml",
    "snippet fuzzed.yaml --format helm",
    "verify fuzzed.yaml --full",
    "migrations fuzzed.yaml",
    "status plan.json --source fuzzed.yaml",
    "apply plan.json --dry-run --dest fuzzed.yaml",
    "apply plan.json --dry-run --source fuzzed.yaml",
    "undo plan.json --dry-run --dest fuzzed.yaml",
    "clean plan.json --dry-run --source fuzzed.yaml",
)
READING_A_PLAN = (
    "show fuzzed.json",
    "show fuzzed.json --format markdown",
    "show fuzzed.json --format json",
    "apply fuzzed.json --dry-run",
    "undo fuzzed.json --dry-run",
    "clean fuzzed.json --dry-run",
    "status fuzzed.json",
)


@pytest.fixture
def migration(deployment: Deployment, cli: Cli) -> Migration:
    """A handful of documents in the database, to be moved to a directory; nothing has to be waited for there."""
    made = begin(
        deployment, cli, Config(Section(Db())), Config(Section(Localfs(deployment.directory("new")))), documents=few(3)
    )
    made.plan()
    return made


def in_order(said: Result) -> None:
    """Fail unless the run ended as the documentation says that runs end."""
    assert said.code in DOCUMENTED, said
    assert "Traceback" not in said.stderr
    assert said.stderr or said.code in SILENT, said
    assert said.code in SILENT or not said.stdout or "verify" in said.arguments, said


@pytest.mark.parametrize("count", EXAMPLES)
def test_an_almost_valid_config(migration: Migration, count: int) -> None:
    deployment = migration.deployment
    valid = [config.content(deployment.database_url) for config in (migration.source, migration.destination)]
    valid.append(Config(Section(deployment.s3())).content(deployment.database_url))

    @settings(STEADY, max_examples=count)
    @given(content=st.sampled_from(valid).flatmap(mutated), command=st.sampled_from(LOOKING))
    def try_one(content: object, command: str) -> None:
        deployment.write_yaml("fuzzed.yaml", yaml.safe_dump(content, allow_unicode=True))
        in_order(migration.cli.run(*command.split(), timeout=SOON))

    with migration.writes_nothing():
        try_one()


@pytest.mark.parametrize("count", EXAMPLES)
def test_an_almost_valid_plan(migration: Migration, count: int) -> None:
    """As it was edited, and with its digest computed anew."""
    file = migration.deployment.root / "fuzzed.json"
    valid = json.loads((migration.deployment.root / "plan.json").read_text(encoding="utf-8"))

    @settings(STEADY, max_examples=count)
    @given(content=mutated(valid), sealed=st.booleans(), command=st.sampled_from(READING_A_PLAN))
    def try_one(content: Any, *, sealed: bool, command: str) -> None:
        if sealed and isinstance(content, dict):
            rest = {key: value for key, value in content.items() if key != "plan_digest"}
            content = {**rest, "plan_digest": digest(rest)}
        file.write_text(json.dumps(content), encoding="utf-8")
        in_order(migration.cli.run(*command.split(), timeout=SOON))

    with migration.writes_nothing():
        try_one()


URLS = st.sampled_from(
    [
        *(
            "",
            " ",
            "x",
            "postgresql://",
            "postgresql:",
            "://",
            "postgresql:///",
            "mysql://h/x",
            "postgresql://h/?host=/x",
        ),
        *(
            "postgresql://127.0.0.1:0/x",
            "postgresql://127.0.0.1:9/x",
            "postgresql://127.0.0.1:x/x",
            "postgresql://h h/x",
        ),
        *(
            "postgresql://h..h/x",
            f"postgresql://{'h' * 300}/x",
            "postgresql://127.0.0.1:99999/x",
            "postgresql://\udcff/x",
        ),
        *("postgresql://[::1]:9/x", "postgresql://[::zz]/x", "postgresql://[::1/x", "postgresql://%2Frun%2Fpg/x"),
        *("postgresql://u:p@@127.0.0.1:9/x", "postgresql://u:p%00@127.0.0.1:9/x", "postgresql://127.0.0.1:9/x%00"),
    ]
)
NUMBERS = st.sampled_from(["0", "1", "-1", "1e9", "1e999", "nan", "inf", "x", "", "9" * 5000, "१", "0x1", "1.5", " 7 "])
WORDS = st.sampled_from(
    ["plan.json", "config.yaml", "dest-config.yaml", "gone", ".", "/", "/dev/zero", "x" * 300, "--"]
)
OPTIONS: dict[str, st.SearchStrategy[str]] = {
    **dict.fromkeys(("--jobs", "--max-failures", "--db-retries", "--db-timeout", "--db-connect-timeout"), NUMBERS),
    "--max-duration": NUMBERS | st.sampled_from(["2h", "1h30", "30m1h", "1s1s", "9" * 400 + "h", "h"]),
    "--bucket": ODD_TEXT,
    "--ignore": ODD_TEXT | st.just("payload-missing"),
    "--expect": ODD_TEXT | st.just("sha256:" + "0" * 64),
    "--format": ODD_TEXT | st.sampled_from(["json", "text", "markdown", "helm"]),
    "--through": ODD_TEXT | st.just("copy"),
    "--verify": ODD_TEXT | st.just("full"),
    "--log-format": ODD_TEXT | st.just("json"),
    "--store": ODD_TEXT | st.just("object_store"),
    "--db-connect": URLS,
    "--db-ca": WORDS,
    "--source": WORDS,
    "--dest": WORDS,
}
FLAGS = (
    "--dry-run",
    "--offline",
    "--deep",
    "--keep-source",
    "--helm-job",
    "--full",
    "-v",
    "--no-progress",
    "--bogus",
    "-z",
)
COMMANDS = ("plan", "show", "apply", "undo", "clean", "status", "verify", "snippet", "migrations", "drivers", "schema")


@st.composite
def command_lines(draw: st.DrawFn) -> list[str]:
    command = draw(st.sampled_from(COMMANDS))
    words = {"plan": ["config.yaml", "dest-config.yaml"], "verify": ["config.yaml"], "snippet": ["config.yaml"]}
    line = [command, *words.get(command, ["plan.json"])]
    # What would write is never let off.
    line += ["--dry-run"] if command in ("apply", "undo", "clean") else []
    for _ in range(draw(st.integers(1, 3))):
        option = draw(st.sampled_from(sorted(OPTIONS)))
        value = draw(OPTIONS[option])
        new = draw(
            st.sampled_from([[option, value], [f"{option}={value}"], [draw(st.sampled_from(FLAGS))], [draw(WORDS)]])
        )
        where = draw(st.integers(0, len(line)))
        line[where:where] = new
    return line


@pytest.mark.parametrize("count", EXAMPLES)
def test_an_odd_command_line(migration: Migration, count: int) -> None:
    @settings(STEADY, max_examples=count)
    @given(line=command_lines(), connect=st.none() | URLS)
    @example(line=["--db-connect"], connect=None)
    @example(line=["migrations"], connect="postgresql://h..h/x")
    @example(line=["migrations"], connect="postgresql://u:\udcff@127.0.0.1:9/x")
    @example(line=["plan", "config.yaml", "dest-config.yaml", "--bucket", "\udcff"], connect=None)
    def try_one(line: Sequence[str], connect: str | None) -> None:
        env = {} if connect is None else {"RESTOW_DB_CONNECT": connect}
        in_order(migration.cli.run(*line, env=env, timeout=SOON))

    with migration.writes_nothing():
        try_one()
