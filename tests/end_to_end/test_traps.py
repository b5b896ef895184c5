"""Situations in which a careless mover loses documents or says something untrue; each was once a fault of ours."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import subprocess
import threading
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from restow.demo.servers import S3Server
from tests.anchore import corpus, s3
from tests.anchore.config import S3, Config, Db, Section, url_for
from tests.anchore.deployment import Deployment
from tests.anchore.documents import Document
from tests.cli import PROGRAM, Cli
from tests.end_to_end.codes import DONE, FAILED, INTEGRITY, REFUSED, STALE, USAGE
from tests.end_to_end.migration import Migration, begin, few
from tests.nursery import Rig


@dataclass
class Alias:
    """A second address of an S3 server, which can be pointed to another one, as a name in the network can."""

    target: tuple[str, int]

    def __post_init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        threading.Thread(target=self._serve, daemon=True).start()

    def close(self) -> None:
        self._listener.close()

    def _serve(self) -> None:
        while True:
            try:
                near, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._carry, args=(near,), daemon=True).start()

    def _carry(self, near: socket.socket) -> None:
        with near, socket.create_connection(self.target) as far:
            answers = threading.Thread(target=_pump, args=(far, near), daemon=True)
            answers.start()
            _pump(near, far)
            answers.join()


def _pump(source: socket.socket, sink: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(65536):
            sink.sendall(data)
    with contextlib.suppress(OSError):
        sink.shutdown(socket.SHUT_WR)


def address(server: S3Server) -> tuple[str, int]:
    host, port = server.url.removeprefix("http://").split(":")
    return host, int(port)


def late(migration: Migration) -> Document:
    """A document that a forgotten node writes under the old config after the switch."""
    first = next(iter(migration.expected.documents.values()))
    document = replace(first, archive_id="late", document_name="late.json", content=b'{"document": 1}')
    migration.deployment.anchore(migration.source).put(document)
    return document


def report(migration: Migration) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((migration.deployment.root / "plan.report.json").read_text(encoding="utf-8"))
    return content


def test_clean_never_deletes_through_an_old_name_that_leads_to_the_new_place(
    deployment: Deployment, cli: Cli, other_s3_server: S3Server
) -> None:
    alias = Alias(address(deployment.s3_server))
    real = deployment.s3(prefix="anchore/")
    old, new = replace(real, url=alias.url), replace(real, url=other_s3_server.url)
    client = deployment.clients.of(new)
    client.create_bucket(Bucket=new.bucket)
    try:
        migration = begin(deployment, cli, Config(Section(old)), Config(Section(new)), documents=few())
        migration.plan("--keep-source")
        migration.apply()
        alias.target = address(other_s3_server)

        said = cli.run("clean", "plan.json", "--yes").must_end(REFUSED)

        assert "one place under two names" in said.stderr
        assert deployment.reader(migration.destination).reads_all(migration.expected.documents)
    finally:
        alias.close()
        for key in s3.keys(client, new.bucket):
            client.delete_object(Bucket=new.bucket, Key=key)
        client.delete_bucket(Bucket=new.bucket)


def test_rows_that_only_look_as_if_they_were_at_the_destination_keep_the_switch_shut(
    deployment: Deployment, cli: Cli, other_s3_server: S3Server
) -> None:
    """As an interrupted run of another tool leaves them: in the new bucket, but of the old endpoint."""
    old, moved = deployment.s3("old"), deployment.s3("new")
    new = replace(moved, url=other_s3_server.url)
    client = deployment.clients.of(new)
    client.create_bucket(Bucket=new.bucket)
    some, others = corpus.ordinary(seed=2, count=8), corpus.ordinary(seed=3, count=4)
    deployment.fill(Config(Section(old)), some)
    deployment.fill(Config(Section(moved)), others)
    source, destination = Config(Section(old)), Config(Section(new))
    deployment.write_config("config.yaml", source)
    deployment.write_config("dest-config.yaml", destination)
    expected = deployment.expect([*some, *others])
    try:
        cli.run("plan", "config.yaml", "dest-config.yaml", "-o", "plan.json").must_end(0)

        said = cli.run("apply", "plan.json", "--yes").must_end(FAILED)

        assert "4 documents" in said.stderr
        assert deployment.reader(source).reads_all(expected.documents)
    finally:
        for key in s3.keys(client, new.bucket):
            client.delete_object(Bucket=new.bucket, Key=key)
        client.delete_bucket(Bucket=new.bucket)


def test_undo_leaves_what_is_at_the_source_already(migration: Migration) -> None:
    migration.plan("--keep-source")
    migration.apply()
    document = late(migration)

    migration.cli.run("undo", "plan.json", "--yes").must_end(0)

    documents = {**migration.expected.documents, document.name: document}
    assert migration.deployment.reader(migration.source).reads_all(documents)


def test_a_second_round_under_way_does_not_hide_the_switched_one(migration: Migration) -> None:
    migration.plan("--keep-source")
    migration.apply()
    document = late(migration)
    migration.apply("plan.json", "--through", "copy")

    migration.cli.run("undo", "plan.json", "--yes").must_end(0)

    documents = {**migration.expected.documents, document.name: document}
    assert migration.deployment.reader(migration.source).reads_all(documents)


def test_a_report_that_cannot_be_written_is_told_before_anything_is_done(migration: Migration) -> None:
    migration.plan()
    with migration.writes_nothing():
        migration.apply("plan.json", "--report", "not-there/report.json", code=USAGE)


def test_our_tasks_stay_ours_after_an_undo(migration: Migration) -> None:
    migration.plan("--keep-source")
    migration.apply()
    migration.cli.run("undo", "plan.json", "--yes").must_end(0)

    lines = migration.cli.run("migrations", "config.yaml").must_end(0).stdout.splitlines()[1:]

    assert [line.split()[4:6] for line in lines] == [["db", "s3"], ["s3", "db"]]
    assert all("restow, round 1" in line for line in lines)


def test_the_end_of_input_at_the_question_is_no_yes(migration: Migration) -> None:
    migration.plan()

    migration.cli.answer("apply", "plan.json", reply="\x04").must_end(REFUSED)

    assert report(migration)["exit_code"] == REFUSED
    migration.assert_not_switched()


def test_an_offline_plan_is_refused_also_for_copying_ahead(migration: Migration) -> None:
    migration.plan("--offline")
    with migration.writes_nothing():
        migration.apply("plan.json", "--through", "copy", code=STALE)


def test_a_reader_of_stdout_that_has_gone_does_not_change_the_exit_code(migration: Migration) -> None:
    migration.deployment.anchore(migration.source).delete_payload(migration.bundle)
    reading, writing = os.pipe()
    os.close(reading)
    command = [str(PROGRAM), "verify", "config.yaml"]
    ended = subprocess.Popen(command, stdout=writing, stderr=subprocess.DEVNULL, cwd=migration.deployment.root)
    os.close(writing)
    assert ended.wait(60) == INTEGRITY


@pytest.fixture
def undeleting_url(deployment: Deployment) -> Iterator[str]:
    """A role that may do everything but delete."""
    engine = deployment.engine
    role = f"half_{deployment.name.replace('-', '_')}"
    database = engine.url.database
    with engine.begin() as connection:
        connection.execute(sa.text(f"CREATE ROLE {role} LOGIN"))
        connection.execute(sa.text(f"GRANT SELECT, UPDATE, INSERT ON ALL TABLES IN SCHEMA public TO {role}"))
        connection.execute(sa.text(f"GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO {role}"))
        connection.execute(sa.text(f"GRANT CREATE ON DATABASE {database} TO {role}"))
    try:
        yield engine.url.set(username=role, drivername="postgresql").render_as_string(hide_password=False)
    finally:
        with engine.begin() as connection:
            connection.execute(sa.text(f"DROP OWNED BY {role}"))
            connection.execute(sa.text(f"DROP ROLE {role}"))


@pytest.mark.parametrize("words", [["apply"], ["apply", "--dry-run"]], ids=" ".join)
@pytest.mark.parametrize("to_database", [False, True], ids=["db to s3", "s3 to db"])
def test_a_role_that_could_not_finish_is_refused_before_it_begins(
    deployment: Deployment, cli: Cli, undeleting_url: str, words: list[str], to_database: bool
) -> None:
    """At the destination, too: a document of restow's own is written and deleted there first."""
    configs = [Config(Section(Db())), Config(Section(deployment.s3()))]
    migration = begin(deployment, cli, *(reversed(configs) if to_database else configs), documents=few())
    migration.plan()
    with migration.writes_nothing():
        said = cli.run(*words, "plan.json", "--yes", env={"RESTOW_DB_CONNECT": undeleting_url}).must_end(77)
    assert "DELETE on archive_document" in said.stderr


