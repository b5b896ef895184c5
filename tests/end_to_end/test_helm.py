"""Values of the Helm chart in place of config.yaml, and the chart's migration job as a destination."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pytest
import yaml

from tests.anchore import canaries
from tests.anchore.audit import Expected
from tests.anchore.config import S3, Config, Db, Section
from tests.anchore.deployment import Deployment
from tests.anchore.documents import BOTH, Store
from tests.anchore.snapshot import differences
from tests.cli import Cli, Result
from tests.end_to_end.codes import CONFIG_INVALID, INTEGRITY, STALE, USAGE
from tests.end_to_end.migration import few, plan_of

DB = Config(Section(Db()))
ARCHIVE: tuple[Store, ...] = ("analysis_archive",)
KEYS = {
    f"ANCHORE_{store}_{setting}": key
    for store in ("OBJECT_STORE", "ANALYSIS_ARCHIVE")
    for setting, key in (("ACCESS_KEY", canaries.ACCESS_KEY), ("SECRET_KEY", canaries.SECRET_KEY))
}


@dataclass(frozen=True)
class Release:
    """One deployment whose configs are values of the chart; every key of S3 is in a Kubernetes secret."""

    deployment: Deployment
    cli: Cli

    def write(self, file: str, config: Config | None, job: Mapping[str, Any] | None = None) -> None:
        """Write values; ``None`` for a config: the chart's defaults."""
        content: dict[str, Any] = {"replicaCount": 1, "anchoreConfig": {"log_level": "INFO"}}
        if config is not None:
            content["anchoreConfig"]["catalog"] = sections(config)
        if job is not None:
            content["osaaMigrationJob"] = job
        self.deployment.write_yaml(file, yaml.safe_dump(content, sort_keys=False))

    def run(self, *words: str, code: int = 0, keys: Mapping[str, str] = KEYS) -> Result:
        variables = {"RESTOW_DB_CONNECT": self.deployment.database_url, **keys}
        return self.cli.run(*words, env=variables).must_end(code)

    def filled(self, config: Config) -> Expected:
        documents = few()
        self.deployment.fill(config, documents)
        return self.deployment.expect(documents)

    def faults(self, config: Config, expected: Expected, stores: tuple[Store, ...] = BOTH) -> list[str]:
        return self.deployment.faults(config, expected, stores=stores)


@pytest.fixture
def release(deployment: Deployment, cli: Cli) -> Release:
    return Release(deployment, cli)


def sections(config: Config) -> dict[str, Any]:
    """Return the storage sections as values have them."""
    catalog = config.content("")["services"]["catalog"]
    found: dict[str, Any] = {store: catalog[store] for store in BOTH if store in catalog}
    for store, section in found.items():
        settings = section["storage_driver"]["config"]
        if settings.pop("access_key", None) and settings.pop("secret_key", None):
            settings["existingCredentialSecret"] = f"anchore-{store.replace('_', '-')}"
    return found


def archive_job(mode: str, config: Config | None) -> dict[str, Any]:
    """Return a job that migrates the archive; switched off, so that the chart does not run it as well."""
    section = {} if config is None else sections(config)["analysis_archive"]
    migration = {"run": True, "bucket": "analysis_archive", "mode": mode, "analysis_archive": section}
    return {"enabled": False, "analysisArchiveMigration": migration, "objectStoreMigration": {"run": False}}


def split(deployment: Deployment) -> Config:
    return Config(DB.object_store, Section(deployment.s3("archive")))


def test_a_pair_of_values_there_and_back(release: Release) -> None:
    destination = Config(Section(release.deployment.s3(prefix="internaltest"), compress_above_kbytes=1))
    expected = release.filled(DB)
    release.write("values.yaml", None)
    release.write("dest-values.yaml", destination)

    release.run("plan", "values.yaml", "dest-values.yaml", "-o", "plan.json")
    plan = plan_of(release.deployment.root / "plan.json")
    assert [plan[side]["form"] for side in ("source", "destination")] == ["helm", "helm"]
    assert plan["database"] is None
    assert plan["moves"][0]["totals"]["to_copy"] == len(expected.documents)

    snippet = release.run("apply", "plan.json", "--yes").stdout
    assert release.faults(destination, expected) == []
    said = yaml.safe_load(snippet)["anchoreConfig"]["catalog"]["object_store"]
    assert said == sections(destination)["object_store"]

    release.run("verify", "dest-values.yaml", "--full")
    release.run("verify", "values.yaml", code=INTEGRITY)
    release.run("plan", "dest-values.yaml", "values.yaml", "-o", "back.json")
    release.run("apply", "back.json", "--yes")
    assert release.faults(DB, expected) == []
    release.run("verify", "values.yaml")


