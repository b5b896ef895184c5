"""The published JSON Schemas: current, valid, and of use to an editor that knows nothing of us."""

from __future__ import annotations

import json
from importlib.resources import files
from typing import Any

import jsonschema
import pytest
import yaml

from schemas.publish import MODELS, load_schema, schema_text

DOCUMENTED = """
services:
  catalog:
    enabled: true
    endpoint_hostname: catalog
    object_store:
      verify_content_digests: true
      compression: {enabled: true, min_size_kbytes: 100}
      storage_driver:
        name: s3
        config:
          access_key: MY_ACCESS_KEY
          secret_key: MY_SECRET_KEY
          url: http://minio:9000
          region: false
          bucket: anchore-engine-testing
          prefix: internaltest
          create_bucket: true
    analysis_archive: {}
credentials:
  database:
    db_connect: postgresql://postgres:postgres@db:5432/postgres
    db_connect_args: {timeout: 120, ssl: false}
"""
REFERENCES_EVERYWHERE = """
services:
  catalog:
    object_store:
      compression: {enabled: "${ANCHORE_COMPRESS}", min_size_kbytes: "${ANCHORE_MIN_SIZE}"}
      storage_driver:
        name: "${ANCHORE_DRIVER}"
        config: {bucket: "${ANCHORE_BUCKET}"}
    analysis_archive:
      storage_driver:
        name: s3
        config:
          access_key: ${ANCHORE_KEY}
          secret_key: ${ANCHORE_SECRET}
          url: http://${ANCHORE_HOST}:${ANCHORE_PORT}
          bucket: ${ANCHORE_ENVIRONMENT}-archive
          prefix: ${ANCHORE_PREFIX}
          create_bucket: ${ANCHORE_CREATE}
credentials:
  database:
    db_connect: postgresql://${ANCHORE_DB_USER}:${ANCHORE_DB_PASSWORD}@${ANCHORE_DB_HOST}/${ANCHORE_DB_NAME}
    db_connect_args: {timeout: "${ANCHORE_DB_TIMEOUT}", ssl: "${ANCHORE_DB_SSL}"}
"""


@pytest.mark.parametrize("name", MODELS)
def test_the_published_schema_is_what_the_models_say(name: str) -> None:
    published = files("schemas").joinpath("json", f"{name}.schema.json").read_text(encoding="utf-8")
    assert published == schema_text(name), "out of date: run `make schemas`"


@pytest.mark.parametrize("name", MODELS)
def test_the_published_schema_is_valid_draft_2020_12(name: str) -> None:
    schema = load_schema(name)
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    jsonschema.Draft202012Validator.check_schema(schema)


@pytest.mark.parametrize("text", [DOCUMENTED, REFERENCES_EVERYWHERE, "services: {catalog: {}}"])
def test_a_config_is_accepted_as_an_editor_sees_it(text: str) -> None:
    assert errors(yaml.safe_load(text)) == []


@pytest.mark.parametrize(
    ("driver", "paths"),
    [
        ({"name": "s3"}, [""]),
        ({"name": "s3", "config": {"bucket": "b", "iamauto": True}}, ["config"]),
        ({"name": "s3", "config": {"bucket": "b", "iamauto": True, "region": False}}, ["config/region"]),
        ({"name": "s3", "config": {"bucket": 7, "iamauto": True, "url": None}}, ["config/bucket", "config/url"]),
        ({"name": "localfs", "config": {}}, ["config"]),
        ({"name": "swift", "config": {"container": ""}}, ["config/container"]),
        ({"name": "azure", "config": {}}, ["name"]),
    ],
)
def test_each_error_names_the_place_of_the_fault(driver: dict[str, Any], paths: list[str]) -> None:
    head = "services/catalog/object_store/storage_driver"
    config = {"services": {"catalog": {"object_store": {"storage_driver": driver}}}}
    assert errors(config) == [f"{head}/{path}".rstrip("/") for path in paths]


def test_the_schema_text_is_stable() -> None:
    text = schema_text("config")
    assert text == schema_text("config")
    assert text == json.dumps(json.loads(text), indent=2, sort_keys=True, ensure_ascii=False) + "\n"


def errors(config: object) -> list[str]:
    found = jsonschema.Draft202012Validator(load_schema("config")).iter_errors(config)
    return sorted("/".join(map(str, error.absolute_path)) for error in found)
