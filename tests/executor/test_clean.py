"""How often a clean looks again at what does not fit while Anchore writes."""

from __future__ import annotations

import itertools
from collections.abc import Iterable

import pytest

from executor.clean import Passes
from executor.copy import SETTLE_PASSES


@pytest.mark.parametrize(
    ("doubts", "made"),
    [
        ([""], 1),
        (["a", ""], 2),
        (itertools.repeat("a"), SETTLE_PASSES),
        (["a", "ab", "bc", "cd", "de", "ef"], 2 * SETTLE_PASSES),
        (["a", "b", "ab", "b"], SETTLE_PASSES + 1),
        (itertools.cycle(["a", "b"]), 2 * SETTLE_PASSES),
    ],
    ids=["nothing", "settled", "broken", "one after the other", "two, one settled", "in motion for ever"],
)
def test_only_what_stays_in_doubt_is_given_up_soon(doubts: Iterable[str], made: int) -> None:
    passes = Passes[str]()
    count = next(number for number, names in enumerate(doubts, 1) if not passes.another(set(names)))
    assert count == made
