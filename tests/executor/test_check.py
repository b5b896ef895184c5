"""``check`` on real backends, and on an S3 that gives some rights and not others."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import sqlalchemy as sa
from pydantic import SecretStr

from executor.check import Step, StoreCheck, check
from planner.load import load_config
from restow.demo.servers import free_port
from schemas.config import StorageConfig, StoreName
from schemas.exit_codes import ExitCode
from stores.database import Database, DatabaseOptions
from tests.anchore.config import S3, Config, Db, Db2, Localfs, Place, Section
from tests.anchore.deployment import Deployment
from tests.anchore.snapshot import differences
from tests.stores.scripted import Reply, Request, Scripted, s3_error

BOTH: tuple[StoreName, ...] = ("object_store", "analysis_archive")
S3_PARTS = ["endpoint", "credentials", "bucket", "list"]
TABLE_PARTS = ["endpoint", "credentials", "table"]


@pytest.fixture
def database(deployment: Deployment) -> Iterator[Database]:
    made = open_database(deployment.database_url)
    yield made
    made.close()


@dataclass
class Rights:
    """The one bucket of an S3 that denies some requests."""

    denied: str = ""
    """list, get, put or delete."""
    objects: dict[str, bytes] = field(default_factory=dict)
    etag: str | None = None
    """None: the MD5, as it should be."""
    garbles: bool = False

    def answer(self, request: Request) -> Reply:
        parts = urlsplit(request.path)
        path = parts.path.removeprefix("/documents").removeprefix("/")
        match request.method:
            case "GET" if not path:
                return self._unless("list", Reply(200, body=b"<ListBucketResult></ListBucketResult>"))
            case "GET" | "HEAD" if path not in self.objects:
                known = s3_error(404, "NoSuchKey") if self.denied != "list" else s3_error(403, "AccessDenied")
                return self._unless("get", known)
            case "GET" | "HEAD":
                body = b"garbage" if self.garbles else self.objects[path]
                return self._unless("get", Reply(200, self._headers(self.objects[path]), body))
            case "PUT":
                reply = self._unless("put", Reply(200, self._headers(request.body)))
                if reply.status == 200:
                    self.objects[path] = request.body
                return reply
            case "POST":
                reply = self._unless("delete", Reply(200, body=b"<DeleteResult></DeleteResult>"))
                if reply.status == 200:
                    for key in re.findall(r"<Key>([^<]*)</Key>", request.body.decode()):
                        self.objects.pop(key, None)
                return reply
            case _:
                return Reply(500)

    def _unless(self, action: str, reply: Reply) -> Reply:
        return s3_error(403, "AccessDenied") if self.denied == action else reply

    def _headers(self, payload: bytes) -> dict[str, str]:
        etag = self.etag or hashlib.md5(payload, usedforsecurity=False).hexdigest()
        return {"ETag": f'"{etag}"', "Last-Modified": "Mon, 01 Jan 2024 00:00:00 GMT"}


@pytest.fixture
def scripted() -> Iterator[Scripted]:
    made = Scripted()
    yield made
    made.close()


@pytest.mark.parametrize(
    ("place", "parts"),
    [
        (lambda _: Db(), TABLE_PARTS),
        (lambda _: Db2(), TABLE_PARTS),
        (lambda deployment: deployment.s3(prefix="ours/"), S3_PARTS),
        (lambda deployment: Localfs(deployment.directory("archive")), ["directory"]),
    ],
    ids=["db", "db2", "s3", "localfs"],
)
def test_a_backend_in_order_passes_every_step_and_is_left_as_it_was(
    deployment: Deployment, database: Database, place: Callable[[Deployment], Place], parts: list[str]
) -> None:
    config = config_of(deployment, place(deployment))
    before = deployment.snapshot()
    (found,) = check(config, BOTH, database)
    assert (found.stores, found.failed) == (BOTH, None)
    assert [step.name for step in found.steps] == [*parts, "put", "get", "delete", "digest"]
    assert "tells the MD5" in found.steps[-1].detail
    assert differences(before, deployment.snapshot()) == []
    # An empty folder would be no difference.
    assert list(Path(deployment.directory("archive")).iterdir()) == []


@pytest.mark.parametrize("denied", ["list", "get", "put", "delete"])
def test_a_right_that_is_missing_is_named(deployment: Deployment, scripted: Scripted, denied: str) -> None:
    rights = Rights(denied)
    scripted.answer = rights.answer
    (found,) = check(config_of(deployment, S3(scripted.url, "documents", prefix="ours/")), BOTH, None)
    step = failed(found)
    assert step.name == denied
    assert "AccessDenied" in step.detail
    assert "\n" not in step.detail
    assert exit_code(found) == ExitCode.PERMISSION_DENIED
    if denied == "delete":
        (left,) = rights.objects
        assert left.startswith("ours/restow/")
        assert f"s3://documents/{left} may be left behind" in step.detail
    else:
        assert rights.objects == {}


def test_what_does_not_come_back_as_it_was_is_found_and_removed(deployment: Deployment, scripted: Scripted) -> None:
    rights = Rights(garbles=True)
    scripted.answer = rights.answer
    (found,) = check(config_of(deployment, S3(scripted.url, "documents")), BOTH, None)
    assert failed(found).name == "get"
    assert found.steps[-1] == Step("delete", "the test document is removed")
    assert exit_code(found) == ExitCode.UNREACHABLE
    assert rights.objects == {}


def test_an_etag_that_is_no_md5_is_reported_and_no_fault(deployment: Deployment, scripted: Scripted) -> None:
    rights = Rights(etag="0" * 32)
    scripted.answer = rights.answer
    (found,) = check(config_of(deployment, S3(scripted.url, "documents")), BOTH, None)
    assert found.failed is None
    assert "every copy is read back" in found.steps[-1].detail
    assert rights.objects == {}


@pytest.mark.parametrize(
    ("change", "step", "code"),
    [
        ({"url": f"http://127.0.0.1:{free_port()}"}, "endpoint", ExitCode.UNREACHABLE),
        ({"access_key": "nobody"}, "credentials", ExitCode.PERMISSION_DENIED),
        ({"secret_key": "wrong"}, "credentials", ExitCode.PERMISSION_DENIED),
        ({"bucket": "not-there"}, "bucket", ExitCode.UNREACHABLE),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_what_stands_in_the_way_to_s3_is_named(
    deployment: Deployment, change: dict[str, Any], step: str, code: ExitCode
) -> None:
    (found,) = check(config_of(deployment, replace(deployment.s3(), **change)), BOTH, None)
    assert [one.name for one in found.steps] == S3_PARTS[: S3_PARTS.index(step) + 1]
    assert failed(found).name == step
    assert exit_code(found) == code


def test_a_bucket_that_the_config_creates_is_created(deployment: Deployment) -> None:
    bucket = deployment.bucket("new", create=False)
    (found,) = check(config_of(deployment, S3(deployment.s3_server.url, bucket, create_bucket=True)), BOTH, None)
    assert found.failed is None
    assert deployment.snapshot().buckets == (bucket,)


def test_what_stands_in_the_way_to_a_table_is_named(deployment: Deployment) -> None:
    url = deployment.database_url
    cases = {
        url.replace(url.rpartition(":")[2].partition("/")[0], str(free_port())): ("endpoint", ExitCode.UNREACHABLE),
        url.replace("//postgres:", "//nobody_knows:"): ("credentials", ExitCode.PERMISSION_DENIED),
        url.rpartition("/")[0] + "/postgres": ("table", ExitCode.CONFIG_INVALID),
    }
    for connect, (step, code) in cases.items():
        for place in (Db(), Db2()):
            database = open_database(connect)
            (found,) = check(config_of(deployment, place), BOTH, database)
            database.close()
            assert (failed(found).name, exit_code(found)) == (step, code)


@pytest.mark.parametrize(
    ("rights", "step"), [("", "get"), ("SELECT", "put"), ("SELECT, INSERT, UPDATE", "delete")], ids=["none", "r", "rw"]
)
@pytest.mark.parametrize(("place", "table"), [(Db(), "archive_document"), (Db2(), "object_storage")], ids=["db", "db2"])
def test_a_right_on_a_table_that_is_missing_is_named(
    deployment: Deployment, place: Place, table: str, rights: str, step: str
) -> None:
    role = f"visitor_of_{deployment.engine.url.database}"
    with deployment.engine.begin() as connection:
        connection.execute(sa.text(f"CREATE ROLE {role} LOGIN"))
        if rights:
            connection.execute(sa.text(f"GRANT {rights} ON {table} TO {role}"))
    database = open_database(deployment.database_url.replace("//postgres:", f"//{role}:"))
    (found,) = check(config_of(deployment, place), BOTH, database)
    database.close()
    with deployment.engine.begin() as connection:
        left = connection.execute(sa.text(f"SELECT count(*) FROM {table}")).scalar_one()
        connection.execute(sa.text(f"DROP OWNED BY {role}"))
        connection.execute(sa.text(f"DROP ROLE {role}"))
    assert failed(found).name == step
    assert exit_code(found) == ExitCode.PERMISSION_DENIED
    assert (left == 1) == (step == "delete") == ("may be left behind" in failed(found).detail)


def test_a_volume_that_is_not_there_is_named(deployment: Deployment) -> None:
    directory = Path(deployment.directory("archive")) / "not" / "mounted"
    (found,) = check(config_of(deployment, Localfs(str(directory))), BOTH, None)
    assert [step.name for step in found.steps] == ["directory"]
    assert str(directory) in failed(found).detail
    assert exit_code(found) == ExitCode.UNREACHABLE


def test_stores_are_checked_together_only_with_the_same_keys(deployment: Deployment) -> None:
    first = deployment.s3()
    sections = [Section(first), Section(replace(first, secret_key="wrong")), Section(first, compress_above_kbytes=1)]
    same = config_of_sections(deployment, sections[0], sections[2])
    assert [found.stores for found in check(same, BOTH, None)] == [BOTH]
    other = config_of_sections(deployment, sections[0], sections[1])
    assert [(found.stores, found.failed is None) for found in check(other, BOTH, None)] == [
        (("object_store",), True),
        (("analysis_archive",), False),
    ]
    assert [found.stores for found in check(other, ("analysis_archive",), None)] == [("analysis_archive",)]


def test_a_driver_that_is_not_supported_does_not_keep_the_other_store_from_its_check(deployment: Deployment) -> None:
    swift = {"storage_driver": {"name": "swift", "config": {"container": "c", "user": "u", "key": "k"}}}
    content = Config(Section(deployment.s3())).content(deployment.database_url)
    content["services"]["catalog"]["analysis_archive"] = swift
    path = deployment.write_yaml("config.yaml", json.dumps(content))
    working, archive = check(load_config(path, environment={}), BOTH, None)
    assert working.failed is None
    assert failed(archive).name == "settings"
    assert exit_code(archive) == ExitCode.CONFIG_INVALID


def config_of(deployment: Deployment, one: Place) -> StorageConfig:
    return load_config(deployment.write_config("config.yaml", Config(Section(one))), environment={})


def config_of_sections(deployment: Deployment, working: Section, archive: Section) -> StorageConfig:
    return load_config(deployment.write_config("config.yaml", Config(working, archive)), environment={})


def open_database(url: str) -> Database:
    return Database(SecretStr(url), DatabaseOptions(timeout=60.0, connect_timeout=5.0, retries=0))


def failed(found: StoreCheck) -> Step:
    assert found.failed is not None
    return found.failed


def exit_code(found: StoreCheck) -> ExitCode:
    error = failed(found).error
    assert error is not None
    return error.exit_code
