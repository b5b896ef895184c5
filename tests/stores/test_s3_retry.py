"""The one budget of a request, whichever client sends it, and when lost requests are the backend's."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import botocore.exceptions
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.errors import UnreachableError
from stores.interface import Fault, Reason, Stat
from stores.s3 import S3Store
from stores.s3_retry import Budget
from tests.stores.s3_places import driver, open_s3
from tests.stores.scripted import Reply, Request, Scripted, s3_error

URL, ODD_URL = "s3://documents/admin/analysis_data/k", "s3://documents/admin/analysis_data//k"
CALLS: dict[str, Callable[[S3Store, str], list[object]]] = {
    "read": lambda store, url: list(store.read([url])),
    "look": lambda store, url: list(store.stat([url])),
    "write": lambda store, url: list(store.write([(url, b"payload")])),
    "delete": lambda store, url: list(store.delete([url])),
}
ROUNDING = 1e-6
"""Seconds."""
each_client = pytest.mark.parametrize("url", [URL, ODD_URL], ids=["obstore", "boto3"])


def lost() -> botocore.exceptions.BotoCoreError:
    return botocore.exceptions.EndpointConnectionError(endpoint_url="http://minio")


def said(status: int, code: str) -> botocore.exceptions.ClientError:
    reply = {"Error": {"Code": code, "Message": ""}, "ResponseMetadata": {"HTTPStatusCode": status}}
    return botocore.exceptions.ClientError(reply, "GetObject")  # type: ignore[arg-type]


class Clock:
    """Time that passes only while somebody sleeps, or as a request takes it."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 1000.0
        self.pauses: list[float] = []
        monkeypatch.setattr("stores.s3_retry.time.monotonic", lambda: self.now)
        monkeypatch.setattr("stores.s3_retry.time.sleep", self._sleep)

    def _sleep(self, seconds: float) -> None:
        self.now += seconds
        self.pauses.append(seconds)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    return Clock(monkeypatch)


@pytest.mark.parametrize("failure", [lost(), said(500, "InternalError"), said(503, "SlowDown"), said(400, "BadDigest")])
@given(failures=st.integers(0, 12), retries=st.integers(0, 10), seconds=st.floats(0.1, 30), takes=st.floats(0, 10))
def test_a_request_is_tried_as_often_and_as_long_as_its_budget_says(
    failure: Exception, failures: int, retries: int, seconds: float, takes: float
) -> None:
    with pytest.MonkeyPatch.context() as monkeypatch:
        clock = Clock(monkeypatch)
        tries: list[float] = []

        def request() -> str:
            tries.append(clock.now)
            clock.now += takes
            if len(tries) <= failures:
                raise failure
            return "answer"

        budget = Budget(retries, seconds, 0.2, 5.0)
        try:
            assert budget.spend(request) == "answer"
            assert len(tries) == failures + 1
        except type(failure):
            late = clock.now - 1000.0 - takes + 5.0 > seconds - ROUNDING
            assert len(tries) == retries + 1 or late, "it gave up with budget left"
        assert len(tries) <= retries + 1
        assert all(began <= 1000.0 + takes + seconds + ROUNDING for began in tries[1:])
        for number, pause in enumerate(clock.pauses):
            most = min(5.0, 0.2 * 2**number)
            assert most / 2 <= pause <= most


@pytest.mark.parametrize("failure", [said(403, "AccessDenied"), said(404, "NoSuchKey"), said(400, "KeyTooLongError")])
def test_what_another_try_cannot_change_is_not_tried_again(clock: Clock, failure: Exception) -> None:
    tries = []

    def request() -> None:
        tries.append(1)
        raise failure

    with pytest.raises(type(failure)):
        Budget(8, 60, 0.2, 5.0).spend(request)
    assert (len(tries), clock.pauses) == (1, [])


def test_pauses_are_not_the_same_for_all(clock: Clock) -> None:
    def request() -> None:
        raise lost()

    for _ in range(20):
        with pytest.raises(botocore.exceptions.EndpointConnectionError):
            Budget(1, 60, 0.2, 5.0).spend(request)
    assert len(set(clock.pauses)) > 10


@pytest.fixture
def store(scripted: Scripted, monkeypatch: pytest.MonkeyPatch) -> Iterator[S3Store]:
    monkeypatch.setattr("stores.s3_clients.RETRIES", 3)
    monkeypatch.setattr("stores.s3_clients.LOOK_RETRIES", 0)
    monkeypatch.setattr("stores.s3_clients.BACKOFF_SECONDS", (0.001, 0.001))
    made = open_s3(driver(scripted.url, "documents"))
    yield made
    made.close()


