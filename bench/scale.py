"""Plan and switch over very many rows, which SQL makes: no payload is looked at by either."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator

from bench import restow_runs
from bench.contestants import Measured
from bench.corpus import small
from bench.places import Bucket, Place, Table
from bench.restow_runs import Move
from bench.running import Usage
from bench.samples import Sample
from bench.scene import Contestants, Scene
from bench.servers import Servers
from restow.demo import tables

BARE = "bare GROUP BY"
SWITCH = "apply, all copied before"
GROUPED = "SELECT bucket, count(*), sum(size) FROM archive_metadata GROUP BY bucket"
ROW_BYTES = 4096
ROWS = """
    INSERT INTO archive_metadata (bucket, "archiveId", "userId", "documentName", created_at, last_updated,
                                  record_state_key, content_url, is_compressed, digest, size)
    SELECT bucket, key, 'admin', key || '.json', n, n, 'active', CAST(:head AS text) || bucket || '/' || key, false,
           md5(key), CAST(:size AS int)
    FROM (SELECT n, 'sha256:' || md5(n::text) || md5((n + 1)::text) AS key,
                 (ARRAY['analysis_data', 'image_content_data', 'manifest_data', 'query_data'])[1 + mod(n, 4)] AS bucket
          FROM generate_series(1, CAST(:rows AS int)) n) made"""
COPIES = """
    INSERT INTO restow.copy SELECT made.* FROM restow.copy one, archive_metadata r, jsonb_populate_record(one,
        jsonb_build_object('bucket', r.bucket, 'archive_id', r."archiveId", 'document_name', r."documentName",
            'old_url', r.content_url, 'old_digest', r.digest, 'old_size', r.size, 'old_updated', r.last_updated,
            'new_url', replace(replace(one.new_url, one.bucket, r.bucket), one.archive_id, r."archiveId"),
            'new_digest', r.digest, 'new_size', r.size, 'checked', one.run + 1)) made
    WHERE r."archiveId" <> one.archive_id"""
"""Copies like the first one, of every other row. They count as checked by the next run: there is nothing to find."""


def plan_name(rows: int) -> str:
    return f"plan, {rows:,} rows"


@contextlib.contextmanager
def plans(scene: Scene, source: Place) -> Iterator[Contestants]:
    """Plan a move to s3 over few rows and over many, beside the least that looks at them all."""
    servers, few, many = scene.servers, scene.scale.few_rows, scene.scale.many_rows
    with servers.anchore_database("few") as small_one, servers.anchore_database("many") as large_one:
        for rows, database in ((few, small_one), (many, large_one)):
            servers.sql(ROWS, database=database, rows=rows, size=ROW_BYTES, head=_head(source))
            servers.sql("VACUUM ANALYZE", database=database)
        yield {
            plan_name(few): lambda: _plan(servers, small_one, source, few),
            plan_name(many): lambda: _plan(servers, large_one, source, many),
            BARE: lambda: _bare(servers, large_one, many),
        }


@contextlib.contextmanager
def switches(scene: Scene) -> Iterator[Contestants]:
    """Let ``apply`` catch up and switch, all documents but one being copies that SQL has put into the journal."""
    servers, rows = scene.servers, scene.scale.many_rows
    with servers.anchore_database("switching") as template, scene.bucket() as target:
        with servers.opened(template) as database:
            tables.fill(database, small(1))
        directory = restow_runs.write_plan(servers, _switch_move(template, target, rows))
        words = ("--no-progress", "apply", restow_runs.PLAN, "--yes", "--through", "copy")
        restow_runs.restow(words, directory)
        servers.sql(ROWS, database=template, rows=rows - 1, size=ROW_BYTES, head=_head(Table("db")))
        servers.sql(COPIES, "VACUUM ANALYZE", database=template)

        def switch() -> Sample:
            with servers.copy_of_database(template) as database:
                return restow_runs.apply(servers, _switch_move(database, target, rows), scene.jobs)

        yield {SWITCH: switch}


def _plan(servers: Servers, database: str, source: Place, rows: int) -> Sample:
    move = Move(database, source, Bucket("to"), rows, rows * ROW_BYTES)
    directory = restow_runs.write_configs(servers, move)
    measured = Measured(servers)
    usage = restow_runs.restow(restow_runs.plan_words(keep_source=True), directory)
    return measured.sample(rows, rows * ROW_BYTES, usage)


def _bare(servers: Servers, database: str, rows: int) -> Sample:
    measured = Measured(servers)
    with servers.opened(database) as opened, opened.transaction() as transaction:
        began = time.monotonic()
        transaction.rows(GROUPED)
        usage = Usage(time.monotonic() - began, 0.0, 0)
    return measured.sample(rows, rows * ROW_BYTES, usage)


def _switch_move(database: str, target: Bucket, rows: int) -> Move:
    return Move(database, Table("db"), target, rows, rows * ROW_BYTES)


def _head(source: Place) -> str:
    return f"s3://{source.name}/admin/" if isinstance(source, Bucket) else "db://admin/"
