"""Whatever a file holds, loading it ends in a config or in one clear refusal; never a traceback, never a leak."""

from __future__ import annotations

import math
import time
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from planner.load import load_config
from planner.references import fill
from planner.yaml_file import parse
from schemas.config import StoreName
from schemas.errors import ConfigError

CANARY = "CANARY-7f3a"
SOON = 5.0
"""Seconds of CPU; a second or two on a machine of this decade."""
STORES: tuple[StoreName, ...] = ("object_store", "analysis_archive")
# What YAML gives a meaning to, what Anchore does, and what has made parsers fall over.
PIECES = st.sampled_from(
    [
        *"\n\n\n  -:?,[]{}#&*!|>'\"%@`~=\t\r\\",
        *(
            ": ",
            "- ",
            "? ",
            "<<: ",
            "&a ",
            "*a",
            "!!int ",
            "!!float ",
            "!!bool ",
            "!!timestamp ",
            "!!binary ",
            "!!set ",
        ),
        *(
            "---\n",
            "...\n",
            "%YAML 1.1\n",
            "%TAG ! tag:x\n",
            '"\\ud800"',
            '"\\U00110000"',
            '"\\x',
            "0x",
            "1:30",
            ".nan",
        ),
        *("2024-13-45", "1e999", "null", "true", "\x00", "\x85", "\u2028", "\ufeff", "ä", "😀", CANARY),
        *("services:\n  catalog:\n", "    object_store:\n", "      storage_driver: {name: s3, config: {", "bucket: b"),
        *("${ANCHORE_SECRET}", "${ANCHORE_HALF}", "${ANCHORE_LINES}", "${ANCHORE_X:-y}", "${ANCHORE", "reference0z"),
    ]
)
VARIABLES = {
    "ANCHORE_SET": "a",
    "ANCHORE_SECRET": CANARY,
    "ANCHORE_LINES": f"{CANARY}:\n  - {CANARY}",
    "ANCHORE_HALF": "\udcff",
}

SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-5, 10**20),
    st.floats(),
    st.sampled_from(
        ["", "true", "db", "s3", "localfs", "swift", "http://minio:9000", "http://u:p@h/", "${ANCHORE_SET}"]
    ),
    st.text(max_size=8),
)
ANYTHING = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner)
)


