"""Growth: the same move with more and more documents; neither time per document nor memory may follow."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator

from bench import restow_runs
from bench.contestants import require
from bench.places import Table
from bench.restow_runs import Move
from bench.samples import Sample
from bench.scene import Contestants, Scene

PAYLOAD_BYTES = 1_059
PAYLOADS = """
    INSERT INTO archive_document (bucket, "archiveId", "userId", "documentName", created_at, last_updated,
                                  record_state_key, jsondata, b64_encoded)
    SELECT 'policy_evaluations', md5(n::text), 'admin', md5(n::text) || '.json', n, n, 'active',
           '{"document": "' || repeat(md5(n::text), 32) || '"}', false
    FROM generate_series(1, CAST(:documents AS int)) n"""
ROWS = """
    INSERT INTO archive_metadata (bucket, "archiveId", "userId", "documentName", created_at, last_updated,
                                  record_state_key, content_url, is_compressed, digest, size)
    SELECT bucket, "archiveId", "userId", "documentName", created_at, last_updated, record_state_key,
           'db://' || "userId" || '/' || bucket || '/' || "archiveId", false, md5(jsondata), octet_length(jsondata)
    FROM archive_document"""


def name_of(documents: int) -> str:
    return f"{documents:,} documents"


@contextlib.contextmanager
def sizes(scene: Scene) -> Iterator[Contestants]:
    """Move documents of a kilobyte from db to s3, with everything that ``apply`` does, the deletion too."""

    def of(documents: int) -> Callable[[], Sample]:
        return lambda: _grown(scene, documents)

    yield {name_of(documents): of(documents) for documents in scene.scale.growth}


def _grown(scene: Scene, documents: int) -> Sample:
    servers = scene.servers
    with servers.anchore_database("growing") as database, scene.bucket() as target:
        servers.sql(PAYLOADS, database=database, documents=documents)
        servers.sql(ROWS, "VACUUM ANALYZE", database=database)
        move = Move(database, Table("db"), target, documents, documents * PAYLOAD_BYTES, keep_source=False)
        sample = restow_runs.copy(servers, move, scene.jobs)
        require(servers, database, Table("db"), 0)
        return sample
