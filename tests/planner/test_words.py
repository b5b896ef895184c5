"""Numbers, sizes and words for a shell."""

from __future__ import annotations

import shlex

import pytest
from hypothesis import given
from hypothesis import strategies as st

from planner.words import counted, shell_word, size


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (0, "0 B"),
        (1, "1 B"),
        (1023, "1,023 B"),
        (1024, "1.0 KiB"),
        (1536, "1.5 KiB"),
        (1_048_524, "1,023.9 KiB"),
        (1_048_525, "1.0 MiB"),
        (987_654_321, "941.9 MiB"),
        (1 << 30, "1.0 GiB"),
        (5 * 2**40, "5.0 TiB"),
        (2**63 - 1, "8.0 EiB"),
        (2**80, "1,048,576.0 EiB"),
    ],
)
def test_sizes_are_in_binary_units_with_one_decimal(count: int, text: str) -> None:
    assert size(count) == text


def test_one_is_singular() -> None:
    assert [counted(n, "document") for n in (0, 1, 2, 12_345)] == [
        "0 documents",
        "1 document",
        "2 documents",
        "12,345 documents",
    ]


@given(st.text(st.characters(blacklist_categories=["Cs"], blacklist_characters="\0")))
def test_printable_words_are_quoted_for_any_shell(text: str) -> None:
    if text.isprintable():
        assert shlex.split(shell_word(text)) == [text]
    assert shell_word(text).isprintable()
