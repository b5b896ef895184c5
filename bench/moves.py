"""The comparisons: the same documents on the same way, by restow, by the tools for files, and by the floor."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator

from bench import contestants, restow_runs
from bench.contestants import Measured, require
from bench.corpus import Corpus, Kind
from bench.places import Bucket, Directory, Place, Table
from bench.restow_runs import Move
from bench.running import Usage
from bench.samples import Sample
from bench.scene import Contestants, Scene

RESTOW = "restow"
RCLONE = "rclone"
S5CMD = "s5cmd"
FLOOR = "floor"
ALONE = "floor, one at a time"
BARE = "bare INSERT … SELECT"
ALONE_DOCUMENTS = 60
"""Enough for a rate, where each takes a round trip."""

INSIDE = """
    INSERT INTO object_storage ("userId", bucket, key, version, content, created_at, last_updated)
    SELECT "userId", bucket, "archiveId", '',
           CASE WHEN b64_encoded THEN decode(jsondata, 'base64') ELSE convert_to(jsondata, 'UTF8') END,
           created_at, last_updated FROM archive_document"""


@contextlib.contextmanager
def db_to_s3(scene: Scene, kind: Kind) -> Iterator[Contestants]:
    corpus = scene.library.corpus(kind)
    yield {RESTOW: lambda: to_s3(scene, corpus, corpus.template, Table("db")), **_uploads(scene, corpus)}


@contextlib.contextmanager
def db_to_s3_compressed(scene: Scene) -> Iterator[Contestants]:
    corpus = scene.library.corpus("mixed")
    yield {RESTOW: lambda: to_s3(scene, corpus, corpus.template, Table("db"), compressed=True)}


@contextlib.contextmanager
def localfs_to_s3(scene: Scene) -> Iterator[Contestants]:
    corpus = scene.library.corpus("mixed")
    directory, template = scene.library.at_localfs(corpus)
    yield {RESTOW: lambda: to_s3(scene, corpus, template, Directory(directory)), **_uploads(scene, corpus)}


@contextlib.contextmanager
def s3_to_s3(scene: Scene) -> Iterator[Contestants]:
    corpus, servers = scene.library.corpus("mixed"), scene.servers
    name, template = scene.library.at_s3(corpus)
    source = Bucket(name, scene.far)

    def by_rclone() -> Sample:
        with scene.bucket() as target:
            return contestants.rclone(servers, corpus, source, target, scene.jobs)

    def by_s5cmd() -> Sample:
        with scene.bucket() as target:
            return contestants.s5cmd(servers, corpus, source, target, scene.jobs)

    def by_floor(jobs: int, most: int = 0) -> Sample:
        with scene.bucket() as target:
            return contestants.bare_obstore(servers, corpus, "copy", source, jobs, target=target, most=most)

    yield {
        RESTOW: lambda: to_s3(scene, corpus, template, source),
        RCLONE: by_rclone,
        S5CMD: by_s5cmd,
        FLOOR: lambda: by_floor(scene.jobs),
        **({ALONE: lambda: by_floor(1, ALONE_DOCUMENTS)} if scene.far else {}),
    }


@contextlib.contextmanager
def s3_to_db(scene: Scene) -> Iterator[Contestants]:
    corpus, servers = scene.library.corpus("mixed"), scene.servers
    name, template = scene.library.at_s3(corpus)
    source = Bucket(name, scene.far)

    def by_restow() -> Sample:
        with servers.copy_of_database(template) as database:
            move = Move(database, source, Table("db"), corpus.documents, corpus.bytes)
            return restow_runs.copy(servers, move, scene.jobs)

    yield {
        RESTOW: by_restow,
        FLOOR: lambda: contestants.bare_obstore(servers, corpus, "get", source, scene.jobs),
        **(
            {ALONE: lambda: contestants.bare_obstore(servers, corpus, "get", source, 1, most=ALONE_DOCUMENTS)}
            if scene.far
            else {}
        ),
    }


@contextlib.contextmanager
def db_to_db2(scene: Scene) -> Iterator[Contestants]:
    corpus, servers = scene.library.corpus("mixed"), scene.servers

    def by_restow() -> Sample:
        with servers.copy_of_database(corpus.template) as database:
            move = Move(database, Table("db"), Table("db2"), corpus.documents, corpus.bytes)
            return restow_runs.copy(servers, move, scene.jobs)

    def bare() -> Sample:
        with servers.copy_of_database(corpus.template) as database:
            measured, began = Measured(servers), time.monotonic()
            servers.sql(INSIDE, database=database)
            wall = time.monotonic() - began
            require(servers, database, Table("db2"), corpus.documents)
            return measured.sample(corpus.documents, corpus.bytes, Usage(wall, 0.0, 0))

    yield {RESTOW: by_restow, BARE: bare}


def to_s3(scene: Scene, corpus: Corpus, template: str, source: Place, *, compressed: bool = False) -> Sample:
    """Let restow move the corpus to a new bucket."""
    with scene.servers.copy_of_database(template) as database, scene.bucket() as target:
        move = Move(database, source, target, corpus.documents, corpus.bytes, compressed=compressed)
        return restow_runs.copy(scene.servers, move, scene.jobs)


def _uploads(scene: Scene, corpus: Corpus) -> Contestants:
    """Return those that upload the corpus's files, each to a new bucket."""
    servers = scene.servers

    def by_rclone() -> Sample:
        with scene.bucket() as target:
            return contestants.rclone(servers, corpus, corpus.files, target, scene.jobs)

    def by_s5cmd() -> Sample:
        with scene.bucket() as target:
            return contestants.s5cmd(servers, corpus, corpus.files, target, scene.jobs)

    def by_floor(jobs: int, most: int = 0) -> Sample:
        with scene.bucket() as target:
            return contestants.bare_obstore(servers, corpus, "put", target, jobs, most=most)

    alone = {ALONE: lambda: by_floor(1, ALONE_DOCUMENTS)} if scene.far else {}
    return {RCLONE: by_rclone, S5CMD: by_s5cmd, FLOOR: lambda: by_floor(scene.jobs), **alone}
