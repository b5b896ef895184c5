"""Codes 9, 64 and 78: plans, command lines and configs that nobody should act on."""

from __future__ import annotations

import json
import os
import resource
import socket
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.anchore.config import Config, Section
from tests.end_to_end.codes import CONFIG_INVALID, DONE, PLAN_INVALID, USAGE
from tests.end_to_end.migration import Migration, plan_of
from tests.nursery import Rig

MEGABYTE = 1 << 20


def edit_a_number(plan: str) -> str:
    content = json.loads(plan)
    content["moves"][0]["totals"]["documents"] += 1
    return json.dumps(content, indent=2, sort_keys=True)


def edit_the_target(plan: str) -> str:
    return plan.replace("internaltest", "elsewhere")


def next_major_version(plan: str) -> str:
    return plan.replace('"format_version": "1.0"', '"format_version": "2.0"')


def cut_off(plan: str) -> str:
    return plan[: len(plan) // 2]


def another_document(_plan: str) -> str:
    return '{"kind": "not a plan"}'


def nothing(_plan: str) -> str:
    return ""


def not_text(_plan: str) -> str:
    return "\0\ufffd"


@pytest.mark.parametrize(
    "edit",
    [edit_a_number, edit_the_target, next_major_version, cut_off, another_document, nothing, not_text],
    ids=lambda edit: edit.__name__,
)
def test_9_a_plan_that_is_not_what_was_written(migration: Migration, edit: Callable[[str], str]) -> None:
    plan = migration.plan()
    plan.write_text(edit(plan.read_text(encoding="utf-8")), encoding="utf-8")

    with migration.writes_nothing():
        for name, *flags in (("apply", "--yes"), ("show",), ("status",)):
            said = migration.cli.run(name, "plan.json", *flags).must_end(PLAN_INVALID)
            assert "plan.json" in said.stderr


def test_9_a_plan_other_than_the_expected_one(migration: Migration) -> None:
    migration.plan()

    with migration.writes_nothing():
        migration.apply("plan.json", "--expect", "sha256:" + "0" * 64, code=PLAN_INVALID)


def test_64_a_command_line_that_makes_no_sense(migration: Migration) -> None:
    migration.plan()
    with migration.writes_nothing():
        for words in (
            "bogus",
            "plan",
            "plan config.yaml",
            "plan config.yaml dest-config.yaml --bogus",
            "plan config.yaml dest-config.yaml --format xml",
            "apply",
            "apply plan.json --through moon",
            "apply plan.json --jobs many",
            "apply plan.json --max-duration soon",
            "--log-format xml show plan.json",
        ):
            said = migration.cli.run(*words.split()).must_end(USAGE)
            assert said.stderr
            assert said.stdout == ""


def without_bucket(content: dict[str, Any]) -> str:
    del content["services"]["catalog"]["object_store"]["storage_driver"]["config"]["bucket"]
    return yaml.safe_dump(content)


def unknown_driver(content: dict[str, Any]) -> str:
    content["services"]["catalog"]["object_store"]["storage_driver"]["name"] = "floppy"
    return yaml.safe_dump(content)


def not_yaml(_content: object) -> str:
    return "services: {catalog: [}\n"


def a_list(_content: object) -> str:
    return "- one\n- two\n"


@pytest.mark.parametrize("spoil", [without_bucket, unknown_driver, not_yaml, a_list], ids=lambda spoil: spoil.__name__)
def test_78_a_config_that_anchore_could_not_start_with(migration: Migration, spoil: Callable[[Any], str]) -> None:
    path = migration.deployment.root / "dest-config.yaml"
    path.write_text(spoil(yaml.safe_load(path.read_text(encoding="utf-8"))), encoding="utf-8")

    with migration.writes_nothing():
        said = migration.cli.run("plan", "config.yaml", "dest-config.yaml").must_end(CONFIG_INVALID)

    assert "dest-config.yaml" in said.stderr
    assert said.stdout == ""


def test_78_a_config_that_is_not_there(migration: Migration) -> None:
    said = migration.cli.run("plan", "config.yaml", "gone.yaml").must_end(CONFIG_INVALID)
    assert "gone.yaml" in said.stderr


def test_78_a_secret_that_nobody_gave(migration: Migration) -> None:
    """A review needs no secrets, so planning goes on without; applying cannot."""
    place = replace(
        migration.deployment.s3(prefix="internaltest"), access_key="${ANCHORE_KEY}", secret_key="${ANCHORE_SECRET}"
    )
    migration.deployment.write_config("dest-config.yaml", Config(Section(place, compress_above_kbytes=1)))
    plan = plan_of(migration.plan())
    assert [finding["severity"] for finding in plan["findings"] if "variable" in finding["code"]] == ["info"]

    with migration.writes_nothing():
        said = migration.apply(code=CONFIG_INVALID)
    assert "ANCHORE_KEY" in said.stderr

    server = migration.deployment.s3_server
    variables = {"ANCHORE_KEY": server.access_key, "ANCHORE_SECRET": server.secret_key}
    migration.cli.run("apply", "plan.json", "--yes", env=variables).must_end(DONE)
    migration.assert_at_destination()


def bounded(megabytes: int, seconds: int) -> None:
    """Give the process so much memory on top of what it has, and so much time of the CPU."""
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0])
    limit = pages * resource.getpagesize() + megabytes * MEGABYTE
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds))


