"""A destination file with a good deal to say about it: planned, shown, and no secret of it told."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from tests.anchore import canaries
from tests.end_to_end.migration import Migration, plan_of

CONFIG = "services.catalog.object_store.storage_driver.config"
EXPECTED = {
    "archive-compressed": "info",
    "config-differs-elsewhere": "warning",
    "create-bucket": "info",
    "database-differs": "warning",
    "http-endpoint": "warning",
    "layer-cache-size": "warning",
    "package-db-differs": "warning",
    "package-db-off": "info",
    "stores-in-one-place": "warning",
    "switch-as-text": "warning",
}


@pytest.fixture
def odd(migration: Migration) -> Migration:
    """The same move, by files that hold settings and secrets of other services too."""
    _edit(migration, "config.yaml", _services(package_db=True), default_admin_password=canaries.SECRET_KEY)
    content = _edit(
        migration,
        "dest-config.yaml",
        _services(package_db=False, layer_cache_enable=True, layer_cache_max_gigabytes=0),
        default_admin_password=canaries.ACCESS_KEY,
        log_level="DEBUG",
        webhooks={"general": {"url": f"https://{canaries.URL_USER}:{canaries.URL_PASSWORD}@hooks/"}},
    )
    catalog = content["services"]["catalog"]
    catalog["analysis_archive"] = yaml.safe_load(yaml.safe_dump(catalog["object_store"]))
    catalog["object_store"]["storage_driver"]["config"]["create_bucket"] = True
    catalog["object_store"]["compression"]["enabled"] = "true"
    database = content["credentials"]["database"]
    database["db_connect"] = database["db_connect"].replace("127.0.0.1", "127.0.0.2")
    _write(migration, "dest-config.yaml", content)
    return migration


def test_the_plan_tells_what_does_not_hold_together(odd: Migration) -> None:
    plan = plan_of(odd.plan())

    found = {finding["code"]: finding for finding in plan["findings"]}
    assert {code: found[code]["severity"] for code in EXPECTED} == EXPECTED
    elsewhere = found["config-differs-elsewhere"]
    paths = ["default_admin_password", "log_level", "services.analyzer.layer_cache_enable"]
    assert elsewhere["examples"][:3] == paths
    assert elsewhere["count"] == 6
    line = (
        (odd.deployment.root / "dest-config.yaml")
        .read_text(encoding="utf-8")
        .splitlines()
        .index("          create_bucket: true")
    )
    assert found["create-bucket"]["message"].startswith(f"dest-config.yaml line {line + 1}: create_bucket ")


def test_the_plan_lists_every_setting_that_changes_and_no_secret(odd: Migration) -> None:
    changes = {change["path"]: change for change in plan_of(odd.plan())["config_changes"]}

    assert (changes["log_level"]["before"], changes["log_level"]["after"]) == ("INFO", "DEBUG")
    package_db = changes["services.policy_engine.enable_package_db_load"]
    assert (package_db["before"], package_db["after"]) == (True, False)
    assert changes[f"{CONFIG}.prefix"]["after"] == "internaltest"
    secrets = (
        "default_admin_password",
        "webhooks",
        "credentials.database.db_connect",
        f"{CONFIG}.secret_key",
    )
    assert all(changes[path] == {"path": path, "before": None, "after": None, "changed": True} for path in secrets)
    assert f"{CONFIG}.iamauto" not in changes


@pytest.mark.parametrize("output_format", ["text", "markdown"])
def test_show_renders_all_of_it(odd: Migration, output_format: str) -> None:
    odd.plan()

    shown = odd.cli.run("show", "plan.json", "--format", output_format).must_end(0).stdout

    assert all(code in shown for code in EXPECTED)
    assert "services.policy_engine.enable_package_db_load" in shown
    assert "default_admin_password" in shown


def test_a_fragment_for_the_vendor_s_tool_is_told_not_to_take_the_file_s_place(migration: Migration) -> None:
    path = migration.deployment.root / "dest-config.yaml"
    catalog = yaml.safe_load(path.read_text(encoding="utf-8"))["services"]["catalog"]
    _write(migration, "dest-config.yaml", {"services": {"catalog": {"object_store": catalog["object_store"]}}})

    plan = plan_of(migration.plan())

    assert "config-fragment" in [finding["code"] for finding in plan["findings"]]
    assert {change["path"].partition(".object_store.")[0] for change in plan["config_changes"]} == {"services.catalog"}


def _services(*, package_db: bool, **analyzer: object) -> dict[str, Any]:
    return {"analyzer": {"enabled": True, **analyzer}, "policy_engine": {"enable_package_db_load": package_db}}


def _edit(migration: Migration, file: str, services: dict[str, Any], **settings: object) -> dict[str, Any]:
    content: dict[str, Any] = yaml.safe_load((migration.deployment.root / file).read_text(encoding="utf-8"))
    content = {**content, **settings, "services": {**content["services"], **services}}
    _write(migration, file, content)
    return content


def _write(migration: Migration, file: str, content: object) -> None:
    migration.deployment.write_yaml(file, yaml.safe_dump(content, sort_keys=False))
