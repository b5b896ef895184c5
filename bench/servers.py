"""The servers that all contestants use: PostgreSQL, SeaweedFS, and the latter once more from far away."""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import boto3
import botocore.config
from pydantic import SecretStr

from bench.cpu import tree_seconds
from bench.distance import Passed
from bench.running import ROOT
from restow.demo import tables
from restow.demo.servers import PostgresServer, S3Server, postgres, seaweedfs
from stores.database import Database, DatabaseOptions

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

ROUND_TRIP = 0.030
"""Seconds that the far S3 is away: another region's, or a busy one of the same."""
MEMORY = Path("/dev/shm")  # noqa: S108 - a place to make one's own directory in
ROOM = 6 << 30
"""Bytes that must be free there."""
WARM_OBJECTS = 64
UPLOADS = 8
IDLE_SHARE = 0.05
"""Of one core: servers that take less are done with what came before."""


@dataclass(frozen=True)
class FarS3:
    """The same S3 server behind ``bench.distance``."""

    url: str
    process: subprocess.Popen[str]

    def passed(self) -> Passed:
        """Return what has passed since its start."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        return Passed(**json.loads(self.process.stdout.readline()))


@dataclass(frozen=True)
class Servers:
    directory: Path
    """For everything that a run writes; in memory where there is room, so that no disk decides who is faster."""
    postgres: PostgresServer
    s3: S3Server
    far_s3: FarS3
    s3_client: S3Client
    _numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    def database_url(self, name: str) -> str:
        return self.postgres.url(name)

    @contextlib.contextmanager
    def opened(self, name: str) -> Iterator[Database]:
        with contextlib.closing(Database(SecretStr(self.database_url(name)), DatabaseOptions())) as database:
            yield database

    def sql(self, *statements: str, database: str = "postgres", **params: object) -> None:
        """Run each statement by itself, outside any transaction."""
        with self.opened(database) as opened, opened.session() as session:
            for statement in statements:
                session.execute(statement, **params)

    def create_anchore_database(self, name: str) -> None:
        self.sql(f"CREATE DATABASE {name}")
        with self.opened(name) as database:
            tables.create(database)

    @contextlib.contextmanager
    def anchore_database(self, name: str) -> Iterator[str]:
        """Give a database with Anchore's tables and nothing in them, for the block."""
        self.create_anchore_database(name)
        try:
            yield name
        finally:
            self.sql(f"DROP DATABASE {name} WITH (FORCE)")

    @contextlib.contextmanager
    def copy_of_database(self, template: str) -> Iterator[str]:
        """Give a database that is a copy of ``template``, for the block."""
        name = f"run_{next(self._numbers)}"
        self.sql(f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY file_copy")
        try:
            yield name
        finally:
            self.sql(f"DROP DATABASE {name} WITH (FORCE)")

    @contextlib.contextmanager
    def bucket(self) -> Iterator[str]:
        """Give an empty bucket for the block, with its first volumes: taking them costs the first upload a second."""
        name = f"bench-{next(self._numbers)}"
        self.s3_client.create_bucket(Bucket=name)
        keys = [f"warm/{number}" for number in range(WARM_OBJECTS)]
        self.put(name, dict.fromkeys(keys, Path(__file__)))
        self.s3_client.delete_objects(Bucket=name, Delete={"Objects": [{"Key": key} for key in keys], "Quiet": True})
        try:
            yield name
        finally:
            # SeaweedFS drops a bucket with all its objects at once, and gives their memory back.
            self.s3_client.delete_bucket(Bucket=name)

    def put(self, bucket: str, files: Mapping[str, Path]) -> None:
        """Upload files, each under its key."""

        def one(key: str) -> None:
            self.s3_client.put_object(Bucket=bucket, Key=key, Body=files[key].read_bytes())

        with ThreadPoolExecutor(UPLOADS) as pool:
            for _ in pool.map(one, files):
                pass

    def stored(self, bucket: str) -> tuple[int, int]:
        """Return how many objects a bucket holds, and their bytes."""
        pages = self.s3_client.get_paginator("list_objects_v2").paginate(Bucket=bucket)
        sizes = [found["Size"] for page in pages for found in page.get("Contents", [])]
        return len(sizes), sum(sizes)

    def cpu(self) -> Mapping[str, float]:
        """Return the CPU seconds that each server has taken since its start."""
        return {
            "postgres": tree_seconds(self.postgres.pid),
            "s3": tree_seconds(self.s3.pid),
            "distance": tree_seconds(self.far_s3.process.pid),
        }

    def settle(self, *, longest: float = 20.0) -> None:
        """Wait until the servers have nothing left to do from what came before."""
        deadline = time.monotonic() + longest
        while time.monotonic() < deadline:
            before = sum(self.cpu().values())
            time.sleep(0.25)
            if sum(self.cpu().values()) - before < 0.25 * IDLE_SHARE:
                return


@contextlib.contextmanager
def servers() -> Iterator[Servers]:
    """Run all servers for the block, with nothing in them. Raises ServerStartError."""
    directory = Path(tempfile.mkdtemp(prefix="restow-bench-", dir=_memory()))
    try:
        # PostgreSQL, which never runs as root, must find its way in.
        directory.chmod(0o755)
        with postgres(directory / "postgres") as database, seaweedfs(directory / "s3") as s3, _far(s3) as far:
            yield Servers(directory, database, s3, far, _client(s3))
    finally:
        shutil.rmtree(directory)


@contextlib.contextmanager
def _far(s3: S3Server) -> Iterator[FarS3]:
    port = urlsplit(s3.url).port
    process = subprocess.Popen(
        [sys.executable, "-m", "bench.distance", str(port), str(ROUND_TRIP)],
        cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        assert process.stdout is not None
        yield FarS3(f"http://127.0.0.1:{int(process.stdout.readline())}", process)
    finally:
        # Closes its stdin, by which it ends.
        process.communicate()


def _client(s3: S3Server) -> S3Client:
    return boto3.client(
        "s3",
        endpoint_url=s3.url,
        aws_access_key_id=s3.access_key,
        aws_secret_access_key=s3.secret_key,
        region_name="us-east-1",
        config=botocore.config.Config(max_pool_connections=16),
    )


def _memory() -> Path | None:
    there = MEMORY.is_dir() and os.access(MEMORY, os.W_OK) and shutil.disk_usage(MEMORY).free > ROOM
    return MEMORY if there else None
