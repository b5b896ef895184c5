"""The printed section, pasted as its comments say, is a config under which every document can be read."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import pytest
import yaml

from tests.anchore.config import Config, Section
from tests.anchore.deployment import Deployment
from tests.anchore.documents import BOTH, Store
from tests.cli import Cli
from tests.end_to_end.codes import INTEGRITY
from tests.end_to_end.migration import Migration, begin, few
from tests.end_to_end.scenarios import ARCHIVE, DB

Content = dict[str, Any]
CHART = {
    f"ANCHORE_{store}_{key.upper()}": key
    for store in ("OBJECT_STORE", "ANALYSIS_ARCHIVE")
    for key in ("access_key", "secret_key")
}
"""The variables that the chart fills from a Kubernetes secret."""


@dataclass(frozen=True)
class Case:
    name: str
    configs: Callable[[Deployment], tuple[Config, Config]]
    stores: tuple[Store, ...] = BOTH
    older: tuple[str, ...] = ()
    """The files whose working set stands under the key of older versions."""


TO_S3 = Case("db to s3", lambda d: (Config(DB), Config(Section(d.s3(prefix="new/"), compress_above_kbytes=1))))
TO_SHARED = Case("db and s3 archive to db", lambda d: (Config(DB, Section(d.s3())), Config(DB)), ARCHIVE)
CASES = (
    TO_S3,
    TO_SHARED,
    Case("db to db and s3 archive", lambda d: (Config(DB), Config(DB, Section(d.s3()))), ARCHIVE),
    Case("older file to s3", lambda d: (Config(Section(d.s3())), Config(Section(d.s3("new")))), older=("config.yaml",)),
    Case("s3 to older file", lambda d: (Config(Section(d.s3())), Config(DB)), older=("dest-config.yaml",)),
)


def moved(deployment: Deployment, cli: Cli, case: Case) -> Migration:
    """Return the migration with both files written, and planned."""
    migration = begin(deployment, cli, *case.configs(deployment), stores=case.stores, documents=few())
    for file in case.older:
        content = read(migration, file)
        catalog = content["services"]["catalog"]
        catalog["archive"] = catalog.pop("object_store")
        deployment.write_yaml(file, yaml.safe_dump(content))
    migration.plan()
    return migration


def read(migration: Migration, file: str) -> Content:
    content: Content = yaml.safe_load((migration.deployment.root / file).read_text(encoding="utf-8"))
    return content


def variables(printed: str, catalog: Content) -> dict[str, str]:
    """Give each variable that the comments name the value that they name."""
    found = {}
    for name, path in re.findall(r"^#   (ANCHORE_\w+): ([\w.]+) of [\w.-]+$", printed, re.MULTILINE):
        value: Any = catalog
        for key in path.split("."):
            value = value[key]
        found[name] = value
    return found


def pasted(old: Content, printed: str, *, without_removing: bool = False) -> Content:
    """Return ``old`` with the printed section in it, and without what the comments say to remove."""
    head, catalog = ("anchoreConfig", "catalog") if "anchoreConfig" in old else ("services", "catalog")
    (removed,) = re.findall(r"^# Remove there .*: (.*)\.$", printed, re.MULTILINE) or [""]
    gone = set() if without_removing else set(removed.split(", "))
    kept = {key: value for key, value in old[head][catalog].items() if key not in gone}
    return {**old, head: {**old[head], catalog: kept | yaml.safe_load(printed)[head][catalog]}}


def verify(migration: Migration, content: Content, env: Mapping[str, str] | None = None, code: int = 0) -> None:
    migration.deployment.write_yaml("new.yaml", yaml.safe_dump(content))
    migration.cli.run("verify", "new.yaml", "--full", env=env).must_end(code)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_the_old_file_with_the_snippet_in_it_reads_every_document(deployment: Deployment, cli: Cli, case: Case) -> None:
    migration = moved(deployment, cli, case)
    path = deployment.root / "complete.yaml"
    cli.secret_files.append(path)
    printed = migration.apply("plan.json", "--snippet", "complete.yaml").stdout

    old, wanted = read(migration, "config.yaml"), read(migration, "dest-config.yaml")["services"]["catalog"]
    env = variables(printed, wanted)
    verify(migration, pasted(old, printed), env)
    assert "<" not in printed
    keys = [
        key for section in wanted.values() if isinstance(section, dict) for key in section["storage_driver"]["config"]
    ]
    assert len(env) == sum(key.endswith("_key") for key in keys)

    complete = path.read_text(encoding="utf-8")
    verify(migration, pasted(old, complete))
    assert path.stat().st_mode & 0o777 == 0o600
    assert complete.startswith("# This file may hold secrets.\n")

    again = cli.run("snippet", "dest-config.yaml").must_end(0).stdout
    assert again == printed


def test_a_section_that_is_left_behind_leaves_anchore_at_the_old_place(deployment: Deployment, cli: Cli) -> None:
    """Why the comments name what to remove."""
    migration = moved(deployment, cli, TO_SHARED)
    printed = migration.apply("plan.json").stdout
    old = read(migration, "config.yaml")
    verify(migration, pasted(old, printed, without_removing=True), code=INTEGRITY)
    verify(migration, pasted(old, printed))


def test_undo_prints_the_old_section(deployment: Deployment, cli: Cli) -> None:
    migration = moved(deployment, cli, Case("s3 to db", lambda d: (Config(Section(d.s3())), Config(DB))))
    migration.apply("plan.json", "--through", "switch")
    printed = cli.run("undo", "plan.json", "--yes").must_end(0).stdout
    assert printed == cli.run("snippet", "config.yaml").must_end(0).stdout
    env = variables(printed, read(migration, "config.yaml")["services"]["catalog"])
    verify(migration, pasted(read(migration, "dest-config.yaml"), printed), env)


def test_nothing_is_printed_before_the_switch(deployment: Deployment, cli: Cli) -> None:
    migration = moved(deployment, cli, TO_S3)
    assert migration.apply("plan.json", "--through", "verify").stdout == ""
    assert migration.apply("plan.json", "--dry-run").stdout.count("services.catalog") == 0


def values(config: Config, **settings: object) -> Content:
    """Return values of the chart whose S3 sections have ``settings`` in place of their keys."""
    catalog = config.content("")["services"]["catalog"]
    sections = {store: catalog[store] for store in BOTH if store in catalog}
    for section in sections.values():
        driver = section["storage_driver"]
        if driver["name"] == "s3" and settings:
            driver["config"] = {k: v for k, v in driver["config"].items() if not k.endswith("_key")} | settings
    return {"anchoreConfig": {"log_level": "INFO", "catalog": sections}}


def chart_variables(migration: Migration, config: Config) -> dict[str, str]:
    """Return what the chart sets for Anchore, and the database."""
    catalog = config.content("")["services"]["catalog"]
    keys = catalog["object_store"]["storage_driver"]["config"]
    return {"RESTOW_DB_CONNECT": migration.deployment.database_url, **{name: keys[key] for name, key in CHART.items()}}


@pytest.fixture
def to_values(deployment: Deployment, cli: Cli) -> Migration:
    """From values with two places of their own to values with one, all keys in Kubernetes secrets."""
    source = Config(Section(deployment.s3()), Section(deployment.s3("archive")))
    destination = Config(Section(deployment.s3("new")))
    migration = begin(deployment, cli, source, destination, documents=few())
    for file, config in (("values.yaml", source), ("dest-values.yaml", destination)):
        deployment.write_yaml(file, yaml.safe_dump(values(config, existingCredentialSecret="anchore-s3")))
    return migration


def test_values_with_the_snippet_in_them_read_every_document(to_values: Migration) -> None:
    cli, env = to_values.cli, chart_variables(to_values, to_values.destination)
    cli.run("plan", "values.yaml", "dest-values.yaml", "-o", "plan.json", env=env).must_end(0)
    said = cli.run("apply", "plan.json", "--yes", "--snippet", "complete.yaml", env=env).must_end(0)

    verify(to_values, pasted(read(to_values, "values.yaml"), said.stdout), env)
    complete = to_values.deployment.root / "complete.yaml"
    verify(to_values, pasted(read(to_values, "values.yaml"), complete.read_text(encoding="utf-8")), env)
    assert complete.stat().st_mode & 0o777 == 0o600
    assert said.stdout == cli.run("snippet", "dest-values.yaml", env=env).must_end(0).stdout

    config = cli.run("snippet", "dest-values.yaml", "--format", "config", env=env).must_end(0).stdout
    verify(to_values, pasted(read(to_values, "config.yaml"), config), env)
    back = cli.run("snippet", "dest-config.yaml", "--format", "helm").must_end(0).stdout
    named = back.replace("<name of a Kubernetes secret with access_key and secret_key>", "anchore-s3")
    verify(to_values, pasted(read(to_values, "values.yaml"), named), env)


def test_keys_that_stand_in_values_are_printed_in_no_form(deployment: Deployment, cli: Cli) -> None:
    config = Config(Section(deployment.s3()))
    deployment.write_yaml("values.yaml", yaml.safe_dump(values(config)))
    for form in ("helm", "config"):
        said = cli.run("snippet", "values.yaml", "--format", form).must_end(0).stdout
        settings = yaml.safe_load(said)["anchoreConfig" if form == "helm" else "services"]["catalog"]["object_store"]
        assert settings["storage_driver"]["config"]["bucket"] == deployment.bucket()