def test_a_role_that_could_not_write_where_an_undo_does_is_refused_before_it_begins(migration: Migration) -> None:
    migration.plan("--keep-source")
    migration.apply()
    engine = migration.deployment.engine
    role = f"back_{migration.deployment.name.replace('-', '_')}"
    with engine.begin() as connection:
        connection.execute(sa.text(f"CREATE ROLE {role} LOGIN"))
        for schema in ("public", "restow"):
            connection.execute(sa.text(f"GRANT USAGE ON SCHEMA {schema} TO {role}"))
            connection.execute(sa.text(f"GRANT ALL ON ALL TABLES IN SCHEMA {schema} TO {role}"))
            connection.execute(sa.text(f"GRANT ALL ON ALL SEQUENCES IN SCHEMA {schema} TO {role}"))
        connection.execute(sa.text(f"REVOKE INSERT ON archive_document FROM {role}"))
    url = engine.url.set(username=role, drivername="postgresql").render_as_string(hide_password=False)
    try:
        for words in (["undo", "--dry-run"], ["undo"]):
            with migration.writes_nothing():
                said = migration.cli.run(*words, "plan.json", "--yes", env={"RESTOW_DB_CONNECT": url}).must_end(77)
            assert "INSERT on archive_document" in said.stderr
    finally:
        with engine.begin() as connection:
            connection.execute(sa.text(f"DROP OWNED BY {role}"))
            connection.execute(sa.text(f"DROP ROLE {role}"))


