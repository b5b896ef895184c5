"""No secret comes out, whatever happens. Every run of the program in the tests is searched; these are the loud ones."""

from __future__ import annotations

from dataclasses import replace

import pytest
import sqlalchemy as sa

from tests.anchore import canaries
from tests.anchore.config import Config, Db, Section
from tests.anchore.deployment import Deployment
from tests.anchore.documents import Document
from tests.cli import Cli, Result
from tests.end_to_end.migration import Migration, begin, few


@pytest.fixture
def migration(deployment: Deployment, cli: Cli) -> Migration:
    """Keys in both configs, a user part in both URLs, a password for the database."""
    source = deployment.s3("old")
    destination = deployment.s3("new", prefix="anchore/")
    made = begin(deployment, cli, Config(Section(source)), Config(Section(destination)), documents=few())
    user = f"http://{canaries.URL_USER}:{canaries.URL_PASSWORD}@"
    deployment.write_config("config.yaml", Config(Section(replace(source, url=source.url.replace("http://", user)))))
    deployment.write_config(
        "dest-config.yaml", Config(Section(replace(destination, url=destination.url.replace("http://", user))))
    )
    return made


def test_the_canaries_are_really_in_the_configs(migration: Migration) -> None:
    for path in migration.deployment.configs:
        assert set(canaries.found_in(path.read_text(encoding="utf-8"))) == set(canaries.ALL)


def test_a_search_that_finds_a_canary_fails_the_test(migration: Migration) -> None:
    leak = migration.deployment.root / "leak.log"
    for text in (f"key={canaries.SECRET_KEY}", canaries.DATABASE_PASSWORD.lower()):
        leak.write_text(text, encoding="utf-8")
        with pytest.raises(AssertionError, match="secrets came out"):
            migration.cli.search(Result((), 0, "", ""))
    leak.unlink()
    with pytest.raises(AssertionError, match="secrets came out"):
        migration.cli.search(Result((), 0, "", f"error: {canaries.URL_PASSWORD}"))
    with migration.deployment.engine.begin() as connection:
        connection.execute(sa.text("CREATE SCHEMA restow"))
        connection.execute(sa.text(f"CREATE TABLE restow.round AS SELECT '{canaries.ACCESS_KEY}' AS plan"))
    with pytest.raises(AssertionError, match=r"restow\.round"):
        migration.cli.search(Result((), 0, "", ""))


@pytest.mark.parametrize("flags", [["--verbose"], ["--log-format", "json", "--verbose"]], ids=" ".join)
def test_a_whole_move_with_everything_said(migration: Migration, flags: list[str]) -> None:
    cli = migration.cli
    for output_format in ("json", "text", "markdown"):
        cli.run(*flags, "plan", "config.yaml", "dest-config.yaml", "-o", "plan.json", "--format", output_format)
        cli.run(*flags, "show", "plan.json", "--format", output_format).must_end(0)
    cli.run(*flags, "apply", "plan.json", "--dry-run")
    cli.run(*flags, "apply", "plan.json", "--yes", "--report", "report.json").must_end(0)
    cli.run(*flags, "status", "plan.json").must_end(0)

    migration.assert_at_destination()


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
    cli.run("--verbose", "apply", "plan.json", "--yes").must_end(3)


def test_a_database_url_that_is_not_right(migration: Migration) -> None:
    url = migration.deployment.database_url
    for spoiled in (
        url,
        url + "_gone",
        url.replace("postgresql:", "mysql:"),
        url.replace("@", "@@"),
        url.replace("//", "/"),
    ):
        code = migration.cli.run("plan", "config.yaml", "dest-config.yaml", env={"RESTOW_DB_CONNECT": spoiled}).code
        assert (code == 0) == (spoiled == url)


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
