"""What networks and servers do to single requests: it passes and nobody notices, or it lasts and costs one document.

In each run every fault of a table befalls a document of its own.
"""

from __future__ import annotations

from collections.abc import Mapping

from tests.anchore.config import Config, Db, Section
from tests.anchore.deployment import Deployment
from tests.anchore.documents import Document
from tests.cli import Cli
from tests.end_to_end.codes import DONE, FAILED
from tests.end_to_end.migration import few
from tests.faults.behind import HURRIED, RETRIES, Behind, from_s3, name, planned, to_s3
from tests.faults.s3_proxy import ALWAYS, Cut, CutReply, Fault, Rule, S3Proxy, Say, ShortReply, Stall

HOURS = (("Retry-After", "3600"),)
BROKEN_OFF = "does not answer"
ANSWERS: dict[str, tuple[Fault, str]] = {
    "500": (Say(500, "InternalError"), "says InternalError"),
    "503, to be tried again in an hour": (Say(503, "SlowDown", HOURS), "says SlowDown"),
    "429, to be tried again in an hour": (Say(429, "TooManyRequests", HOURS), "says TooManyRequests"),
    "reset before the request is read": (Cut(0), BROKEN_OFF),
}
WRITES: dict[str, tuple[Fault, str]] = {
    **ANSWERS,
    "reset in the request": (Cut(100), BROKEN_OFF),
    "other bytes arrived": (Say(400, "BadDigest"), "says BadDigest"),
    "fewer bytes arrived": (Say(400, "IncompleteBody"), "says IncompleteBody"),
}
READS: dict[str, tuple[Fault, str]] = {
    **ANSWERS,
    "lost reply": (CutReply(0), BROKEN_OFF),
    "reset in the head of the reply": (CutReply(20), BROKEN_OFF),
    "reset in the body": (CutReply(600), BROKEN_OFF),
    "body cut short": (ShortReply(10), BROKEN_OFF),
    "empty body": (ShortReply(0), BROKEN_OFF),
}


def befall(behind: Behind, faults: Mapping[str, tuple[Fault, str]], method: str, times: int) -> dict[str, Rule]:
    """Let each fault befall a document of its own, by the name of which the rule is returned."""
    documents = _largest_first(behind.documents)
    return {
        name(document): behind.proxy.befall(fault, method, key=behind.key(document), times=times)
        for document, (fault, _) in zip(documents, faults.values(), strict=False)
    }


def said(behind: Behind, faults: Mapping[str, tuple[Fault, str]]) -> dict[str, str]:
    documents = _largest_first(behind.documents)
    return {name(document): words for document, (_, words) in zip(documents, faults.values(), strict=False)}


def _largest_first(documents: tuple[Document, ...]) -> list[Document]:
    # What breaks off in the middle must have one.
    return sorted(documents, key=lambda document: -len(document.content))


def test_what_passes_while_documents_are_written_is_not_noticed(
    deployment: Deployment, cli: Cli, proxy: S3Proxy
) -> None:
    behind = to_s3(deployment, cli, proxy)
    rules = befall(behind, WRITES, "PUT", RETRIES)

    behind.run("apply").must_end(DONE)

    assert [rule.befallen for rule in rules.values()] == [RETRIES] * len(WRITES)
    behind.migration.assert_at_destination()


def test_what_passes_while_documents_are_read_is_not_noticed(deployment: Deployment, cli: Cli, proxy: S3Proxy) -> None:
    behind = from_s3(deployment, cli, proxy)
    rules = befall(behind, READS, "GET", RETRIES)

    behind.run("apply").must_end(DONE)

    assert [rule.befallen for rule in rules.values()] == [RETRIES] * len(READS)
    behind.migration.assert_at_destination()


def test_what_lasts_while_documents_are_written_costs_these_documents(
    deployment: Deployment, cli: Cli, proxy: S3Proxy
) -> None:
    behind = to_s3(deployment, cli, proxy)
    rules = befall(behind, WRITES, "PUT", ALWAYS)

    behind.run("apply").must_end(FAILED)

    assert_each_failed_alone(behind, rules, said(behind, WRITES))


