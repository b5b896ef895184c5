"""docs/plan-format.md says what plans are: its fields are the model's, its example and its program work."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from planner.read_plan import read_plan
from schemas.backend import Db2Location, DbLocation, LocalfsLocation, S3Location, SwiftLocation
from schemas.canonical import digest, file_text
from schemas.config import Compression, DbDriver, LocalfsDriver, StorageConfig, StoreConfig
from schemas.model import Model
from schemas.plan import (
    FORMAT_VERSION,
    Accepted,
    BucketCounts,
    ConfigChange,
    Counts,
    DatabaseName,
    Envelope,
    Finding,
    Move,
    Plan,
    PlannedStore,
    Side,
)
from tests.planner import plans

DOC = (Path(__file__).parents[2] / "docs" / "plan-format.md").read_text(encoding="utf-8")
SECTIONS: dict[str, type[Model]] = {
    "The plan": Plan,
    "A side": Side,
    "A store": PlannedStore,
    "Compression": Compression,
    "A location of driver db": DbLocation,
    "A location of driver db2": Db2Location,
    "A location of driver s3": S3Location,
    "A location of driver localfs": LocalfsLocation,
    "A location of driver swift": SwiftLocation,
    "The database": DatabaseName,
    "A move": Move,
    "Counts": Counts,
    "Bucket counts": BucketCounts,
    "A config change": ConfigChange,
    "A finding": Finding,
    "An accepted finding": Accepted,
    "The envelope's fields": Envelope,
}


def section(title: str) -> str:
    return DOC.split(f"\n### {title}\n")[1].split("\n#")[0]


def block(language: str) -> str:
    found = re.search(rf"^```{language}\n(.*?)^```$", DOC, re.MULTILINE | re.DOTALL)
    assert found is not None
    return found[1]


@pytest.mark.parametrize("title", SECTIONS)
def test_every_field_is_described(title: str) -> None:
    told = re.findall(r"^\| `(\w+)` \| (\w+)", section(title), re.MULTILINE)
    fields = SECTIONS[title].model_fields
    inherited = Counts.model_fields if SECTIONS[title] is BucketCounts else {}
    assert [name for name, _ in told] == [
        field.alias or name for name, field in fields.items() if name not in inherited
    ]


@pytest.mark.parametrize("title", SECTIONS)
def test_every_type_is_right(title: str) -> None:
    properties = SECTIONS[title].model_json_schema(by_alias=True)["properties"]
    for name, kind in re.findall(r"^\| `(\w+)` \| ([^|]+) \|", section(title), re.MULTILINE):
        alternatives = properties[name].get("anyOf", [properties[name]])
        types = {each.get("type") for each in alternatives}
        assert ("null" in types) == kind.endswith(", or null"), name
        word = {"string": "string", "integer": "integer", "boolean": "boolean", "list": "array"}.get(
            kind.split(",")[0].split()[0]
        )
        assert word is None or word in types, name


def test_every_section_is_checked() -> None:
    assert re.findall(r"^### (.*)$", DOC, re.MULTILINE) == list(SECTIONS)


def test_the_version_is_the_one_of_this_restow() -> None:
    assert f"format version **{FORMAT_VERSION}**" in DOC


def test_the_example_is_a_plan(tmp_path: Path) -> None:
    plan = plans.documented()
    assert block("json") == file_text(plan.document())
    (tmp_path / "plan.json").write_text(block("json"), encoding="utf-8")
    assert read_plan(tmp_path / "plan.json", expect=plan.plan_digest) == plan


@pytest.mark.parametrize("offline", ["false", "true"])
def test_the_program_tells_an_edited_plan_from_a_true_one(tmp_path: Path, offline: str) -> None:
    text = file_text(plans.hostile().document()).replace('"offline": false', f'"offline": {offline}')
    (tmp_path / "plan.json").write_text(text, encoding="utf-8")
    command = [sys.executable, "-c", block("python")]
    run = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert run.stdout == f"{offline == 'false'}\n"


def test_a_fingerprint_can_be_computed_from_what_the_plan_shows() -> None:
    config = StorageConfig(
        path="config.yaml",
        object_store=StoreConfig(driver=DbDriver(), compression=Compression(enabled=True)),
        analysis_archive=StoreConfig(driver=LocalfsDriver(archive_data_dir="/archive"), compression=Compression()),
        database=None,
        section={},
        references=(),
    )
    shown = {
        "object_store": {
            "driver": "db",
            "location": {"table": "archive_document"},
            "compression": {"enabled": True, "min_size_kbytes": 100},
        },
        "analysis_archive": {
            "driver": "localfs",
            "location": {"archive_data_dir": "/archive"},
            "compression": {"enabled": False, "min_size_kbytes": 100},
        },
    }
    assert config.fingerprint == digest(shown)
