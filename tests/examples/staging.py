"""Puts an example on the running servers: its files with the places that are here, its documents, foreign things.

The files stay as they are but for what names a place: endpoints, buckets, directories; and literal keys.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, assert_never

import yaml

from tests.anchore import canaries, corpus
from tests.anchore.config import S3, Config, Db, Db2, Localfs, Place, Section
from tests.anchore.deployment import Deployment
from tests.anchore.documents import BOTH, Document
from tests.cli import Cli
from tests.end_to_end.migration import Migration, add_foreign_objects
from tests.examples.planning import CONFIGS
from tests.examples.scenarios import AWS, Scenario

AWS_SETTING = "region: eu-central-1"
LITERAL_KEYS = {"MY_ACCESS_KEY": canaries.ACCESS_KEY, "MY_SECRET_KEY": canaries.SECRET_KEY}
KEY_PAIRS = ("OBJECT_STORE", "NEW_OBJECT_STORE", "ANALYSIS_ARCHIVE", "MINIO")
VARIABLES = {
    **{f"ANCHORE_{pair}_ACCESS_KEY": canaries.ACCESS_KEY for pair in KEY_PAIRS},
    **{f"ANCHORE_{pair}_SECRET_KEY": canaries.SECRET_KEY for pair in KEY_PAIRS},
}
AMBIENT_KEYS = {"AWS_ACCESS_KEY_ID": canaries.ACCESS_KEY, "AWS_SECRET_ACCESS_KEY": canaries.SECRET_KEY}


@dataclass(frozen=True)
class Here:
    """The places of the examples as they are on the running servers."""

    deployment: Deployment
    endpoints: Mapping[str, str] = field(default_factory=dict)
    """URL in the files → URL of a server; what is not in it is on the deployment's own."""

    def config(self, config: Config, *, make_all: bool) -> Config:
        """Return the config with places that are here; without ``make_all``, buckets to be created are not made."""
        archive = config.analysis_archive
        return Config(
            self._section(config.object_store, make_all=make_all),
            None if archive is None else self._section(archive, make_all=make_all),
        )

    def text(self, text: str, *configs: Config) -> str:
        """Return a file in which each place of ``configs`` is replaced. Fails when one is not named there."""
        for old, new in {each for config in configs for each in self._replacements(config)}:
            assert old in text, f"the file does not say {old!r}"
            text = text.replace(old, new)
        for old, new in LITERAL_KEYS.items():
            text = text.replace(old, new)
        return text

    def _section(self, section: Section, *, make_all: bool) -> Section:
        return replace(section, place=self._place(section.place, make_all=make_all))

    def _place(self, place: Place, *, make_all: bool) -> Place:
        match place:
            case S3():
                bucket = self.deployment.bucket(place.bucket, create=make_all or not place.create_bucket)
                return replace(place, url=self._url(place), bucket=bucket)
            case Localfs():
                return Localfs(self.deployment.directory("documents"))
            case Db() | Db2():
                return place
            case _:
                assert_never(place)

    def _url(self, place: S3) -> str:
        return self.endpoints.get(place.url, self.deployment.s3_server.url)

    def _replacements(self, config: Config) -> Iterator[tuple[str, str]]:
        for place in {config.section(store).place for store in BOTH}:
            match place:
                case S3():
                    setting = AWS_SETTING if place.url == AWS else f"url: {place.url}"
                    yield f"{setting}\n", f"url: {self._url(place)}\n"
                    bucket = self.deployment.bucket(place.bucket, create=False)
                    yield f" bucket: {place.bucket}\n", f" bucket: {bucket}\n"
                case Localfs():
                    yield place.directory, self.deployment.directory("documents")
                case Db() | Db2():
                    pass
                case _:
                    assert_never(place)


def stage(scenario: Scenario, deployment: Deployment, cli: Cli, here: Here) -> Migration:
    """Let Anchore write some documents under the source config, put foreign things beside them, write the files."""
    source = here.config(scenario.source, make_all=True)
    destination = here.config(scenario.destination, make_all=False)
    documents = documents_of(scenario)
    deployment.fill(source, documents)
    deployment.add_foreign_rows()
    there = deployment.snapshot().buckets
    for place in {config.section(store).place for config in (source, destination) for store in BOTH}:
        # Not where a place is on another server: what stays behind on the first is out of the auditor's sight then.
        if isinstance(place, S3) and place.bucket in there and not here.endpoints:
            add_foreign_objects(deployment, place)
    for file, configs in files_of(scenario).items():
        text = (CONFIGS / scenario.name / file).read_text(encoding="utf-8")
        deployment.write_yaml(file, here.text(text, *configs))
    return Migration(deployment, cli, source, destination, scenario.stores, deployment.expect(documents))


def files_of(scenario: Scenario) -> dict[str, tuple[Config, ...]]:
    """Return each file's name and the configs that it holds."""
    if len(scenario.files) == 1:
        return {scenario.files[0]: (scenario.source, scenario.destination)}
    return {scenario.files[0]: (scenario.source,), scenario.files[1]: (scenario.destination,)}


def documents_of(scenario: Scenario) -> tuple[Document, ...]:
    """Return a handful of documents of the kinds that the scenario has; one is larger than 100 kB."""
    packages = {"document": {"packages": [f"package {number}" for number in range(8000)]}}
    large = Document("analysis_data", "sha256:" + "5" * 64, "admin", json.dumps(packages).encode())
    documents = (*corpus.ordinary(seed=5, count=8, largest=4000), large)
    if "analysis_archive" in scenario.documents:
        documents += corpus.archived(seed=5, count=3, largest=2000)
    if any(tally.without_digest for tally in scenario.documents.values()):
        documents += corpus.old_rows()
    return documents


def environment_of(scenario: Scenario, deployment: Deployment) -> dict[str, str]:
    """Return the variables that the example's files refer to, and keys for ``iamauto`` where it is used."""
    place = scenario.destination.object_store.place
    ambient = AMBIENT_KEYS if isinstance(place, S3) and place.url == AWS else {}
    return {**VARIABLES, **ambient, "RESTOW_DB_CONNECT": deployment.database_url}


def new_file(scenario: Scenario, deployment: Deployment) -> str:
    """Return the name of the file that Anchore is to run with afterwards.

    After the chart's migration job that is its values with the sections that the job ran for in the old ones' place.
    """
    if len(scenario.files) > 1:
        return scenario.files[1]
    values: dict[str, Any] = yaml.safe_load((deployment.root / scenario.files[0]).read_text(encoding="utf-8"))
    job = values.pop("osaaMigrationJob")
    for part, section in (("objectStoreMigration", "object_store"), ("analysisArchiveMigration", "analysis_archive")):
        if job[part]["run"]:
            values["anchoreConfig"]["catalog"][section] = job[part][section]
    deployment.write_yaml("new-values.yaml", yaml.safe_dump(values))
    return "new-values.yaml"
