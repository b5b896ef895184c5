"""Settings that do not hold together, or that Anchore takes for something else than they say."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from planner.mistakes import KeyPath
from planner.references import fill
from planner.settings import oddities
from planner.yaml_file import parse
from schemas.config import Oddity, StoreName
from schemas.config_file import CatalogSection

Section = dict[str, Any]

WORKING = "services.catalog.object_store"
ARCHIVE = "services.catalog.analysis_archive"
CONFIG = "storage_driver.config"
SIZE = "layer_cache_max_gigabytes"
TOO_SMALL: tuple[object, ...] = (0, 0.5, -1, "0", None, "half", "0.5", [])
KEYS = {"access_key": "A", "secret_key": "S"}
PLACE = {"url": "https://minio.example.com:9000", "bucket": "documents"}
DB: Section = {"storage_driver": {"name": "db", "config": {}}}


def s3(**settings: object) -> Section:
    """An S3 section that nothing is to be said of, but for ``settings``."""
    return {"storage_driver": {"name": "s3", "config": {**KEYS, **PLACE, **settings}}}


def iam(**settings: object) -> Section:
    return {"storage_driver": {"name": "s3", "config": {"iamauto": True, **PLACE, **settings}}}


def localfs(directory: str) -> Section:
    return {"storage_driver": {"name": "localfs", "config": {"archive_data_dir": directory}}}


def swift(**settings: object) -> Section:
    return {"storage_driver": {"name": "swift", "config": {"container": "documents", **settings}}}


def compressed(section: Section, enabled: object = True) -> Section:
    return {**section, "compression": {"enabled": enabled, "min_size_kbytes": 100}}


def noted(catalog: Section, **services: Section) -> tuple[Oddity, ...]:
    """Return what is said of a config.yaml, having looked that each line named is the setting's own."""
    text = yaml.safe_dump({"log_level": "INFO", "services": {"catalog": catalog, **services}}, sort_keys=False)
    file = parse("config.yaml", text, fill("config.yaml", text, {}))
    stores: tuple[StoreName, ...] = ("object_store", "analysis_archive")
    heads: dict[StoreName, KeyPath] = {store: ("services", "catalog", store) for store in stores if catalog.get(store)}
    if "archive_driver" in catalog:
        heads["object_store"] = ("services", "catalog", "archive_driver")
    found = oddities(CatalogSection.model_validate(catalog), file.data, file.line_of, heads)
    for oddity in found:
        assert text.splitlines()[oddity.line - 1].strip().startswith(oddity.path.rpartition(".")[2] + ":")
    return found


def said(catalog: Section, **services: Section) -> list[tuple[str, str]]:
    return [(oddity.code, oddity.path) for oddity in noted(catalog, **services)]


