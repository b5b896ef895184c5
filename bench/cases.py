"""All cases, in the order in which they run and are shown."""

from __future__ import annotations

from bench import growth, moves, scale, start, width
from bench.places import Bucket, Table
from bench.scene import Case
from bench.servers import ROUND_TRIP

AWAY = f"S3 {ROUND_TRIP * 1000:.0f} ms away"

CASES = (
    Case("db-s3-mixed", "db → s3, mixed", lambda scene: moves.db_to_s3(scene, "mixed")),
    Case("db-s3-4k", "db → s3, 4 kB", lambda scene: moves.db_to_s3(scene, "4 kB")),
    Case("db-s3-compressed", "db → s3, mixed, compressed on the way", moves.db_to_s3_compressed),
    Case("s3-s3", "s3 → s3 on one endpoint, mixed", moves.s3_to_s3),
    Case("s3-db", "s3 → db, mixed", moves.s3_to_db),
    Case("localfs-s3", "localfs → s3, mixed", moves.localfs_to_s3),
    Case("db-db2", "db → db2, mixed", moves.db_to_db2),
    Case("far-db-s3-mixed", f"db → s3, mixed, {AWAY}", lambda scene: moves.db_to_s3(scene.away(), "mixed")),
    Case("far-db-s3-4k", f"db → s3, 4 kB, {AWAY}", lambda scene: moves.db_to_s3(scene.away(), "4 kB")),
    Case("far-s3-s3", f"s3 → s3, mixed, {AWAY}", lambda scene: moves.s3_to_s3(scene.away())),
    Case("far-s3-db", f"s3 → db, mixed, {AWAY}", lambda scene: moves.s3_to_db(scene.away())),
    Case("far-localfs-s3", f"localfs → s3, mixed, {AWAY}", lambda scene: moves.localfs_to_s3(scene.away())),
    Case("width", "db → s3, mixed, by --jobs", width.widths),
    Case("far-width", f"db → s3, mixed, {AWAY}, by --jobs", lambda scene: width.widths(scene.away())),
    Case("growth", "db → s3 with clean, 1 kB each", growth.sizes, 1),
    Case("plan-db-s3", "plan db → s3", lambda scene: scale.plans(scene, Table("db"))),
    Case("plan-s3-s3", "plan s3 → s3", lambda scene: scale.plans(scene, Bucket("from"))),
    Case("switch", "catch-up and switch", scale.switches),
    Case("start", "start of the program", start.commands),
)
