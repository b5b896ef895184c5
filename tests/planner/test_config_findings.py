"""What a reviewer is told of the two config files."""

from __future__ import annotations

from typing import Any, get_args

import pytest
from pydantic import SecretStr

from planner.config_findings import config_findings, named_database
from schemas.config import DatabaseConfig, FileForm, Oddity, OddityCode, Reference, StorageConfig
from schemas.plan import Finding
from tests.planner.storage_configs import config

Rest = dict[str, Any]

WORKING = "services.catalog.object_store"


def file(path: str = "conf/config.yaml", rest: Rest | None = None, **update: object) -> StorageConfig:
    return config().model_copy(update={"path": path, "rest": rest or {}, **update})


def destination(rest: Rest | None = None, **update: object) -> StorageConfig:
    return file("conf/dest-config.yaml", rest, **update)


def oddity(code: OddityCode, path: str = f"{WORKING}.x", line: int = 7) -> Oddity:
    return Oddity(code=code, path=path, line=line, what="is odd; write it straight")


def database(url: str) -> dict[str, Any]:
    return {"database": DatabaseConfig(db_connect=SecretStr(url))}


def codes(source: StorageConfig, new: StorageConfig) -> list[tuple[str, str]]:
    return [(finding.severity, finding.code) for finding in config_findings(source, new)]


def only(source: StorageConfig, new: StorageConfig) -> Finding:
    (finding,) = config_findings(source, new)
    return finding


def test_two_files_that_agree_give_no_reason_to_say_anything() -> None:
    assert config_findings(file(rest={"log_level": "INFO"}), destination({"log_level": "INFO"})) == ()


def test_an_oddity_names_the_file_the_line_and_the_setting() -> None:
    found = only(file(), destination(oddities=(oddity("prefix-null", f"{WORKING}.storage_driver.config.prefix"),)))

    assert (found.code, found.severity, found.count) == ("prefix-null", "warning", 1)
    assert found.message == "dest-config.yaml line 7: prefix is odd; write it straight"
    assert found.examples == (f"{WORKING}.storage_driver.config.prefix",)


def test_the_same_of_both_stores_is_said_once() -> None:
    paths = f"{WORKING}.url", "services.catalog.analysis_archive.url"
    odd = [oddity("http-endpoint", path, line) for path, line in zip(paths, (7, 20), strict=True)]

    found = only(file(), destination(oddities=(*odd,)))

    assert (found.count, found.examples) == (2, paths)
    assert found.message.startswith("dest-config.yaml line 7, 20: url is odd")


def test_other_settings_are_told_one_by_one() -> None:
    odd = (oddity("switch-as-text", "a.use_db"), oddity("switch-as-text", "a.create_bucket"))
    assert [one.count for one in config_findings(file(), destination(oddities=odd))] == [1, 1]


@pytest.mark.parametrize("code", get_args(OddityCode))
def test_a_source_that_goes_away_does_not_shout(code: OddityCode) -> None:
    (at_source,) = codes(file(oddities=(oddity(code),)), destination())
    (at_destination,) = codes(file(), destination(oddities=(oddity(code),)))

    assert at_destination[0] in ("warning", "info")
    assert at_source == ("warning" if code == "directory-not-absolute" else "info", code)


def test_what_is_odd_in_both_files_is_told_once_of_the_destination() -> None:
    found = only(
        file(oddities=(oddity("create-bucket", line=3),)), destination(oddities=(oddity("create-bucket", line=4),))
    )
    assert found.message.startswith("dest-config.yaml line 4:")


def test_what_is_odd_at_another_setting_is_another_thing() -> None:
    odd = oddity("create-bucket", "a.create_bucket"), oddity("create-bucket", "b.create_bucket")
    assert len(config_findings(file(oddities=odd[:1]), destination(oddities=odd[1:]))) == 2


def test_files_of_one_name_are_told_apart() -> None:
    odd = oddity("prefix-null"), oddity("create-bucket")
    found = config_findings(file("old/config.yaml", oddities=odd[:1]), file("new/config.yaml", oddities=odd[1:]))
    assert [one.message.partition(" line")[0] for one in found] == ["config.yaml (destination)", "config.yaml (source)"]


def test_other_settings_that_differ_are_counted_with_the_side_they_stand_on() -> None:
    before = {"log_level": "INFO", "webhooks": {"url": "canary"}, **{f"key_{index}": "canary" for index in range(8)}}
    after = {"log_level": "DEBUG", "metrics": {"enabled": True}, **{f"key_{index}": "canary2" for index in range(8)}}

    found = only(file(rest=before), destination(after))

    assert (found.code, found.severity, found.count) == ("config-differs-elsewhere", "warning", 11)
    assert found.examples == tuple(f"key_{index}" for index in range(5))
    assert "dest-config.yaml takes the place of config.yaml" in found.message
    assert "(1 only in config.yaml, 1 only in dest-config.yaml)" in found.message
    assert "first" not in found.message
    assert "canary" not in found.model_dump_json()


def test_of_very_many_differences_it_says_that_not_all_are_listed() -> None:
    found = only(file(rest={f"key_{index}": 1 for index in range(200)}), destination({"log_level": "INFO"}))
    assert found.count == 201
    assert "the config changes list the first 100" in found.message