def test_a_write_whose_reply_never_comes_is_found_by_looking(deployment: Deployment, cli: Cli, proxy: S3Proxy) -> None:
    """The server did it, three times; nobody takes that for granted, nor for a failure."""
    behind = to_s3(deployment, cli, proxy)
    lost, broken, *_ = behind.documents
    for document, fault in ((lost, CutReply(0)), (broken, CutReply(20))):
        proxy.befall(fault, "PUT", key=behind.key(document))

    behind.run("apply").must_end(DONE)

    for document in (lost, broken):
        (*writes, look) = [one for one in proxy.of("PUT", "GET") if one.path.endswith(behind.key(document))]
        assert [one.method for one in writes] == ["PUT"] * (RETRIES + 1)
        assert look.method == "GET"
    behind.migration.assert_at_destination()


def test_what_lasts_while_documents_are_read_costs_these_documents(
    deployment: Deployment, cli: Cli, proxy: S3Proxy
) -> None:
    behind = from_s3(deployment, cli, proxy)
    rules = befall(behind, READS, "GET", ALWAYS)

    behind.run("apply").must_end(FAILED)

    assert_each_failed_alone(behind, rules, said(behind, READS))


def assert_each_failed_alone(behind: Behind, rules: Mapping[str, Rule], words: Mapping[str, str]) -> None:
    assert behind.failed() == dict.fromkeys(rules, "unavailable")
    assert behind.copied() == len(behind.documents) - len(rules)
    details = {one["document"]: one["detail"] for one in behind.report()["failures"]}
    assert {document: words[document] for document in details if words[document] not in details[document]} == {}
    assert {rule.befallen for rule in rules.values()} == {RETRIES + 1}, "the budget of a request was not spent"
    behind.migration.assert_not_switched()

    behind.proxy.heal()
    behind.run("apply").must_end(DONE)
    behind.migration.assert_at_destination()


def test_silence_that_passes_is_waited_out(deployment: Deployment, cli: Cli, proxy: S3Proxy) -> None:
    behind = from_s3(deployment, cli, proxy, few(1))
    rules = [proxy.befall(Stall(), "GET", key=behind.key(document), times=1) for document in behind.documents[:2]]

    behind.run("apply", rig=HURRIED).must_end(DONE)

    assert [rule.befallen for rule in rules] == [1, 1]
    behind.migration.assert_at_destination()


def test_silence_that_lasts_costs_the_document_it_is_about(deployment: Deployment, cli: Cli, proxy: S3Proxy) -> None:
    behind = from_s3(deployment, cli, proxy, few(1))
    silent, *others = behind.documents
    proxy.befall(Stall(), key=behind.key(silent))

    behind.run("apply", rig=HURRIED).must_end(FAILED)

    assert behind.failed() == {name(silent): "unavailable"}
    assert behind.copied() == len(others)
    assert "no reply in time" in behind.report()["failures"][0]["detail"]
    behind.migration.assert_not_switched()
    proxy.heal()
    behind.run("apply").must_end(DONE)
    behind.migration.assert_at_destination()


def test_what_fails_in_one_move_keeps_no_document_of_another_from_being_copied(
    deployment: Deployment, cli: Cli, proxy: S3Proxy
) -> None:
    working_set, archive = deployment.s3("working"), deployment.s3("archive")
    destination = Config(Section(working_set), Section(archive))
    behind = planned(deployment, cli, proxy, working_set, Config(Section(Db())), destination)
    of_the_first = next(one for one in behind.documents if one.store == "object_store")
    rule = proxy.befall(Say(500, "InternalError"), "PUT", key=behind.key(of_the_first))

    behind.run("apply").must_end(FAILED)

    assert rule.befallen == RETRIES + 1
    first, second = behind.reports()
    assert [one["document"] for one in first["failures"]] == [name(of_the_first)]
    assert second["failures"] == []
    assert sum(one["copied"] for one in (*first["buckets"], *second["buckets"])) == len(behind.documents) - 1
    behind.migration.assert_not_switched()