def broken_for(method: str, reply: Reply) -> Callable[[Request], Reply]:
    """Answer requests of a method for documents so, and all else as a server that has nothing."""
    return lambda request: reply if request.method in method and "restow-" not in request.path else NOTHING


BEGUN = b"<InitiateMultipartUploadResult><UploadId>u</UploadId></InitiateMultipartUploadResult>"
NOTHING = s3_error(404, "NoSuchKey")
BROKEN = s3_error(500, "InternalError")
SHORT = Reply(200, {"ETag": '"x"', "Content-Length": "100", "Last-Modified": "Wed, 21 Oct 2015 07:28:00 GMT"}, b"pay")


@each_client
@pytest.mark.parametrize(
    ("call", "method", "reply"),
    [
        ("read", "GET", BROKEN),
        ("read", "GET", SHORT),
        ("look", "HEAD", Reply(503, {"Retry-After": "3600"})),
        ("write", "PUT", BROKEN),
        ("write", "PUT", s3_error(400, "BadDigest")),
        ("delete", "POST DELETE", BROKEN),
    ],
)
def test_both_clients_spend_the_same_on_a_request(
    store: S3Store, scripted: Scripted, url: str, call: str, method: str, reply: Reply
) -> None:
    scripted.answer = broken_for(method, reply)

    (answer,) = CALLS[call](store, url)

    assert isinstance(answer, Fault)
    assert answer.reason is Reason.UNAVAILABLE
    sent = [request.method for request in scripted.requests if "restow-" not in request.path]
    # A single object is deleted by obstore, but why that failed only boto3 can tell.
    tried = ["POST"] if (call, url) == ("delete", URL) else []
    assert sent == tried + [each for each in method.split() for _ in range(4)]


def test_an_upload_in_parts_whose_end_nobody_knows_is_in_doubt(
    store: S3Store, scripted: Scripted, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The reply to its completion was lost, and to be asked again the server knows of no such upload."""
    monkeypatch.setattr("stores.s3_objects.MULTIPART_BYTES", 7)

    def answer(request: Request) -> Reply:
        match request.method:
            case "POST" if "uploads" in request.path:
                return Reply(200, {}, BEGUN)
            case "POST" | "DELETE":
                return s3_error(404, "NoSuchUpload")
            case "PUT":
                return Reply(200, {"ETag": '"x"'})
            case _:
                return NOTHING

    scripted.answer = answer
    (said_of,) = store.write([(URL, b"payload")])
    assert isinstance(said_of, Fault)
    assert said_of.reason is Reason.UNAVAILABLE


def test_a_write_that_is_told_no_etag_is_a_write(store: S3Store, scripted: Scripted) -> None:
    scripted.answer = lambda _: Reply(200)
    assert store.write([(URL, b"payload"), (ODD_URL, b"payload")]) == [Stat(7, None)] * 2
    assert len(scripted.requests) == 2


@each_client
@pytest.mark.parametrize(
    ("call", "method"), [("read", "GET"), ("look", "HEAD"), ("write", "PUT"), ("delete", "POST DELETE")]
)
def test_a_server_that_serves_nobody_of_twenty_is_down(
    store: S3Store, scripted: Scripted, url: str, call: str, method: str
) -> None:
    scripted.answer = broken_for(method, BROKEN)
    ends = 10 if call == "delete" else 20  # a bulk deletion is one, that of its only key another
    for _ in range(ends - 1):
        (answer,) = CALLS[call](store, url)
        assert isinstance(answer, Fault)
    with pytest.raises(UnreachableError, match="20 requests in a row"):
        CALLS[call](store, url)


def test_one_answer_is_enough_to_be_up_and_other_kinds_of_requests_are_none(store: S3Store, scripted: Scripted) -> None:
    broken, served = broken_for("PUT", BROKEN), lambda _: Reply(200, {"ETag": '"x"'})
    for replies in (broken,) * 19, (served,), (broken,) * 19:
        for reply in replies:
            scripted.answer = reply
            store.write([(URL, b"payload")])
            # That nothing is there is an answer; but none to a write.
            scripted.answer = lambda _: NOTHING
            store.read([URL])
    scripted.answer = broken
    with pytest.raises(UnreachableError, match="20 requests in a row to write documents"):
        store.write([(URL, b"payload")])
