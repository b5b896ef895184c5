"""No secret comes out, whatever happens. Every run of the program in the tests is searched; these are the loud ones."""

from __future__ import annotations

import base64
import hashlib
import subprocess
import textwrap
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, cast
from unittest.mock import patch

import pytest
import sqlalchemy as sa
import yaml

from planner import build
from tests.anchore import canaries
from tests.anchore.config import Config, Db, Section
from tests.anchore.deployment import Deployment
from tests.anchore.documents import Document
from tests.cli import PROGRAM, Cli, Result, Running
from tests.end_to_end.codes import CONFIG_INVALID, DENIED, DONE, FAILED, INTEGRITY, UNREACHABLE
from tests.end_to_end.holding import sources_locked, wait_until_held
from tests.end_to_end.migration import Migration, begin, few
from tests.nursery import Process, Rig

UNEXPECTED = 1
USER = f"{canaries.URL_USER}:{canaries.URL_PASSWORD}"


@pytest.fixture
def migration(deployment: Deployment, cli: Cli) -> Migration:
    """Keys in both configs, a user part in both URLs, a password for the database."""
    source = deployment.s3("old")
    destination = deployment.s3("new", prefix="anchore/")
    made = begin(deployment, cli, Config(Section(source)), Config(Section(destination)), documents=few())
    user = f"http://{USER}@"
    deployment.write_config("config.yaml", Config(Section(replace(source, url=source.url.replace("http://", user)))))
    deployment.write_config(
        "dest-config.yaml", Config(Section(replace(destination, url=destination.url.replace("http://", user))))
    )
    return made


def test_the_secrets_are_really_in_the_configs(migration: Migration) -> None:
    for path in migration.deployment.configs:
        assert set(canaries.found_in(path.read_text(encoding="utf-8"))) == set(canaries.ALL)


@pytest.mark.parametrize(
    "leak",
    [
        f"key={canaries.SECRET_KEY}",
        canaries.DATABASE_PASSWORD.lower(),
        f"{canaries.PREFIX}ofanotherfield",
        "\n".join(textwrap.wrap(canaries.SECRET_KEY, 5)),
        "\n".join(f"│ {part} │" for part in textwrap.wrap(canaries.SECRET_KEY, 5)),
        repr("\n".join(textwrap.wrap(canaries.SECRET_KEY, 5))),
        *(base64.b64encode(f"{before}:{canaries.URL_PASSWORD}".encode()).decode() for before in ("", "a", "ab")),
        "".join(f"%{byte:02X}" for byte in canaries.SECRET_KEY.encode()),
        canaries.SECRET_KEY.encode().hex(),
        hashlib.sha256(canaries.SECRET_KEY.encode()).hexdigest(),
    ],
    ids=["whole", "lower case", "another", "wrapped", "boxed", "repr", *("base64",) * 3, "percent", "hex", "hash"],
)
def test_a_search_that_finds_a_canary_fails_the_test(deployment: Deployment, cli: Cli, leak: str) -> None:
    file = deployment.root / "leak.log"
    file.write_text(leak, encoding="utf-8")
    with pytest.raises(AssertionError, match=r"secrets came out of .*leak\.log"):
        cli.search(Result((), 0, "", ""))
    file.unlink()
    with pytest.raises(AssertionError, match="secrets came out"):
        cli.search(Result((), 0, "", f"error: {leak}"))


def test_a_search_looks_into_the_journal_and_at_the_names_of_files(deployment: Deployment, cli: Cli) -> None:
    file = deployment.root / f"{canaries.ACCESS_KEY}.log"
    file.touch()
    with pytest.raises(AssertionError, match="secrets came out"):
        cli.search(Result((), 0, "", ""))
    file.unlink()
    with deployment.engine.begin() as connection:
        connection.execute(sa.text("CREATE SCHEMA restow"))
        connection.execute(sa.text(f"CREATE TABLE restow.round AS SELECT '{canaries.ACCESS_KEY}' AS plan"))
    with pytest.raises(AssertionError, match=r"restow\.round"):
        cli.search(Result((), 0, "", ""))


