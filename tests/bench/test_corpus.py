"""What is moved is the same in every run."""

from __future__ import annotations

import pytest

from bench.corpus import SMALL_BYTES, mixed, small
from bench.floor import some


@pytest.mark.parametrize("count", [1, 40, 120])
def test_a_corpus_has_as_many_documents_as_asked_for_and_always_the_same(count: int) -> None:
    for make in (mixed, small):
        once, again = list(make(count)), list(make(count))
        assert len({document.name for document in once}) == count
        assert once == again


def test_small_documents_are_all_of_one_size() -> None:
    assert {len(document.payload) for document in small(50)} == {SMALL_BYTES}


def test_mixed_documents_are_of_the_working_set_and_of_the_archive() -> None:
    buckets = {document.name.bucket for document in mixed(200)}
    assert {"manifest_data", "analysis_data", "analysis_archive"} <= buckets


@pytest.mark.parametrize(
    ("most", "chosen"), [(0, "abcdefghij"), (10, "abcdefghij"), (3, "adg"), (5, "acegi"), (1, "a")]
)
def test_some_documents_are_taken_from_all_over(most: int, chosen: str) -> None:
    assert list(some("abcdefghij", most)) == list(chosen)
