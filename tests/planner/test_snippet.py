"""The snippet in a plan: settings as they are, secrets never."""

from __future__ import annotations

from planner.snippet import redacted_section
from tests.planner.storage_configs import config


def section(**driver_config: object) -> dict[str, object]:
    storage = {"object_store": {"storage_driver": {"name": "s3", "config": driver_config}}}
    return redacted_section(config().model_copy(update={"section": storage, "path": "conf/dest.yaml"}))


def driver_config(**given: object) -> dict[str, object]:
    found = section(**given)["object_store"]
    assert isinstance(found, dict)
    storage: dict[str, object] = found["storage_driver"]["config"]
    return storage


def test_settings_stay_and_literal_secrets_become_a_placeholder() -> None:
    assert driver_config(bucket="b", create_bucket=True, secret_key="canary") == {
        "bucket": "b",
        "create_bucket": True,
        "secret_key": "<set in dest.yaml>",
    }


def test_references_stay_references() -> None:
    assert driver_config(access_key="${ANCHORE_KEY}") == {"access_key": "${ANCHORE_KEY}"}


def test_what_is_not_known_to_be_harmless_is_not_shown() -> None:
    assert driver_config(session_token="canary", port=5, os_password="canary") == {
        "session_token": "<set in dest.yaml>",
        "port": "<set in dest.yaml>",
        "os_password": "<set in dest.yaml>",
    }


def test_the_user_part_of_a_url_goes() -> None:
    assert driver_config(url="http://user:canary@minio:9000") == {"url": "http://minio:9000"}


def test_a_config_without_storage_sections_gets_the_defaults_written_out() -> None:
    assert redacted_section(config()) == {
        "object_store": {
            "compression": {"enabled": False, "min_size_kbytes": 100},
            "storage_driver": {"name": "db", "config": {}},
        }
    }