@pytest.mark.parametrize("flags", [["--verbose"], ["--log-format", "json", "--verbose"]], ids=" ".join)
def test_a_whole_move_with_everything_said(migration: Migration, flags: list[str]) -> None:
    cli = migration.cli
    for output_format in ("json", "text", "markdown"):
        cli.run(*flags, "plan", "config.yaml", "dest-config.yaml", "-o", "plan.json", "--format", output_format)
        cli.run(*flags, "show", "plan.json", "--format", output_format).must_end(DONE)
    cli.run(*flags, "apply", "plan.json", "--dry-run")
    # obstore is written in Rust, and botocore logs each header; neither may be listened to.
    loud = {"RUST_LOG": "trace", "RUST_BACKTRACE": "full", "PYTHONVERBOSE": "1", "BOTO_DEBUG": "1"}
    cli.run(*flags, "apply", "plan.json", "--yes", "--report", "report.json", env=loud).must_end(DONE)
    cli.run(*flags, "status", "plan.json").must_end(DONE)

    migration.assert_at_destination()


def planted(*names: str) -> dict[str, str]:
    """Return settings whose values are secrets, each its own."""
    return {name: f"{canaries.PREFIX}{name.replace('_', '')}" for name in names}


def swift(**options: Any) -> dict[str, Any]:
    return {"name": "swift", "config": {"container": "documents", **options}}


KEYSTONE = f"http://{USER}@127.0.0.1:9/v3"
DRIVERS: dict[str, dict[str, Any]] = {
    "db": {"name": "db", "config": {"db_connect": f"postgresql://{USER}@127.0.0.1:9/x", **planted("password")}},
    "db2": {"name": "db2", "config": {"options": {"nested": [planted("password"), f"{canaries.PREFIX}list"]}}},
    "localfs": {"name": "localfs", "config": {"archive_data_dir": "/nowhere/at/all", **planted("password", "key")}},
    "s3": {
        "name": "s3",
        "config": {
            "url": f"http://{USER}@127.0.0.1:9",
            "bucket": "documents",
            **planted("access_key", "secret_key", "session_token", "aws_secret_access_key"),
        },
    },
    "swift 1": swift(auth=KEYSTONE, **planted("user", "key", "password")),
    "swift 3": swift(
        auth_version="3",
        os_auth_url=KEYSTONE,
        os_options={"auth_token": f"{canaries.PREFIX}token", "nested": [planted("object_storage_url")]},
        **planted("os_username", "os_password", "os_auth_token", "os_project_name", "os_storage_url", "os_key"),
        **planted("os_application_credential_id", "os_application_credential_secret", "os_cacert"),
    ),
    # What YAML makes of JSON's habits: {os_password:S3cret} is a name without a value.
    "no space": swift(**{f"os_password:{canaries.PREFIX}nospace": None, f"{canaries.PREFIX}bare": True}),
    "not text": swift(
        key=[f"{canaries.PREFIX}list"],
        os_password={f"{canaries.PREFIX}key": f"{canaries.PREFIX}value"},
        os_auth_token=f"{canaries.PREFIX}one\n{canaries.PREFIX}two\n",
    ),
}


PAIRS = list(zip(*[iter(DRIVERS)] * 2, strict=True))


@pytest.mark.parametrize("two", PAIRS, ids=" and ".join)
def test_a_secret_in_any_field_of_any_driver(deployment: Deployment, cli: Cli, two: tuple[str, str]) -> None:
    """Configs that plan, or are refused; nobody answers at the places that they name."""
    deployment.write_config("config.yaml", Config(Section(Db())))
    content = Config(Section(Db())).content(deployment.database_url)
    for store, name in zip(("object_store", "analysis_archive"), two, strict=True):
        content["services"]["catalog"][store] = {"storage_driver": DRIVERS[name]}
    deployment.write_yaml("other.yaml", yaml.safe_dump(content))
    expected = {DONE, CONFIG_INVALID, UNREACHABLE, DENIED, FAILED}

    assert cli.run("-v", "plan", "config.yaml", "other.yaml", "-o", "plan.json").code in expected
    for words in (
        "plan other.yaml config.yaml --format text",
        "show plan.json --format markdown",
        "snippet other.yaml --format config",
        "snippet other.yaml --format helm",
        "apply plan.json --yes --through copy",
        "check other.yaml --store object_store",
        "--log-format json verify other.yaml",
    ):
        assert cli.run("-v", *words.split()).code in {*expected, 9}