def some(**values: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    """A mapping with any of these keys, each mostly right and sometimes anything."""
    return st.fixed_dictionaries({}, optional={key: value | ANYTHING for key, value in values.items()})


TEXT = st.sampled_from(["a", "${ANCHORE_SET}", "${ANCHORE_UNSET}"])
SECRET = st.sampled_from([CANARY, "${ANCHORE_SECRET}", "x${ANCHORE_SECRET}", "${ANCHORE_UNSET}"])
SWITCH = st.booleans()
DRIVER_CONFIG = some(
    access_key=SECRET,
    secret_key=SECRET,
    iamauto=SWITCH,
    url=st.just("http://minio:9000"),
    region=TEXT,
    bucket=st.just("documents"),
    prefix=TEXT,
    create_bucket=SWITCH,
    archive_data_dir=st.just("/archive"),
    container=TEXT,
    anchore_key_prefix=TEXT,
    os_auth_url=st.just("https://keystone/v3"),
    os_password=SECRET,
    existingCredentialSecret=TEXT,
)
STORE = some(
    compression=some(enabled=SWITCH, min_size_kbytes=st.integers(0, 500)),
    storage_driver=some(name=st.sampled_from(["db", "db2", "s3", "localfs", "swift"]), config=DRIVER_CONFIG),
)
CATALOG = some(
    object_store=STORE,
    archive=STORE,
    analysis_archive=STORE,
    archive_driver=st.sampled_from(["db", "db2", "localfs"]),
    use_db=SWITCH,
    archive_data_dir=st.just("/archive"),
)
DATABASE = some(
    db_connect=TEXT,
    db_connect_args=some(timeout=st.integers(1, 9), connect_timeout=st.just(1), ssl=SWITCH),
    user=TEXT,
    password=SECRET,
    host=TEXT,
    port=st.integers(1, 9) | TEXT,
    name=TEXT,
)
JOB = some(
    enabled=SWITCH,
    objectStoreMigration=some(run=SWITCH, object_store=STORE),
    analysisArchiveMigration=some(
        run=SWITCH,
        mode=st.sampled_from(["to_analysis_archive", "from_analysis_archive"]),
        bucket=st.just("analysis_archive"),
        analysis_archive=STORE,
    ),
)


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("hostile") / "config.yaml"


def told(path: Path, content: bytes, *, helm_job: bool = False) -> str:
    """Load ``content`` and return all that a user could get to see of it."""
    path.write_bytes(content)
    try:
        config = load_config(path, environment=VARIABLES, helm_job=helm_job)
    except ConfigError as error:
        return error.message + error.hint
    # What a plan does with a config must hold for every one that loads.
    return "".join([config.fingerprint, *(config.store(name).backend.identity for name in STORES), repr(config)])


@settings(max_examples=200, deadline=None)
@given(pieces=st.lists(PIECES, max_size=40))
def test_any_text_ends_in_a_config_or_a_refusal(path: Path, pieces: list[str]) -> None:
    assert told(path, "".join(pieces).encode())


@settings(max_examples=50, deadline=None)
@given(content=st.binary(max_size=200))
def test_any_bytes_end_in_a_config_or_a_refusal(path: Path, content: bytes) -> None:
    assert told(path, content)


@settings(max_examples=100, deadline=None)
@given(catalog=CATALOG, database=DATABASE)
def test_any_settings_end_in_a_config_or_a_refusal_without_their_secrets(
    path: Path, catalog: dict[str, Any], database: dict[str, Any]
) -> None:
    config = {"services": {"catalog": catalog}, "credentials": {"database": database}}
    assert CANARY not in told(path, yaml.safe_dump(config, allow_unicode=True).encode())


@settings(max_examples=100, deadline=None)
@given(catalog=CATALOG | ANYTHING, job=JOB | ANYTHING, helm_job=SWITCH)
def test_any_values_of_the_chart_end_in_a_config_or_a_refusal_without_their_secrets(
    path: Path, catalog: object, job: object, *, helm_job: bool
) -> None:
    values = {"anchoreConfig": {"catalog": catalog}, "osaaMigrationJob": job}
    assert CANARY not in told(path, yaml.safe_dump(values, allow_unicode=True).encode(), helm_job=helm_job)


@pytest.mark.parametrize("before", ["", "a: [", "a: '", "a: &", "a: *", "a: !", "a: %", "a: @", "{a: {", "a: b: "])
@pytest.mark.parametrize("after", ["", "]", ": x", "\n - b", "\n\tb"])
def test_a_syntax_error_beside_a_secret_does_not_show_it(path: Path, before: str, after: str) -> None:
    for secret in (CANARY, "${ANCHORE_SECRET}"):
        assert CANARY not in told(path, f"services:\n  {before}{secret}{after}".encode())


@pytest.mark.parametrize(
    "text",
    [
        "${ANCHORE" * 100_000,
        "${ANCHORE" + "A" * 1_000_000,
        "a: 1" + ":59" * 300_000,
        "a: 0x" + "f" * 1_000_000,
        "[" * 1_000_000,
        "- " * 500_000,
        "&a " * 300_000,
        "a: &a {x: 1}\nb: {" + "<<: *a, " * 20_000 + "}",
        "a: reference" + "x" * 900_000,
        "a0: &a0 [x, x]\n" + "".join(f"a{n}: &a{n} [*a{n - 1}, *a{n - 1}]\n" for n in range(1, 40)),
        "a: &a {" + ",".join(f"k{n}: 1" for n in range(999)) + "}\n" + "b:\n" + "- {<<: *a}\n" * 999,
        "a: &a {<<: *a, b: *a}\n",
        "".join("  " * n + "a:\n" for n in range(900)),
        f"? {'x' * 900_000}\n: 1\n",
        "".join(f"k{n}: v\n" for n in range(60_000)),
        "services: {catalog: {}}\n" + "k: v\n" * 20_000,
        "#\n" * 500_000,
    ],
    ids=lambda text: str(text)[:12],
)
def test_a_text_made_to_waste_time_is_refused_soon(path: Path, text: str) -> None:
    before = time.thread_time()
    assert told(path, text.encode()).startswith(str(path))
    assert time.thread_time() - before < SOON


@pytest.mark.parametrize("number", ["9223372036854775808", "-9223372036854775809", "1.0e+300", "0xfffffffffffffffff"])
def test_a_number_that_fits_into_no_plan_is_text(path: Path, number: str) -> None:
    compression = f"{{enabled: true, min_size_kbytes: {number}}}"
    content = f"services: {{catalog: {{object_store: {{compression: {compression}}}}}}}"
    assert "min_size_kbytes: must be a whole number, not text" in told(path, content.encode())


@settings(max_examples=100, deadline=None)
@given(data=st.dictionaries(st.text(max_size=5), ANYTHING, max_size=4))
def test_plain_yaml_is_read_as_anchore_reads_it(data: dict[str, Any]) -> None:
    text = yaml.safe_dump(data, allow_unicode=True)
    found = parse("config.yaml", text, fill("config.yaml", text, {}))
    assert found.mistakes or found.data == as_json(yaml.safe_load(text))


def as_json(value: object) -> object:
    """A number that is not finite or beyond 64 bits stays the text that it was."""
    match value:
        case dict():
            return {key: as_json(item) for key, item in value.items()}
        case list():
            return [as_json(item) for item in value]
        case float() if not math.isfinite(value):
            return {"nan": ".nan", "inf": ".inf", "-inf": "-.inf"}[str(value)]
        case int() | float() if abs(value) >= 2**63:
            return yaml.safe_dump(value).split("\n")[0]
        case _:
            return value
