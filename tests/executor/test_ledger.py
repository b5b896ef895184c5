"""The ledger balances, and says so when it does not."""

from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from executor.accounts import BucketAccount
from executor.recording import bucket_ledger
from schemas.report import Ledger

numbers = st.integers(min_value=0, max_value=10_000)


def ledger(
    *, found: int, mine: int, before: int, pending: int, failed: int = 0, vanished: int = 0, accepted: int = 0
) -> Ledger:
    account = BucketAccount("b", mine + before + accepted + pending, mine, before, accepted, pending, 0)
    return bucket_ledger("b", found, account, Counter(missing=failed), vanished)


@given(numbers, numbers, numbers, numbers, numbers, numbers, numbers)
def test_both_sides_are_equal_whatever_happened(
    found: int, mine: int, before: int, left: int, failed: int, vanished: int, accepted: int
) -> None:
    one = ledger(
        found=found,
        mine=mine,
        before=before,
        pending=left + failed,
        failed=failed,
        vanished=vanished,
        accepted=accepted,
    )
    assert one.accepted == accepted
    outcomes = one.copied + one.already_there + sum(one.failed.values()) + one.vanished + one.accepted + one.left
    assert one.found + one.appeared == outcomes
    assert one.unaccounted == 0


def test_documents_written_meanwhile_have_appeared() -> None:
    assert ledger(found=10, mine=12, before=0, pending=0).appeared == 2


def test_documents_deleted_before_they_were_reached_have_vanished() -> None:
    assert ledger(found=10, mine=9, before=0, pending=0).vanished == 1


def test_more_failures_than_documents_left_is_an_error_of_its_own() -> None:
    assert ledger(found=10, mine=9, before=0, pending=1, failed=3).unaccounted == 2