@pytest.mark.parametrize("literal", [True, False], ids=["keys in the values", "keys in a secret"])
def test_a_secret_in_values_of_the_chart(deployment: Deployment, cli: Cli, *, literal: bool) -> None:
    config: dict[str, Any] = {"url": deployment.s3_server.url, "bucket": deployment.bucket()}
    keys = {"access_key": canaries.ACCESS_KEY, "secret_key": canaries.SECRET_KEY}
    config |= keys if literal else {"existingCredentialSecret": "anchore-s3", "password": canaries.URL_PASSWORD}
    section = {"storage_driver": {"name": "s3", "config": config}}
    values = {
        "anchoreConfig": {"catalog": {"object_store": section}, "default_admin_password": canaries.OTHER_SERVICE},
        "postgresql": {"auth": {"password": canaries.DATABASE_PASSWORD}},
        "osaaMigrationJob": {"objectStoreMigration": {"run": True, "object_store": section}},
    }
    deployment.write_yaml("values.yaml", yaml.safe_dump(values))
    deployment.write_config("config.yaml", Config(Section(Db())))
    filled = {f"ANCHORE_OBJECT_STORE_{name.upper()}": value for name, value in keys.items()}
    environment = {"RESTOW_DB_CONNECT": deployment.database_url, **filled}

    for words in (
        "plan config.yaml values.yaml -o plan.json",
        "plan values.yaml --helm-job --format markdown",
        "snippet values.yaml --format config",
        "snippet values.yaml",
        "check values.yaml",
        "apply plan.json --yes",
        "verify values.yaml",
        "migrations values.yaml",
    ):
        cli.run("-v", *words.split(), env=environment).must_end(DONE)


def test_a_secret_in_the_environment_and_in_the_env_file(deployment: Deployment, cli: Cli) -> None:
    """The database in five parts, all of them and the keys by reference; also when they are not right."""
    url = sa.make_url(deployment.database_url)
    place = replace(deployment.s3(), access_key="${ANCHORE_KEY}", secret_key="${ANCHORE_SECRET}")
    content = Config(Section(place)).content("")
    parts = {"user": "${ANCHORE_DB_USER}", "password": "${ANCHORE_DB_PASSWORD}", "host": url.host, "port": url.port}
    content["credentials"]["database"] = {**parts, "name": url.database}
    deployment.write_yaml("config.yaml", yaml.safe_dump(content))
    deployment.write_config("dest-config.yaml", Config(Section(Db())))
    good = {"ANCHORE_DB_USER": url.username, "ANCHORE_KEY": canaries.ACCESS_KEY, "ANCHORE_SECRET": canaries.SECRET_KEY}
    good |= {"ANCHORE_DB_PASSWORD": canaries.DATABASE_PASSWORD}

    def plan(variables: Mapping[str, object]) -> int:
        deployment.write_yaml("anchore.env", "".join(f"{name}='{value}'\n" for name, value in variables.items()))
        env = {"ANCHORE_ENV_FILE": "anchore.env"}
        return cli.run("-v", "plan", "config.yaml", "dest-config.yaml", env=env).code

    assert plan(good) == DONE
    assert plan({**good, "ANCHORE_DB_USER": "nobody"}) == DENIED
    assert plan({**good, "ANCHORE_DB_PASSWORD": f"{canaries.PREFIX}@/:?#[]"}) == DONE
    for broken in ("[{canary}", "{canary}: {canary}", "{canary}\n  {canary}", "*{canary}", "!{canary}", "'{canary}"):
        spoiled = {**good, "ANCHORE_SECRET": broken.format(canary=canaries.SECRET_KEY)}
        assert plan(spoiled) in {DONE, CONFIG_INVALID}


