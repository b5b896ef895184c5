"""Reading plan files: only the very plan that was made gets through, everything else is told in plain words."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from planner.read_plan import MAX_BYTES, read_plan
from schemas.canonical import canonical_text, digest, file_text
from schemas.errors import PlanError, UsageError
from schemas.exit_codes import ExitCode
from schemas.plan import Plan
from tests.planner import plans

Json = dict[str, Any]
Path_ = tuple[str | int, ...]


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("plans") / "plan.json"


def write(file: Path, content: object) -> Path:
    file.write_text(json.dumps(content), encoding="utf-8")
    return file


def resealed(document: Json) -> Json:
    """A document with the digest that it should have, whatever else is wrong with it."""
    content = {key: value for key, value in document.items() if key != "plan_digest"}
    return {**content, "plan_digest": digest(content)}


def refused(path: Path, *, expect: str | None = None) -> str:
    with pytest.raises(PlanError) as caught:
        read_plan(path, expect=expect)
    assert caught.value.exit_code == ExitCode.PLAN_INVALID
    assert caught.value.hint
    assert all(char.isprintable() or char == "\n" for char in caught.value.message)
    return caught.value.message


@pytest.mark.parametrize(
    "make",
    [plans.db_to_s3, plans.db_to_split, plans.nothing_to_do, plans.refused, plans.offline, plans.hostile],
)
def test_a_plan_comes_back_from_its_file_as_it_was(file: Path, make: Callable[[], Plan]) -> None:
    plan = make()
    file.write_text(file_text(plan.document()), encoding="utf-8")
    assert read_plan(file) == plan
    assert read_plan(file, expect=plan.plan_digest) == plan


def test_layout_and_order_of_the_file_do_not_matter(file: Path) -> None:
    plan = plans.db_to_s3()
    backwards = dict(reversed(plan.document().items()))
    assert read_plan(write(file, backwards)) == plan


@pytest.mark.parametrize(
    ("content", "told"),
    [
        pytest.param(b"", "not JSON: Expecting value, line 1, column 1", id="empty"),
        pytest.param(b"services:\n  catalog: {}\n", "not JSON: Expecting value, line 1", id="a config instead"),
        pytest.param(b'{"a": 1', "not JSON", id="cut off"),
        pytest.param('{"a": "é"}'.encode("utf-16"), "not UTF-8", id="UTF-16"),
        pytest.param(b'{"a": "\xff"}', "not UTF-8", id="a byte that is no UTF-8"),
        pytest.param(rb'{"a": "\ud800"}', "not UTF-8", id="half a surrogate pair in a value"),
        pytest.param(rb'{"\udfff": 1}', "not UTF-8", id="half a surrogate pair in a key"),
        pytest.param(b'[{"a": 1}]', "holds no JSON object", id="a list"),
        pytest.param(b"null", "holds no JSON object", id="null"),
        pytest.param(b'{"a": {"b": 1, "c": 2, "b": 1}}', "the key 'b' stands twice", id="duplicate key"),
        pytest.param(b'{"\\u001b[2J": 1, "\\u001b[2J": 2}', "the key '…' stands twice", id="duplicate key of escapes"),
        pytest.param(b'{"a": NaN}', "beyond those of JSON", id="NaN"),
        pytest.param(b'{"a": -Infinity}', "beyond those of JSON", id="infinity"),
        pytest.param(b'{"a": 1e999}', "beyond those of JSON", id="infinity in digits"),
        pytest.param(b'{"a": 9223372036854775808}', "more than 64 bits", id="65 bits"),
        pytest.param(b'{"a": ' + b"9" * 100_000 + b"}", "more than 64 bits", id="a number without end"),
        pytest.param(b'{"a": ' + b"[" * 50_000 + b"]" * 50_000 + b"}", "100 levels", id="nested too deep to parse"),
        pytest.param(b'{"a": ' + b"[" * 100 + b"]" * 100 + b"}", "100 levels", id="nested too deep"),
        pytest.param(b'{"a": [' + b"0," * 200_000 + b"0]}", "more than 200,000 values", id="too many values"),
        pytest.param(b"{}", "no format_version", id="no plan"),
        pytest.param(b'{"format_version": 1.0}', "no format_version", id="version as a number"),
        pytest.param(b'{"format_version": "1"}', "no format_version", id="version without a minor"),
        pytest.param('{"format_version": "１.０"}'.encode(), "no format_version", id="version in other digits"),
        pytest.param(b'{"format_version": "2.0"}', "made by a newer restow: its format is 2.0", id="newer major"),
        pytest.param(b'{"format_version": "0.9"}', "format 0.9, which no restow makes", id="older major"),
    ],
)
def test_what_is_no_plan_is_told(file: Path, content: bytes, told: str) -> None:
    file.write_bytes(content)
    message = refused(file)
    assert told in message
    assert message.startswith(str(file))


def test_what_is_no_file_is_told(tmp_path: Path) -> None:
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    loop = tmp_path / "loop"
    loop.symlink_to(loop)
    assert "No such file" in refused(tmp_path / "missing.json")
    assert "not a regular file" in refused(tmp_path)
    assert "not a regular file" in refused(fifo)
    assert "not a regular file" in refused(Path("/dev/zero"))
    assert "symbolic links" in refused(loop)
    assert "Not a directory" in refused(Path("/dev/null/plan.json"))
    assert "cannot be the path of a file" in refused(Path("pl\0an.json"))
    assert r"\x1b[31m" in refused(tmp_path / "\x1b[31mred.json")


def test_a_file_larger_than_any_plan_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "huge.json"
    with path.open("wb") as file:
        file.truncate(MAX_BYTES + 1)
    assert "larger than 16 MiB" in refused(path)


def test_each_mistake_is_told_with_its_path(file: Path) -> None:
    document = plans.db_to_s3().document()
    move = document["moves"][0]
    move["buckets"][1]["documents"] = "1200"
    move["buckets"][2]["bytes"] = -1
    del move["to"]
    document["offline"] = 0
    document["source"]["object_store"]["compression"]["min_size_kbytes"] = True
    document["findings"] = [{"code": "x", "severity": "fatal", "message": "", "count": 1, "examples": []}]
    document["sources"] = []
    lines = refused(write(file, resealed(document))).splitlines()[1:]
    assert [line.split(": ")[0].strip() for line in lines] == [
        "source.object_store.compression.min_size_kbytes",
        "offline",
        "moves[0].to",
        "moves[0].buckets[1].documents",
        "moves[0].buckets[2].bytes",
        "findings[0].severity",
        "sources",
    ]


def test_a_mistake_in_a_location_is_told_for_its_driver_only(file: Path) -> None:
    document = plans.db_to_s3().document()
    del document["destination"]["object_store"]["location"]["prefix"]
    document["destination"]["analysis_archive"]["location"] = "s3"
    lines = refused(write(file, resealed(document))).splitlines()[1:]
    assert [line.strip() for line in lines] == [
        "destination.object_store.location.prefix: Field required",
        "destination.analysis_archive.location: Input should be an object",
    ]
    document["destination"]["object_store"]["driver"] = ["s3"]
    assert "destination.object_store.driver: " in refused(write(file, resealed(document)))


STRAY = "CANARY-7f3a"
"""A secret that was pasted into a plan."""


@pytest.mark.parametrize(
    "content",
    [
        f'{{"{STRAY}": 1, "{STRAY}": 2}}',
        f'{{"format_version": "1.0", "{STRAY}": 1}}',
        f'{{"format_version": "{STRAY}"}}',
        f'{{"a": 1 {STRAY}}}',
        '{"a": 73577357735773577357}',
        '{"a": 735773577357735773577357e999}',
    ],
    ids=["key twice", "unknown key", "version", "in between", "integer", "number"],
)
def test_what_was_pasted_where_it_does_not_belong_is_not_told(file: Path, content: str) -> None:
    file.write_text(content, encoding="utf-8")
    message = refused(file)
    assert STRAY not in message
    assert "7357" not in message


def test_of_very_many_mistakes_the_rest_is_counted(file: Path) -> None:
    document = {**plans.db_to_s3().document(), "accepted": [0] * 50}
    lines = refused(write(file, resealed(document))).splitlines()
    assert len(lines) == 22
    assert lines[-1] == "  … and 30 more"


def test_a_newer_minor_version_may_say_more(file: Path) -> None:
    plan = plans.changed(plans.db_to_s3(), format_version="1.7")
    document = plan.document()
    document["colour"] = "green"
    document["moves"][0]["buckets"][0]["oldest"] = 1_700_000_000
    document["destination"]["object_store"]["location"]["storage_class"] = "STANDARD"
    newer = resealed(document)
    read = read_plan(write(file, newer), expect=newer["plan_digest"])
    assert read == plan.model_copy(update={"plan_digest": newer["plan_digest"]})

    newer["moves"][0]["buckets"][0]["oldest"] += 1
    assert "was edited" in refused(write(file, newer))


def test_the_known_version_says_no_more_than_it_does(file: Path) -> None:
    document = resealed({**plans.db_to_s3().document(), "colour": "green"})
    assert "colour: Extra inputs are not permitted" in refused(write(file, document))


def test_a_report_given_for_a_plan_is_told_apart_from_one_that_was_edited(file: Path) -> None:
    report = {"format_version": "1.0", "plan_digest": "sha256:" + "0" * 64, "exit_code": 0, "moves": []}
    assert "is not a plan: it has no accepted, no config_changes, " in refused(write(file, report))


def test_an_edited_plan_is_refused(file: Path) -> None:
    document = plans.db_to_s3().document()
    document["moves"][0]["delete_source"] = False
    message = refused(write(file, document))
    assert "was edited after it was made" in message
    assert document["plan_digest"] in message


def test_only_the_expected_plan_is_taken(file: Path) -> None:
    plan, other = plans.db_to_s3(), plans.db_to_split()
    message = refused(write(file, plan.document()), expect=other.plan_digest)
    assert f"it is {plan.plan_digest}, expected is {other.plan_digest}" in message


@pytest.mark.parametrize(
    "expect", ["", "sha256:", "a" * 64, "sha256:" + "A" * 64, "md5:" + "a" * 32, "sha256:\x1b" * 9]
)
def test_an_expectation_that_cannot_be_checked_is_a_usage_error(file: Path, expect: str) -> None:
    write(file, plans.db_to_s3().document())
    with pytest.raises(UsageError) as caught:
        read_plan(file, expect=expect)
    assert caught.value.exit_code == ExitCode.USAGE
    assert caught.value.message.isprintable()


def leaves(value: object, path: Path_ = ()) -> Iterator[Path_]:
    """The paths of all values in which there are no others."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    if not inner:
        yield path
    for key, each in inner:
        yield from leaves(each, (*path, key))