def test_values_and_a_config_are_a_pair_too(release: Release) -> None:
    destination = Config(Section(release.deployment.s3()))
    expected = release.filled(DB)
    release.deployment.write_config("config.yaml", DB)
    release.write("values.yaml", destination)

    release.run("plan", "config.yaml", "values.yaml", "-o", "plan.json")
    release.run("apply", "plan.json", "--yes")
    assert release.faults(destination, expected) == []


def test_the_migration_job_and_its_rollback(release: Release) -> None:
    destination = split(release.deployment)
    expected = release.filled(DB)
    release.write("values.yaml", DB, archive_job("to_analysis_archive", destination))

    release.run("plan", "values.yaml", "--helm-job", "-o", "plan.json")
    plan = plan_of(release.deployment.root / "plan.json")
    assert [move["store"] for move in plan["moves"]] == ["analysis_archive"]
    assert (plan["source"]["form"], plan["destination"]["form"]) == ("helm", "helm-job")

    snippet = release.run("apply", "plan.json", "--yes").stdout
    assert release.faults(destination, expected, ARCHIVE) == []
    assert yaml.safe_load(snippet)["anchoreConfig"]["catalog"] == sections(destination)
    before = release.deployment.snapshot()
    release.run("apply", "plan.json", "--yes")
    assert differences(before, release.deployment.snapshot()) == []

    # As documented: the new sections are in force, and the job goes the other way.
    release.write("values.yaml", destination, archive_job("from_analysis_archive", None))
    release.run("plan", "values.yaml", "--helm-job", "-o", "back.json")
    snippet = release.run("apply", "back.json", "--yes").stdout
    assert release.faults(DB, expected, ARCHIVE) == []
    # The archive's section must go: left where it is, it would still name the bucket.
    assert yaml.safe_load(snippet)["anchoreConfig"]["catalog"] == {**sections(DB), "analysis_archive": {}}

    # With its sections in force the job is still there, and there is no archive any more that it could come from.
    release.write("values.yaml", DB, archive_job("from_analysis_archive", None))
    release.run("plan", "values.yaml", "--helm-job", code=CONFIG_INVALID)
    before = release.deployment.snapshot()
    release.run("apply", "back.json", "--yes")
    assert differences(before, release.deployment.snapshot()) == []


def test_both_stores_in_one_job(release: Release) -> None:
    deployment = release.deployment
    destination = Config(Section(deployment.s3()), Section(deployment.s3("archive")))
    expected = release.filled(DB)
    working = {"run": True, "object_store": sections(destination)["object_store"]}
    job = {**archive_job("to_analysis_archive", destination), "objectStoreMigration": working}
    release.write("values.yaml", None, job)

    release.run("plan", "values.yaml", "--helm-job", "-o", "plan.json")
    release.run("apply", "plan.json", "--yes")
    assert release.faults(destination, expected) == []


@pytest.mark.parametrize("command", ["clean", "undo"])
@pytest.mark.parametrize("job", ["still there", "gone"])
def test_what_comes_after_the_new_sections_are_in_force(release: Release, command: str, job: str) -> None:
    """The operator has moved the job's sections to where the old ones stood, as the chart's documentation says."""
    destination = split(release.deployment)
    expected = release.filled(DB)
    migration = archive_job("to_analysis_archive", destination)
    release.write("values.yaml", DB, migration)
    release.run("plan", "values.yaml", "--helm-job", "--keep-source", "-o", "plan.json")
    release.run("apply", "plan.json", "--yes")

    release.write("values.old.yaml", DB, migration)
    release.write("values.yaml", destination, migration if job == "still there" else None)
    release.run("apply", "plan.json", "--yes")
    release.run(command, "plan.json", "--yes", code=STALE)
    release.run(command, "plan.json", "--yes", "--source", "values.old.yaml")
    if command == "undo":
        release.run("clean", "plan.json", "--yes", "--source", "values.old.yaml")
    now = destination if command == "clean" else DB
    assert release.faults(now, expected, ARCHIVE) == []


