"""What nobody expected ends in one line as well, even where nothing can be written any more."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import NoReturn

import pytest

from restow.boundary import guarded
from restow.talk import Talk


def bug() -> NoReturn:
    raise ZeroDivisionError


def test_a_bug_is_one_line_and_a_trace(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))

    assert guarded(bug, Talk) == 1
    said = capsys.readouterr().err
    assert "unexpected ZeroDivisionError" in said
    (trace,) = tmp_path.iterdir()
    assert str(trace) in said
    assert "test_boundary.py" in trace.read_text(encoding="utf-8")


def test_a_trace_that_cannot_be_written_is_no_traceback(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", "/nowhere")

    assert guarded(bug, Talk) == 1
    said = capsys.readouterr().err
    assert "unexpected ZeroDivisionError" in said
    assert "No such file or directory" in said