def replaced(value: Any, path: Path_, new: object) -> Any:
    if not path:
        return new
    copy = value.copy()
    copy[path[0]] = replaced(value[path[0]], path[1:], new)
    return copy


def at(value: Any, path: Path_) -> Any:
    return at(value[path[0]], path[1:]) if path else value


SUBJECT = plans.refused().document()
LEAVES = list(leaves(SUBJECT))
SCALARS = st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats() | st.text()
ANYTHING = st.recursive(SCALARS, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=8)


@pytest.mark.parametrize("path", LEAVES, ids=lambda path: ".".join(map(str, path)))
def test_no_value_can_be_changed_or_taken_out(file: Path, path: Path_) -> None:
    old = at(SUBJECT, path)
    changes: list[object] = [None, True, False, 0, 1, "", "x", [], {}, f"{old} ", [old], {"": old}]
    if isinstance(old, int):
        changes += [old + 1, -old, float(old), str(old)]
    for new in changes:
        if canonical_text(new) != canonical_text(old):
            refused(write(file, replaced(SUBJECT, path, new)))
    parent = at(SUBJECT, path[:-1])
    without = (
        {key: value for key, value in parent.items() if key != path[-1]}
        if isinstance(parent, dict)
        else [value for index, value in enumerate(parent) if index != path[-1]]
    )
    refused(write(file, replaced(SUBJECT, path[:-1], without)))