def in_parts(deployment: Deployment, config: Config, documents: Iterable[Document]) -> None:
    """Store payloads anew as uploads in parts: their ETags are no digests, so whoever wants one must read them."""
    place = config.object_store.place
    assert isinstance(place, S3)
    client = deployment.clients.of(place)
    for document in documents:
        key = url_for(place, document).removeprefix(f"s3://{place.bucket}/")
        upload = client.create_multipart_upload(Bucket=place.bucket, Key=key, ContentType=s3.CONTENT_TYPE)["UploadId"]
        part = client.upload_part(
            Bucket=place.bucket, Key=key, UploadId=upload, PartNumber=1, Body=document.content
        )  # fmt: skip
        client.complete_multipart_upload(
            Bucket=place.bucket,
            Key=key,
            UploadId=upload,
            MultipartUpload={"Parts": [{"ETag": part["ETag"], "PartNumber": 1}]},
        )


@pytest.mark.parametrize("command", ["apply", "clean"])
def test_documents_that_have_to_be_read_are_not_all_read_at_once(
    deployment: Deployment, cli: Cli, tmp_path: Path, command: str
) -> None:
    """Apply reads what another tool has put at the destination, a clean after an undo what is at the source again."""
    large = [Document("query_data", f"large {number}", "admin", bytes([number]) * 1_000_000) for number in range(12)]
    here = Config(Section(deployment.s3("here")))
    if command == "apply":
        migration = begin(deployment, cli, Config(Section(Db())), here, documents=few(3))
        deployment.fill(here, large)
        in_parts(deployment, here, large)
        migration.plan()
    else:
        migration = begin(deployment, cli, here, Config(Section(Db())), documents=large)
        in_parts(deployment, here, large)
        migration.plan("--keep-source")
        migration.apply()
        cli.run("undo", "plan.json", "--yes").must_end(DONE)
    log = tmp_path / "weights"
    weigh = Rig("tests.end_to_end.holding:weigh", {"target": "stores.s3:S3Store.read", "log": str(log)})

    cli.run(command, "plan.json", "--yes", rig=weigh).must_end(DONE)

    weights = [int(line) for line in log.read_text(encoding="utf-8").splitlines()]
    assert sum(weights) >= 12_000_000
    assert max(weights) <= 8 << 20
