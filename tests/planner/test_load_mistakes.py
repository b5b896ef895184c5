"""Bad configs: one fault a file, named after it; its last lines say, after ``#!``, what the user must be told."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from planner.load import load_config
from schemas.errors import ConfigError

BAD_CONFIGS = sorted((Path(__file__).parents[1] / "configs").glob("*.yaml"))


def refusal(path: Path, environment: dict[str, str] | None = None) -> ConfigError:
    """Return why the file is refused: as the destination of the chart's migration job when its name begins so."""
    with pytest.raises(ConfigError) as raised:
        load_config(path, environment=environment or {}, helm_job=path.stem.startswith("helm-job-"))
    assert int(raised.value.exit_code) == 78
    return raised.value


def written(folder: Path, content: bytes) -> Path:
    path = folder / "config.yaml"
    path.write_bytes(content)
    return path


@pytest.mark.parametrize("path", BAD_CONFIGS, ids=lambda path: path.stem)
def test_every_fault_of_a_file_is_told_with_its_line_and_path(path: Path) -> None:
    expected = [line[3:] for line in path.read_text().splitlines() if line.startswith("#! ")]
    error = refusal(path)
    assert error.message.splitlines() == [f"{path}:{line}" for line in expected]
    assert expected
    # No value is ever shown: what is wrong with it may be that it is a secret in the wrong place.
    assert "CANARY" not in error.message + error.hint


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"services:\n  catalog: {}\n\0", ":3: the file holds a NUL byte"),
        (b"services:\n  catalog: {name: '\xff'}\n", ":2: the file is not UTF-8"),
        (b"services:\n  catalog: {name: '\x07'}\n", ":2: not valid YAML: a character that YAML does not allow"),
        (b"services: {catalog: {}}\n" + b"# filler\n" * 150_000, "is larger than 1048576 bytes"),
        (b"\xef\xbb\xbf\r\nservices:\r\n  catalog:\r\n", ":3: services.catalog: must be a mapping"),
    ],
    ids=["NUL", "Latin-1", "bell", "too large", "from Windows"],
)
def test_a_file_that_is_no_text_is_refused(tmp_path: Path, content: bytes, told: str) -> None:
    assert told in refusal(written(tmp_path, content)).message


def test_a_directory_is_refused(tmp_path: Path) -> None:
    assert refusal(tmp_path).message == f"config file '{tmp_path}' is a directory"


def test_a_fifo_is_refused_without_waiting_for_a_writer(tmp_path: Path) -> None:
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    assert refusal(fifo).message == f"config file '{fifo}' is not a regular file"


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    assert refusal(path).message == f"config file '{path}' cannot be read: No such file or directory"


def test_a_name_that_no_file_can_have_is_refused() -> None:
    assert "cannot be read" in refusal(Path("config\0.yaml")).message


def test_a_value_filled_in_does_not_shift_the_lines(tmp_path: Path) -> None:
    path = written(tmp_path, b"note: '${ANCHORE_NOTE}'\nservices:\n  catalog: ${ANCHORE_NOTE}\n")
    error = refusal(path, {"ANCHORE_NOTE": "one\n\n\n   two"})
    assert error.message.startswith(f"{path}:3: services.catalog: must be a mapping, not text")


def test_a_syntax_error_in_a_value_filled_in_does_not_show_it(tmp_path: Path) -> None:
    path = written(tmp_path, b"services:\n  catalog:\n    password: ${ANCHORE_PASSWORD}\n")
    error = refusal(path, {"ANCHORE_PASSWORD": "*CANARY"})
    assert error.message == f"{path}:3: not valid YAML: found undefined alias …"


def test_a_value_that_brings_structure_is_refused(tmp_path: Path) -> None:
    path = written(tmp_path, b"services: {catalog: {}}\n${ANCHORE_MORE}\n")
    error = refusal(path, {"ANCHORE_MORE": "more: CANARY"})
    assert error.message.startswith(f"{path}:3: not valid YAML")
    assert "stands for more than one value" in error.hint
    assert "CANARY" not in error.message + error.hint


def test_values_that_make_the_file_huge_are_refused(tmp_path: Path) -> None:
    path = written(tmp_path, b"${ANCHORE_X}" * 1000)
    assert "is larger than 1048576 characters" in refusal(path, {"ANCHORE_X": "x" * 100_000}).message


def test_countless_mistakes_are_cut_short(tmp_path: Path) -> None:
    path = written(tmp_path, b"services: {catalog: {}}\n" + b"a: 1\n" * 200)
    lines = refusal(path).message.splitlines()
    assert lines[0] == f"{path}:3: a: is given twice, first on line 2; keep one of them"
    assert lines[-1] == f"{path}: and 149 more"
    assert len(lines) == 51
