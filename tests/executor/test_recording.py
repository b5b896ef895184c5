"""What a report says of how a run ended."""

from __future__ import annotations

import pytest

from executor.recording import Record
from schemas.errors import RefusedError
from schemas.exit_codes import ExitCode
from tests.planner import plans


def test_a_run_that_came_to_its_end_says_what_it_did() -> None:
    record = Record("apply", plans.moving(plans.BUCKETS), outcome="switched")
    report = record.report(None, ExitCode.DONE)
    assert (report.outcome, report.hint) == ("switched", "")


def test_a_run_that_one_of_ours_ended_says_what_did_and_what_comes_next() -> None:
    record = Record("apply", plans.moving(plans.BUCKETS), outcome="switched")
    report = record.report(RefusedError("not now", hint="later"), ExitCode.REFUSED)
    assert (report.outcome, report.hint) == ("not now", "later")


@pytest.mark.parametrize("before", ["", "switched"])
def test_a_run_that_ended_unexpectedly_says_so(before: str) -> None:
    record = Record("apply", plans.moving(plans.BUCKETS), outcome=before)
    report = record.report(None, ExitCode.UNEXPECTED)
    assert "unexpected error" in report.outcome
    assert before in report.outcome
    assert "restow status" in report.hint