@pytest.mark.parametrize(
    ("section", "expected"),
    [
        (DB, []),
        (s3(), []),
        (iam(), []),
        (swift(), []),
        (localfs("/archive"), []),
        (compressed(s3()), []),
        (compressed(s3(), enabled="true"), [("switch-as-text", "compression.enabled")]),
        (compressed(DB), [("compression-without-effect", "compression.enabled")]),
        (compressed(DB, enabled="true"), [("switch-as-text", "compression.enabled")]),
        (s3(create_bucket=False), []),
        (s3(create_bucket=True), [("create-bucket", f"{CONFIG}.create_bucket")]),
        (
            s3(create_bucket="false"),
            [("create-bucket", f"{CONFIG}.create_bucket"), ("switch-as-text", f"{CONFIG}.create_bucket")],
        ),
        (s3(create_bucket=""), [("switch-as-text", f"{CONFIG}.create_bucket")]),
        (iam(iamauto="yes"), [("switch-as-text", f"{CONFIG}.iamauto")]),
        (swift(create_container="no"), [("switch-as-text", f"{CONFIG}.create_container")]),
        (s3(iamauto=False), []),
        (s3(iamauto=True), [("keys-and-iamauto", f"{CONFIG}.iamauto")]),
        (iam(access_key="", secret_key=None), []),
        (s3(prefix=""), []),
        (s3(prefix=None), [("prefix-null", f"{CONFIG}.prefix")]),
        (swift(anchore_key_prefix=None), [("prefix-null", f"{CONFIG}.anchore_key_prefix")]),
        (s3(url="http://minio:9000"), [("http-endpoint", f"{CONFIG}.url")]),
        (iam(url="http://minio:9000"), [("http-endpoint", f"{CONFIG}.url")]),
        (s3(url="https://user:password@minio:9000"), []),
        (s3(url="https://minio.example.com/documents"), [("bucket-in-url", f"{CONFIG}.url")]),
        (s3(url="https://minio.example.com/storage/documents/"), [("bucket-in-url", f"{CONFIG}.url")]),
        (s3(url="https://Documents.s3.amazonaws.com"), [("bucket-in-url", f"{CONFIG}.url")]),
        (s3(url="https://user:pw@documents.example.com"), [("bucket-in-url", f"{CONFIG}.url")]),
        (s3(url="https://documents"), []),
        (s3(url="https://documents-of-ours.example.com/storage/documents2"), []),
        (
            s3(url="http://documents.example.com"),
            [("bucket-in-url", f"{CONFIG}.url"), ("http-endpoint", f"{CONFIG}.url")],
        ),
        (localfs("archive"), [("directory-not-absolute", f"{CONFIG}.archive_data_dir")]),
        (localfs("./archive"), [("directory-not-absolute", f"{CONFIG}.archive_data_dir")]),
    ],
)
def test_one_section(section: Section, expected: list[tuple[str, str]]) -> None:
    assert said({"object_store": section}) == [(code, f"{WORKING}.{path}") for code, path in expected]


@pytest.mark.parametrize(
    ("working", "archive", "expected"),
    [
        (s3(), s3(bucket="archive"), []),
        (s3(), s3(prefix="archive/"), []),
        (s3(), s3(url="https://other.example.com"), []),
        (s3(), s3(), [("stores-in-one-place", ARCHIVE)]),
        (s3(), s3(url="https://minio.example.com:9000/", secret_key="other"), [("stores-in-one-place", ARCHIVE)]),
        (localfs("/archive"), localfs("/archive/"), [("stores-in-one-place", ARCHIVE)]),
        (swift(), swift(), [("stores-in-one-place", ARCHIVE)]),
        (DB, DB, []),
        (DB, compressed(s3()), [("archive-compressed", f"{ARCHIVE}.compression.enabled")]),
        (DB, compressed(s3(), enabled="true"), [("switch-as-text", f"{ARCHIVE}.compression.enabled")]),
        (compressed(s3()), DB, []),
        (s3(), compressed(DB), [("compression-without-effect", f"{ARCHIVE}.compression.enabled")]),
        (DB, s3(create_bucket=True), [("create-bucket", f"{ARCHIVE}.{CONFIG}.create_bucket")]),
        (compressed(s3()), {}, []),
        (compressed(s3()), None, []),
    ],
)
def test_an_archive_of_its_own(working: Section, archive: Section | None, expected: list[tuple[str, str]]) -> None:
    assert said({"object_store": working, "analysis_archive": archive}) == expected


@pytest.mark.parametrize(
    ("legacy", "expected"),
    [
        ({"archive_driver": "db"}, []),
        ({"archive_driver": "localfs", "archive_data_dir": "/archive"}, []),
        (
            {"archive_driver": "localfs", "archive_data_dir": "archive"},
            [("directory-not-absolute", "archive_data_dir")],
        ),
        ({"archive_driver": "localfs", "archive_data_dir": "archive", "use_db": True}, []),
        ({"archive_driver": "db2", "use_db": "false"}, [("switch-as-text", "use_db")]),
    ],
)
def test_very_old_files(legacy: Section, expected: list[tuple[str, str]]) -> None:
    assert said(legacy) == [(code, f"services.catalog.{path}") for code, path in expected]


