"""Example plans: what the planner makes of the deployments that people have, and of ones that mean harm."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from schemas.plan import FORMAT_VERSION, Plan

Json = dict[str, Any]

DB: Json = {"table": "archive_document"}
S3: Json = {
    "endpoint": "http://minio:9000",
    "region": None,
    "bucket": "anchore-engine-testing",
    "prefix": "internaltest",
}
S3_ARCHIVE: Json = {"endpoint": None, "region": "eu-central-1", "bucket": "anchore-archive", "prefix": ""}
PACKED: Json = {"enabled": True, "min_size_kbytes": 100}
PLAIN: Json = {"enabled": False, "min_size_kbytes": 100}
NOTHING: Json = {}


def sealed(content: Json) -> Plan:
    """Return the plan with the digest that its content has."""
    plan = Plan.model_validate({**content, "plan_digest": ""})
    return plan.model_copy(update={"plan_digest": plan.computed_digest()})


def changed(plan: Plan, **update: Any) -> Plan:
    """Return another valid plan: top-level fields replaced, digest taken anew."""
    return sealed({**plan.document(), **update})


def content(**update: Any) -> Json:
    """A plan's content with nothing to do, but for ``update``."""
    side = {
        "form": "config",
        "fingerprint": "sha256:" + "a" * 64,
        "object_store": store(DB),
        "analysis_archive": store(DB),
    }
    return {
        "format_version": FORMAT_VERSION,
        "source": {"config": "config.yaml", **side},
        "destination": {"config": "dest-config.yaml", **side},
        "database": {"host": "db", "port": 5432, "name": "postgres"},
        "offline": False,
        "moves": [],
        "config_changes": [],
        "findings": [],
        "accepted": [],
        "envelope": {},
        "snippet": {},
        "totals": counts(),
        **update,
    }


def store(location: Json, compression: Json = PLAIN, *, shared: bool = True) -> Json:
    driver = "db" if location == DB else "s3"
    return {"driver": driver, "location": location, "compression": compression, "shared": shared}


def side(config: str, object_store: Json, analysis_archive: Json | None = None) -> Json:
    """One side of a plan; without a section of its own the archive shares the working set's."""
    archive = object_store if analysis_archive is None else analysis_archive
    return {
        "config": config,
        "form": "config",
        "fingerprint": "sha256:" + config.encode().hex().ljust(64, "0")[:64],
        "object_store": {**object_store, "shared": analysis_archive is None},
        "analysis_archive": {**archive, "shared": analysis_archive is None},
    }


def counts(documents: int = 0, size: int = 0, **update: int) -> Json:
    """Counts of documents that are all at the source, but for ``update``."""
    rest = {"at_destination": 0, "elsewhere": 0, "unreachable": 0, "accepted": 0, "unverifiable": 0, **update}
    left = documents - rest["at_destination"] - rest["elsewhere"] - rest["unreachable"] - rest["accepted"]
    return {"documents": documents, "bytes": size, "to_copy": left, **rest}


def bucket(name: str, documents: int = 0, size: int = 0, **update: int) -> Json:
    return {"bucket": name, **counts(documents, size, **update)}


def total(buckets: Sequence[Json]) -> Json:
    names = ("documents", "bytes", "to_copy", "at_destination", "elsewhere", "unreachable", "accepted", "unverifiable")
    return {name: sum(each[name] for each in buckets) for name in names}


def move(buckets: Sequence[Json], **update: Any) -> Json:
    """The move of both stores from db to S3, but for ``update``."""
    return {
        "store": "object_store",
        "shared": True,
        "from": "db",
        "to": "s3://anchore-engine-testing/internaltest",
        "transfer": "stream",
        "delete_source": True,
        "only_buckets": [],
        "buckets": list(buckets),
        "totals": total(buckets),
        "required_flags": [],
        "equivalent_command": (
            'anchore-manager objectstorage --db-connect "$RESTOW_DB_CONNECT" '
            "migrate --dontask config.yaml dest-config.yaml"
        ),
        **update,
    }


def finding(code: str, severity: str, message: str, examples: Sequence[str] = (), count: int | None = None) -> Json:
    return {
        "code": code,
        "severity": severity,
        "message": message,
        "count": len(examples) if count is None else count,
        "examples": list(examples),
    }


def moving(buckets: Sequence[Json], **update: Any) -> Plan:
    """A plan with one move of all documents from db to S3, but for ``update``."""
    whole: Json = {
        "source": side("config.yaml", store(DB)),
        "destination": side("dest-config.yaml", store(S3, PACKED)),
        "moves": [move(buckets)],
        "config_changes": CHANGES,
        "snippet": SNIPPET,
        "totals": total(buckets),
    }
    return sealed(content(**{**whole, **update}))