def test_failing_runs(migration: Migration) -> None:
    """Wrong keys, no server, no rights, a missing payload: errors quote what they were given, but not this."""
    deployment, cli = migration.deployment, migration.cli
    good = (deployment.root / "dest-config.yaml").read_text(encoding="utf-8")
    migration.plan()
    for wrong in (
        good.replace(canaries.SECRET_KEY, canaries.SECRET_KEY + "x"),
        good.replace(canaries.ACCESS_KEY, canaries.ACCESS_KEY + "x"),
        good.replace(canaries.ACCESS_KEY, f"${{ANCHORE_{canaries.ACCESS_KEY}"),
        good.replace(f"{canaries.URL_PASSWORD}@127.0.0.1", f"{canaries.URL_PASSWORD}@127.0.0.2"),
        good.replace("access_key: ", "access_key: ["),
        good.replace("name: s3", "name: s4"),
        good.replace("min_size_kbytes: 100", f"min_size_kbytes: {canaries.SECRET_KEY}"),
    ):
        deployment.write_yaml("dest-config.yaml", wrong)
        assert cli.run("--verbose", "apply", "plan.json", "--yes").code not in (0, 1)
        assert cli.run("--verbose", "plan", "config.yaml", "dest-config.yaml").code != 1

    deployment.write_yaml("dest-config.yaml", good)
    deployment.anchore(migration.source).delete_payload(next(iter(migration.expected.documents.values())))
    cli.run("--verbose", "apply", "plan.json", "--yes").must_end(FAILED)


def test_failing_connections(migration: Migration) -> None:
    """No TLS where it is asked for, nobody there, and a proxy with a password of its own."""
    deployment, cli = migration.deployment, migration.cli
    good = (deployment.root / "dest-config.yaml").read_text(encoding="utf-8")
    proxy = dict.fromkeys(("HTTP_PROXY", "http_proxy"), f"http://{USER}@127.0.0.1:9")
    cli.run("-v", "check", "dest-config.yaml", env=proxy).must_end(UNREACHABLE)
    for wrong in (good.replace("http://", "https://"), good.replace(deployment.s3_server.url[-6:], ":9")):
        deployment.write_yaml("dest-config.yaml", wrong)
        cli.run("-v", "check", "dest-config.yaml").must_end(UNREACHABLE)
        assert cli.run("-v", "verify", "dest-config.yaml").code in (UNREACHABLE, INTEGRITY)
    cli.run("-v", "--db-use-ssl", "plan", "config.yaml", "dest-config.yaml").must_end(UNREACHABLE)


def test_a_database_url_that_is_not_right(migration: Migration) -> None:
    url = migration.deployment.database_url
    for spoiled in (
        url,
        url + "_gone",
        url.replace("postgresql:", "mysql:"),
        url.replace("@", "@@"),
        url.replace("//", "/"),
        f"'{url}'",
        url.replace("127.0.0.1", f"127.0.0.1:9:{canaries.URL_PASSWORD}"),
        f"postgresql://user:{canaries.DATABASE_PASSWORD}/{canaries.URL_PASSWORD}@127.0.0.1:9/anchore",
    ):
        code = migration.cli.run("plan", "config.yaml", "dest-config.yaml", env={"RESTOW_DB_CONNECT": spoiled}).code
        assert (code == 0) == (spoiled == url)


def test_a_database_url_given_for_a_file(migration: Migration) -> None:
    """As from a script in which a variable is empty, and the words have moved up."""
    url = migration.deployment.database_url
    migration.cli.run("plan", url, "dest-config.yaml").must_end(CONFIG_INVALID)
    migration.cli.run("status", url).must_end(9)
    migration.cli.run("plan", "config.yaml", "dest-config.yaml", url).must_end(64)
    migration.cli.run("--db-timeout", url, "plan", "config.yaml", "dest-config.yaml").must_end(64)
    migration.cli.run(f"--db-conect={url}", "plan", "config.yaml", "dest-config.yaml").must_end(64)


