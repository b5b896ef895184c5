"""How far the inventory may drift: the larger of percent and floor, both ways, with the exact numbers said."""

from __future__ import annotations

import pytest

from planner.envelope import departures, limit
from schemas.plan import Counts, Envelope


def counts(documents: int, size: int = 0) -> Counts:
    return Counts(
        documents=documents,
        bytes=size,
        to_copy=documents,
        at_destination=0,
        elsewhere=0,
        unreachable=0,
        accepted=0,
        unverifiable=0,
    )


@pytest.mark.parametrize(
    ("planned", "now", "stale"),
    [
        (100, 1100, False),
        (100, 1101, True),
        (2000, 1000, False),
        (2000, 999, True),
        (100_000, 125_000, False),
        (100_000, 125_001, True),
        (100_000, 75_000, False),
        (100_000, 74_999, True),
    ],
)
def test_documents_may_drift_by_the_larger_of_percent_and_floor(planned: int, now: int, *, stale: bool) -> None:
    assert bool(departures(counts(planned), counts(now), Envelope())) is stale


def test_the_message_has_every_number() -> None:
    (said,) = departures(counts(100), counts(1200), Envelope())
    for number in ("100 planned", "1200 now", "+1100", "±1000", "25 %"):
        assert number in said


def test_bytes_have_limits_of_their_own() -> None:
    gib = 1 << 30
    assert not departures(counts(1, 4 * gib), counts(1, 6 * gib), Envelope())
    (said,) = departures(counts(1, 4 * gib), counts(1, 6 * gib + 1), Envelope())
    assert said.startswith("bytes:")


def test_the_floor_rules_small_totals() -> None:
    assert limit(10, 25, 1000) == 1000
    assert limit(10_000, 25, 1000) == 2500