@pytest.mark.parametrize(
    ("analyzer", "expected"),
    [
        ({}, []),
        ({"layer_cache_enable": False, SIZE: 0}, []),
        ({"layer_cache_enable": True, SIZE: 4}, []),
        ({"layer_cache_enable": True, SIZE: "4"}, []),
        ({"layer_cache_enable": True}, [("layer-cache-size", "layer_cache_enable")]),
        *(({"layer_cache_enable": True, SIZE: size}, [("layer-cache-size", SIZE)]) for size in TOO_SMALL),
        ({SIZE: 4}, [("layer-cache-off", SIZE)]),
        (
            {"layer_cache_enable": False, SIZE: "4"},
            [("layer-cache-off", SIZE)],
        ),
        ({"layer_cache_enable": "false", SIZE: 4}, [("switch-as-text", "layer_cache_enable")]),
        ({"layer_cache_enable": "${ANCHORE_LAYER_CACHE_ENABLED}", SIZE: 0}, []),
        ({"layer_cache_enable": True, SIZE: "${ANCHORE_LAYER_CACHE_SIZE_GB}"}, []),
    ],
)
def test_the_layer_cache(analyzer: Section, expected: list[tuple[str, str]]) -> None:
    assert said({}, analyzer=analyzer) == [(code, f"services.analyzer.{key}") for code, key in expected]


@pytest.mark.parametrize(
    ("value", "off"),
    [(False, True), ("false", True), (True, False), ("true", False), (None, False), ("${ANCHORE_X}", False)],
)
def test_the_package_database(value: object, off: bool) -> None:
    path = "services.policy_engine.enable_package_db_load"
    assert said({}, policy_engine={"enable_package_db_load": value}) == ([("package-db-off", path)] if off else [])


def test_text_for_a_switch_is_said_to_be_what_anchore_takes_it_for() -> None:
    catalog = {"object_store": compressed(s3(create_bucket="false", iamauto=""), enabled="true")}

    what = {oddity.path.rpartition(".")[2]: oddity.what for oddity in noted(catalog) if oddity.code == "switch-as-text"}

    assert "any text here for false" in what["enabled"]
    assert "any text here for true" in what["create_bucket"]
    assert "empty text for false" in what["iamauto"]


def test_a_file_without_storage_sections_is_in_order() -> None:
    assert said({}) == []


def test_what_is_said_comes_in_the_order_of_the_file() -> None:
    catalog = {"analysis_archive": compressed(s3(prefix=None)), "object_store": compressed(DB)}

    lines = [oddity.line for oddity in noted(catalog, analyzer={SIZE: 4})]

    assert lines == sorted(lines)
    assert len(set(lines)) == 4


def test_no_value_is_repeated() -> None:
    marked = {"access_key": "CANARY1", "secret_key": "CANARY2", "prefix": None, "create_bucket": "CANARY3"}
    section = compressed(s3(**marked, url="http://CANARY4:CANARY5@documents.CANARY6/documents", iamauto="CANARY7"))

    found = noted({"object_store": section, "analysis_archive": section})

    assert {"switch-as-text", "bucket-in-url", "http-endpoint"} <= {oddity.code for oddity in found}
    assert "canary" not in repr(found).lower()


@pytest.mark.parametrize(
    ("section", "codes"),
    [
        (s3(), ["compression-left-to-chart"]),
        ({**s3(), "compression": {"min_size_kbytes": 10}}, ["compression-left-to-chart"]),
        (compressed(s3(), enabled=False), []),
        (DB, []),
    ],
    ids=["nothing said", "only a size", "switched off", "driver db"],
)
def test_values_that_leave_compression_to_the_chart(section: Section, codes: list[str]) -> None:
    """Only of values: in a config.yaml, what is left out takes Anchore's own default."""
    head = ("anchoreConfig", "catalog", "object_store")
    found = oddities(CatalogSection.model_validate({"object_store": section}), {}, lambda _: 1, {"object_store": head})
    assert [(one.code, one.path) for one in found] == [(code, ".".join(head)) for code in codes]