BOUNDED = Rig(f"{__name__}:bounded", {"megabytes": 300, "seconds": 10})
"""Soon is a second or two; on a machine with other work each takes longer, and any wait is for ever."""


def unfit(folder: Path) -> dict[str, Path]:
    """Make one of each kind of thing that is no text file, and of text that is no config, plan or env file."""
    folder.mkdir()
    paths = {name: folder / name for name in ("fifo", "socket", "gone", "loop", "link")}
    os.mkfifo(paths["fifo"])
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(paths["socket"]))
    paths["loop"].symlink_to(paths["loop"])
    paths["link"].symlink_to("/dev/zero")
    paths |= {"directory": folder, "device": Path("/dev/zero"), "name": folder / ("x" * 300), "": Path("x/../..")}
    for name, content in {
        "NUL": b"a: 1\n\0",
        "UTF-16": "services: {}".encode("utf-16"),
        "Latin-1": b"a: \xe4",
        "huge": b"# nothing\n" * (2 * MEGABYTE),
        "empty space": b"",
    }.items():
        paths[name] = folder / name
        paths[name].write_bytes(content)
    os.truncate(paths["empty space"], 50 * MEGABYTE)
    return paths


def test_78_what_is_no_config_is_refused_soon_by_every_command(migration: Migration, tmp_path: Path) -> None:
    migration.plan()
    commands = (
        "plan {} dest-config.yaml",
        "plan config.yaml {} -o new.json",
        "apply plan.json --yes --source {}",
        "apply plan.json --dry-run --dest {}",
        "undo plan.json --yes --dest {}",
        "clean plan.json --yes --source {}",
        "status plan.json --source {}",
        "check {}",
        "verify {} --full",
        "snippet {}",
        "migrations {}",
    )
    with migration.writes_nothing():
        for number, path in enumerate(unfit(tmp_path / "unfit").values()):
            words = [word.format(path) for word in commands[number % len(commands)].split()]
            said = migration.cli.run(*words, rig=BOUNDED).must_end(CONFIG_INVALID)
            assert said.stdout == ""
            assert str(path) in said.stderr
    assert not (migration.deployment.root / "new.json").exists()


def test_78_what_is_no_env_file_is_refused_soon(migration: Migration, tmp_path: Path) -> None:
    with migration.writes_nothing():
        for path in unfit(tmp_path / "unfit").values():
            env = {"ANCHORE_ENV_FILE": str(path)}
            said = migration.cli.run("plan", "config.yaml", "dest-config.yaml", env=env, rig=BOUNDED)
            assert str(path) in said.must_end(CONFIG_INVALID).stderr
            assert "ANCHORE_ENV_FILE" in said.stderr or ":" in said.stderr


