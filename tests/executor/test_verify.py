"""What is remembered of copies that are to be made again: all in number, the first by name."""

from __future__ import annotations

from executor.failures import Failure
from executor.verify import MOST_NAMED, VerifyResult
from stores.interface import DocumentName, Reason, Row


def missing(key: str) -> Failure:
    row = Row(DocumentName("b", key, "admin", ""), "db://b", "0" * 32, 1, False, 1)
    return Failure(row, Reason.NOT_STORED, "nothing is stored")


def test_very_many_are_counted_and_the_first_are_named() -> None:
    total = VerifyResult()
    for batch in range(7):
        failures = [missing(f"{batch} {number}") for number in range(200)]
        total.add(VerifyResult(checked=200, wrong=200, named=failures))

    assert total.wrong == total.checked == 1400
    assert len(total.named) == MOST_NAMED
    assert total.named[0] == missing("0 0")
