"""A backend that is down, shuts us out, or does only half of what it should: the run stops soon, and goes on later."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable

import pytest

from tests.anchore.deployment import Deployment
from tests.anchore.documents import Document
from tests.cli import Cli
from tests.end_to_end.codes import DENIED, DONE, FAILED, UNREACHABLE
from tests.end_to_end.migration import few
from tests.faults.behind import HURRIED, IMPATIENT, RETRIES, Behind, from_s3, to_s3
from tests.faults.s3_proxy import CutReply, Fault, S3Proxy, Say, Stall
from tests.nursery import Rig

Begin = Callable[[Deployment, Cli, S3Proxy, Iterable[Document] | None], Behind]
each_side = pytest.mark.parametrize(("begin", "method"), [(to_s3, "PUT"), (from_s3, "GET")], ids=["written", "read"])
DOCUMENTS = "/internaltest(?!restow)"
"""In the paths of all objects but the probes."""
FORBIDDEN = Say(403, "AccessDenied")


@pytest.mark.parametrize(
    ("begin", "fault", "rig", "words"),
    [
        (to_s3, CutReply(0), IMPATIENT, "does not answer"),
        (from_s3, CutReply(0), IMPATIENT, "does not answer"),
        (from_s3, Say(503, "SlowDown", (("Retry-After", "3600"),)), IMPATIENT, "says SlowDown"),
        pytest.param(to_s3, Stall(), HURRIED, "does not answer", marks=pytest.mark.long),
    ],
    ids=["written, no connection", "read, no connection", "read, no service", "written, silence"],
)
def test_a_backend_that_goes_down_ends_the_run_soon(
    deployment: Deployment, cli: Cli, proxy: S3Proxy, begin: Begin, fault: Fault, rig: Rig, words: str
) -> None:
    behind = begin(deployment, cli, proxy, None)
    proxy.befall(fault, after=len(behind.documents))

    said = behind.run("apply", "--jobs", "2", rig=rig).must_end(FAILED)

    assert "stopped half-way" in said.stderr
    assert words in said.stderr
    assert behind.failed() == {}
    # Of each batch in hand one document is tried to the end, and once it is asked how the backend is.
    assert len([one for one in proxy.requests if one.fault]) <= 3 * (RETRIES + 1 + 2)
    behind.migration.assert_not_switched()
    proxy.heal()
    behind.run("apply").must_end(DONE)
    behind.migration.assert_at_destination()


@each_side
def test_a_backend_that_is_well_but_does_nothing_is_down(
    deployment: Deployment, cli: Cli, proxy: S3Proxy, begin: Begin, method: str
) -> None:
    """Asked how it is, it answers; of a thousand documents that may fail it would cost each the whole budget."""
    behind = begin(deployment, cli, proxy, few(40))
    proxy.befall(Say(500, "InternalError"), method, path=DOCUMENTS)

    said = behind.run("apply").must_end(FAILED)

    verb = {"PUT": "write", "GET": "read"}[method]
    # Others may be lost while the twentieth is judged.
    assert re.search(r"stopped half-way: 2\d requests in a row", said.stderr)
    assert f"to {verb} documents came to nothing" in said.stderr
    behind.migration.assert_not_switched()
    proxy.heal()
    behind.run("apply").must_end(DONE)
    behind.migration.assert_at_destination()


@each_side
def test_failures_end_the_run_at_the_number_that_was_given(
    deployment: Deployment, cli: Cli, proxy: S3Proxy, begin: Begin, method: str
) -> None:
    behind = begin(deployment, cli, proxy, few(20))
    proxy.befall(Say(500, "InternalError"), method, path=DOCUMENTS)

    behind.run("apply", "--jobs", "1", "--max-failures", "3").must_end(FAILED)

    failed = behind.failed()
    assert 3 < len(failed) < 20
    assert set(failed.values()) == {"unavailable"}
    assert sum(ledger["left"] for ledger in behind.report()["buckets"]) == len(behind.documents) - len(failed)
    behind.migration.assert_not_switched()


@pytest.mark.parametrize(
    ("begin", "method"),
    [(to_s3, "PUT"), (to_s3, "HEAD"), (from_s3, "GET"), (from_s3, "POST")],
    ids=["PUT", "HEAD", "GET", "delete"],
)
def test_a_right_that_is_taken_away_half_way_ends_the_run(
    deployment: Deployment, cli: Cli, proxy: S3Proxy, begin: Begin, method: str
) -> None:
    behind = begin(deployment, cli, proxy, None)
    # A bulk deletion names no key; the first ones are those of the probes.
    path = rf"/{behind.key(behind.documents[3])}$" if method != "POST" else r"\?delete"
    rule = proxy.befall(FORBIDDEN, method, path=path)

    said = behind.run("apply").must_end(FAILED)

    assert rule.befallen == 1, "a right does not come back by asking again"
    assert "stopped half-way" in said.stderr
    behind.migration.assert_whole_under_way()
    proxy.heal()
    behind.run("apply").must_end(DONE)
    behind.migration.assert_at_destination()


@each_side
@pytest.mark.parametrize(
    ("fault", "code"), [(Say(500, "InternalError"), UNREACHABLE), (FORBIDDEN, DENIED)], ids=["broken", "forbidden"]
)
def test_what_is_so_from_the_start_is_found_before_anything_is_written(
    deployment: Deployment, cli: Cli, proxy: S3Proxy, begin: Begin, method: str, fault: Fault, code: int
) -> None:
    behind = begin(deployment, cli, proxy, None)
    proxy.befall(fault, method, path=r"/restow_probe/")

    with behind.migration.writes_nothing():
        behind.run("apply").must_end(code)