CHANGES: list[Json] = [
    {"path": "services.catalog.object_store.compression.enabled", "before": False, "after": True},
    {"path": "services.catalog.object_store.storage_driver.config.bucket", "after": "anchore-engine-testing"},
    {"path": "services.catalog.object_store.storage_driver.config.secret_key", "changed": True},
    {"path": "services.catalog.object_store.storage_driver.name", "before": "db", "after": "s3"},
]
SNIPPET: Json = {
    "object_store": {
        "compression": PACKED,
        "storage_driver": {
            "name": "s3",
            "config": {
                "access_key": "${ANCHORE_OBJECT_STORE_ACCESS_KEY}",
                "secret_key": "${ANCHORE_OBJECT_STORE_SECRET_KEY}",
                "url": "http://minio:9000",
                "bucket": "anchore-engine-testing",
                "prefix": "internaltest",
                "create_bucket": False,
            },
        },
    }
}
BUCKETS = [
    bucket("analysis_archive", 35, 52_428_800),
    bucket("analysis_data", 1_200, 987_654_321),
    bucket("image_content_data", 600, 41_943_040),
    bucket("policy_bundles", 200, 1_048_575),
]
ERROR = finding(
    "destination-occupied",
    "error",
    "The place at s3://anchore-engine-testing/internaltest that these documents would be written to is already "
    "another document's. Choose another prefix in dest-config.yaml, then plan again.",
    [f"analysis_data/admin/sha256:{index:064x}" for index in range(5)],
    count=12,
)
WARNING = finding(
    "digest-missing",
    "warning",
    "These rows have no digest to check the payload against; what is read is taken as right.",
    ["policy_bundles/admin/2c53a13c-1765-11e8-82ef-23527761d060"],
)
INFO = finding("unset-variable", "info", "ANCHORE_OBJECT_STORE_SECRET_KEY has no value here; apply will need it.")


def db_to_s3() -> Plan:
    """The documentation's first example: everything in the database, moved to one S3 bucket."""
    return moving(BUCKETS)


def db_to_split() -> Plan:
    """The archive gets a bucket of its own, the working set goes to another; the source is kept."""
    archive = BUCKETS[:1]
    working_set = BUCKETS[1:]
    flags = ["--to-analysis-archive", "--bucket", "analysis_archive", "--nodelete"]
    second: Json = {
        "store": "analysis_archive",
        "to": "s3://anchore-archive",
        "required_flags": flags,
        "equivalent_command": f"anchore-manager objectstorage migrate {' '.join(flags)} config.yaml dest-config.yaml",
    }
    split: Json = {"shared": False, "delete_source": False}
    return sealed(
        content(
            source=side("config.yaml", store(DB)),
            destination=side("dest-config.yaml", store(S3), store(S3_ARCHIVE)),
            moves=[move(working_set, **split), move(archive, **split, **second)],
            config_changes=CHANGES,
            snippet=SNIPPET,
            totals=total(BUCKETS),
        )
    )


def documented() -> Plan:
    """The example of docs/plan-format.md."""
    return moving(BUCKETS[1:2], findings=[{**WARNING, "count": 1}], config_changes=CHANGES[2:])


def nothing_to_do() -> Plan:
    return sealed(content())


def refused() -> Plan:
    """Findings of each severity, given in an order that is not theirs."""
    return moving(BUCKETS, findings=[INFO, WARNING, ERROR])


def offline() -> Plan:
    return moving([], offline=True, moves=[move([], totals=None)], totals=None)


def empty_move() -> Plan:
    """Two places, and not one document."""
    return moving([])


def half_done() -> Plan:
    """Documents in every place there is."""
    return moving(
        [
            bucket(
                "analysis_data", 1_200, 987_654_321, at_destination=700, elsewhere=20, unreachable=3, unverifiable=7
            ),
            bucket("policy_bundles", 200, 1_048_575, at_destination=200),
        ]
    )


def many_buckets() -> Plan:
    return moving([bucket(f"customer_bucket_{index:03}", index, index * 1024) for index in range(300)])


HOSTILE = (
    "a|b",
    "`tick` ``` ~~~",
    "</details><script>alert(1)</script>",
    "@everyone",
    "[click](https://evil.example/)",
    "![x](https://evil.example/x.png) www.evil.example",
    "# Approved\n\n- [x] reviewed",
    "\x1b[2J\x1b[31mred\x07",
    "\u202eexe.cod\u2066",
    '"]; end; %%{init: {}}%% --> x["',
    "back\\slash\\|",
    "  spaces  ",
    "漢字テスト",
    "e\u0301\u0327",
    "**bold** _it_ $x^2$ :tada: &lt;b&gt; <!-- hidden",
)


def hostile(names: Sequence[str] = HOSTILE) -> Plan:
    """The names that users made stand wherever a plan has room for one."""
    text = " and ".join(names)
    place: Json = {**S3, "bucket": text, "prefix": names[0]}
    buckets = [bucket(name, 1, 1, unreachable=1) for name in names]
    return sealed(
        content(
            source=side(names[0], store(DB)),
            destination=side(names[-1], store(place)),
            database={"host": text, "port": 5432, "name": text},
            moves=[move(buckets, to=text, only_buckets=names, required_flags=names, equivalent_command=text)],
            config_changes=[{"path": name, "before": name, "after": {name: [name]}} for name in names],
            findings=[finding(name, "warning", f"Trouble with {name}, at {name}.", names) for name in names],
            accepted=[{"code": name, "count": 1, "digest": "sha256:" + "0" * 64} for name in names],
            snippet={name: {"value": name} for name in names},
            totals=total(buckets),
        )
    )