@pytest.mark.parametrize("file", ["dest.yaml", "config.yaml", "elsewhere/values.yaml"])
def test_the_destination_of_a_job_may_be_given_as_a_file(release: Release, file: str) -> None:
    destination = split(release.deployment)
    expected = release.filled(DB)
    migration = archive_job("to_analysis_archive", destination)
    release.write("values.yaml", DB, migration)
    release.run("plan", "values.yaml", "--helm-job", "-o", "plan.json")

    release.write("dest.yaml", destination)
    release.deployment.write_config("config.yaml", destination)
    release.write("elsewhere/values.yaml", DB, migration)
    other = Config(DB.object_store, Section(release.deployment.s3("other")))
    release.write("other.yaml", other)
    release.write("other-job.yaml", DB, archive_job("to_analysis_archive", other))
    release.deployment.write_config("other-config.yaml", DB)
    for unplanned in ("other.yaml", "other-job.yaml", "other-config.yaml"):
        release.run("apply", "plan.json", "--yes", "--dest", unplanned, code=STALE)
    release.run("apply", "plan.json", "--yes", "--dest", file)
    assert release.faults(destination, expected, ARCHIVE) == []


def test_keys_without_value_do_not_keep_from_planning(release: Release) -> None:
    destination = Config(Section(release.deployment.s3()))
    release.filled(DB)
    release.write("values.yaml", None)
    release.write("dest-values.yaml", destination)
    before = release.deployment.snapshot()

    release.run("plan", "values.yaml", "dest-values.yaml", "-o", "plan.json", keys={})
    (unset,) = (one for one in plan_of(release.deployment.root / "plan.json")["findings"] if "unset" in one["code"])
    assert unset["severity"] == "info"
    assert unset["examples"] == ["ANCHORE_OBJECT_STORE_ACCESS_KEY", "ANCHORE_OBJECT_STORE_SECRET_KEY"]
    for words in (("apply", "plan.json", "--yes"), ("check", "dest-values.yaml"), ("verify", "dest-values.yaml")):
        said = release.run(*words, code=CONFIG_INVALID, keys={}).stderr
        assert "ANCHORE_OBJECT_STORE_ACCESS_KEY" in said
        assert "anchoreConfig.catalog.object_store.storage_driver.config" in said
    assert differences(before, release.deployment.snapshot()) == []
    release.run("snippet", "dest-values.yaml", keys={})


def test_values_are_checked(release: Release) -> None:
    release.write("values.yaml", Config(DB.object_store, Section(release.deployment.s3("archive"))))
    said = release.run("check", "values.yaml").stdout
    assert said.count("in order") == 2
    place = release.deployment.s3("archive")
    wrong = Config(Section(S3(place.url, f"{place.bucket}-gone")))
    release.write("wrong.yaml", wrong)
    assert release.run("check", "wrong.yaml", code=69).stdout.count("FAILED") == 1


def test_values_need_the_database_named_beside_them(release: Release) -> None:
    release.write("values.yaml", None)
    for words in (("plan", "values.yaml", "values.yaml"), ("check", "values.yaml"), ("verify", "values.yaml")):
        said = release.cli.run(*words).must_end(CONFIG_INVALID).stderr
        assert "name no database" in said
        assert "RESTOW_DB_CONNECT" in said
    release.cli.run("plan", "values.yaml", "values.yaml", "--offline").must_end(0)


def test_a_job_that_is_not_there(release: Release) -> None:
    release.write("values.yaml", DB)
    release.deployment.write_config("config.yaml", DB)
    release.run("plan", "values.yaml", code=USAGE)
    for file in ("values.yaml", "config.yaml"):
        assert f"{file}:1: the file: " in release.run("plan", file, "--helm-job", code=CONFIG_INVALID).stderr