@given(path=st.sampled_from(LEAVES), new=ANYTHING)
@settings(max_examples=200, deadline=None)
def test_no_value_can_be_changed_to_anything(file: Path, path: Path_, new: object) -> None:
    changed = json.dumps(replaced(SUBJECT, path, new))
    if changed != json.dumps(SUBJECT):
        file.write_text(changed, encoding="utf-8")
        refused(file)


@pytest.mark.parametrize("path", LEAVES, ids=lambda path: ".".join(map(str, path)))
def test_no_refusal_shows_what_it_refuses(file: Path, path: Path_) -> None:
    for new in (STRAY, {STRAY: STRAY}, [STRAY], {"a": {STRAY: [STRAY]}}):
        changed = replaced(SUBJECT, path, new)
        for document in (changed, resealed(changed)):
            assert STRAY not in said_of(write(file, document))


def said_of(path: Path) -> str:
    """Return what is said of a plan that is refused; nothing of one that is not."""
    try:
        read_plan(path)
    except PlanError as error:
        return error.message + error.hint
    return ""


@given(path=st.sampled_from(LEAVES), new=ANYTHING)
@settings(max_examples=100, deadline=None)
def test_a_forged_digest_ends_in_a_plan_or_in_plain_words(file: Path, path: Path_, new: object) -> None:
    changed = replaced(SUBJECT, path, new)
    try:
        write(file, resealed(changed))
    except ValueError:  # no JSON at all
        return
    try:
        read = read_plan(file)
    except PlanError:
        return
    assert canonical_text(read.document()) == canonical_text(resealed(changed))


@given(st.binary() | ANYTHING.map(lambda value: json.dumps(value).encode()))
@settings(max_examples=200, deadline=None)
def test_any_other_file_is_refused(file: Path, content: bytes) -> None:
    file.write_bytes(content)
    refused(file)


@given(position=st.integers(0), new=st.binary(max_size=3))
@settings(max_examples=200, deadline=None)
def test_a_damaged_file_is_refused_unless_it_says_the_same(file: Path, position: int, new: bytes) -> None:
    whole = file_text(SUBJECT).encode()
    position %= len(whole)
    file.write_bytes(whole[:position] + new + whole[position + 1 :])
    try:
        read = read_plan(file)
    except PlanError:
        return
    assert read.document() == SUBJECT
