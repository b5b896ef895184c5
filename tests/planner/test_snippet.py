"""The snippet: what must be set, what must go, and what is left to do by hand."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from planner.snippet import (
    KUBERNETES_SECRET,
    Snippet,
    SnippetForm,
    complete_snippet,
    own_form,
    redacted_section,
    redacted_snippet,
)
from schemas.config import FileForm, LocalfsDriver, StorageConfig
from tests.planner.storage_configs import config

DEFAULT = {
    "compression": {"enabled": False, "min_size_kbytes": 100},
    "storage_driver": {"name": "db", "config": {}},
}
DB = {"storage_driver": {"name": "db", "config": {}}}
KEYS = {"access_key": "literal", "secret_key": "literal"}
IN_KUBERNETES = {"existingCredentialSecret": "anchore-s3"}


def s3(**settings: object) -> dict[str, Any]:
    return {"storage_driver": {"name": "s3", "config": {**settings, "bucket": "b"}}}


def written(section: Mapping[str, object], form: FileForm = "config", **update: object) -> StorageConfig:
    """A config whose file has these sections."""
    return config().model_copy(update={"path": "conf/dest.yaml", "form": form, "section": section, **update})


def snippet(section: Mapping[str, object], form: FileForm = "config", wanted: SnippetForm | None = None) -> Snippet:
    made = written(section, form)
    return redacted_snippet(made, wanted or own_form(made))


def settings(made: Snippet, store: str = "object_store") -> dict[str, Any]:
    found: dict[str, Any] = made.section[store]["storage_driver"]["config"]
    return found


@pytest.mark.parametrize(
    ("section", "set_", "remove"),
    [
        ({}, {"object_store": DEFAULT}, "archive analysis_archive archive_driver use_db archive_data_dir"),
        ({"object_store": DB}, {"object_store": DB}, "archive analysis_archive archive_driver use_db archive_data_dir"),
        (
            {"object_store": DB, "archive": s3(), "archive_driver": "db", "use_db": True},
            {"object_store": DB},
            "archive analysis_archive archive_driver use_db archive_data_dir",
        ),
        ({"archive": DB}, {"archive": DB}, "object_store analysis_archive archive_driver use_db archive_data_dir"),
        (
            {"object_store": {}, "archive": DB, "analysis_archive": s3()},
            {"archive": DB, "analysis_archive": s3()},
            "object_store archive_driver use_db archive_data_dir",
        ),
        (
            {"analysis_archive": s3()},
            {"object_store": DEFAULT, "analysis_archive": s3()},
            "archive archive_driver use_db archive_data_dir",
        ),
        (
            {"object_store": DB, "analysis_archive": {}},
            {"object_store": DB, "analysis_archive": {}},
            "archive archive_driver use_db archive_data_dir",
        ),
        (
            {"archive_driver": "localfs", "archive_data_dir": "/archive"},
            {"archive_driver": "localfs", "archive_data_dir": "/archive"},
            "object_store archive analysis_archive use_db",
        ),
    ],
)
def test_what_anchore_looks_at_is_set_and_all_else_it_knows_is_removed(
    section: dict[str, object], set_: dict[str, object], remove: str
) -> None:
    made = snippet(section)
    assert made.section == set_
    assert list(made.section) == list(set_)
    assert " ".join(made.to_remove) == remove
    whole = complete_snippet(written(section))
    assert (whole.section, whole.to_remove) == (made.section, made.to_remove)


def test_keys_keep_the_order_of_the_file() -> None:
    section = {"object_store": {"storage_driver": {"name": "s3", "config": {"url": "http://m", "bucket": "b"}}}}
    backwards = {"object_store": {"storage_driver": {"config": {"bucket": "b", "url": "http://m"}, "name": "s3"}}}
    assert str(snippet(section).section) == str(section)
    assert str(snippet(backwards).section) == str(backwards)
    keys = {"prefix": "p", "access_key": "x", "url": "http://m", "secret_key": "x"}
    assert list(settings(snippet({"object_store": s3(**keys)}))) == [*keys, "bucket"]


def test_a_literal_secret_becomes_a_variable_that_is_told() -> None:
    made = snippet({"object_store": s3(**KEYS), "analysis_archive": s3(**KEYS)})
    assert settings(made) == {
        "access_key": "${ANCHORE_OBJECT_STORE_ACCESS_KEY}",
        "secret_key": "${ANCHORE_OBJECT_STORE_SECRET_KEY}",
        "bucket": "b",
    }
    assert settings(made, "analysis_archive")["secret_key"] == "${ANCHORE_ANALYSIS_ARCHIVE_SECRET_KEY}"
    assert [(one.name, one.value) for one in made.variables][-1] == (
        "ANCHORE_ANALYSIS_ARCHIVE_SECRET_KEY",
        "analysis_archive.storage_driver.config.secret_key of dest.yaml",
    )
    assert (len(made.variables), made.references, made.to_fill) == (4, (), ())


def test_an_older_file_s_archive_is_the_working_set() -> None:
    assert settings(snippet({"archive": s3(**KEYS)}), "archive")["access_key"] == "${ANCHORE_OBJECT_STORE_ACCESS_KEY}"


def test_the_file_s_own_references_stay_and_are_told() -> None:
    own = {"access_key": "${ANCHORE_KEY}", "secret_key": "${ANCHORE_SECRET}", "url": "https://${ANCHORE_HOST}:9000"}
    made = snippet({"object_store": s3(**own, prefix="${ANCHORE_KEY}/")})
    assert settings(made) == {**own, "prefix": "${ANCHORE_KEY}/", "bucket": "b"}
    assert made.references == ("ANCHORE_KEY", "ANCHORE_SECRET", "ANCHORE_HOST")
    assert made.variables == ()


@pytest.mark.parametrize(
    ("secret_key", "rest"),
    [
        ("${ANCHORE_OBJECT_STORE_ACCESS_KEY}", {}),
        ("literal", {"services": {"apiext": {"names": ["a ${ANCHORE_OBJECT_STORE_ACCESS_KEY}"]}}}),
    ],
)
def test_a_variable_that_the_file_uses_elsewhere_stands_for_no_secret(secret_key: str, rest: dict[str, object]) -> None:
    section = {"object_store": s3(access_key="literal", secret_key=secret_key)}
    made = redacted_snippet(written(section, rest=rest), "config")
    assert settings(made)["access_key"] == "${ANCHORE_OBJECT_STORE_ACCESS_KEY_2}"
    assert made.variables[0].name == "ANCHORE_OBJECT_STORE_ACCESS_KEY_2"


def test_a_setting_that_is_not_known_is_to_be_filled_in() -> None:
    made = snippet({"object_store": s3(session_token="x")})
    assert settings(made)["session_token"] == "<set in dest.yaml>"
    assert [(one.name, one.value) for one in made.to_fill] == [
        ("object_store.storage_driver.config.session_token", "as in dest.yaml")
    ]


@pytest.mark.parametrize(
    ("given", "form", "wanted", "expected"),
    [
        # The chart reads the keys from the secret that the values name.
        (IN_KUBERNETES, "helm", "helm", IN_KUBERNETES),
        (
            {**IN_KUBERNETES, "accessKeySecretKey": "id", "secretKeySecretKey": "key"},
            "helm-job",
            "helm",
            {**IN_KUBERNETES, "accessKeySecretKey": "id", "secretKeySecretKey": "key"},
        ),
        ({**IN_KUBERNETES, **KEYS}, "helm", "helm", IN_KUBERNETES),
        # A key never stands in values, a reference only where it stood before.
        (KEYS, "helm", "helm", {"existingCredentialSecret": KUBERNETES_SECRET}),
        (
            {"access_key": "${ANCHORE_KEY}", "secret_key": "literal"},
            "helm",
            "helm",
            {"existingCredentialSecret": KUBERNETES_SECRET},
        ),
        (
            {"access_key": "${ANCHORE_KEY}", "secret_key": "${ANCHORE_SECRET}"},
            "helm",
            "helm",
            {"access_key": "${ANCHORE_KEY}", "secret_key": "${ANCHORE_SECRET}"},
        ),
        (KEYS, "config", "helm", {"existingCredentialSecret": KUBERNETES_SECRET}),
        (
            {"access_key": "${ANCHORE_KEY}", "secret_key": "${ANCHORE_SECRET}"},
            "config",
            "helm",
            {"existingCredentialSecret": KUBERNETES_SECRET},
        ),
        # The ambient chain needs none.
        ({"iamauto": True}, "config", "helm", {"iamauto": True}),
        ({"iamauto": True, "access_key": None}, "helm", "helm", {"iamauto": True, "access_key": None}),
        # What the chart makes of a Kubernetes secret.
        (
            {"url": "http://m", **IN_KUBERNETES, "accessKeySecretKey": "id", "prefix": "p"},
            "helm",
            "config",
            {
                "url": "http://m",
                "access_key": "${ANCHORE_OBJECT_STORE_ACCESS_KEY}",
                "secret_key": "${ANCHORE_OBJECT_STORE_SECRET_KEY}",
                "prefix": "p",
            },
        ),
        (
            KEYS,
            "helm",
            "config",
            {
                "access_key": "${ANCHORE_OBJECT_STORE_ACCESS_KEY}",
                "secret_key": "${ANCHORE_OBJECT_STORE_SECRET_KEY}",
            },
        ),
        ({"existingCredentialSecret": "", "iamauto": True}, "helm", "config", {"iamauto": True}),
    ],
)
def test_keys_in_each_form(
    given: dict[str, object], form: FileForm, wanted: SnippetForm, expected: dict[str, object]
) -> None:
    made = settings(snippet({"object_store": s3(**given)}, form, wanted))
    assert made == {**expected, "bucket": "b"}
    assert list(made) == [*expected, "bucket"]


def test_a_config_yaml_takes_the_variables_that_the_chart_would_fill() -> None:
    section = {"object_store": s3(**IN_KUBERNETES), "analysis_archive": s3(**IN_KUBERNETES, accessKeySecretKey="id")}
    assert [(one.name, one.value) for one in snippet(section, "helm", "config").variables] == [
        ("ANCHORE_OBJECT_STORE_ACCESS_KEY", "access_key of the Kubernetes secret anchore-s3"),
        ("ANCHORE_OBJECT_STORE_SECRET_KEY", "secret_key of the Kubernetes secret anchore-s3"),
        ("ANCHORE_ANALYSIS_ARCHIVE_ACCESS_KEY", "id of the Kubernetes secret anchore-s3"),
        ("ANCHORE_ANALYSIS_ARCHIVE_SECRET_KEY", "secret_key of the Kubernetes secret anchore-s3"),
    ]


def test_a_kubernetes_secret_without_a_name_is_to_be_filled_in() -> None:
    made = snippet({"object_store": DB, "analysis_archive": s3(**KEYS)}, "config", "helm")
    assert [(one.name, one.value) for one in made.to_fill] == [
        ("analysis_archive.storage_driver.config.existingCredentialSecret", "made of the two keys in dest.yaml")
    ]
    assert made.variables == ()


def test_a_secret_that_the_chart_has_no_word_for_is_a_variable_in_values_too() -> None:
    section = {"object_store": {"storage_driver": {"name": "swift", "config": {"container": "c", "os_password": "x"}}}}
    made = snippet(section, "helm")
    assert settings(made) == {"container": "c", "os_password": "${ANCHORE_OBJECT_STORE_OS_PASSWORD}"}
    assert [one.name for one in made.variables] == ["ANCHORE_OBJECT_STORE_OS_PASSWORD"]


@pytest.mark.parametrize(
    ("section", "expected"),
    [
        ({"archive": DB, "analysis_archive": {}}, {"object_store": DB, "analysis_archive": {}}),
        (
            {"archive_driver": "localfs", "archive_data_dir": "/archive", "use_db": False},
            {
                "object_store": {
                    **DEFAULT,
                    "storage_driver": {"name": "localfs", "config": {"archive_data_dir": "/archive"}},
                }
            },
        ),
    ],
)
def test_values_have_no_older_words(section: dict[str, object], expected: dict[str, object]) -> None:
    driver = LocalfsDriver(archive_data_dir="/archive")
    made = written(section, object_store=config(driver).object_store)
    assert redacted_snippet(made, "helm").section == expected
    driven = {"archive_driver": "db", "archive_data_dir": "/archive"}
    assert redacted_snippet(written(driven), "helm").section == {"object_store": DEFAULT}


def test_values_know_two_sections_only() -> None:
    assert snippet({"object_store": DB}, "helm").to_remove == ("analysis_archive",)
    assert snippet({"object_store": DB, "analysis_archive": {}}, "helm").to_remove == ()


@pytest.mark.parametrize("form", ["config", "helm", "helm-job"])
def test_the_plan_has_the_form_of_the_file(form: FileForm) -> None:
    given = written({"object_store": s3(**IN_KUBERNETES)}, form)
    assert redacted_section(given) == {"object_store": s3(**IN_KUBERNETES)}
    assert redacted_section(given) == redacted_snippet(given, own_form(given)).section


@pytest.mark.parametrize("form", ["config", "helm"])
def test_the_complete_section_is_as_written(form: FileForm) -> None:
    section = {"object_store": s3(access_key="literal", secret_key="${ANCHORE_SECRET}", url="http://u:p@m", odd=[1])}
    made = complete_snippet(written(section, form))
    assert (made.section, made.form) == (section, form)
    assert (made.variables, made.references, made.to_fill) == ((), ("ANCHORE_SECRET",), ())
    assert "literal" not in repr(made)