def test_a_fragment_is_said_to_be_one_and_nothing_is_said_to_be_missing() -> None:
    found = only(file(rest={"log_level": "INFO"}), destination({"services": {"catalog": {}}}))
    assert (found.code, found.severity) == ("config-fragment", "info")


@pytest.mark.parametrize(("old", "new"), [("config", "helm"), ("helm", "config"), ("config", "helm-job")])
def test_files_of_different_form_are_compared_in_storage_only(old: FileForm, new: FileForm) -> None:
    found = only(file(rest={"a": 1}, form=old), destination({"b": 1}, form=new))
    assert (found.code, found.severity) == ("forms-differ", "info")


def test_the_migration_job_in_one_values_file_is_no_other_file() -> None:
    assert config_findings(file(rest={"a": 1}, form="helm"), file(rest={"b": 1}, form="helm-job")) == ()


@pytest.mark.parametrize(
    ("old", "new", "differs"),
    [
        (True, False, True),
        (False, "true", True),
        (True, "true", False),
        (False, False, False),
        (True, None, False),
        (True, "${ANCHORE_POLICY_ENGINE_ENABLE_PACKAGE_DB_LOAD}", False),
    ],
)
def test_policy_engines_must_have_the_same_package_database(old: object, new: object, differs: bool) -> None:
    source, other = ({"services": {"policy_engine": {"enable_package_db_load": value}}} for value in (old, new))
    assert (("warning", "package-db-differs") in codes(file(rest=source), destination(other))) == differs


def test_a_variable_that_switches_the_package_database_off_differs_from_true() -> None:
    rest = {"services": {"policy_engine": {"enable_package_db_load": "${ANCHORE_X}"}}}
    found = codes(
        file(rest={"services": {"policy_engine": {"enable_package_db_load": True}}}),
        destination(rest, oddities=(oddity("package-db-off"),)),
    )
    assert ("warning", "package-db-differs") in found


@pytest.mark.parametrize(
    ("old", "new", "differs"),
    [
        ({"existingCredentialSecret": "one"}, {"existingCredentialSecret": "two"}, True),
        ({"existingCredentialSecret": "one"}, {"existingCredentialSecret": "one", "secretKeySecretKey": "k"}, True),
        ({"existingCredentialSecret": "one"}, {"existingCredentialSecret": "one"}, False),
        ({"existingCredentialSecret": "one"}, {"access_key": "${ANCHORE_A}", "secret_key": "${ANCHORE_B}"}, False),
    ],
)
def test_two_kubernetes_secrets_of_one_store_fill_the_same_variables(
    old: dict[str, str], new: dict[str, str], differs: bool
) -> None:
    first, second = ({"object_store": {"storage_driver": {"name": "s3", "config": each}}} for each in (old, new))
    found = config_findings(file(form="helm", section=first), destination(form="helm", section=second))
    assert [one.code for one in found] == (["one-variable-for-two-secrets"] if differs else [])
    assert "canary" not in "".join(one.model_dump_json() for one in found)


@pytest.mark.parametrize(
    ("old", "new", "differs"),
    [
        ("postgresql://a:canary@db/postgres", "postgresql+pg8000://b:canary2@db:5432/postgres", False),
        ("postgresql://a:canary@db/postgres", "postgresql://a:canary@other/postgres", True),
        ("postgresql://a:canary@db/postgres", "postgresql://a:canary@db/other", True),
        ("postgresql://a:canary@db/postgres", "postgresql://a:canary@db:5433/postgres", True),
        ("postgresql://a:canary@db/postgres", "mysql://canary", False),
    ],
)
def test_another_database_is_where_anchore_finds_none_of_the_documents(old: str, new: str, differs: bool) -> None:
    found = config_findings(file(**database(old)), destination(**database(new)))
    assert [(one.severity, one.code) for one in found] == ([("warning", "database-differs")] if differs else [])
    assert "canary" not in "".join(one.model_dump_json() for one in found)


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("postgresql://a:canary@db/postgres", "db:5432/postgres"),
        ("postgresql://${ANCHORE_USER}:${ANCHORE_PASSWORD}@db/postgres", "db:5432/postgres"),
        ("postgresql://a:canary@${ANCHORE_HOST}/postgres", None),
        ("postgresql://a:canary@db/${ANCHORE_NAME}", None),
        ("${ANCHORE_URL}", None),
        ("postgresql://a:p@canary/w#rd@db:5432/postgres", None),
    ],
)
def test_a_database_is_named_when_all_that_names_it_has_a_value(url: str, name: str | None) -> None:
    """The password's variable has no value where a plan is only made: that does not change the plan."""
    named = named_database(file(**database(url)))
    assert (f"{named.host}:{named.port}/{named.name}" if named is not None else None) == name


def test_variables_without_a_value_are_information() -> None:
    references = (Reference(path="a.secret_key", text="${ANCHORE_B}${ANCHORE_A}", unset=("ANCHORE_B", "ANCHORE_A")),)
    found = only(file(), destination(references=references))
    assert (found.severity, found.code, found.examples) == ("info", "variable-unset", ("ANCHORE_A", "ANCHORE_B"))


def test_findings_come_by_severity_then_code() -> None:
    odd = tuple(oddity(code, line=index) for index, code in enumerate(get_args(OddityCode)))
    found = codes(file(rest={"a": 1}), destination({"b": 1}, oddities=odd))
    assert found == sorted(found, key=lambda one: (("warning", "info").index(one[0]), one[1]))
    assert len(found) == len(odd) + 1
