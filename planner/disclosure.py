"""Which values of a config file a plan may show: an allow-list, for the files hold secrets of all services. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from planner.mistakes import KeyPath, dotted
from planner.redaction import KUBERNETES_SETTINGS
from planner.references import REFERENCE
from schemas.canonical import canonical_text

SHOWN = frozenset(
    {
        "enabled", "level", "mode", "log_level", "server_log_level", "file_rotation_rule", "file_retention_rule",
        "service_dir", "tmp_dir", "upload_dir", "policy_bundles_dir", "grype_db_dir", "cleanup_images",
        "auto_restart_services", "allow_awsecr_iam_auto", "internal_ssl_verify", "ssl_verify", "host_id",
        "endpoint_hostname", "external_hostname", "external_port", "external_tls", "listen", "port", "require_auth",
        "ssl_enable", "ssl_cert", "authorization_handler", "analyzer_driver", "catalog_endpoint", "ui_url",
        "client_url", "token_url", "max_threads", "max_request_threads", "max_worker_threads", "max_deletion_threads",
        "max_resource_gc_chunk", "max_async_execution_threads", "async_execution_timeout", "cycle_timer_seconds",
        "image_analyze_timeout_seconds", "global_client_connect_timeout", "global_client_read_timeout",
        "server_request_timeout_seconds", "connection_timeout_seconds", "read_timeout_seconds", "docker_conn_timeout",
        "skopeo_global_timeout", "default_token_expiration_seconds", "refresh_token_expiration_seconds",
        "timeout_graceful_shutdown", "timeout_keep_alive", "max_connection_backlog",
        "max_wsgi_middleware_worker_queue_size", "max_wsgi_middleware_worker_count", "max_compressed_image_size_mb",
        "max_source_import_size_mb", "max_import_content_size_mb", "layer_cache_enable", "layer_cache_max_gigabytes",
        "enable_hints", "enable_owned_package_filtering", "keep_image_analysis_tmpfiles", "enable_package_db_load",
        "enable_user_base_image", "policy_evaluation_cache_ttl", "import_operation_expiration_days",
        "inventory_ttl_days", "image_ttl_days", "integration_health_report_ttl_days", "max_api_key_age_days",
        "max_api_keys_per_user", "batch_size", "pool_size", "auto_scale", "data_egress_window",
        "data_refresh_max_workers", "data_load_max_workers", "ingress_images_max_workers", "object_store_bucket",
        "verify_content_digests", "auth_version", "replicaCount", "timeout", "connect_timeout", "db_pool_size",
        "db_pool_max_overflow", *KUBERNETES_SETTINGS,
    }
)  # fmt: skip
"""Settings of Anchore's and of its Helm chart whose values tell no secret."""
TIMERS = "cycle_timers"
"""The numbers below it may be shown whatever their names, which are those of tasks."""
LONGEST = 200
"""Characters of a value that is shown, so that a plan stays small whatever the files hold."""


def may_show(path: KeyPath, value: object) -> bool:
    """Whether the value of the setting at ``path`` may stand in a plan, by way of ``shown``."""
    return _harmless(path, value) and len(canonical_text(value)) <= LONGEST


def shown(value: object) -> object:
    """Return a value that may be shown, URLs without user part and query."""
    match value:
        case str() if "://" in value:
            scheme, _, rest = value.partition("://")
            return f"{scheme}://{rest.rpartition('@')[2].partition('?')[0].partition('#')[0]}"
        case Mapping():
            return {key: shown(item) for key, item in value.items()}
        case list():
            return [shown(item) for item in value]
        case _:
            return value


def _harmless(path: KeyPath, value: object) -> bool:
    match value:
        case None | bool():
            return True
        case str() if (reference := REFERENCE.fullmatch(value)) is not None:
            return not reference[2]
        case str():
            return path[-1] in SHOWN and value.isprintable() and not _hides_more(value)
        case int() | float():
            return path[-1] in SHOWN or TIMERS in path[:-1]
        case Mapping():
            return all(dotted((key,)) == key and _harmless((*path, key), item) for key, item in value.items())
        case list():
            return all(_harmless(path, item) for item in value)
        case _:
            return False


def _hides_more(text: str) -> bool:
    """Whether ``text`` has a user part or a query that could not be told from the rest of it."""
    if "://" not in text:
        return "@" in text
    return text.count("://") > 1 or ("@" in text and ("?" in text or "#" in text))