def test_references_stay_references(deployment: Deployment, cli: Cli) -> None:
    """What the config leaves to the environment stays a reference in plan and snippet."""
    place = replace(deployment.s3(), access_key="${ANCHORE_KEY}", secret_key="${ANCHORE_SECRET}")
    source, document = Config(Section(Db())), Document("policy_bundles", "one", "admin", b"{}")
    deployment.fill(source, [document])
    deployment.write_config("config.yaml", source)
    deployment.write_config("dest-config.yaml", Config(Section(place)))
    variables = {"ANCHORE_KEY": canaries.ACCESS_KEY, "ANCHORE_SECRET": canaries.SECRET_KEY}

    cli.run("plan", "config.yaml", "dest-config.yaml", "-o", "plan.json", env=variables).must_end(0)
    snippet = cli.run("apply", "plan.json", "--yes", env=variables).must_end(0).stdout

    assert "access_key: '${ANCHORE_KEY}'" in snippet
    assert "secret_key: '${ANCHORE_SECRET}'" in snippet


def fail_with(secret: str) -> None:
    """Put a bug into planning that has a secret in its message, in its cause, in a note and in a variable."""

    def buggy(*_: object) -> None:
        password = f"{secret} in a variable"
        wrong = RuntimeError(f"cannot connect with {password}")
        wrong.add_note(password)
        raise ExceptionGroup(password, [wrong]) from KeyError(password)

    patch.object(build, "build_plan", buggy).start()


def test_1_an_error_that_nobody_expected(migration: Migration) -> None:
    """What it says may hold anything; where it happened is all that comes out."""
    rig = Rig(f"{__name__}:fail_with", {"secret": canaries.SECRET_KEY})
    for flags in ([], ["-v", "--log-format", "json"]):
        said = migration.cli.run(*flags, "plan", "config.yaml", "dest-config.yaml", rig=rig).must_end(UNEXPECTED)
        assert said.stdout == ""
        assert "ExceptionGroup" in said.stderr
        assert "Traceback" not in said.stderr
    traces = list(migration.deployment.root.rglob("restow-trace-*.log"))
    assert len(traces) == 2
    assert all("buggy" in trace.read_text(encoding="utf-8") for trace in traces)
    assert {trace.stat().st_mode & 0o777 for trace in traces} == {0o600}


def test_no_secret_is_in_the_argument_list_nor_in_the_sessions_of_the_database(
    deployment: Deployment, cli: Cli
) -> None:
    """The installed program itself, held in the middle of a copy: arguments, children, and what PostgreSQL shows."""
    made = begin(deployment, cli, Config(Section(Db())), Config(Section(deployment.s3())), documents=few())
    made.plan()
    words = ("-v", "apply", "plan.json", "--yes")
    with sources_locked(deployment) as held:
        run = installed(cli, words, {"RESTOW_DB_CONNECT": deployment.database_url})
        wait_until_held(deployment, run)
        process = Path(f"/proc/{run.process.pid}")
        arguments = (process / "cmdline").read_text(encoding="utf-8").split("\0")
        tasks = list((process / "task").iterdir())
        names = [(task / "comm").read_text(encoding="utf-8") for task in tasks]
        children = [(task / "children").read_text(encoding="utf-8") for task in tasks]
        shown = "SELECT application_name, query FROM pg_stat_activity WHERE datname = current_database()"
        sessions = held.execute(sa.text(shown)).all()
        held.commit()
    run.finish().must_end(DONE)
    assert tuple(arguments[-5:]) == (*words, "")
    assert "".join(children) == ""
    assert "restow" in {session.application_name for session in sessions}
    assert canaries.found_in(f"{arguments} {names} {sessions}") == []


def installed(cli: Cli, words: tuple[str, ...], variables: Mapping[str, str]) -> Running:
    """Start the program as it is installed, with arguments of its own and not of the process it was forked from."""
    outputs = tuple(cli.deployment.root / name for name in ("out.log", "err.log"))
    with outputs[0].open("wb") as stdout, outputs[1].open("wb") as stderr:
        process = subprocess.Popen(
            [str(PROGRAM), *words],
            cwd=cli.deployment.root,
            env=cli.environment(variables),
            stdin=subprocess.DEVNULL,
            stdout=stdout,
            stderr=stderr,
        )
    return Running(cast("Process", process), words, (outputs[0], outputs[1]), cli)
