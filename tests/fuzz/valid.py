"""One valid config of each form and driver: what the fuzzed ones begin as."""

from __future__ import annotations

from typing import Any

from tests.anchore import canaries

KEYS = {"access_key": canaries.ACCESS_KEY, "secret_key": canaries.SECRET_KEY}
S3 = {"name": "s3", "config": {**KEYS, "url": "http://127.0.0.1:9", "bucket": "documents", "prefix": "a/"}}
REGION = {"name": "s3", "config": {"iamauto": True, "region": "eu-north-1", "bucket": "b", "create_bucket": False}}
SWIFT = {
    "name": "swift",
    "config": {"container": "c", "os_auth_url": "http://127.0.0.1:9/v3", "os_password": canaries.SECRET_KEY},
}
LOCALFS = {"name": "localfs", "config": {"archive_data_dir": "/archive"}}
DATABASE = {"db_connect": "postgresql://anchore@127.0.0.1:9/x", "db_connect_args": {"timeout": 9, "ssl": False}}
PARTS = {"user": "u", "password": canaries.DATABASE_PASSWORD, "host": "127.0.0.1", "port": 9, "name": "x"}


def section(driver: dict[str, Any]) -> dict[str, Any]:
    return {"compression": {"enabled": False, "min_size_kbytes": 100}, "storage_driver": driver}


def config(catalog: dict[str, Any], database: dict[str, Any]) -> dict[str, Any]:
    return {
        "services": {"catalog": catalog, "analyzer": {"layer_cache_enable": True}},
        "credentials": {"database": database},
    }


VALUES: dict[str, Any] = {
    "anchoreConfig": {"catalog": {"object_store": section(S3), "analysis_archive": section(LOCALFS)}},
    "osaaMigrationJob": {
        "objectStoreMigration": {"run": True, "object_store": section(REGION)},
        "analysisArchiveMigration": {
            "run": True,
            "bucket": "analysis_archive",
            "mode": "to_analysis_archive",
            "analysis_archive": section(S3),
        },
    },
}
CONFIGS: list[dict[str, Any]] = [
    config({"object_store": section({"name": "db", "config": {}})}, DATABASE),
    config({"object_store": section(S3), "analysis_archive": section(LOCALFS)}, PARTS),
    config({"archive": section(SWIFT), "analysis_archive": {"enabled": True}}, DATABASE),
    config({"object_store": section(REGION), "analysis_archive": section({"name": "db2"})}, DATABASE),
    config({"archive_driver": "localfs", "use_db": False, "archive_data_dir": "/archive"}, PARTS),
    VALUES,
]
