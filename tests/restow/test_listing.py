"""Lists for stdout that may be longer than memory should hold."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest

from restow.files import LISTED_IN_MEMORY, Listing
from schemas.errors import UsageError

LINE = "missing     policy_bundles/könig/" + "k" * 1000
MANY = LISTED_IN_MEMORY // len(LINE) + 2


def test_a_list_longer_than_memory_is_printed_whole_and_leaves_no_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with Listing() as listing:
        for _ in range(MANY):
            listing.add(LINE)
        listing.print()
    assert capfd.readouterr().out == f"{LINE}\n" * MANY
    assert not list(tmp_path.iterdir())


def test_nothing_steers_the_terminal(capfd: pytest.CaptureFixture[str]) -> None:
    with Listing() as listing:
        listing.add("a name with \x1b[2J in it")
        listing.print()
    assert "\x1b" not in capfd.readouterr().out


def test_where_a_long_list_cannot_be_kept_it_is_told_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "missing"))

    def fill(listing: Listing) -> None:
        for _ in range(MANY):
            listing.add(LINE)

    with Listing() as listing, pytest.raises(UsageError) as refused:
        fill(listing)
    assert "TMPDIR" in refused.value.hint