BOMBS = {
    "laughs": "a0: &a0 [x,x,x,x,x,x,x,x,x]\n"
    + "".join(f"a{n}: &a{n} [{','.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 12)),
    "merges": "a: &a {" + ",".join(f"k{n}: 1" for n in range(999)) + "}\n" + "b:\n" + "- {<<: *a}\n" * 999,
    "deep": "[" * 100_000,
    "long number": f"services: {'9' * 900_000}\n",
    "key twice": "services: {catalog: {object_store: {storage_driver: {config: {a: {b: 1, b: 1}}}}}}\n",
    "code": "services: !!python/object/apply:os.system ['touch executed']\n",
    "references": "a: reference" + "x" * 900_000,
}


def test_78_a_config_made_to_do_harm(migration: Migration) -> None:
    path = migration.deployment.root / "dest-config.yaml"
    with migration.writes_nothing():
        for bomb in BOMBS.values():
            path.write_text(bomb, encoding="utf-8")
            run = migration.cli.run("snippet", "dest-config.yaml", rig=BOUNDED)
            assert "dest-config.yaml" in run.must_end(CONFIG_INVALID).stderr
            assert run.stdout == ""
    assert not (migration.deployment.root / "executed").exists()


def test_9_what_is_no_plan_is_refused_soon_by_every_command(migration: Migration, tmp_path: Path) -> None:
    paths = unfit(tmp_path / "unfit")
    for name, content in {
        "deep": "[" * 150_000,
        "deep objects": '{"a":' * 150_000,
        "long number": f'{{"a": {"9" * 15 * MEGABYTE}}}',
        "long fraction": f'{{"a": 0.{"9" * 15 * MEGABYTE}}}',
        "NaN": '{"a": NaN}',
        "infinity": '{"a": 1e999}',
        "key twice": '{"format_version": "1.0", "format_version": "1.0"}',
        "half a pair": '{"format_version": "\\ud800"}',
        "long text": f'{{"format_version": "1.0", "plan_digest": "{"x" * 15 * MEGABYTE}"}}',
        "many keys": json.dumps({"format_version": "1.0"} | {f"k{number}": 1 for number in range(190_000)}),
        "many values": f"[{'1,' * MEGABYTE}1]",
    }.items():
        paths[name] = tmp_path / "unfit" / name
        paths[name].write_text(content, encoding="utf-8")
    commands = ("show {}", "apply {} --yes", "apply {} --dry-run", "undo {} --yes", "clean {} --yes", "status {}")
    with migration.writes_nothing():
        for number, path in enumerate(paths.values()):
            words = [word.format(path) for word in commands[number % len(commands)].split()]
            said = migration.cli.run(*words, rig=BOUNDED).must_end(PLAN_INVALID)
            assert said.stdout == ""
            assert str(path) in said.stderr


def test_64_a_number_that_is_none(migration: Migration) -> None:
    migration.plan()
    with migration.writes_nothing():
        for option, values in {
            "--jobs": ("0", "-1", "257", "1e9", ""),
            "--max-failures": ("-1", "9" * 5000),
            "--max-duration": ("0", "-1s", "1h30", "30m1h", "", "9" * 5000 + "h", "9" * 400 + "s", "१h"),
            "--db-timeout": ("0", "-1", "nan", "1e999", "1e10", "x"),
            "--db-connect-timeout": ("0", "nan", "-inf"),
            "--db-retries": ("-1", "1.5"),
            "--db-ca": ("", "gone.pem", "/dev/null", "config.yaml"),
            "--expect": ("", "sha256:" + "0" * 63, "sha256:" + "G" * 64),
        }.items():
            for value in values:
                said = migration.cli.run("apply", "plan.json", "--dry-run", f"{option}={value}").must_end(USAGE)
                assert said.stderr
                assert said.stdout == ""
