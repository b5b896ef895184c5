"""A destination that keeps other bytes than it was given: told before anything is switched."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from urllib.parse import urlsplit

import pytest
import sqlalchemy as sa

from tests.anchore.audit import Expected
from tests.anchore.config import S3, Config, Db, Section
from tests.anchore.deployment import Deployment
from tests.cli import Cli
from tests.end_to_end.codes import DONE, FAILED
from tests.end_to_end.migration import Migration, begin, few
from tests.stores.scripted import Reply, Request, Scripted, s3_error


@dataclass
class Forger:
    """The one bucket of an S3 that flips a bit of every document it stores, or of those that are let rot later."""

    lies: bool
    """Whether it stores other bytes than it is given, and gives ETags that are no digests."""
    objects: dict[str, tuple[str, bytes]] = field(default_factory=dict)
    """ETag and payload."""

    def answer(self, request: Request) -> Reply:
        key = urlsplit(request.path).path.removeprefix("/documents").removeprefix("/")
        match request.method:
            case "GET" if not key:
                return Reply(200, body=b"<ListBucketResult></ListBucketResult>")
            case "GET" | "HEAD" if key not in self.objects:
                return s3_error(404, "NoSuchKey")
            case "GET" | "HEAD":
                return Reply(200, self._headers(key), self.objects[key][1])
            case "PUT":
                etag = "opaque" if self.lies else hashlib.md5(request.body, usedforsecurity=False).hexdigest()
                self.objects[key] = etag, request.body
                if self.lies and "restow_probe" not in key:
                    self.rot(key)
                return Reply(200, self._headers(key))
            case "POST":
                for gone in re.findall(r"<Key>([^<]*)</Key>", request.body.decode()):
                    self.objects.pop(gone, None)
                return Reply(200, body=b"<DeleteResult></DeleteResult>")
            case _:
                return Reply(500)

    def rot(self, key: str) -> None:
        """Change the payload and go on telling its old ETag."""
        etag, payload = self.objects[key]
        self.objects[key] = etag, bytes([payload[0] ^ 1]) + payload[1:]

    def _headers(self, key: str) -> dict[str, str]:
        return {"ETag": f'"{self.objects[key][0]}"', "Last-Modified": "Mon, 01 Jan 2024 00:00:00 GMT"}


@pytest.fixture
def server() -> Iterator[Scripted]:
    made = Scripted()
    yield made
    made.close()


def planned(deployment: Deployment, cli: Cli, server: Scripted) -> Expected:
    """Plan the move of a few documents from the database to the server's bucket."""
    source, destination = Config(Section(Db())), Config(Section(S3(server.url, "documents")))
    deployment.fill(source, few())
    deployment.write_config("config.yaml", source)
    deployment.write_config("dest-config.yaml", destination)
    cli.run("plan", "config.yaml", "dest-config.yaml", "-o", "plan.json").must_end(0)
    return deployment.expect(few())


def test_3_an_s3_whose_etags_say_nothing_is_read_back(deployment: Deployment, cli: Cli, server: Scripted) -> None:
    server.answer = Forger(lies=True).answer
    expected = planned(deployment, cli, server)

    said = cli.run("apply", "plan.json", "--yes").must_end(FAILED)

    assert "nothing was switched" in said.stderr
    assert "with MD5" in said.stderr
    assert deployment.snapshot().rows == expected.before.rows
    assert deployment.reader(Config(Section(Db()))).reads_all(expected.documents)


def test_what_rots_under_a_good_etag_is_found_by_full_verification_and_made_again(
    deployment: Deployment, cli: Cli, server: Scripted
) -> None:
    forger = Forger(lies=False)
    server.answer = forger.answer
    planned(deployment, cli, server)
    cli.run("apply", "plan.json", "--yes", "--through", "copy").must_end(DONE)
    good = dict(forger.objects)
    forger.rot(next(iter(good)))

    said = cli.run("apply", "plan.json", "--yes", "--verify", "full").must_end(DONE)

    assert "1 copies were not right" in said.stderr
    assert forger.objects == good


def test_content_that_is_not_the_source_s_is_found_by_full_verification(migration: Migration) -> None:
    """The payload is the one that the journal knows, its content is not the one that was read."""
    migration.plan()
    migration.apply("plan.json", "--through", "copy")
    with migration.deployment.engine.begin() as connection:
        changed = "UPDATE restow.copy SET content_sha256 = repeat('0', 64) WHERE archive_id = :key"
        connection.execute(sa.text(changed), {"key": migration.bundle.archive_id})

    said = migration.apply("plan.json", "--verify", "full")

    assert "is not the one that was read at the source" in said.stderr
    migration.assert_at_destination()


@pytest.mark.parametrize("what", ["changed", "emptied"])
def test_3_a_destination_that_stores_other_bytes_is_told_and_nothing_is_switched(
    deployment: Deployment, cli: Cli, what: str
) -> None:
    source = Config(Section(deployment.s3()))
    migration = begin(deployment, cli, source, Config(Section(Db())), documents=few())
    migration.plan()
    damage = "'x' || substr(NEW.jsondata, 2)" if what == "changed" else "''"
    with deployment.engine.begin() as connection:
        connection.execute(
            sa.text(
                f"""
                CREATE FUNCTION damage() RETURNS trigger LANGUAGE plpgsql AS
                $$ BEGIN IF NEW.bucket <> 'restow_probe' THEN NEW.jsondata := {damage}; END IF; RETURN NEW; END $$;
                CREATE TRIGGER damage BEFORE INSERT OR UPDATE ON archive_document
                FOR EACH ROW EXECUTE FUNCTION damage();
                """
            )
        )

    said = migration.apply(code=FAILED)

    assert "with MD5" in said.stderr
    now = deployment.snapshot()
    assert now.rows == migration.expected.before.rows
    assert deployment.reader(source).reads_all(migration.expected.documents)
